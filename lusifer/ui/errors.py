"""What the Errors page works with: comparisons as recorded runs, and frames for its charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import baselines, settings
from lusifer.datasets import Dataset, splits
from lusifer.errors import CancelledError, LusiferError
from lusifer.evaluation import CALIBRATED, SIMULATOR, WITH_EVIDENCE, evaluate, sample_users, trust
from lusifer.evaluation.audit import Validity, predictive_validity
from lusifer.evaluation.comparison import board as measures
from lusifer.evaluation.comparison import summary, table
from lusifer.jobs import Job
from lusifer.simulator import BUILTIN, Step, UserModel, plan
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate, for_rating, for_users
from lusifer.simulator.evolution import context_after
from lusifer.store import Store
from lusifer.ui import runs, state
from lusifer.ui.state import Chosen

TITLES = {
    SIMULATOR: "Simulator, model alone",
    CALIBRATED: "Simulator, calibrated",
    WITH_EVIDENCE: "Simulator, with evidence",
    BUILTIN: "Built-in, alone (no LLM)",
    "fm": "Factorisation machine",
    "svdpp": "SVD++",
    "als": "ALS",
    "ncf": "NCF (MLP tower)",
    "rnn4rec": "RNN4Rec (GRU)",
    "item-knn": "Item kNN",
    "bias": "User + item bias",
    "item-mean": "Item mean",
    "user-mean": "User mean",
    "constant": "Constant",
}
SIMULATORS = (SIMULATOR, CALIBRATED, WITH_EVIDENCE)
GROUPS = {
    n: "Simulator"
    if n in {*SIMULATORS, BUILTIN}
    else "Trivial"
    if n in baselines.TRIVIAL
    else "Collaborative filtering"
    for n in TITLES
}
ORDER = list(TITLES)
CHOICES = [SIMULATOR, BUILTIN, *(n for n in ORDER if n in baselines.METHODS)]
"""What may be compared; with the built-in chosen it is the simulator already."""
AMONG = {
    "development": "Development users",
    "held-out": "Held-out users",
    "all": "All users",
}
"""Whom a sample is drawn from: tuning looks at development users, final figures at the others."""
WORKERS = 16
"""Users at a time; how many calls go out at once is decided by the endpoint's gate."""


def among(dataset: Dataset, which: str) -> Any:
    """The users of a group, ``None`` for all."""
    groups = {"development": splits.development, "held-out": splits.held_out}
    return groups[which](dataset.user_ids) if which in groups else None


@st.cache_data(max_entries=20, show_spinner=False)
def _able(_picked: Chosen, dataset: str, split: str, which: str) -> int:
    try:
        return len(sample_users(_picked.split, 10**9, 0, among(_picked.dataset, which)))
    except LusiferError:
        return 0


def able_users(picked: Chosen, which: str = "all") -> int:
    """How many users of a group can be tested."""
    return _able(picked, picked.dataset.hash, picked.split.id, which)


def sample_fields(picked: Chosen, key: str) -> tuple[str, int, int]:
    """The fields that say whom a run looks at: the group, how many of it, and the seed. Ends the page where nobody
    of the group can be tested."""
    which = st.selectbox("Of", list(AMONG), format_func=AMONG.__getitem__, key=f"{key}-among", width=220)
    able = able_users(picked, which)
    if not able:
        st.info("No user of this group has a test rating on this split.", icon=":material/info:")
        st.stop()
    usual = min(able, 100 if picked.builtin else 20)
    count = st.number_input("Users", 1, able, usual, 10, key=f"{key}-users-{which}-{picked.builtin}", width=130)
    seed = st.number_input("Seed", 0, 10**6, 0, key=f"{key}-seed", width=110)
    return which, int(count), int(seed)


def cost(picked: Chosen, count: int, seed: int, which: str, store: Store | None) -> Estimate:
    """What the simulator's part of a comparison costs, less what is stored."""
    calls = int(store.usage()["made"]) if store else 0
    return _cost(
        picked,
        picked.dataset.hash,
        picked.split.id,
        picked.model,
        count,
        seed,
        which,
        picked.evidence,
        picked.prompts,
        calls,
    )


@st.cache_data(max_entries=20, show_spinner="Counting calls …")
def _cost(
    _picked: Chosen,
    data: str,
    split: str,
    spec: str,
    count: int,
    seed: int,
    which: str,
    evidence: bool,
    prompts: str,
    calls: int,
) -> Estimate:
    picked, store = _picked, state.store()
    users = sample_users(picked.split, count, seed, among(picked.dataset, which))
    total = Estimate(dollars=0.0)
    for model, community in _variants(picked, store):
        plans = [plan(picked.dataset, picked.split, u, model, community=community) for u in users]
        total += for_users(picked.dataset, picked.split, plans, model, store, community=community)
    return total


