"""What the comparison of prompts draws: the choice of candidates and sample, and the results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer import prompts, settings
from lusifer.charts import prompt_charts
from lusifer.errors import LusiferError
from lusifer.evaluation import prompt_comparison as measured
from lusifer.prompts import versions
from lusifer.runs import prompt_comparison as recorded
from lusifer.runs import tables
from lusifer.runs.kinds import FINAL_CHECK, PROMPT_COMPARISON
from lusifer.simulator import label
from lusifer.store import Store
from lusifer.ui import job_context, state
from lusifer.ui.components import job_panel, profile_view, run_picker
from lusifer.ui.formatting import escape_markdown, format_cost, to_safe_csv, with_item_noun
from lusifer.ui.pages.prompts import prompt_comparison_run
from lusifer.ui.state import PageContext

TEMPERATURES = [recorded.AS_IN_VERSION, "0", "0.3", "0.7", "1"]
THUMBS = {1: "Good", -1: "Bad"}


def show_comparison(ctx: PageContext, store: Store) -> None:
    """The whole view: what to try, its price, its progress, and the newest or chosen result."""
    exact = [n for n in versions.list_names(store) if n in prompts.SHIPPED or n.startswith("v")]
    labels = store.list_prompt_labels()
    labelled = [_version_name(store, labels[x]) for x in (versions.BASELINE, versions.ACTIVE) if x in labels]
    newest = [n for n in exact if n.startswith("v")][:1]
    first = labelled + ([] if ctx.builtin else [ctx.prompts]) + newest
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = st.multiselect(
                "Versions",
                exact,
                [n for n in dict.fromkeys(first) if n in exact],
                key="trial-versions",
                width=320,
                help="The first one is the baseline for the others.",
            )
            specs = st.multiselect(
                "Models",
                prompt_comparison_run.offered_models(ctx),
                [ctx.model],
                key="trial-models",
                format_func=label,
                width=260,
            )
            temperatures = st.multiselect(
                "Temperatures", TEMPERATURES, [recorded.AS_IN_VERSION], key="trial-temperatures", width=240
            )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            users = st.number_input("Users", 1, 500, recorded.DEFAULT_USERS, 5, key="trial-users", width=110)
            movies = st.number_input(
                with_item_noun("Movies per user"),
                1,
                200,
                recorded.DEFAULT_ITEMS,
                5,
                key="trial-movies",
                width=130,
            )
            seed = st.number_input("Seed", 0, 10**6, 0, key="trial-seed", width=110)
        st.caption(
            with_item_noun(
                "Development users, stratified by activity and sampled by the seed: the same users and movies for every "
                "candidate. Up to 4 candidates are shown side by side; up to 24 as a grid."
            )
        )
        _show_start(ctx, store, names, specs, temperatures, int(users), int(movies), int(seed))
    run = _pick_run(ctx, store)
    if run is None:
        st.info(
            "No comparison yet. Choose two versions, or a version and another model, and press the button above. "
            "With the built-in alone there is nothing to tune: it ignores prompt wording.",
            icon=":material/compare:",
        )
        return
    show_result(ctx, store, run)


def _version_name(store: Store, number: int) -> str:
    return versions.get(store, number).name


def _show_start(
    ctx: PageContext,
    store: Store,
    names: list[str],
    specs: list[str],
    temperatures: list[str],
    users: int,
    movies: int,
    seed: int,
    *,
    final: bool = False,
) -> None:
    key = f"trial:{ctx.dataset.hash[:8]}:{ctx.split.id}:{state.session_id()}:{final}"
    if not job_panel.job_ended(key, "_trial"):
        return
    try:
        candidates = recorded.expand_candidates(store, names, specs, temperatures)
        full = prompt_comparison_run.load_evidence(ctx)
        min_candidates = 1 if final else 2
        tag = ""
        run_context = job_context.build_run_context(ctx, store, seed=seed)
        config = job_context.build_model_config(ctx)
        sample = recorded.draw_sample(run_context, users, movies, final=final)
        if len(candidates) >= min_candidates:
            cost = recorded.estimate_prompt_comparison(run_context, config, candidates, sample, full)
            tag = f" ({format_cost(cost)})"
    except LusiferError as error:
        state.show_error(error)
        return
    action = f"Compare {len(candidates)} candidates" if len(candidates) > 1 else "Compare"
    action = "Check on held-out users" if final else action
    if st.button(
        f"{action}{tag}",
        type="secondary" if final else "primary",
        disabled=len(candidates) < min_candidates,
        icon=":material/verified:" if final else ":material/compare:",
        help=None if len(candidates) >= min_candidates else "Choose at least two candidates.",
    ):
        state.get_jobs().start(
            key,
            "Comparison of prompts",
            lambda j: (
                recorded.run_prompt_comparison(
                    replace(job_context.build_run_context(ctx, store, j, seed=seed), workers=job_context.WORKERS),
                    config,
                    candidates,
                    sample,
                    evidence=full,
                    final=final,
                    on_start=j.follow_run,
                ).id
            ),
            store=store,
        )
        st.rerun()


def _pick_run(ctx: PageContext, store: Store) -> dict[str, Any] | None:
    runs = run_picker.finished_runs(ctx, store, PROMPT_COMPARISON.name) + run_picker.finished_runs(
        ctx, store, FINAL_CHECK.name
    )
    runs.sort(key=lambda r: r["created_at"], reverse=True)
    if not runs:
        return None
    held_out_runs = {r["id"] for r in runs if r["kind"] == FINAL_CHECK.name}
    return run_picker.pick_run(runs, "trial-run", "trial", "_trial", lambda r: " · held-out" * (r in held_out_runs))


def show_result(ctx: PageContext, store: Store, run: dict[str, Any]) -> None:
    """One recorded comparison: figures, users, answers, and what to do with the winner."""
    summary, candidates = run["summary"], run["params"]["candidates"]
    final = run["kind"] == FINAL_CHECK.name
    names = [c["name"] for c in candidates]
    st.caption(
        f"{summary['users']} {'held-out' if final else 'development'} users, {summary['rows']:,} of {summary['asked']:,} ratings "
        f"compared, seed {run['seed']}, split {escape_markdown(run['split'])}. Differences are relative to {escape_markdown(summary['base'])}; in "
        f"brackets their 95 % confidence intervals over users."
    )
    st.dataframe(
        prompt_comparison_run.metric_table(summary),
        hide_index=True,
        height="content",
        alt="Measures by candidate",
        column_config={"Measure": st.column_config.TextColumn(pinned=True)},
    )
    st.caption(escape_markdown(prompt_comparison_run.describe_detectable(summary)))
    with st.expander("Cost", icon=":material/payments:"):
        st.dataframe(
            prompt_comparison_run.spend_table(summary), hide_index=True, alt="New cost and cached answers by candidate"
        )
        st.caption("Total: all calls of these evolutions and ratings, from any run; new: the calls of this run.")
    if len(names) > 2:
        best = measured.pareto_front(summary["candidates"])
        cost = "price" if any(summary["candidates"][n]["price"]["value"] for n in names) else "tokens"
        if cost == "tokens":
            best = measured.pareto_front(summary["candidates"], cost="tokens")
        frame = pd.DataFrame(
            [
                (n, summary["candidates"][n]["rmse"]["value"], summary["candidates"][n][cost]["value"], n in best)
                for n in names
            ],
            columns=["name", "rmse", "cost", "front"],
        ).dropna()
        st.markdown("**Quality vs. cost**")
        st.plotly_chart(
            prompt_charts.quality_vs_cost(frame, "Price per user, dollars" if cost == "price" else "Tokens per user"),
            alt="RMSE of each candidate vs. its cost; diamonds mark the Pareto front",
        )
    _show_winner(ctx, store, run, candidates)
    rows = tables.read_table(run["id"])
    if rows is None:
        st.caption("The individual ratings of this run are not on this machine.")
        return
    _show_details(ctx, store, run, candidates, rows, names)
    st.download_button("Ratings as CSV", to_safe_csv(rows), f"{run['id']}.csv", "text/csv", icon=":material/download:")


def _show_winner(ctx: PageContext, store: Store, run: dict[str, Any], candidates: list[dict[str, Any]]) -> None:
    """Make one active; check on held-out users."""
    by_name = {c["name"]: c for c in candidates if c["number"]}
    if not by_name:
        return
    active = store.list_prompt_labels().get(versions.ACTIVE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Version", list(by_name), key=f"winner-{run['id']}", width=240)
        try:
            stored_prompts = versions.get(store, by_name[str(name)]["number"]).prompts
        except LusiferError as error:
            state.show_error(error)
            return
        # Tried at another temperature it is another version.
        prompt_set = replace(stored_prompts, temperature=float(by_name[str(name)]["temperature"]))
        here = active is not None and versions.get(store, active).prompts == prompt_set
        if settings.is_public():
            st.caption("Only the operator can change the active version.")
        elif here:
            st.markdown(f":green-badge[:material/check: {escape_markdown(str(name))} is active]")
        elif st.button("Make active", icon=":material/flag:", key="make-active"):
            version = versions.save(store, prompt_set, by_name[str(name)]["number"], f"From the comparison {run['id']}")
            versions.move_label(store, versions.ACTIVE, version.number)
            st.toast(
                f"{escape_markdown(version.name)} is active now. Roll back under Versions.",
                icon=":material/flag:",
            )
            st.rerun()
    if settings.is_public():
        return
    checks = prompt_comparison_run.list_final_checks(ctx, store)
    with st.popover(f"Final check ({len(checks)} so far)", icon=":material/verified:"):
        st.markdown(
            "Held-out users are for a final check, not for tuning: every check is counted and dated. A version that was "
            "changed after a check is no longer untested on them."
        )
        for row in checks[:10]:
            st.caption(f"{row['created_at'][:16].replace('T', ' ')}: {escape_markdown(row['title'])}, {row['status']}")
        candidate = by_name[str(name)]
        temperature = (
            f"{candidate['temperature']:g}"
            if candidate["temperature"] != stored_prompts.temperature
            else recorded.AS_IN_VERSION
        )
        _show_start(
            ctx,
            store,
            [candidate["version"]],
            [candidate["spec"]],
            [temperature],
            len(run["params"]["users"]),
            recorded.DEFAULT_ITEMS,
            int(run["seed"]),
            final=True,
        )


def _show_details(
    ctx: PageContext,
    store: Store,
    run: dict[str, Any],
    candidates: list[dict[str, Any]],
    rows: pd.DataFrame,
    names: list[str],
) -> None:
    st.subheader("User by user", icon=":material/group:")
    other = 1
    if len(names) > 2:
        other = st.selectbox(
            "Candidate",
            range(1, len(names)),
            key=f"other-{run['id']}",
            format_func=names.__getitem__,
            width=280,
        )
    if len(names) > 1:
        moved = measured.change_by_user(rows, other)
        if moved.empty:
            st.caption("No user has ratings from both candidates.")
            return
        table = pd.DataFrame(
            {
                "User": moved["user_id"],
                "": ["▲ worse" if c > 0 else "▼ better" if c < 0 else "= same" for c in moved["change"].round(6)],
                "Change in RMSE": moved["change"],
                names[0]: moved["before"],
                names[other]: moved["after"],
                "Ratings": moved["rows"],
            }
        )
        st.caption("Largest increase in error first. Select a row to see both profiles and all ratings.")
        table_event = st.dataframe(
            table,
            hide_index=True,
            height=250,
            on_select="rerun",
            selection_mode="single-row",
            key=f"moved-{run['id']}-{other}",
            alt="Users by change in error",
            column_config={
                c: st.column_config.NumberColumn(format="%+.3f" if c.startswith("Change") else "%.3f")
                for c in ("Change in RMSE", names[0], names[other])
            },
        )
        index = table_event.selection.rows[0] if table_event.selection.rows else 0
        user = int(moved["user_id"].iloc[index])
        indices = list(range(len(names))) if len(names) <= prompt_comparison_run.SIDE_BY_SIDE else [0, other]
    else:
        user = int(rows["user_id"].iloc[0])
        indices = [0]
    _show_profiles(ctx, store, run, candidates, user, indices, names)
    _show_answers(ctx, store, run, candidates, rows[rows["user_id"] == user], indices, names)


def _show_profiles(
    ctx: PageContext,
    store: Store,
    run: dict[str, Any],
    candidates: list[dict[str, Any]],
    user: int,
    indices: list[int],
    names: list[str],
) -> None:
    steps = [prompt_comparison_run.candidate_steps(ctx, store, run, index, user) for index in indices]
    max_steps = max(map(len, steps), default=0)
    if not max_steps:
        st.caption("The evolutions are not stored on this machine.")
        return
    st.markdown(f"**User {user}**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        step = st.segmented_control(
            "Step",
            list(range(1, max_steps + 1)),
            default=max_steps,
            required=True,
            key=f"trial-step-{run['id']}-{user}",
        )
        only = st.toggle("Only differences", key="trial-only")
    first = steps[0][min(step, len(steps[0])) - 1].profile if steps[0] else None
    with st.grid(len(indices), min_column_width=300, gap="medium"):
        places = [st.container() for _ in indices]
    for place, index, candidate_steps in zip(places, indices, steps, strict=True):
        with place:
            st.markdown(f"**{escape_markdown(names[index])}**")
            if not candidate_steps:
                st.caption("Its evolution failed or is not stored.")
                continue
            shown_step = candidate_steps[min(step, len(candidate_steps)) - 1]
            st.caption(escape_markdown(shown_step.explanation))
            against = first if index != indices[0] else None
            profile_view.show_profile(against, shown_step.profile, only_changes=only and against is not None)
            st.markdown("**What changed**")
            profile_view.show_change_list(shown_step)
            _show_note(store, run, candidates[index], user, 0, step)


def _show_answers(
    ctx: PageContext,
    store: Store,
    run: dict[str, Any],
    candidates: list[dict[str, Any]],
    rows: pd.DataFrame,
    indices: list[int],
    names: list[str],
) -> None:
    table = pd.DataFrame(
        {
            with_item_noun("Movie"): [ctx.dataset.item(int(i)).title for i in rows["item_id"]],
            "True": rows["rating"].to_numpy(),
        }
    )
    for index in indices:
        table[names[index]] = rows[f"said_{index}"].to_numpy()
    if len(indices) > 1:
        errors = np.stack([np.abs(rows[f"said_{index}"].to_numpy() - rows["rating"].to_numpy()) for index in indices])
        spread = errors.max(axis=0) - errors.min(axis=0)
        same = spread < 0.005
        best = [
            names[indices[int(np.nanargmin(errors[:, n]))]] if np.isfinite(errors[:, n]).any() else ""
            for n in range(len(rows))
        ]
        table["Closest"] = [
            "–" if not np.isfinite(spread[n]) else "= same" if same[n] else best[n] for n in range(len(rows))
        ]
        if st.session_state.get("trial-only"):
            table = table[table["Closest"] != "= same"]
    for index in indices:
        table[f"Reason, {names[index]}"] = (
            rows[f"reason_{index}"].reindex(rows.index[table.index]).to_numpy()
            if len(table) < len(rows)
            else rows[f"reason_{index}"].to_numpy()
        )
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        alt="Ratings of one user by candidate",
        column_config={names[index]: st.column_config.NumberColumn(format="%.2f") for index in indices}
        | {"True": st.column_config.NumberColumn(format="%.3g")},
    )
    with st.popover("Note on an answer", icon=":material/rate_review:"):
        items = [int(i) for i in rows["item_id"]]
        index = (
            st.selectbox("Candidate", indices, format_func=names.__getitem__, key=f"note-of-{run['id']}")
            if len(indices) > 1
            else indices[0]
        )
        item = st.selectbox(
            with_item_noun("Movie"),
            items,
            format_func=lambda i: f"{ctx.dataset.item(i).title} · {i}",
            key=f"note-item-{run['id']}",
        )
        if item is not None:
            _show_note(store, run, candidates[index], int(rows["user_id"].iloc[0]), item, 0)


def _show_note(store: Store, run: dict[str, Any], candidate: dict[str, Any], user: int, item: int, step: int) -> None:
    """Thumbs and a note on one answer, kept with the run; strangers give none."""
    if settings.is_public():
        return
    notes = {(n["candidate"], n["user_id"], n["item_id"], n["step"]): n for n in store.list_notes(run["id"])}
    old = notes.get((candidate["name"], user, item, step), {})
    key = f"note-{run['id']}-{candidate['name']}-{user}-{item}-{step}"
    thumb = {1: 1, -1: 0}.get(old.get("thumb") or 0)
    with st.container(horizontal=True, vertical_alignment="center"):
        if f"{key}-thumb" not in st.session_state and thumb is not None:
            st.session_state[f"{key}-thumb"] = thumb
        st.feedback(
            "thumbs",
            key=f"{key}-thumb",
            on_change=_save_note,
            args=(store, run["id"], candidate, user, item, step, key),
        )
        st.text_input(
            "Note",
            old.get("note") or "",
            key=f"{key}-text",
            on_change=_save_note,
            args=(store, run["id"], candidate, user, item, step, key),
            max_chars=300,
            label_visibility="collapsed",
            placeholder="A note on this answer",
        )


def _save_note(store: Store, run: str, candidate: dict[str, Any], user: int, item: int, step: int, key: str) -> None:
    """Keep what was just given; nothing is written while nobody changes anything."""
    thumb = st.session_state.get(f"{key}-thumb")
    store.save_note(
        {
            "run_id": run,
            "candidate": candidate["name"],
            "user_id": user,
            "item_id": item,
            "step": step,
            "prompt_version": candidate["prompt_version"],
            "model": candidate["spec"],
            "thumb": 0 if thumb is None else (1 if thumb else -1),
            "note": st.session_state.get(f"{key}-text") or "",
        }
    )
