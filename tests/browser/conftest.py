"""The running app and a real Chromium, with an eye on every request and every console message."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect, sync_playwright

from tests.browser import finder
from tests.conftest import PATIENCE, ROOT

WAIT = 120_000
"""Milliseconds that a page may take on a busy machine before a test gives up."""
expect.set_options(timeout=WAIT / 2)


@dataclass
class App:
    """A running app: its address and what it printed."""

    url: str
    lines: list[str] = field(default_factory=list)


@contextmanager
def running(data: Path, **env: str) -> Iterator[App]:
    """The app as ``make run`` starts it, ready for the first request."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, "-m", "lusifer", "app", "--port", str(port), "--no-browser"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "LUSIFER_DATA": str(data), **env},
    )
    app = App(f"http://localhost:{port}")
    ready = threading.Event()

    def read() -> None:
        assert child.stdout
        for line in child.stdout:
            app.lines.append(line.rstrip())
            if "is ready at" in line:
                ready.set()

    threading.Thread(target=read, daemon=True).start()
    try:
        assert ready.wait(PATIENCE), "\n".join(app.lines)
        yield app
    finally:
        stop(child)


def stop(child: subprocess.Popen[str]) -> None:
    """End the launcher and the server that it started."""
    family = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(15)
    for process in [*family, child]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    child.wait()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """An installed Chromium or Chrome, or Playwright's own."""
    path = finder.find()
    assert path, "no browser: run `make test`, which gets one, or set LUSIFER_BROWSER"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=finder.flags())
        yield made
        made.close()


@dataclass
class Watch:
    """What the browser asked for and what its console said."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Nothing beyond loopback, and no error of ours."""
        beyond = [
            u
            for u in self.requests
            if urlsplit(u).scheme not in {"data", "blob", "about"}
            and urlsplit(u).hostname not in {"localhost", "127.0.0.1"}
        ]
        assert not beyond, f"requests beyond loopback: {beyond}"
        assert not self.errors, self.errors


OpenPage = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser) -> Iterator[OpenPage]:
    """Open an address in a new session; at the end requests and console are held against the rules."""
    watch, contexts = Watch(), []

    def make(address: str, *, width: int = 1440, height: int = 1000, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("request", lambda r: watch.requests.append(r.url))
        page.on("websocket", lambda w: watch.requests.append(w.url))
        page.on("pageerror", lambda e: watch.errors.append(str(e)))

        def said(message) -> None:
            where = (message.location or {}).get("url", "")
            # Streamlit probes its health below a deep link's own path first and is told 404.
            if message.type == "error" and "/_stcore/" not in where:
                watch.errors.append(f"{message.text} ({where})")

        page.on("console", said)
        page.goto(address)
        return page

    yield make
    for context in contexts:
        context.close()
    watch.check()


def settled(page: Page) -> Page:
    """Wait until the app has drawn its page and runs no script."""
    page.wait_for_selector("[data-testid=stAppViewContainer] h1")
    page.wait_for_function(
        "() => { const a = document.querySelector('[data-testid=stApp]');"
        " return a && a.getAttribute('data-test-script-state') === 'notRunning'; }"
    )
    deadline = time.monotonic() + 5
    while page.locator("[data-stale=true]").count() and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    return page


def resting_box(place: Locator) -> FloatRect:
    """Where an element lies once it has stopped moving; while a page is drawn anew it has no place at all."""
    deadline = time.monotonic() + 10
    before = None
    while time.monotonic() < deadline:
        box = place.bounding_box()
        if box is not None and box == before:
            return box
        before = box
        place.page.wait_for_timeout(50)
    raise AssertionError(f"{place} did not come to rest; last seen at {before}")