def _variants(picked: Chosen, store: Store | None, **more: Any) -> list[tuple[UserModel, Community | None]]:
    """The model alone, and told what others gave where evidence is on; each with what it is told."""
    made = [(picked.alone().user_model(store, **more), None)]
    return made + ([(picked.user_model(store, **more), picked.community)] if picked.evidence else [])  # type: ignore[return-value]


def work(
    job: Job,
    picked: Chosen,
    names: list[str],
    count: int,
    seed: int,
    which: str,
    store: Store | None,
    label: str,
    light: Community | None,
    full: Community | None,
) -> dict[str, Any]:
    """Compare predictors on a sample of users and record the run, which is returned.

    Runs in a worker thread: no call to streamlit here.
    """
    users = sample_users(picked.split, count, seed, among(picked.dataset, which))
    params = {
        "users": len(users),
        "predictors": names,
        "among": which,
        "evidence": full is not None,
    }
    alone = picked.alone()
    model = alone.user_model(store)
    run = (
        store.start_run(
            "comparison",
            label,
            dataset=picked.dataset.name,
            dataset_hash=picked.dataset.hash,
            split=picked.split.id,
            model=model.spec,
            model_version=model.version,
            seed=seed,
            params=params,
        )
        if store
        else f"unstored-{id(job):x}"
    )
    job.run = run
    model = alone.user_model(store, run=run, cancelled=job.cancelled)
    told = None
    if full is not None:
        told = picked.user_model(store, run=run, cancelled=job.cancelled), full
    try:
        found = evaluate(
            picked.dataset,
            picked.split,
            names,
            users=users,
            model=model,
            store=store,
            seed=seed,
            community=light,
            told=told,
            folder=settings.kept_dir(),
            progress=lambda done, total, what: job.progress(done, total, TITLES.get(what, what)),
            cancelled=job.cancelled,
            workers=1 if picked.builtin else WORKERS,
        )
        job.progress(job.total, job.total, "Intervals and audit")
        made = summary(found, seed)
        runs.keep(run, table(found, picked.split))
    except BaseException as error:
        if store:
            store.finish_run(run, "cancelled" if isinstance(error, CancelledError) else "failed")
        raise
    if store:
        made["usage"] = store.run_usage(run)
        plans = {u: plan(picked.dataset, picked.split, u, model).id for u in users}
        made["trust"]["price"] = trust.price_a_user(store, plans, picked.builtin, seed)
        store.finish_run(run, "done", made)
    return {
        "id": run,
        "split": picked.split.id,
        "model": model.spec,
        "seed": seed,
        "params": params,
        "model_version": model.version,
        "summary": made,
        "title": label,
    }


@st.cache_data(max_entries=16, show_spinner=False)
def predictions(run: str) -> pd.DataFrame | None:
    """The single predictions of a run, or ``None`` if their file is gone or of an older version."""
    found = runs.rows(run)
    return (
        found if found is not None and {"activity", "popularity", "age", "position", "reason"} <= set(found) else None
    )


def filtered(
    rows: pd.DataFrame,
    picked: Chosen,
    activity: tuple[int, int],
    popularity: tuple[int, int],
    genres: Sequence[str],
    true: Sequence[float],
) -> pd.DataFrame:
    """The rows that every filter lets through."""
    kept = rows[rows["activity"].between(*activity) & rows["popularity"].between(*popularity)]
    if genres:
        wanted = set(genres)
        of = kept["item_id"].map(picked.dataset.items["genres"])
        kept = kept[[bool(wanted & set(g)) for g in of]]
    return kept[kept["rating"].isin(list(true))] if true else kept


@st.cache_data(max_entries=30, show_spinner=False)
def measured(
    _rows: pd.DataFrame, run: str, key: str, names: Sequence[str], _picked: Chosen, seed: int
) -> dict[str, Any]:
    """Measures of the filtered rows; ``key`` names the filter."""
    return measures(_rows, names, _picked.dataset.scale, seed=seed)


def board(shown: dict[str, Any], values: dict[str, dict[str, float]], model_label: str) -> pd.DataFrame:
    """The leaderboard: simulators first, then collaborative filtering, then trivial."""
    made = shown["summary"]["predictors"]
    rows = []
    for name in sorted(values, key=lambda n: ORDER.index(n) if n in ORDER else 99):
        title = TITLES.get(name, name)
        if name == SIMULATOR:
            title = f"{title}: {model_label}"
        kept = {k: made.get(name, {}).get(k) for k in ("coverage", "seconds", "faithfulness")}
        rows.append({"name": name, "predictor": title, "group": GROUPS.get(name, "Trivial"), **values[name], **kept})
    frame = pd.DataFrame(rows)
    numbers = [c for c in frame.columns if c not in {"name", "predictor", "group"}]
    frame[numbers] = frame[numbers].astype(float)
    return frame


