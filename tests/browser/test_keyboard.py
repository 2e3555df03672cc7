"""By keyboard alone: everything that can be pressed is reached by Tab and shows that it is; the main path needs no mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import App, running, settled
from tests.browser.test_accessible import PAGES

MARK = """() => {
 const seen = e => { const r = e.getBoundingClientRect(); const s = getComputedStyle(e);
   return r.width > 0 && r.height > 0 && s.visibility !== 'hidden' && !e.closest('[aria-hidden=true], [inert], .modebar'); };
 const all = [...document.querySelectorAll('[data-testid=stMain] :is(a[href], button, input, textarea, [role=slider], [role=combobox], summary)')];
 const wanted = all.filter(e => seen(e) && !e.disabled && e.tabIndex >= 0 && !e.closest('[role=radiogroup], [role=tablist], [data-testid=stSegmentedControl], [data-testid=stButtonGroup]'));
 wanted.forEach((e, n) => e.setAttribute('data-wanted', n));
 return wanted.length; }"""
STEP = """() => {
 const e = document.activeElement;
 if (!e || e === document.body) return null;
 let shown = false;
 for (let p = e, n = 0; p && n < 4; p = p.parentElement, n++) {
   const s = getComputedStyle(p);
   if ((s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== 'none' || p.matches(':focus-within') && n > 0 && s.borderColor !== getComputedStyle(document.body).borderColor) { shown = true; break; }
 }
 return [e.getAttribute('data-wanted'), shown, (e.getAttribute('aria-label') || e.textContent || e.tagName).trim().slice(0, 60), !!e.closest('[data-testid=stMain]')]; }"""


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
    wanted = page.evaluate(MARK)
    assert wanted
    reached: dict[str, str] = {}
    unseen = []
    for _ in range(400):
        page.keyboard.press("Tab")
        found = page.evaluate(STEP)
        if found is None:
            if reached:
                break
            continue
        number, shown, name, inside = found
        if number is not None:
            if number in reached and len(reached) == wanted:
                break
            reached[number] = name
            if not shown:
                unseen.append(name)
        elif inside and not shown and "stDataFrame" not in name:
            unseen.append(name)
    left = page.evaluate(
        "done => [...document.querySelectorAll('[data-wanted]')].filter(e => !done.includes(e.getAttribute('data-wanted')))"
        ".map(e => e.outerHTML.slice(0, 160))",
        list(reached),
    )  # fmt: skip
    assert not left and not unseen, (left, sorted(set(unseen)))


def test_the_main_path_needs_no_mouse(app: App, visit) -> None:
    page: Page = settled(visit(f"{app.url}/?user=405"))

    def to(name: str) -> None:
        for _ in range(150):
            page.keyboard.press("Tab")
            text = page.evaluate("() => (document.activeElement.getAttribute('aria-label') || document.activeElement.textContent || '').trim()")  # fmt: skip
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
    to("held-out movies")
    page.keyboard.press("Enter")
    to(r"Rate \d+ movies")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Held-out movies").first).to_be_visible()
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
