"""The Prompts page's comparison: choosing candidates and sample, and looking at what came of it."""

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
from lusifer.evaluation import tables
from lusifer.prompts import versions
from lusifer.simulator import label
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components import job_panel, profile_view, run_picker
from lusifer.ui.formatting import escape_markdown, format_cost, to_safe_csv, with_item_noun
from lusifer.ui.pages.prompts import prompt_comparison_run
from lusifer.ui.state import PageContext

TEMPERATURES = [prompt_comparison_run.AS_IN_VERSION, "0", "0.3", "0.7", "1"]
THUMBS = {1: "Good", -1: "Bad"}


def show_comparison(ctx: PageContext, store: Store) -> None:
    """The whole view: what to try, its price, its progress, and the newest or chosen result."""
    exact = [n for n in versions.list_names(store) if n in prompts.SHIPPED or n.startswith("v")]
    labels = store.prompt_labels()
    usual = [_version_name(store, labels[x]) for x in (versions.BASELINE, versions.ACTIVE) if x in labels]
    newest = [n for n in exact if n.startswith("v")][:1]
    first = usual + ([] if ctx.builtin else [ctx.prompts]) + newest
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
                "Temperatures", TEMPERATURES, [prompt_comparison_run.AS_IN_VERSION], key="trial-temperatures", width=240
            )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            users = st.number_input(
                "Users", 1, 500, prompt_comparison_run.DEFAULT_USERS, 5, key="trial-users", width=110
            )
            movies = st.number_input(
                with_item_noun("Movies per user"),
                1,
                200,
                prompt_comparison_run.DEFAULT_ITEMS,
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
    shown = _pick_run(ctx, store)
    if shown is None:
        st.info(
            "No comparison yet. Choose two versions, or a version and another model, and press the button above. "
            "With the built-in alone there is nothing to tune: it ignores prompt wording.",
            icon=":material/compare:",
        )
        return
    show_result(ctx, store, shown)


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
        found = prompt_comparison_run.expand_candidates(store, names, specs, temperatures)
        full = prompt_comparison_run.load_evidence(ctx)
        least = 1 if final else 2
        tag = ""
        drawn = prompt_comparison_run.draw_sample(ctx, users, movies, seed, final=final)
        if len(found) >= least:
            tag = f" ({format_cost(prompt_comparison_run.estimate_comparison(ctx, found, drawn, store, full))})"
    except LusiferError as error:
        state.show_error(error)
        return
    said = f"Compare {len(found)} candidates" if len(found) > 1 else "Compare"
    said = "Check on held-out users" if final else said
    title = ", ".join(e.name for e in found)
    if st.button(
        f"{said}{tag}",
        type="secondary" if final else "primary",
        disabled=len(found) < least,
        icon=":material/verified:" if final else ":material/compare:",
        help=None if len(found) >= least else "Choose at least two candidates.",
    ):
        state.get_jobs().start(
            key,
            "Comparison of prompts",
            lambda j: prompt_comparison_run.run_prompt_comparison(
                j, ctx, found, drawn, seed, store, full, final=final, title=title
            ),
            store=store,
        )
        st.rerun()


def _pick_run(ctx: PageContext, store: Store) -> dict[str, Any] | None:
    found = run_picker.finished_runs(ctx, store, prompt_comparison_run.KIND) + run_picker.finished_runs(
        ctx, store, prompt_comparison_run.FINAL
    )
    found.sort(key=lambda r: r["created_at"], reverse=True)
    if not found:
        return None
    held = {r["id"] for r in found if r["kind"] == prompt_comparison_run.FINAL}
    return run_picker.pick_run(found, "trial-run", "trial", "_trial", lambda r: " · held-out" * (r in held))


def show_result(ctx: PageContext, store: Store, run: dict[str, Any]) -> None:
    """One recorded comparison: figures, users, answers, and what to do with the winner."""
    made, found = run["summary"], run["params"]["candidates"]
    final = run["kind"] == prompt_comparison_run.FINAL
    names = [c["name"] for c in found]
    st.caption(
        f"{made['users']} {'held-out' if final else 'development'} users, {made['rows']:,} of {made['asked']:,} ratings "
        f"compared, seed {run['seed']}, split {escape_markdown(run['split'])}. Differences are relative to {escape_markdown(made['base'])}; in "
        f"brackets their 95 % confidence intervals over users."
    )
    st.dataframe(
        prompt_comparison_run.metric_table(made),
        hide_index=True,
        height="content",
        alt="Measures by candidate",
        column_config={"Measure": st.column_config.TextColumn(pinned=True)},
    )
    st.caption(escape_markdown(prompt_comparison_run.describe_detectable(made)))
    with st.expander("Cost", icon=":material/payments:"):
        st.dataframe(
            prompt_comparison_run.spend_table(made), hide_index=True, alt="New cost and cached answers by candidate"
        )
        st.caption("Total: all calls of these evolutions and ratings, from any run; new: the calls of this run.")
    if len(names) > 2:
        best = measured.pareto_front(made["candidates"])
        cost = "price" if any(made["candidates"][n]["price"]["value"] for n in names) else "tokens"
        if cost == "tokens":
            best = measured.pareto_front(made["candidates"], cost="tokens")
        frame = pd.DataFrame(
            [
                (n, made["candidates"][n]["rmse"]["value"], made["candidates"][n][cost]["value"], n in best)
                for n in names
            ],
            columns=["name", "rmse", "cost", "front"],
        ).dropna()
        st.markdown("**Quality vs. cost**")
        st.plotly_chart(
            prompt_charts.quality_vs_cost(frame, "Price per user, dollars" if cost == "price" else "Tokens per user"),
            alt="RMSE of each candidate vs. its cost; diamonds mark the Pareto front",
        )
    _show_winner(ctx, store, run, found)
    rows = tables.read_table(run["id"])
    if rows is None:
        st.caption("The individual ratings of this run are not on this machine.")
        return
    _show_details(ctx, store, run, found, rows, names)
    st.download_button("Ratings as CSV", to_safe_csv(rows), f"{run['id']}.csv", "text/csv", icon=":material/download:")


def _show_winner(ctx: PageContext, store: Store, run: dict[str, Any], found: list[dict[str, Any]]) -> None:
    """Make one active; check on held-out users."""
    able = {c["name"]: c for c in found if c["number"]}
    if not able:
        return
    active = store.prompt_labels().get(versions.ACTIVE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Version", list(able), key=f"winner-{run['id']}", width=240)
        try:
            asked = versions.get(store, able[str(name)]["number"]).prompts
        except LusiferError as error:
            state.show_error(error)
            return
        # Tried at another temperature it is another version.
        mine = replace(asked, temperature=float(able[str(name)]["temperature"]))
        here = active is not None and versions.get(store, active).prompts == mine
        if settings.is_public():
            st.caption("Only the operator can change the active version.")
        elif here:
            st.markdown(f":green-badge[:material/check: {escape_markdown(str(name))} is active]")
        elif st.button("Make active", icon=":material/flag:", key="make-active"):
            made = versions.save(store, mine, able[str(name)]["number"], f"From the comparison {run['id']}")
            versions.move_label(store, versions.ACTIVE, made.number)
            st.toast(
                f"{escape_markdown(made.name)} is active now. Roll back under Versions.",
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
        chosen = able[str(name)]
        temperature = (
            f"{chosen['temperature']:g}"
            if chosen["temperature"] != asked.temperature
            else prompt_comparison_run.AS_IN_VERSION
        )
        _show_start(
            ctx,
            store,
            [chosen["version"]],
            [chosen["spec"]],
            [temperature],
            len(run["params"]["users"]),
            prompt_comparison_run.DEFAULT_ITEMS,
            int(run["seed"]),
            final=True,
        )


def _show_details(
    ctx: PageContext,
    store: Store,
    run: dict[str, Any],
    found: list[dict[str, Any]],
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
        taken = st.dataframe(
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
        at = taken.selection.rows[0] if taken.selection.rows else 0
        user = int(moved["user_id"].iloc[at])
        shown = list(range(len(names))) if len(names) <= prompt_comparison_run.SIDE_BY_SIDE else [0, other]
    else:
        user = int(rows["user_id"].iloc[0])
        shown = [0]
    _show_profiles(ctx, store, run, found, user, shown, names)
    _show_answers(ctx, store, run, found, rows[rows["user_id"] == user], shown, names)


def _show_profiles(
    ctx: PageContext,
    store: Store,
    run: dict[str, Any],
    found: list[dict[str, Any]],
    user: int,
    shown: list[int],
    names: list[str],
) -> None:
    steps = [prompt_comparison_run.candidate_steps(ctx, store, run, at, user) for at in shown]
    most = max(map(len, steps), default=0)
    if not most:
        st.caption("The evolutions are not stored on this machine.")
        return
    st.markdown(f"**User {user}**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        step = st.segmented_control(
            "Step",
            list(range(1, most + 1)),
            default=most,
            required=True,
            key=f"trial-step-{run['id']}-{user}",
        )
        only = st.toggle("Only differences", key="trial-only")
    first = steps[0][min(step, len(steps[0])) - 1].profile if steps[0] else None
    with st.grid(len(shown), min_column_width=300, gap="medium"):
        places = [st.container() for _ in shown]
    for place, at, made in zip(places, shown, steps, strict=True):
        with place:
            st.markdown(f"**{escape_markdown(names[at])}**")
            if not made:
                st.caption("Its evolution failed or is not stored.")
                continue
            one = made[min(step, len(made)) - 1]
            st.caption(escape_markdown(one.explanation))
            against = first if at != shown[0] else None
            profile_view.show_profile(against, one.profile, only_changes=only and against is not None)
            st.markdown("**What changed**")
            profile_view.show_change_list(one)
            _show_note(store, run, found[at], user, 0, step)


def _show_answers(
    ctx: PageContext,
    store: Store,
    run: dict[str, Any],
    found: list[dict[str, Any]],
    rows: pd.DataFrame,
    shown: list[int],
    names: list[str],
) -> None:
    table = pd.DataFrame(
        {
            with_item_noun("Movie"): [ctx.dataset.item(int(i)).title for i in rows["item_id"]],
            "True": rows["rating"].to_numpy(),
        }
    )
    for at in shown:
        table[names[at]] = rows[f"said_{at}"].to_numpy()
    if len(shown) > 1:
        off = np.stack([np.abs(rows[f"said_{at}"].to_numpy() - rows["rating"].to_numpy()) for at in shown])
        spread = off.max(axis=0) - off.min(axis=0)
        same = spread < 0.005
        best = [
            names[shown[int(np.nanargmin(off[:, n]))]] if np.isfinite(off[:, n]).any() else "" for n in range(len(rows))
        ]
        table["Closest"] = [
            "–" if not np.isfinite(spread[n]) else "= same" if same[n] else best[n] for n in range(len(rows))
        ]
        if st.session_state.get("trial-only"):
            table = table[table["Closest"] != "= same"]
    for at in shown:
        table[f"Reason, {names[at]}"] = (
            rows[f"reason_{at}"].reindex(rows.index[table.index]).to_numpy()
            if len(table) < len(rows)
            else rows[f"reason_{at}"].to_numpy()
        )
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        alt="Ratings of one user by candidate",
        column_config={names[at]: st.column_config.NumberColumn(format="%.2f") for at in shown}
        | {"True": st.column_config.NumberColumn(format="%.3g")},
    )
    with st.popover("Note on an answer", icon=":material/rate_review:"):
        items = [int(i) for i in rows["item_id"]]
        at = (
            st.selectbox("Candidate", shown, format_func=names.__getitem__, key=f"note-of-{run['id']}")
            if len(shown) > 1
            else shown[0]
        )
        item = st.selectbox(
            with_item_noun("Movie"),
            items,
            format_func=lambda i: f"{ctx.dataset.item(i).title} · {i}",
            key=f"note-item-{run['id']}",
        )
        if item is not None:
            _show_note(store, run, found[at], int(rows["user_id"].iloc[0]), item, 0)


def _show_note(store: Store, run: dict[str, Any], candidate: dict[str, Any], user: int, item: int, step: int) -> None:
    """Thumbs and a note on one answer, kept with the run; strangers give none."""
    if settings.is_public():
        return
    kept = {(n["candidate"], n["user_id"], n["item_id"], n["step"]): n for n in store.notes(run["id"])}
    old = kept.get((candidate["name"], user, item, step), {})
    key = f"note-{run['id']}-{candidate['name']}-{user}-{item}-{step}"
    given = {1: 1, -1: 0}.get(old.get("thumb") or 0)
    with st.container(horizontal=True, vertical_alignment="center"):
        if f"{key}-thumb" not in st.session_state and given is not None:
            st.session_state[f"{key}-thumb"] = given
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
