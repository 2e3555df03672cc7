"""The fields of the prompt editor: the text of a template, and the parameters of the set."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from lusifer import prompts
from lusifer.prompts import PromptSet
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
    """Everything of a set but its templates, as fields."""
    p = draft.prompts
    key = f"lab-{draft.id}-"
    limits = prompts.MAX_VALUES
    with st.grid(3, min_column_width=150):
        name = st.text_input("Name", p.name, max_chars=40, key=f"{key}name")
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
        name=name.strip() or p.name,
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


def edit_template(draft: Draft, template: str) -> str:
    """The text of one template, monospaced."""
    text = dict(draft.prompts.templates)[template]
    with st.container(key="lab-editor"):
        st.html("<style>.st-key-lab-editor textarea {font-family: monospace; font-size: 0.85rem}</style>")
        return st.text_area(
            f"Template: {TEMPLATE_TITLES[template]}",
            text,
            height=380,
            key=f"lab-{draft.id}-{template}",
            help="Jinja2. Your text is saved as a draft when you leave the field or press Ctrl+Enter. "
            "Ctrl+Z undoes changes while you are in the field.",
        )
