"""The rendered prompt of a draft: what it is filled in with, its mistakes, and its length in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.datasets import Dataset, Item
from lusifer.datasets.splits import Split
from lusifer.prompts import versions
from lusifer.simulator import Step, evolve, make_evolution_spec, prompt_variables
from lusifer.simulator.builtin import StatisticalUserModel
from lusifer.simulator.evolution import history_of
from lusifer.simulator.preview import Preview, context_at, preview_prompt
from lusifer.simulator.types import Context
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.caching import HASHES
from lusifer.ui.components import data_tables, item_picker
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.prompts.draft import Draft
from lusifer.ui.pages.prompts.prompt_editor import TEMPLATE_TITLES
from lusifer.ui.state import PageContext

SECTION_TITLES = {
    "system": "System message",
    "wording": "Wording of the template",
    **prompt_variables.section_titles(),
    "schema": "Answer schema",
    "repair": "Repair message",
}


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def _compute_builtin_steps(data: Dataset, split: Split, user: int, history: int, size: int) -> list[Step]:
    model = StatisticalUserModel()
    spec = make_evolution_spec(data, split, user, model, history=history, batch_size=size)
    return list(evolve(data, split, model, spec))


def preview_steps(ctx: PageContext, draft: Draft, user: int, store: Store) -> tuple[list[Step], str]:
    """Steps whose profiles the questions stand on, and whose they are.

    The chosen model's stored ones with the version that the draft began as, else the built-in's, which cost nothing.

    Raises:
        EmptyHistoryError: the user has nothing to read.
    """
    p = draft.prompts
    base = versions.get(store, draft.base)
    if not ctx.builtin and (base.prompts.history, base.prompts.batch_size) == (p.history, p.batch_size):
        base_ctx = replace(ctx.without_evidence().with_default_history(), prompts=base.name, prompt_set=base.prompts)
        steps = base_ctx.stored_steps(base_ctx.evolution_spec(user))
        total_steps = -(-len(history_of(ctx.dataset, ctx.split, user, p.history)) // p.batch_size)
        if len(steps) == total_steps:
            return steps, f"as {base.name} with the chosen model wrote it"
    return (
        _compute_builtin_steps(ctx.dataset, ctx.split, user, p.history, p.batch_size),
        "as the built-in writes it",
    )


def build_context(
    ctx: PageContext,
    draft: Draft,
    user: int,
    steps: Sequence[Step],
    template: str,
    step: int,
    items: Sequence[Item],
) -> tuple[Context, str]:
    """What the template is filled in with, and what is to be said of it."""
    context = context_at(ctx.dataset, ctx.split, user, steps, template, step)
    if not draft.prompts.evidence or template not in {"rate", "repair"}:
        return context, ""
    evidence = state.load_community(ctx.dataset, ctx.split, full=True)
    if evidence is None:
        return context, "Community evidence is not prepared for this split, so it is omitted here."
    return context.with_evidence(evidence.item_evidence(user, [i.id for i in items])), ""


def variable_table(preview: Preview, template: str) -> pd.DataFrame:
    """The variables of a template, what each is, and its value here."""
    rows = []
    for name, variable in prompt_variables.variables_of(template).items():
        rows.append((name, variable.doc, _format_value(preview.values.get(name, ""))))
    return pd.DataFrame(rows, columns=["Variable", "Description", "Value"])


def _format_value(value: Any) -> str:
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


def token_table(preview: Preview, tokens_per_character: float) -> pd.DataFrame:
    """Estimated tokens by section, largest first."""
    rows = [
        (with_item_noun(SECTION_TITLES.get(p, p)), round(n * tokens_per_character))
        for p, n in preview.sizes.items()
        if n
    ]
    frame = pd.DataFrame(rows, columns=["Part", "Tokens"])
    return frame.sort_values("Tokens", ascending=False, kind="stable")


def build_preview(
    ctx: PageContext, draft: Draft, user: int, template: str, step: int, store: Store
) -> tuple[Preview, Context, str, int]:
    """The preview, what it was filled in with, whose profile that is, and how many steps there are.

    Raises:
        LusiferError: nothing to read.
    """
    steps, source = preview_steps(ctx, draft, user, store)
    items = item_picker.items_to_predict(ctx, user)
    context, note = build_context(ctx, draft, user, steps, template, min(step, len(steps)), items)
    tokens_per_character = store.tokens_per_character(ctx.model) or 0.25
    others = [
        (context_at(ctx.dataset, ctx.split, user, steps, t, min(n, len(steps))), items)
        for t, n in (("first", 1), ("update", 2), ("rate", len(steps)), ("rate", 0))
    ]
    rendered = preview_prompt(draft.prompts, template, context, items, ctx.model, tokens_per_character, others)
    return rendered, context, f"{source}. {note}".strip(), len(steps)


def show_mistakes(preview: Preview) -> None:
    """What is wrong, one line a mistake."""
    st.error(
        "\n".join(
            f"- {escape_markdown(TEMPLATE_TITLES[m.template])}{f', line {m.line}' if m.line else ''}: "
            + escape_markdown(m.message)
            for m in preview.mistakes
        ),
        title="The prompt has errors",
        icon=":material/error:",
    )


def show_rendered_prompt(preview: Preview, tokens_per_character: float) -> None:
    """The messages as they would be sent, and how long each part is."""
    total = round(sum(preview.sizes.values()) * tokens_per_character)
    st.caption(f"About {total:,} input tokens, at most {preview.most:,} output tokens.")
    data_tables.show_table(
        token_table(preview, tokens_per_character),
        height="content",
        alt="Estimated tokens by section",
        column_config={"Tokens": st.column_config.ProgressColumn(format="%d", max_value=max(total, 1))},
    )
    for message in preview.messages:
        st.caption(escape_markdown(message.role.capitalize()))
        st.code(message.content, language=None, wrap_lines=True, line_numbers=True, height=260)
