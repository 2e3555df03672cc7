"""A recorded comparison as a matrix of users and candidates: regressions first, and what changed in the profile."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.simulator.diff import diff
from lusifer.simulator.types import Profile
from lusifer.store import Store
from lusifer.ui.components.linked_evolution.evolution_data import pair_replaced
from lusifer.ui.components.user_matrix import MatrixCell, MatrixColumn, MatrixRow, show_user_matrix
from lusifer.ui.pages.prompts import comparison_tables
from lusifer.ui.pages.prompts.comparison_headline import SAME, signed
from lusifer.ui.state import PageContext

TEXT_WIDTH = 90
"""Characters of a statement that the matrix shows."""
MAX_DESCRIBED = 100
"""Users whose profiles are compared for the matrix, regressions first; of the others it shows the figures."""

Pieces = tuple[tuple[str, str], ...]


def show_matrix(ctx: PageContext, store: Store, run: dict[str, Any], errors: pd.DataFrame, other: int) -> int | None:
    """The matrix; the user who is opened in it.

    Args:
        ctx: the data.
        store: where the evolutions are.
        run: the recorded comparison.
        errors: from `lusifer.evaluation.prompt_trials.errors_by_user`.
        other: number of the candidate whose regressions come first.
    """
    names = [c["name"] for c in run["params"]["candidates"]]
    changes = {k: errors[f"rmse_{k}"] - errors["rmse_0"] for k in range(1, len(names))}
    if other in changes:
        errors = errors.assign(change=changes[other]).sort_values("change", ascending=False, kind="stable")
    columns = [MatrixColumn(names[0], "baseline" if changes else "")]
    columns += [MatrixColumn(names[k], _count(change)) for k, change in changes.items()]
    described = (
        _describe_profiles(ctx, store, run, [int(u) for u in errors["user_id"][:MAX_DESCRIBED]], other, run["id"])
        if changes
        else {}
    )
    rows = [
        MatrixRow(
            int(row["user_id"]),
            str(ctx.dataset.user_label(int(row["user_id"]))),
            tuple(_cell(row[f"rmse_{k}"], row["rmse_0"], k) for k in range(len(names))),
            described.get(int(row["user_id"]), (("plain", "open to compare"),) if changes else ()),
        )
        for _, row in errors.iterrows()
    ]
    title = f"What {names[other]} changed in the profile" if changes else ""
    return show_user_matrix(f"matrix-{run['id']}-{other}", columns, rows, title)


def _cell(value: float, base: float, candidate: int) -> MatrixCell:
    delta = value - base
    if not candidate:
        return MatrixCell(f"{value:.2f}", "", "base")
    if abs(delta) < SAME:
        return MatrixCell(f"{value:.2f}", "same", "same")
    return MatrixCell(f"{value:.2f}", signed(delta, 2), "regression" if delta > 0 else "pass")


def _count(changes: pd.Series) -> str:
    regressions = int((changes >= SAME).sum())
    return f"{regressions} regression{'s' * (regressions != 1)}, {len(changes) - regressions} pass"


@st.cache_data(max_entries=32, show_spinner="Comparing the profiles …")
def _describe_profiles(
    _ctx: PageContext, _store: Store, _run: dict[str, Any], users: list[int], other: int, run_id: str
) -> dict[int, Pieces]:
    """What a candidate says otherwise in each user's last profile than the base, by user."""
    described = {}
    for user in users:
        steps = [comparison_tables.candidate_steps(_ctx, _store, _run, index, user) for index in (0, other)]
        if all(steps):
            described[user] = describe_change(steps[0][-1].profile, steps[1][-1].profile)
        else:
            described[user] = (("plain", "the profiles are not stored here"),)
    return described


def describe_change(before: Profile, after: Profile) -> Pieces:
    """How two profiles of a user differ, in pieces ``(kind, text)``: the first difference in words, the rest counted.

    Args:
        before: the profile of the base.
        after: the profile of the candidate.
    """
    lines = [line for line in diff(before, after) if line.status != "kept"]
    if not lines:
        return (("plain", "same words"),)
    replaced = pair_replaced(lines, lambda _: ())
    pairs = [(x.old, x.new) for x in lines if x.status == "rewritten"] + [(old, new) for new, old in replaced.items()]
    lost = [x.old for x in lines if x.status == "removed" and x.old not in replaced.values()]
    gained = [x.new for x in lines if x.status == "added" and x.new not in replaced]
    rest = [
        f"{count} {what}"
        for count, what in (
            (len(pairs) - 1, "more rewritten"),
            (len(lost) - (not pairs), "lost" if pairs else "more lost"),
            (len(gained) - (not pairs and not lost), "new" if pairs or lost else "more new"),
        )
        if count > 0
    ]
    tail = (("plain", f"; {', '.join(rest)}"),) if rest else ()
    if pairs:
        return (("old", _shorten(pairs[0][0])), ("plain", " → "), ("new", _shorten(pairs[0][1])), *tail)
    if lost:
        return (("plain", "lost: "), ("old", _shorten(lost[0])), *tail)
    return (("plain", "new: "), ("new", _shorten(gained[0])), *tail)


def _shorten(text: str) -> str:
    return textwrap.shorten(text, TEXT_WIDTH, placeholder=" …")
