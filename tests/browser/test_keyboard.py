"""By keyboard alone: everything that can be pressed is reached by Tab and shows that it is; the main path needs no mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import App, running, settled
from tests.browser.test_accessible import PAGES

SETUP = """() => {
 const look = e => { const found = []; for (let p = e, n = 0; p && n < 4; p = p.parentElement, n++) { const s = getComputedStyle(p);
   found.push([s.outlineStyle, s.outlineWidth, s.boxShadow, s.borderTopColor, s.backgroundColor, s.color, s.textDecorationLine].join()); } return found.join('|'); };
 const name = e => e.tagName + ': ' + (e.getAttribute('aria-label') || e.textContent.trim() || e.closest('[class*=stElementContainer], [data-testid=stElementContainer]')?.textContent.trim() || e.outerHTML.slice(0, 80)).slice(0, 60);
 const seen = e => { const r = e.getBoundingClientRect(), s = getComputedStyle(e);
   return r.width > 1 && r.height > 1 && s.visibility !== 'hidden' && !e.closest('[aria-hidden=true], [inert]'); };
 // Of a group of choices Tab reaches one; arrows the others.
 const wanted = () => [...document.querySelectorAll('[data-testid=stMain] :is(a[href], button, input, textarea, [role=slider], [role=combobox], summary)')]
   .filter(e => seen(e) && !e.disabled && e.tabIndex >= 0 && !e.closest('[role=radiogroup], [role=tablist], [role=listbox], [data-testid=stButtonGroup], [role=toolbar]'));
 const before = new Map(); const reached = new Set(); const dim = new Set();
 document.querySelectorAll('[data-testid=stMain] *').forEach(e => { if (e.tabIndex >= 0 || e.matches('a, button, input')) before.set(e, look(e)); });
 window.keyboard = {
  count: () => wanted().length,
  step: async () => { const e = document.activeElement; if (!e || e === document.body) return false;
    if (e.closest('[data-testid=stMain]')) { reached.add(name(e));
     for (let n = 0; n < 10 && e.tagName !== 'CANVAS' && before.has(e) && before.get(e) === look(e); n++) await new Promise(r => setTimeout(r, 50));  // borders fade in
     if (before.has(e) && before.get(e) === look(e) && e.tagName !== 'CANVAS') dim.add(name(e)); } return true; },  // a table draws its own mark
  left: () => [...new Set(wanted().map(name))].filter(n => !reached.has(n)), dim: () => [...dim] }; }"""


@pytest.fixture(scope="module")
def app(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    data = tmp_path_factory.mktemp("data")
    (data / "ml-100k").symlink_to(source, target_is_directory=True)
    with running(data) as found:
        yield found


@pytest.mark.parametrize("path", PAGES)
def test_tab_reaches_everything_and_shows_where_it_is(app: App, visit, path: str) -> None:
    page: Page = settled(visit(f"{app.url}/{path}"))
    page.wait_for_timeout(500)
    page.evaluate(SETUP)
    assert page.evaluate("() => keyboard.count()")
    for pressed in range(300):
        page.keyboard.press("Tab")
        if not page.evaluate("() => keyboard.step()") and pressed > 20:
            break
    assert not page.evaluate("() => keyboard.left()"), "never reached"
    assert not page.evaluate("() => keyboard.dim()"), "nobody sees where they are"


def test_the_main_path_needs_no_mouse(app: App, visit) -> None:
    page: Page = settled(visit(f"{app.url}/?user=405"))
    page.wait_for_timeout(1500)  # a page that still finds its shape takes the focus away

    def to(name: str) -> None:
        for _ in range(150):
            page.keyboard.press("Tab")
            text = page.evaluate("() => { const e = document.activeElement; return e.matches('main') ? '' : (e.getAttribute('aria-label') || e.textContent || '').trim(); }")  # fmt: skip
            if re.search(name, text):
                return
        raise AssertionError(f"Tab never came to {name}")

    to("Watch the profile form")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Why it changed at step 1")).to_be_visible()
    settled(page)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Why it changed at step 2")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("Why it changed at step 1")).to_be_visible()
    settled(page)
    to("Liking for|Dislike of")
    page.keyboard.press("Enter")
    expect(page.locator("details[open]").first).to_be_visible()
    page.goto(f"{app.url}/rate?user=405")
    settled(page)
    page.wait_for_timeout(1500)
    to("held-out movies")
    page.keyboard.press("Enter")
    to(r"Rate \d+ movies")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Held-out movies").first).to_be_visible()
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
