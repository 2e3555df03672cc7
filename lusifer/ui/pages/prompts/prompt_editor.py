"""The prompt editor: a draft that survives a reload, its mistakes, and the rendered prompt."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import prompts, settings
from lusifer.datasets import Dataset, Item
from lusifer.datasets.splits import Split
from lusifer.errors import LusiferError
from lusifer.prompts import PromptSet, versions
from lusifer.prompts.versions import PromptVersion
from lusifer.simulator import Step, evolve, make_evolution_spec, prompt_variables
from lusifer.simulator.evolution import history_of
from lusifer.simulator.preview import Preview, context_at, preview_prompt
from lusifer.simulator.statistical import StatisticalUserModel
from lusifer.simulator.types import Context
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components import item_picker
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.state import PageContext

TEMPLATE_TITLES = {
    "system": "System",
    "first": "First profile",
    "update": "Profile update",
    "rate": "Forecast and rating",
    "repair": "Repair",
}
SECTION_TITLES = {
    "system": "System message",
    "wording": "Wording of the template",
    **prompt_variables.section_titles(),
    "schema": "Answer schema",
    "repair": "Repair message",
}


@dataclass
class Draft:
    """A set that is being edited: its name in the store, the version that it began as, and its revision
    there (0: not stored yet)."""

    id: str
    base: int
    prompts: PromptSet
    revision: int = 0


def open_draft(store: Store, base: PromptVersion) -> Draft:
    """The draft of this tab: the one that the address names, else a fresh copy of a version."""
    draft: Draft | None = st.session_state.get("_draft")
    requested = st.query_params.get("draft", "")
    if draft is not None and requested in {"", draft.id}:
        return draft
    row = store.get_draft(requested) if requested and not settings.is_public() else None
    if row is not None:
        draft = Draft(
            requested, int(row["base"] or base.number), prompts.from_json(row["data"], draft=True), row["revision"]
        )
    else:
        if requested:
            st.warning(
                "The draft of this link no longer exists; this is a new copy.",
                icon=":material/draft:",
            )
        draft = start_draft(base)
    st.session_state["_draft"] = draft
    return draft


def start_draft(base: PromptVersion) -> Draft:
    """A new draft of a version, for this tab; whatever was edited before stays among the drafts."""
    draft = Draft(secrets.token_hex(8), base.number, base.prompts)
    st.session_state["_draft"] = draft
    if "draft" in st.query_params:
        del st.query_params["draft"]
    return draft


def save_draft(store: Store, draft: Draft, edited: PromptSet) -> None:
    """Store what was edited; where another tab has written to the draft meanwhile, as one of its own."""
    if (edited == draft.prompts and draft.revision) or settings.is_public():
        return  # a stranger's draft stays in their session
    if edited == draft.prompts == versions.get(store, draft.base).prompts:
        return
    draft_id, revision = store.save_draft(draft.id, draft.base, prompts.to_json(edited), draft.revision)
    if draft_id != draft.id:
        st.toast(
            "Another tab changed this draft. Your changes continue as a separate draft.",
            icon=":material/call_split:",
        )
    draft.id, draft.revision, draft.prompts = draft_id, revision, edited
    st.query_params["draft"] = draft_id


def pick_base(store: Store, ctx: PageContext) -> Draft:
    """Which version the draft begins as; choosing another one begins another draft."""
    exact = [n for n in versions.list_names(store) if n in prompts.SHIPPED or n.startswith("v")]
    labels = store.list_prompt_labels()
    listed = {_version_number(store, n): n for n in exact}
    first = versions.resolve("active", store) if ctx.builtin else ctx.prompt_set
    number = store.save_prompt(first.hash, first.name, prompts.to_json(first), None, "")
    draft = open_draft(store, versions.get(store, number))
    if draft.base not in listed:
        listed[draft.base] = f"v{draft.base}"
    numbers = list(listed)

    def shown(n: int) -> str:
        named = [x for x, of in labels.items() if of == n]
        return f"{listed[n]} ({', '.join(named)})" if named else listed[n]

    base = st.selectbox(
        "Start from", numbers, index=numbers.index(draft.base), format_func=shown, key=f"lab-base-{draft.id}", width=240
    )
    if base is not None and base != draft.base:
        start_draft(versions.get(store, base))
        st.rerun()
    return draft


def _version_number(store: Store, name: str) -> int:
    if name.startswith("v"):
        return int(name[1:])
    prompt_set = prompts.load(name)
    return store.save_prompt(prompt_set.hash, prompt_set.name, prompts.to_json(prompt_set), None, "")


def show_drafts(store: Store) -> None:
    """Drafts that are kept, this tab's and others', to go on with."""
    drafts = [] if settings.is_public() else store.list_drafts()
    current: Draft = st.session_state["_draft"]
    others = [d for d in drafts if d["id"] != current.id]
    if not others:
        return
    with st.popover(f"Drafts ({len(others)})", icon=":material/draft:"):
        for row in others[:20]:
            when = row["updated_at"][:16].replace("T", " ")
            if st.button(f"{when}, from v{row['base']}", key=f"draft-{row['id']}", width="stretch"):
                st.session_state.pop("_draft", None)
                st.query_params["draft"] = row["id"]
                st.rerun()


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


@st.cache_data(max_entries=32, show_spinner=False)
def _compute_builtin_steps(
    _data: Dataset, _split: Split, dataset_hash: str, split: str, user: int, history: int, size: int
) -> list[Step]:
    model = StatisticalUserModel()
    spec = make_evolution_spec(_data, _split, user, model, history=history, batch_size=size)
    return list(evolve(_data, _split, model, spec))


def preview_steps(ctx: PageContext, draft: Draft, user: int, store: Store) -> tuple[list[Step], str]:
    """Steps whose profiles the questions stand on, and whose they are: the chosen model's stored ones with
    the version that the draft began as, else the built-in's, which cost nothing.

    Raises:
        EmptyHistoryError: the user has nothing to read.
    """
    p = draft.prompts
    base = versions.get(store, draft.base)
    if not ctx.builtin and (base.prompts.history, base.prompts.batch_size) == (p.history, p.batch_size):
        base_ctx = replace(ctx.without_evidence(), prompts=base.name, prompt_set=base.prompts)
        steps = base_ctx.stored_steps(base_ctx.evolution_spec(user))
        total_steps = -(-len(history_of(ctx.dataset, ctx.split, user, p.history)) // p.batch_size)
        if len(steps) == total_steps:
            return steps, f"as {base.name} with the chosen model wrote it"
    return (
        _compute_builtin_steps(ctx.dataset, ctx.split, ctx.dataset.hash, ctx.split.id, user, p.history, p.batch_size),
        "as the built-in writes it",
    )


def preview_items(ctx: PageContext, user: int) -> tuple[Item, ...]:
    """Ten movies to rate: of the user's test part, else popular ones that they have not rated."""
    ids = item_picker.held_out_items(ctx, user)[:10] or item_picker.popular_unrated_items(ctx, user)
    return ctx.dataset.items_of(ids)


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
    items = preview_items(ctx, user)
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
            f"- {escape_markdown(TEMPLATE_TITLES[m.template])}{f', line {m.line}' if m.line else ''}: {escape_markdown(m.message)}"
            for m in preview.mistakes
        ),
        title="The prompt has errors",
        icon=":material/error:",
    )


