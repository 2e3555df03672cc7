"""A story as one HTML file: no request, both themes, arrow keys through its chapters, fit to be printed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal

from lusifer import __version__
from lusifer.ui.story.story_chapters import Chapter, write_chapters
from lusifer.ui.story.story_data import Story
from lusifer.ui.story.story_marks import text

MAX_BYTES = 3_000_000
"""A story is smaller than this, whatever a model wrote."""
MAX_STEPS = (12, 6, 3, 1)
"""Steps that are told at most: fewer where the file would be too large."""
Theme = Literal["", "light", "dark"]
CONTROLS = """<footer>
<button id="back" aria-label="Previous chapter" aria-keyshortcuts="ArrowLeft PageUp"><i>‹</i></button>
<p role="status"><span class="vh">Chapter </span><b id="place"></b> <span id="name"></span></p>
<button id="leave" aria-keyshortcuts="Escape">Leave <kbd>Esc</kbd></button>
<button id="next" aria-label="Next chapter" aria-keyshortcuts="ArrowRight PageDown"><i>›</i></button>
</footer>"""
"""What a presentation shows around a chapter."""


def render_story(story: Story, made_at: datetime, *, theme: Theme = "") -> str:
    """The file. All texts of models and datasets are escaped; the page forbids itself every request.

    Args:
        story: what is told.
        made_at: when, for the last chapter.
        theme: empty: as the reader's system prefers it.
    """
    page = ""
    for max_steps in MAX_STEPS:
        page = render_chapters(story, write_chapters(story, max_steps), made_at, theme=theme)
        if len(page.encode()) < MAX_BYTES:
            break
    return page


@cache
def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def render_chapters(
    story: Story, chapters: Sequence[Chapter], made_at: datetime, *, theme: Theme = "", present_from: int | None = None
) -> str:
    """The file with these chapters.

    Args:
        story: what is told.
        chapters: from `write_chapters`.
        made_at: when, for the last chapter.
        theme: empty: as the reader's system prefers it.
        present_from: one chapter fills the screen, first this one (from 1), and the page that holds this one in a frame
            is told where it is; ``None``: all chapters one below the other.
    """
    script = _asset("story.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    bar = "".join(f'<li><a href="#chapter-{i}">{text(c.name, 40)}</a></li>' for i, c in enumerate(chapters, 1))
    made = f"Made by Lusifer Explorer {__version__} on {made_at:%Y-%m-%d}, from stored results; no model was asked."
    sections = []
    for i, chapter in enumerate(chapters, 1):
        heading = f'<h2 tabindex="-1">{chapter.heading}</h2>' if chapter.heading else ""
        foot = f'<p class="quiet below">{text(made)}</p>' if i == len(chapters) else ""
        sections.append(f'<section class="chapter" id="chapter-{i}">{heading}{chapter.body}{foot}</section>')
    chosen = f' data-theme="{theme}"' if theme else ""
    presented = "" if present_from is None else f' data-present="{present_from}"'
    return (
        f'<!doctype html>\n<html lang="en"{chosen}{presented}><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{text(story.person.description, 200)}, as {text(story.model, 200)} sees them</title>"
        f"<style>{_asset('story.css')}</style></head><body>"
        f'<nav aria-label="Chapters"><ol>{bar}</ol></nav><main>{"".join(sections)}</main>'
        f"{'' if present_from is None else CONTROLS}<script>{script}</script></body></html>\n"
    )
