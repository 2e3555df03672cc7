"""The launcher: what it passes on, what it gives back, what it says of an address. With the real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lusifer.errors import LusiferError
from lusifer.ui import launcher
from tests.conftest import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def start(data: Path, port: int, *more: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lusifer", "app", "--port", str(port), "--no-browser", *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={**os.environ, "LUSIFER_DATA": str(data), **env},
        start_new_session=True,
    )


def wait_for_line(child: subprocess.Popen[str], part: str, seconds: float = 120) -> list[str]:
    """Lines up to the one that holds ``part``; the rest goes on being read."""
    lines: list[str] = []
    found = threading.Event()

    def read() -> None:
        assert child.stdout
        for line in child.stdout:
            lines.append(line)
            if part in line:
                found.set()
        found.set()

    threading.Thread(target=read, daemon=True).start()
    assert found.wait(seconds), lines
    return lines


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without a signal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT] if os.name == "posix" else [])
def test_a_signal_ends_the_server_too(tmp_path: Path, number: int) -> None:
    port = free_port()
    child = start(tmp_path, port)
    try:
        lines = wait_for_line(child, "is ready at")
        assert f"http://localhost:{port}" in lines[-1]
        with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=10) as answer:
            assert answer.status == 200
        servers = psutil.Process(child.pid).children(recursive=True)
        assert servers
        child.send_signal(number)
        assert child.wait(60) == 0, "the server ended by itself, as it was asked to"
        psutil.wait_procs(servers, timeout=10)
        assert not any(server.is_running() for server in servers)
        launcher.check_address("localhost", port)
    finally:
        for process in [*psutil.Process(child.pid).children(recursive=True)] if child.poll() is None else []:
            process.kill()
        child.kill()


def test_a_server_that_can_not_start_gives_its_exit_code(tmp_path: Path) -> None:
    child = start(
        tmp_path,
        free_port(),
        STREAMLIT_SERVER_SSL_CERT_FILE="/no/such/file",
        STREAMLIT_SERVER_SSL_KEY_FILE="/no/such/file",
    )
    out, _ = child.communicate(timeout=120)
    assert child.returncode not in (0, None), out


def test_an_address_that_is_taken_names_who_holds_it(listener: int) -> None:
    with pytest.raises(LusiferError) as info:
        launcher.check_address("localhost", listener)
    assert f"127.0.0.1:{listener} is taken by" in str(info.value)
    assert f"(process {os.getpid()})" in str(info.value)
    assert f"--port {listener + 1}" in info.value.fix


def test_where_the_system_does_not_tell_who_listens(listener: int, monkeypatch) -> None:
    def refuse(kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    with pytest.raises(LusiferError, match="is taken by another program"):
        launcher.check_address("127.0.0.1", listener)


@pytest.mark.parametrize("answer", [("203.0.113.7", 8501), socket.gaierror(-2, "Name or service not known")], ids=str)
def test_an_address_of_no_machine_here(answer: tuple[str, int] | OSError, monkeypatch) -> None:
    def look_up(*_: object, **__: object) -> list[tuple[object, ...]]:  # no name server is asked in a test
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", answer)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(LusiferError, match="no address of this machine"):
        launcher.check_address("some-host", 8501)


def test_every_interface_is_reached_at_localhost() -> None:
    port = free_port()
    launcher.check_address("0.0.0.0", port)
    launcher.check_address("localhost", port)


def test_a_server_that_does_not_end_is_killed(monkeypatch) -> None:
    monkeypatch.setattr(launcher, "STOP_SECONDS", 0.3)
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout and child.stdout.readline()
    began = time.monotonic()
    code = launcher.stop_server(child)
    assert child.poll() is not None and time.monotonic() - began < 30
    assert code == -signal.SIGKILL if os.name == "posix" else code
