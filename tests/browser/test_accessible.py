"""What a screen reader, weak eyes and a keyboard meet: pages held against axe-core in both themes, walked by Tab."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import App, running, settled
from tests.conftest import ROOT, Lay

PAGES = (
    "",
    "users",
    "evolution?user=405",
    "rate?user=405",
    "hands",
    "errors",
    "experiments",
    "fidelity",
    "prompts",
    "playground",
    "calls",
)
DARK = "rgb(18, 24, 27)"
COLOURS = ("color-contrast", "link-in-text-block")
NOT_OURS = ("stSidebarNavItems", "stSidebarNavLink", "stSidebarNavSectionHeader", "stCode")
"""Parts that Streamlit draws by itself and that no setting reaches: the navigation's list, code blocks that scroll."""


SETUP = """() => {
 const look = e => { const found = [];
   for (let p = e, n = 0; p && n < 4; p = p.parentElement, n++) { const s = getComputedStyle(p);
     found.push([s.outlineStyle, s.outlineWidth, s.boxShadow, s.borderTopColor, s.backgroundColor, s.color,
       s.textDecorationLine].join()); } return found.join('|'); };
 const container = '[class*=stElementContainer], [data-testid=stElementContainer]';
 const name = e => e.tagName + ': ' + (e.getAttribute('aria-label') || e.textContent.trim() ||
   e.closest(container)?.textContent.trim() || e.outerHTML.slice(0, 80)).slice(0, 60);
 const seen = e => { const r = e.getBoundingClientRect(), s = getComputedStyle(e);
   return r.width > 1 && r.height > 1 && s.visibility !== 'hidden' && !e.closest('[aria-hidden=true], [inert]'); };
 // Of a group of choices Tab reaches one; arrows the others.
 const controls = 'a[href], button, input, textarea, [role=slider], [role=combobox], summary';
 const groups = '[role=radiogroup], [role=tablist], [role=listbox], [data-testid=stButtonGroup], [role=toolbar]';
 const wanted = () => [...document.querySelectorAll(`[data-testid=stMain] :is(${controls})`)]
   .filter(e => seen(e) && !e.disabled && e.tabIndex >= 0 && !e.closest(groups));
 const before = new Map(); const reached = new Set(); const dim = new Set();
 document.querySelectorAll('[data-testid=stMain] *').forEach(e => {
   if (e.tabIndex >= 0 || e.matches('a, button, input')) before.set(e, look(e)); });
 // A table draws a mark of its own.
 const same = e => e.tagName !== 'CANVAS' && before.has(e) && before.get(e) === look(e);
 window.keyboard = {
  count: () => wanted().length,
  step: async () => { const e = document.activeElement; if (!e || e === document.body) return false;
    if (e.closest('[data-testid=stMain]')) { reached.add(name(e));
     for (let n = 0; n < 10 && same(e); n++) await new Promise(r => setTimeout(r, 50));  // borders fade in
     if (same(e)) dim.add(name(e)); } return true; },
  left: () => [...new Set(wanted().map(name))].filter(n => !reached.has(n)), dim: () => [...dim] }; }"""


def quiet(page: Page) -> Page:
    """Wait until a page has found its shape: what is drawn late would take the focus away."""
    settled(page)
    page.evaluate("() => { window.seen = window.rest = 0; }")
    page.wait_for_function(
        "() => { const n = document.querySelectorAll('*').length, w = window; const same = n === w.seen;"
        " w.seen = n; w.rest = same ? (w.rest || 0) + 1 : 0;"
        " return w.rest >= 6 && !document.querySelector('[data-testid=stSkeleton], [data-stale=true]'); }",
        polling=100,
    )
    return page


def walked(page: Page) -> list[str]:
    """What Tab does not reach, and where nobody sees that they are there."""
    page.evaluate(SETUP)
    assert page.evaluate("() => keyboard.count()")
    for _ in range(3):  # what a page drew anew under the focus sends it back to the start
        for pressed in range(300):
            page.keyboard.press("Tab")
            if not page.evaluate("() => keyboard.step()") and pressed > 20:
                break
        left = page.evaluate("() => keyboard.left()")
        if not left:
            break
    return [f"never reached: {n}" for n in left] + [f"not seen: {n}" for n in page.evaluate("() => keyboard.dim()")]


def serious(page: Page, *rules: str) -> list[str]:
    """Serious and critical findings of ours, each with its first place; of all rules, or of these."""
    found = []
    options = {"runOnly": list(rules)} if rules else None
    for rule in Axe().run(page, options=options).response["violations"]:
        if rule["impact"] not in {"serious", "critical"}:
            continue
        nodes = [n for n in rule["nodes"] if not _streamlits(rule["id"], n)]
        if nodes:
            found.append(f"{rule['id']}, {len(nodes)} places: {nodes[0]['html'][:160]} {nodes[0]['any'][:1]}")
    return found


def _streamlits(rule: str, node: dict[str, Any]) -> bool:
    return any(part in f"{node['html']}{node['target']}" for part in NOT_OURS) or rule == "listitem"


@pytest.fixture(scope="module")
def app(lay: Lay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on MovieLens 100K with a few recorded runs, so that results are looked at too."""
    data = tmp_path_factory.mktemp("data")
    lay(data)
    for command in (
        ["experiment", "order", "--users", "24"],
        ["experiment", "loop", "--users", "24"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "lusifer", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "LUSIFER_DATA": str(data)},
        )
        assert done.returncode == 0, done.stderr
    with running(data) as found:
        yield found


def fits(page: Page) -> None:
    """Nothing is cut off or broken, on a wide screen and a narrow one."""
    for width in (800, 1440):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(300)  # the layout follows, that of tables and charts a little later
        page.wait_for_function(
            "() => { const m = document.querySelector('[data-testid=stMain]');"
            " return m.scrollWidth <= m.clientWidth + 1; }",
            timeout=5000,
        )
        expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_can_be_read_and_walked(app: App, visit, path: str) -> None:
    """All rules and the walk in the light theme; in the dark one, where only colours differ, those of colour; and
    no page scrolls sideways."""
    page = quiet(visit(f"{app.url}/{path}"))
    met = serious(page) + walked(page)
    fits(page)
    page.emulate_media(color_scheme="dark")
    fits(page)
    expect(page.locator("[data-testid=stApp]")).to_have_css("background-color", DARK)
    met += [f"dark: {found}" for found in serious(quiet(page), *COLOURS)]
    assert not met, met


def test_the_main_path_needs_no_mouse(app: App, visit) -> None:
    page: Page = settled(visit(f"{app.url}/users?user=405"))
    page.wait_for_timeout(1500)  # a page that still finds its shape takes the focus away

    def to(name: str) -> None:
        for _ in range(150):
            page.keyboard.press("Tab")
            text = page.evaluate(
                "() => { let e = document.activeElement;"
                " while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;"
                " return e.matches('main') ? '' : (e.getAttribute('aria-label') || e.textContent || '').trim(); }"
            )
            if re.search(name, text):
                return
        raise AssertionError(f"Tab never came to {name}")

    to("Watch the profile evolve")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Why it changed at step 1")).to_be_visible()
    settled(page)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Why it changed at step 2")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("Why it changed at step 1")).to_be_visible()
    settled(page)
    to("^. (gained|strengthened|weakened|dropped)")
    page.keyboard.press("Enter")
    expect(page.locator(".change[aria-pressed=true]")).to_be_visible()
    page.goto(f"{app.url}/rate?user=405")
    settled(page)
    page.wait_for_timeout(1500)
    to("test movies")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Test movies").first).to_be_visible()
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
