"""Starting: the command line's help against a bare interpreter, and the first page in a browser.

The browser is new for every page and so has nothing cached, as a first visitor's. The bare page is the
same server's health answer, drawn by the same browser: what the machine needs without us.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from lusifer import settings
from tests.browser import finder
from tests.browser.conftest import running


def seconds(*command: str, times: int = 9) -> float:
    """The median of several runs of our interpreter."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], capture_output=True, check=True)
        found.append(time.perf_counter() - began)
    return median(found)


def painted(address: str, ready: str, times: int = 3) -> float:
    """Median seconds until ``ready`` (a selector) is visible in a browser that was never here."""
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=finder.find(), args=finder.flags())
        for _ in range(times):
            page = browser.new_context().new_page()
            began = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.wait_for_selector(ready, state="visible", timeout=60_000)
            found.append(time.perf_counter() - began)
        browser.close()
    return median(found)


def main() -> None:
    bare, help_ = seconds("-c", "pass"), seconds("-m", "lusifer", "--help")
    print(f"--help: {help_:.3f} s, {help_ / bare:.1f} times a bare interpreter ({bare:.3f} s)")
    data = Path(os.environ.get("LUSIFER_DATA", settings.data_dir()))
    began = time.perf_counter()
    with running(data) as app:
        print(f"server ready, one session warmed: {time.perf_counter() - began:.2f} s")
        empty = painted(f"{app.url}/_stcore/health", "body")
        for page in ("", "evolution?user=405", "rate?user=405", "errors"):
            first = painted(f"{app.url}/{page}", "[data-testid=stMain] h1")
            print(f"/{page}: {first:.2f} s, {first / empty:.0f} times a bare page ({empty:.3f} s)")


if __name__ == "__main__":
    main()