def short(name: str) -> str:
    """A predictor's name that fits beside a small chart."""
    title = TITLES.get(name, name)
    return (
        title.replace("Simulator, ", "").replace("User + item b", "B").capitalize()
        if name in {*SIMULATORS, "bias"}
        else title.split(" (")[0]
    )


def with_interval(row: pd.Series, metric: str) -> str:
    """``0.93 (0.91 to 0.95)``; a dash where it is not defined."""
    if not math.isfinite(row[metric]):
        return "–"
    return f"{row[metric]:.3f} ({row[f'{metric}_low']:.3f} to {row[f'{metric}_high']:.3f})"


def verdict(made: dict[str, Any]) -> str:
    """One sentence on where the best-informed simulator stands, from the paired differences in RMSE."""
    differences = made.get("simulator_minus") or {}
    sides: dict[str, list[str]] = {"has a lower error than": [], "can't be told apart from": [], "loses to": []}
    for name, (value, low, high) in differences.items():
        if name in SIMULATORS:
            continue
        words = list(sides)[1 if None in (low, high) else 0 if high < 0 else 2 if low > 0 else 1]
        if value is None:
            continue
        title = TITLES.get(name, name)
        title = title.lower() if title[1:2].islower() else title
        sides[words].append(f"{title} (by {abs(value):.3f})")
    parts = [f"{words} {', '.join(names)}" for words, names in sides.items() if names]
    mine = next((n for n in (WITH_EVIDENCE, CALIBRATED, SIMULATOR) if n in made["predictors"]), "")
    lead = {WITH_EVIDENCE: "calibrated with evidence", CALIBRATED: "calibrated"}.get(mine, "alone")
    return f"By RMSE, the simulator, {lead}, {'; it '.join(parts)}." if parts else ""


def adds(made: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What the model's own say is worth: over what, the difference with its interval, in words."""
    found = []
    names = {"over_bias": "Over the user + item bias", "over_fm": "Over the factorisation machine"}
    for key, title in names.items():
        entry = (made.get("adds") or {}).get(key)
        if not entry:
            continue
        value, low, high = entry["difference"]
        if None in (value, low, high):
            figure = "–" if value is None else f"{value:+.4f}"
            found.append((title, figure, "One user tells nothing of others: draw more."))
            continue
        figure = f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
        if high < 0:
            words = "Its say lowers the error."
        elif low > 0:
            words = "Its say raises the error."
        else:
            words = "Zero lies in the interval: its say is worth nothing that this sample could show."
        partial = entry.get("partial")
        if partial is not None:
            words += f" Partial correlation on {entry['forecasts']:,} forecasts: {partial:.3f}."
        found.append((title, figure, words))
    return found


# ---- audit ---------------------------------------------------------------------------------------


def same_model(picked: Chosen, shown: dict[str, Any]) -> bool:
    """Whether the model chosen in the sidebar, with its prompts, is the one of a run."""
    model = picked.alone().user_model()
    return (model.spec, model.version) == (shown["model"], shown["model_version"])


def evolutions(picked: Chosen, users: Sequence[int]) -> dict[int, list[Step]]:
    """The stored evolutions of a comparison's users, the model alone."""
    alone = picked.alone()
    found = {u: alone.stored(alone.plan(u)) for u in users}
    return {u: steps for u, steps in found.items() if steps}


def validity_cost(picked: Chosen, steps: dict[int, list[Step]], store: Store | None) -> Estimate:
    """What predictive validity costs: each batch after the first forecast once more."""
    calls = int(store.usage()["made"]) if store else 0
    return _validity_cost(picked, steps, store, repr(sorted(steps)), picked.model, picked.prompts, calls)


@st.cache_data(max_entries=20, show_spinner="Counting calls …")
def _validity_cost(
    _picked: Chosen,
    _steps: dict[int, list[Step]],
    _store: Store | None,
    users: str,
    spec: str,
    prompts: str,
    calls: int,
) -> Estimate:
    picked, steps, store = _picked, _steps, _store
    model, total = picked.alone().user_model(store), Estimate(dollars=0.0)
    for user, made in steps.items():
        for at in range(1, len(made)):
            context = context_after(picked.dataset, picked.split, user, made[: at - 1])
            items = [r.item for r in made[at].batch]
            total += for_rating(model, store, context, items, "forecast")
    return total


def validity_work(
    job: Job, picked: Chosen, steps: dict[int, list[Step]], store: Store | None, of: str
) -> Validity | None:
    """Runs in a worker thread: no call to streamlit here."""
    job.run = f"validity-{of}"
    model = picked.alone().user_model(store, run=job.run, cancelled=job.cancelled)
    return predictive_validity(
        picked.dataset,
        picked.split,
        model,
        steps,
        cancelled=job.cancelled,
        progress=lambda done, total: job.progress(done, total, "Forecasts from the profile before"),
    )
