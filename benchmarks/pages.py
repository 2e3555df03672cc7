"""Every page from a cold start: seconds until its first content and until it stands whole, in a real browser.

For every page a server of its own is started, as ``make run`` starts it, and a browser that was never here: what the
server reads and prepares, it reads for this page. The folder of data is one that has been used before (``--fresh``: a
copy that holds the dataset alone, so that whatever is computed by itself is computed beside the page). First content is
the page's heading, by the page's own clock after the frame that shows it (the driver looks every half a second only); a
page stands whole when the script has ended, nothing is still loading and nothing is pending.

The load of the machine is printed beside each: above 1 or so, the seconds tell of the other programs. What server and
browser computed meanwhile, in seconds of one core, says then what the page itself takes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

from lusifer import settings

DATA = settings.data_dir()  # before the tests' own settings, which know no data folder

from lusifer.ui import page_registry  # noqa: E402
from tests.browser import finder  # noqa: E402
from tests.browser.conftest import running  # noqa: E402

AIMS = (2.0, 4.0)
RECORDED = "model=recorded:last10-37users-plain&user=452"
FIRST = """(() => {
  const channel = new MessageChannel();  // its message comes after the frame is drawn
  channel.port1.onmessage = () => { window.firstContent ??= performance.timeOrigin + performance.now() };
  const look = () => {
    if (document.querySelector("[data-testid=stMain] h1")?.checkVisibility()) channel.port2.postMessage(0);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""
WHOLE = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  const pending = "[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]";
  return window.firstContent && !document.querySelector(pending)
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


def computed() -> tuple[float, float]:
    """Seconds of one core that the server and the browser have computed, those of their processes that are alive."""
    server = browser = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times, command = process.cpu_times(), " ".join(process.cmdline())
            server += (times.user + times.system) * ("lusifer.ui.server" in command)
            browser += (times.user + times.system) * ("chrom" in process.name())
    return server, browser


def visit(browser: Browser, address: str) -> str:
    """Seconds until the first content and until the page stands whole, and what was computed for it."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(FIRST)
    before, began = computed(), time.time()
    page.goto(address, wait_until="commit")
    page.wait_for_function(WHOLE, polling=50)
    whole = time.time() - began
    first = page.evaluate("window.firstContent") / 1000 - began
    server, drawn = (after - then for after, then in zip(computed(), before, strict=True))
    page.context.close()
    return f"{first:.2f} and {whole:.2f} s (computed: server {server:.2f} s, browser {drawn:.2f} s)"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="*", help="their names; none: all")
    parser.add_argument("--fresh", action="store_true", help="with a folder that holds the dataset alone")
    parser.add_argument("--again", action="store_true", help="a second visit too, by another new browser")
    given = parser.parse_args()
    print("seconds to the first content, of {:g} aimed at, and until the page stands whole, of {:g}".format(*AIMS))
    specs = {name: spec.url_path for name, spec in page_registry.page_specs().items()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=finder.find(), args=finder.flags())
        for name in given.pages or specs:
            with data_folder(given.fresh) as folder, running(folder) as app:
                load = os.getloadavg()[0]
                address = f"{app.url}/{specs[name]}?{RECORDED}"
                print(f"{name}: {visit(browser, address)}", end="", flush=True)
                again = f"; again {visit(browser, address)}" if given.again else ""
                print(f"{again}; load {load:.1f}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
