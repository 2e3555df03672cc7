"""What a screen reader, weak eyes, a keyboard and a narrow screen meet: axe-core, a walk by Tab, nothing cut."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled

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


CUT = """() => [...new Set([...document.querySelectorAll('[data-testid=stMain] *')].filter(e => {
 const s = getComputedStyle(e);
 return e.clientWidth > 4 && !e.title && !e.closest('[title]') && (s.textOverflow === 'ellipsis' &&
   s.overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 2 ||
   s.webkitLineClamp !== 'none' && e.scrollHeight > e.clientHeight + 2); })
 .map(e => e.textContent.trim().slice(0, 60)))]"""
"""Texts that end in dots, and no pointer shows the rest of them."""


def misfits(page: Page, width: int) -> list[str]:
    """What is cut off or broken on a screen of some width."""
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(300)  # the layout follows, that of tables and charts a little later
    page.wait_for_function(
        "() => { const m = document.querySelector('[data-testid=stMain]');"
        " return m.scrollWidth <= m.clientWidth + 1; }",
        timeout=5000,
    )
    expect(page.get_by_test_id("stException")).to_have_count(0)
    return [f"cut at {width}: {text}" for text in page.evaluate(CUT)]
