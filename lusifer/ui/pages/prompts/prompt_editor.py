"""The fields of the prompt editor: the text of a template, and the parameters of the set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from lusifer import prompts
from lusifer.prompts import PromptSet, sandbox
from lusifer.simulator import prompt_variables
from lusifer.simulator.preview import Preview
from lusifer.ui.components.template_editor import (
    LineProblem,
    TemplateVariable,
    edited_text,
    show_template_editor,
)
from lusifer.ui.formatting import with_item_noun
from lusifer.ui.pages.prompts.draft import Draft

TEMPLATE_TITLES = {
    "system": "System",
    "first": "First profile",
    "update": "Profile update",
    "rate": "Forecast and rating",
    "repair": "Repair",
}


def edit_parameters(draft: Draft) -> PromptSet:
    """Everything of a set but its name and its templates, as fields."""
    p = draft.prompts
    key = f"lab-{draft.id}-"
    limits = prompts.MAX_VALUES
    with st.grid(4, min_column_width=150):
        temperature = st.number_input(
            "Temperature", 0.0, float(limits["temperature"]), float(p.temperature), 0.1, key=f"{key}temperature"
        )
        items = st.number_input(
            with_item_noun("Movies per call"), 1, limits["items_per_call"], p.items_per_call, key=f"{key}items"
        )
        history = st.number_input("History length (ratings)", 1, limits["history"], p.history, 10, key=f"{key}history")
        batch = st.number_input("Batch size (ratings)", 1, limits["batch_size"], p.batch_size, 5, key=f"{key}batch")
        recent = st.number_input(
            "Newest ratings in the prompt",
            0,
            limits["recent"],
            p.recent,
            key=f"{key}recent",
            help="How many of the newest ratings a rating prompt includes beside the profile.",
        )
        samples = st.number_input(
            "Samples per rating",
            1,
            limits["samples"],
            p.samples,
            key=f"{key}samples",
            help="Where the server returns no token probabilities: the mean of this many samples.",
        )
        rating = st.number_input(
            with_item_noun("Max tokens per movie"),
            1,
            limits["rating_tokens"],
            p.rating_tokens,
            10,
            key=f"{key}rating_tokens",
            help="Tokens.",
        )
        update = st.number_input(
            "Max tokens per profile",
            1,
            limits["update_tokens"],
            p.update_tokens,
            100,
            key=f"{key}update_tokens",
            help="Tokens.",
        )
    metadata = st.pills(
        with_item_noun("Movie metadata in the prompt"),
        prompts.METADATA,
        selection_mode="multi",
        default=list(p.metadata),
        key=f"{key}metadata",
        help="People and overview only where they are known. Omitted metadata is omitted from the facts too.",
    )
    evidence = st.toggle(
        "Include community evidence",
        p.evidence,
        key=f"{key}evidence",
        help=with_item_noun("Other users' ratings of each movie in the prompt."),
    )
    anonymous = st.toggle(
        "Anonymous questions",
        p.anonymous,
        key=f"{key}anonymous",
        help=with_item_noun(
            "Movies are numbered within a question, so that a model can't recall rows of a published data set by their "
            "ids; the counts and means of a profile's rating habits are written by the program."
        ),
    )
    ordered = tuple(m for m in prompts.METADATA if m in (metadata or []))
    return replace(
        p,
        temperature=float(temperature),
        items_per_call=int(items),
        history=int(history),
        batch_size=int(batch),
        recent=int(recent),
        samples=int(samples),
        rating_tokens=int(rating),
        update_tokens=int(update),
        metadata=ordered,
        evidence=evidence,
        anonymous=anonymous,
    )


def editor_key(draft: Draft, template: str) -> str:
    """The key of the editor of one template of a draft."""
    return f"lab-{draft.id}-{template}"


def edited_template(draft: Draft, template: str) -> str:
    """The text of one template as the editor has it by now; the draft's where nothing was typed."""
    return edited_text(editor_key(draft, template), dict(draft.prompts.templates)[template])


def show_editor(draft: Draft, template: str, preview: Preview | None) -> None:
    """The editor of one template with its variables, and the mistakes at their lines."""
    values = preview.values if preview else {}
    mistakes = preview.mistakes if preview else ()
    show_template_editor(
        editor_key(draft, template),
        f"Template: {TEMPLATE_TITLES[template]}",
        dict(draft.prompts.templates)[template],
        variables=[
            TemplateVariable(name, variable.doc, format_value(values.get(name, "")), callable(values.get(name)))
            for name, variable in prompt_variables.variables_of(template).items()
        ],
        filters=sandbox.filter_names(),
        problems=[LineProblem(m.line, m.message) for m in mistakes if m.template == template],
    )


def format_value(value: Any) -> str:
    """What a variable holds, in a few words."""
    if callable(value):
        return "a function"
    if isinstance(value, tuple | list):
        first = str(getattr(getattr(value[0], "item", value[0]), "title", "")) if value else ""
        return f"{len(value)} entries" + (f", the first {first}" if first else "")
    if isinstance(value, dict):
        return f"{len(value)} entries"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)[:600]
