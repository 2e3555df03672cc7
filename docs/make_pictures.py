"""Make the pictures of the README: the app itself, on MovieLens 100K, in both themes.

    python docs/make_pictures.py            needs requirements-dev.txt and a browser (make test gets both)

A database of its own is filled by what the pages do: nothing in a picture is drawn by hand.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lusifer import settings  # noqa: E402

DATA = settings.data_dir()  # before the tests' own settings, which know no data folder

from playwright.sync_api import Page, sync_playwright  # noqa: E402

from tests.browser import finder  # noqa: E402
from tests.browser.conftest import running, settled  # noqa: E402

OUT = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1440, {"home": 1250, "evolution": 1000}


def home(page: Page, url: str) -> None:
    """A profile forming, at its second step, with the comparison that the page makes by itself."""
    page.goto(f"{url}/?model=recorded:last10-37users-plain&user=479")
    page.get_by_text("held-out ratings of").wait_for(timeout=600_000)
    settled(page)
    page.locator(".profile-loop .mark").nth(1).click()


def evolution(page: Page, url: str) -> None:
    """The third step of a user as a recorded model saw him, with what caused a change lit."""
    page.goto(f"{url}/evolution?model=recorded:last10-37users-plain&user=479&step=3")
    settled(page)
    page.locator(".change").first.focus()


def main() -> None:
    exe = finder.find()
    if exe is None:
        raise SystemExit("no browser: run tests/browser/install.py, or set LUSIFER_BROWSER")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ml-100k").symlink_to((DATA / "ml-100k").resolve(), target_is_directory=True)
        with running(Path(folder), LUSIFER_AUTOMATIC="1") as app, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=exe, args=finder.flags())
            for theme in ("light", "dark"):
                for draw in (evolution, home):
                    context = browser.new_context(
                        viewport={"width": WIDTH, "height": HEIGHT[draw.__name__]},
                        color_scheme=theme,
                    )
                    page = context.new_page()
                    page.set_default_timeout(60_000)
                    draw(page, app.url)
                    page.mouse.move(0, 0)
                    while page.locator("[data-testid=stSkeleton]").count():  # parts that are still loading
                        page.wait_for_timeout(100)
                    page.wait_for_timeout(2000)
                    page.screenshot(path=OUT / f"{draw.__name__}-{theme}.png")
                    print(f"docs/pictures/{draw.__name__}-{theme}.png", flush=True)
                    context.close()
            browser.close()


if __name__ == "__main__":
    main()
