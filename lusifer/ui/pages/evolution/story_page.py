"""The story of the evolution on the page: as a file to send, and as the presentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from lusifer.simulator import EvolutionSpec, Step
from lusifer.ui import page_fields, page_state, session_keys, state
from lusifer.ui.components import claim_audit
from lusifer.ui.components.downloads import show_file_button
from lusifer.ui.components.presentation import show_presentation
from lusifer.ui.state import PageContext
from lusifer.ui.story.story_chapters import Chapter, write_chapters
from lusifer.ui.story.story_data import Story, build_story
from lusifer.ui.story.story_html import MAX_STEPS, render_chapters, render_story


@dataclass
class Presented:
    """The story that a session presents.

    Attributes:
        evolution, count: which one, of how many steps.
        chapter: where the person is, from 1.
        steps: the step that each chapter tells.
        page: the story's page, which begins where the person was when it was made.
    """

    evolution: str
    count: int
    chapter: int
    steps: tuple[int | None, ...]
    page: str


def show_present_button() -> None:
    """What opens the presentation."""
    st.button(
        "Present",
        icon=":material/slideshow:",
        key="present",
        on_click=page_state.choose,
        kwargs={"evolution_view": page_fields.PRESENT, "chapter": 1},
        help="The story of this evolution over the whole screen, a chapter at a time: who, how the profile grew, step "
        "by step, predictions against the truth, what they are worth, and where everything comes from. Arrow keys "
        "turn the page, Escape leaves.",
    )


def present(ctx: PageContext, spec: EvolutionSpec, steps: Sequence[Step], total_steps: int) -> None:
    """Cover the screen with the story, at the chapter that the state names."""
    held, now = session_keys.PRESENTED.get(), page_state.current()
    if held is None or (held.evolution, held.count, held.chapter) != (spec.id, len(steps), now.chapter):
        with st.spinner("Putting the story together …"):
            story = _prepare_story(ctx, spec, steps, total_steps)()
            chapters = write_chapters(story, MAX_STEPS[0])
        at = _settle_chapter(chapters)
        page = render_chapters(story, chapters, datetime.now(UTC), present_from=at)
        held = Presented(spec.id, len(steps), at, tuple(c.step for c in chapters), page)
        session_keys.PRESENTED.set(held)
    title = f"The story of user {ctx.dataset.user_label(spec.user)}"
    show_presentation(held.page, title, _go_to_chapter, _leave)


def _settle_chapter(chapters: Sequence[Chapter]) -> int:
    """The chapter to begin at: the one asked for, else the one of the step that is shown, else the first."""
    now = page_state.current()
    of_step = next((i for i, c in enumerate(chapters, 1) if c.step == now.step), 1) if now.step > 1 else 1
    at = min(now.chapter or of_step, len(chapters))
    page_state.settle("chapter", at, f"There are {len(chapters)} chapters; the last is shown.")
    return at


def _go_to_chapter(chapter: int) -> None:
    held = session_keys.PRESENTED.get()
    if held is not None and 1 <= chapter <= len(held.steps):
        held.chapter = chapter
        page_state.choose(chapter=chapter)


def _leave(chapter: int) -> None:
    """Back to the steps, at the step that the chapter told."""
    held = session_keys.PRESENTED.pop()
    told = held.steps[chapter - 1] if held is not None and 1 <= chapter <= len(held.steps) else None
    step = page_state.current().step if told is None else told
    page_state.choose(evolution_view=page_fields.STEPS, chapter=None, step=step)


def show_story_button(ctx: PageContext, spec: EvolutionSpec, steps: Sequence[Step], total_steps: int) -> None:
    """The download, made when it is asked for."""
    prepare = _prepare_story(ctx, spec, steps, total_steps)
    show_file_button(
        "Story as HTML",
        lambda: render_story(prepare(), datetime.now(UTC)),
        f"story-{ctx.dataset.user_label(spec.user)}-{ctx.split.name}.html",
        "text/html",
        type="tertiary",
        help="One file to send: who, how the profile grew, predictions against the truth, what they are worth, and "
        "where everything comes from. It opens in any browser, without a network, and prints.",
    )


def _prepare_story(
    ctx: PageContext, spec: EvolutionSpec, steps: Sequence[Step], total_steps: int
) -> Callable[[], Story]:
    """What makes the story; what streamlit must be asked is asked now."""
    store, model, checked = state.open_store(), ctx.user_model(), claim_audit.evolution_audit(ctx, spec, steps)
    return lambda: build_story(
        ctx.dataset, ctx.split, model, spec, steps, store, total_steps=total_steps, checked=checked
    )
