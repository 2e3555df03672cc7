"""Which browser the tests drive: one that is installed, or Playwright's own download."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)


def installed() -> str | None:
    """The path of an installed Chromium or Chrome (`LUSIFER_BROWSER` decides), or None."""
    wanted = os.environ.get("LUSIFER_BROWSER")
    if wanted:
        return wanted if Path(wanted).exists() else None
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    return next((place for place in PLACES if Path(place).exists()), None)


def downloaded() -> str | None:
    """The path of the browser that Playwright downloaded, or None."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def find() -> str | None:
    """The browser to drive, or None when there is none."""
    return installed() or downloaded()


def flags() -> list[str]:
    """The flags every browser test starts with: nothing beyond loopback can be reached."""
    args = [
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--no-default-browser-check",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and sys.platform.startswith("linux"):
        args.append("--no-sandbox")  # Chromium refuses its sandbox to root
    return args