def show_rendered_prompt(preview: Preview, tokens_per_character: float) -> None:
    """The messages as they would be sent, and how long each part is."""
    total = round(sum(preview.sizes.values()) * tokens_per_character)
    st.caption(f"About {total:,} input tokens, at most {preview.most:,} output tokens.")
    st.dataframe(
        token_table(preview, tokens_per_character),
        hide_index=True,
        height="content",
        alt="Estimated tokens by section",
        column_config={"Tokens": st.column_config.ProgressColumn(format="%d", max_value=max(total, 1))},
    )
    for message in preview.messages:
        st.caption(escape_markdown(message.role.capitalize()))
        st.code(message.content, language=None, wrap_lines=True, line_numbers=True, height=260)


def show_save(store: Store, draft: Draft, sound: bool) -> None:
    """A note and the button that makes a version of the draft."""
    if settings.is_public():
        st.caption("Only the operator of this server can save versions; you can try your draft.")
        return
    base = versions.get(store, draft.base)
    same = draft.prompts == base.prompts
    note = st.text_input("Note", key=f"lab-{draft.id}-note", max_chars=200, placeholder="What you changed, and why")
    if st.button(
        "Save as a version",
        icon=":material/save:",
        type="primary",
        disabled=same or not sound,
        help="No differences from the version that you started from." if same else None,
    ):
        try:
            prompts.check_parameters({"name": draft.prompts.name})
            version = versions.save(store, draft.prompts, draft.base, note)
        except LusiferError as error:
            state.show_error(error)
            return
        store.delete_draft(draft.id)
        start_draft(version)
        st.session_state["_prompts"] = version.name
        st.session_state["_saved"] = version.name
        st.rerun()
