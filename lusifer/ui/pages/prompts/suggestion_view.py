"""Suggested edits: changes that a model proposes from the worst answers, saved, opened or tested by a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from lusifer import settings
from lusifer.errors import LusiferError
from lusifer.evaluation.suggested_edits import CASES, CHANGES, Change
from lusifer.prompts import PromptVersion, versions
from lusifer.runs import prompt_comparison as recorded
from lusifer.runs import prompt_suggestions
from lusifer.runs.kinds import COMPARISON, PROMPT_COMPARISON, PROMPT_SUGGESTION
from lusifer.runs.prompt_suggestions import AnsweredVersion
from lusifer.simulator import label
from lusifer.store import Store
from lusifer.ui import job_context, page_fields, page_registry, page_state, session_keys, state
from lusifer.ui.components import model_connection, paid_work, run_picker
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.prompts import active_version, comparison_headline, draft
from lusifer.ui.pages.prompts.comparison_start import ComparisonRequest, show_start
from lusifer.ui.pages.prompts.prompt_editor import TEMPLATE_TITLES
from lusifer.ui.state import PageContext

TESTED, SUGGESTED = session_keys.new_result("trial"), session_keys.new_result("suggestion")
OTHER_SET = "concise"
"""What the active version is compared with where it is the baseline too."""


def show_suggestions(ctx: PageContext, store: Store) -> None:
    """The whole view: what the model learns from, its price, its suggestions and their test."""
    runs = run_picker.finished_runs(ctx, store, PROMPT_SUGGESTION)
    if TESTED.is_set and runs:
        _open_comparison(TESTED.get())
    TESTED.pop()  # a comparison that was started here to learn from
    answered: list[AnsweredVersion] = []
    if ctx.builtin:
        st.info(
            "Suggestions come from a language model that is asked anew; the built-in and recordings can't be. Connect "
            "one, and it reads the worst answers of a version and proposes three changes of its prompts.",
            icon=":material/lightbulb:",
        )
        model_connection.show_connect_button()
    else:
        answered = prompt_suggestions.list_answered_versions(job_context.build_run_context(ctx, store))
        if answered:
            _offer_question(ctx, store, answered)
        else:
            _offer_comparison(ctx, store)
    if runs:
        _show_run(ctx, store, run_picker.pick_run(runs, "suggestion", SUGGESTED), answered)


def _offer_comparison(ctx: PageContext, store: Store) -> None:
    """Without answers there is nothing to learn from: a comparison that can be started here."""
    labels = store.list_prompt_labels()
    active, baseline = (versions.get(store, labels[x]).name for x in (versions.ACTIVE, versions.BASELINE))
    names = [active, baseline if baseline != active else OTHER_SET]
    st.info(
        with_item_noun(
            "No answers to learn from yet: suggestions rest on a stored comparison. This one compares "
            f"{escape_markdown(active_version.title_of(store, names[0]))} with "
            f"{escape_markdown(active_version.title_of(store, names[1]))} on {recorded.DEFAULT_USERS} development "
            f"users, {recorded.DEFAULT_ITEMS} movies each. Choose others under Compare."
        ),
        icon=":material/compare:",
    )
    temperatures = [recorded.AS_IN_VERSION]
    show_start(
        ctx,
        store,
        ComparisonRequest(names, [ctx.model], temperatures, recorded.DEFAULT_USERS, recorded.DEFAULT_ITEMS, 0),
    )


def _offer_question(ctx: PageContext, store: Store, answered: Sequence[AnsweredVersion]) -> None:
    """What is learned from, and the button that asks."""
    active = prompt_suggestions.choose_answered(answered, store.list_prompt_labels()[versions.ACTIVE], ctx.model)
    by_key = {a.key: a for a in answered}
    key = st.selectbox(
        "Learn from the answers of",
        list(by_key),
        index=list(by_key).index(active.key) if active else 0,
        key="suggest-from",
        format_func=lambda k: _answers_title(by_key[k]) if k in by_key else k,
        help=f"The version that is to be changed, and a stored comparison. Its {CASES} worst answers of development "
        "users are told: first of users who got worse against the other version, then the largest errors.",
    )
    st.caption(
        f"{escape_markdown(label(ctx.model))} sees the version's templates and {CASES} answers that were far from the "
        "truth: what was told, what was answered, what was true. Held-out users are never shown. Nothing is saved or "
        "made active by itself."
    )
    chosen = by_key[str(key)]
    config, run_context = job_context.build_model_config(ctx), job_context.build_run_context(ctx, store)
    draw = prompt_suggestions.next_draw(run_context, config, chosen)
    paid_work.offer_run(
        ctx,
        ctx.job_key("suggest"),
        "Suggested edits",
        "Suggest three other changes" if draw else "Suggest three changes",
        lambda: prompt_suggestions.estimate_suggestions(run_context, config, chosen, draw),
        lambda job: (
            prompt_suggestions.suggest_edits(
                job_context.build_run_context(ctx, store, job), config, chosen, draw=draw, on_start=job.follow_run
            ).id
        ),
        store,
        SUGGESTED,
        icon=":material/lightbulb:",
        type="primary",
    )


def _answers_title(answered: AnsweredVersion) -> str:
    run = answered.run
    users = run["params"]["users"]
    kind = "Accuracy" if run["kind"] == COMPARISON.name else "Compare"
    warm = f" at {answered.temperature}" if answered.temperature != recorded.AS_IN_VERSION else ""
    return (
        f"{active_version.version_title(answered.version)[:40]}{warm} · {label(answered.spec)} · "
        f"{users if isinstance(users, int) else len(users)} users · {kind} {run['created_at'][:16].replace('T', ' ')}"
    )


def _show_run(ctx: PageContext, store: Store, run: dict[str, Any], answered: Sequence[AnsweredVersion]) -> None:
    """The changes of a run, and what can be done with them."""
    base = versions.find_recorded(store, run["model_version"])
    if base is None:
        st.caption("The version that these suggestions change is not in this database.")
        return
    changes = prompt_suggestions.read_changes(run)
    count, cases = len(changes), run["summary"]["cases"]
    st.subheader(f"{count} suggested change{'s' * (count != 1)} of {escape_markdown(base.name)}", anchor=False)
    short = f" It gave {count} of {CHANGES}, also when asked again." if count < CHANGES else ""
    st.caption(
        f"By {escape_markdown(label(run['model']))}, from {cases} answers of {len(set(run['params']['users']))} "
        f"development users.{short}"
    )
    saved = {n: v for n, c in enumerate(changes) if (v := prompt_suggestions.find_saved(store, base, c)) is not None}
    for number, change in enumerate(changes):
        _show_change(store, run, base, number, change, saved.get(number))
    unsaved = [c for n, c in enumerate(changes) if n not in saved and not c.problems]
    if settings.is_public():
        st.caption("Only the operator of this server can save versions; in the editor you can try a change.")
    elif len(unsaved) > 1 and st.button(f"Save all {len(unsaved)} as draft versions", icon=":material/save:"):
        for change in unsaved:
            prompt_suggestions.save_change(store, base, change, run["model"])
        st.rerun()
    _show_test(ctx, store, run, base, list(saved.values()), answered)
    page_registry.show_page_link(
        "llm_calls", "The question and the answer", calls_view=page_fields.TRACES, trace=f"run:{run['id']}"
    )


def _show_change(
    store: Store, run: dict[str, Any], base: PromptVersion, number: int, change: Change, saved: PromptVersion | None
) -> None:
    """One change: its template, its reason, what it replaces; saved or opened by a person."""
    key = f"{run['id']}-{number}"
    changed = prompt_suggestions.changed_prompts(base, change)
    badge = f" :green-badge[:material/check: Saved as {saved.name}]" if saved else ""
    badge += " :orange-badge[:material/warning: Can't be used as it is]" if change.problems else ""
    with st.container(border=True):
        st.markdown(f"**{number + 1} · {TEMPLATE_TITLES[change.template]}**{badge}")
        st.markdown(escape_markdown(change.reason) or "No reason was given.")
        if change.problems:
            st.error("\n\n".join(map(escape_markdown, change.problems)), icon=":material/error:")
        for difference in versions.diff(base.prompts, changed):
            if difference.part == change.template:
                st.code("\n".join(difference.lines), language="diff", wrap_lines=True)
        with st.container(horizontal=True):
            if not (saved or change.problems or settings.is_public()) and st.button(
                "Save as a draft version", icon=":material/save:", key=f"save-{key}"
            ):
                prompt_suggestions.save_change(store, base, change, run["model"])
                st.rerun()
            if st.button("Open in the editor", icon=":material/edit:", key=f"edit-{key}"):
                draft.edit_suggestion(store, base, changed, f"{change.reason} (suggested by {label(run['model'])})")
                page_state.choose(template=change.template)
                st.rerun()


def _show_test(
    ctx: PageContext,
    store: Store,
    run: dict[str, Any],
    base: PromptVersion,
    saved: Sequence[PromptVersion],
    answered: Sequence[AnsweredVersion],
) -> None:
    """What a test found, and the button that runs the saved drafts on the same development users."""
    if not saved:
        st.caption("Save the changes that you want to try: they are tested on the same users, for a named price.")
        return
    numbers = {base.number, *(v.number for v in saved)}
    tests = [
        r
        for r in run_picker.finished_runs(ctx, store, PROMPT_COMPARISON)
        if (tried := [c["number"] for c in r["params"]["candidates"]])[0] == base.number
        and len(numbers.intersection(tried)) > 1
    ]
    if tests:
        summary = tests[0]["summary"]
        best = comparison_headline.best_candidate(summary)
        sentence, tone = comparison_headline.describe_result(summary, best, "development")
        st.markdown(f"{comparison_headline.TONES[tone]} **Tested:** {escape_markdown(sentence)}")
        if st.button("Open the comparison", icon=":material/compare:"):
            _open_comparison(tests[0]["id"])
    learned_from = f"{run['params']['source']}/{run['params']['candidate']}"
    source = next((a for a in answered if a.key == learned_from), None)
    tested = {c["number"] for r in tests for c in r["params"]["candidates"] if c["spec"] == ctx.model}
    busy = state.get_jobs().get(ctx.job_key("trial:False")) is not None  # under way, or its end is not told yet
    if source is None or (numbers <= tested and not busy):  # it was deleted, or no model is connected; or all is known
        return
    try:
        sample = prompt_suggestions.sample_of(job_context.build_run_context(ctx, store), source)
    except LusiferError as error:
        state.show_error(error)
        return
    users = sample.test.user_ids.tolist()
    told = len(set(run["params"]["users"]) & set(users))
    action = f"Test {len(saved)} draft{'s' * (len(saved) != 1)} against {base.name}"
    names, seed = [base.name, *(v.name for v in saved)], int(source.run["seed"])
    request = ComparisonRequest(names, [ctx.model], [source.temperature], len(users), 0, seed)
    show_start(ctx, store, replace(request, sample=sample, action=action))
    st.caption(
        f"On the same {len(users)} development users and {len(sample.test)} ratings. The model was shown answers of "
        f"{told} of them, so what is found here may be too good: the final check on held-out users tells. No version "
        "becomes active by itself."
    )


def _open_comparison(run: str) -> None:
    """Go on to the matrix of a comparison."""
    page_state.choose(prompts_view=page_fields.COMPARE_PROMPTS, trial=run)
    st.rerun()
