"""One answer of a recording: what was asked, written anew from the recording's prompts, and what was answered."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from lusifer.datasets import Dataset
from lusifer.errors import LusiferError
from lusifer.llm.recordings import RecordedAnswer
from lusifer.simulator.models import label as model_label
from lusifer.simulator.recorded_questions import render_recorded_question
from lusifer.simulator.types import SECTIONS
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.llm_calls import traced_calls
from lusifer.ui.pages.llm_calls.trace_sources import RecordingTrace
from lusifer.ui.pages.llm_calls.traced_calls import TracedCall
from lusifer.ui.pages.llm_calls.tree_data import PURPOSE_TITLES
from lusifer.ui.state import PageContext

_FIGURES = (("expected", "expected"), ("rating", "rating"))


def show_recorded_call(ctx: PageContext, trace: RecordingTrace, call: TracedCall) -> None:
    """The answer first, then the question."""
    key = traced_calls.read_answer_key(call.key)
    answer = None
    if key is not None and call.user is not None:
        answer = traced_calls.recorded_answer(trace.recording, call.user, key)
    if answer is None or call.step is None:
        st.caption("The recording holds no such answer.")
        return
    when = f"after step {call.step - 1}" if call.purpose == "rate" else f"at step {call.step}"
    st.markdown(f"**{PURPOSE_TITLES[call.purpose]}** {when}, user {escape_markdown(trace.label(call.user))}")
    header = trace.recording.header
    facts = [model_label(trace.recording.spec), header.prompt_version]
    if call.tokens is not None:
        facts.append(f"{call.tokens[0]:,} tokens in, {call.tokens[1]:,} out")
    st.badge("Recorded", icon=":material/inventory_2:", color="gray")
    st.caption(escape_markdown(", ".join(facts)))
    answered, asked, raw = st.tabs(["Answer", "Question", "JSON"])
    with answered:
        _show_answer(answer, trace.dataset)
    with asked:
        _show_question(ctx, trace, answer)
    with raw:
        st.caption(with_item_noun("Movies have the ids of the dataset, whatever numbers the question gave them."))
        st.code(json.dumps(answer.answer, ensure_ascii=False, indent=1), language="json", wrap_lines=True, height=420)


def _show_question(ctx: PageContext, trace: RecordingTrace, answer: RecordedAnswer) -> None:
    try:
        messages = render_recorded_question(ctx.dataset, ctx.split, trace.recording, answer)
    except LusiferError as error:
        st.caption(escape_markdown(f"The question can't be written here. {error}"))
        return
    st.caption("Written anew from the recording's prompts and the profile before it.")
    for message in messages:
        st.caption(message.role)
        st.code(
            message.content, language=None, wrap_lines=True, height=340 if len(message.content) > 1500 else "content"
        )


def _show_answer(answer: RecordedAnswer, dataset: Dataset | None) -> None:
    content = answer.answer
    if answer.purpose != "update":
        _show_ratings(content["ratings"], dataset)
        return
    if text := content.get("explanation"):
        st.markdown(f"**Why it changed:** {escape_markdown(str(text))}")
    for section, texts in (content.get("profile") or {}).items():
        if texts:
            st.markdown(f"**{escape_markdown(SECTIONS.get(section, section))}**")
            st.markdown("\n".join(f"- {escape_markdown(str(text))}" for text in texts))
    changes = [c for c in content.get("changes") or () if isinstance(c, dict)]
    if changes:
        st.markdown("**Changes**")
        st.markdown("\n".join(f"- {_change(change, dataset)}" for change in changes))


def _change(change: dict[str, Any], dataset: Dataset | None) -> str:
    cited = change.get("item_ids")
    titles = [_title(i, dataset) for i in cited] if isinstance(cited, list) else []
    behind = f" ({', '.join(titles)})" if titles else ""
    return escape_markdown(f"{change.get('direction', '')}: {change.get('aspect', '')}{behind}")


def _show_ratings(ratings: list[dict[str, Any]], dataset: Dataset | None) -> None:
    lines = []
    for rating in ratings:
        figures = [f"{name} {rating[key]:g}" for name, key in _FIGURES if isinstance(rating.get(key), int | float)]
        said = f"{', '.join(figures)}. {rating.get('reason') or ''}"
        lines.append(f"- **{escape_markdown(_title(rating['item_id'], dataset))}**: {escape_markdown(said)}")
    st.markdown("\n".join(lines))


def _title(item_id: Any, dataset: Dataset | None) -> str:
    known = dataset is not None and isinstance(item_id, int) and item_id in dataset.items.index
    return dataset.item(item_id).name if dataset is not None and known else f"Item {item_id}"
