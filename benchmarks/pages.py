"""Every page from a cold start: seconds until its first content and until it stands whole, in a real browser.

For every page a server of its own is started, as ``make run`` starts it, and a browser that was never here: what the
server reads and prepares, it reads for this page. The folder of data is one that has been used before (``--fresh``: a
copy that holds the dataset alone, so that whatever is computed by itself is computed beside the page). First content is
the page's heading; a page stands whole when the script has ended, nothing is still loading and nothing is pending.

The load of the machine is printed beside each: above 1 or so, the figures tell of the other programs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from lusifer import settings

DATA = settings.data_dir()  # before the tests' own settings, which know no data folder

from lusifer.ui import page_registry  # noqa: E402
from tests.browser import finder  # noqa: E402
from tests.browser.conftest import running  # noqa: E402

AIMS = (2.0, 4.0)
RECORDED = "model=recorded:last10-37users-plain&user=452"
FIRST = "[data-testid=stMain] h1"
WHOLE = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  const pending = "[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]";
  return document.querySelector("[data-testid=stMain] h1") && !document.querySelector(pending)
    && app?.getAttribute("data-test-script-state") === "notRunning";
}"""


@contextmanager
def data_folder(fresh: bool) -> Iterator[Path]:
    """The folder of data, or one that holds the dataset alone."""
    if not fresh:
        yield DATA
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ml-100k").symlink_to((DATA / "ml-100k").resolve(), target_is_directory=True)
        yield Path(folder)


def visit(browser: Browser, address: str) -> tuple[float, float]:
    """Seconds until the first content and until the page stands whole."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(FIRST, state="visible")
    first = time.perf_counter() - began
    page.wait_for_function(WHOLE, polling=50)
    whole = time.perf_counter() - began
    page.context.close()
    return first, whole


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="*", help="their names; none: all")
    parser.add_argument("--fresh", action="store_true", help="with a folder that holds the dataset alone")
    parser.add_argument("--again", action="store_true", help="a second visit too, by another new browser")
    given = parser.parse_args()
    specs = {name: spec.url_path for name, spec in page_registry.page_specs().items()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=finder.find(), args=finder.flags())
        for name in given.pages or specs:
            with data_folder(given.fresh) as folder, running(folder) as app:
                load = os.getloadavg()[0]
                address = f"{app.url}/{specs[name]}?{RECORDED}"
                found = visit(browser, address)
                parts = [f"first content {found[0]:.2f} s of {AIMS[0]:g}, whole {found[1]:.2f} s of {AIMS[1]:g}"]
                if given.again:
                    parts.append("again {:.2f} and {:.2f} s".format(*visit(browser, address)))
                print(f"{name}: {'; '.join(parts)} (load {load:.1f})", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
