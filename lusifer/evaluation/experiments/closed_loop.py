"""What happens when a profile is updated with its own ratings? Drift over rounds of a closed loop.

Each round a user is shown ten movies that they have not rated (drawn by popularity), rates them by the present profile,
and the profile is rewritten from these ratings as if they were real. A panel, the user's test movies, is rated after
each round.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from lusifer.datasets import Item
from lusifer.errors import InvalidInputError, ModelError, UnfinishedError
from lusifer.evaluation.bootstrap import Bootstrap, Figure
from lusifer.evaluation.experiments.arms import Arm, estimate_cost
from lusifer.evaluation.experiments.result import Panel, Point, Result, describe_significance, format_figure
from lusifer.evaluation.experiments.setup import ExperimentSetup, require_users
from lusifer.evaluation.experiments.spec import ExperimentSpec, Option
from lusifer.evaluation.simulation import GO_ON, run_threaded
from lusifer.simulator import evolve, make_evolution_spec, run_evolution
from lusifer.simulator.diff import profile_similarity
from lusifer.simulator.estimate import Estimate, estimate_rating, estimate_update
from lusifer.simulator.evolution import context_after, history_of
from lusifer.simulator.taste import measure_tastes, user_mean
from lusifer.simulator.types import Bullet, Context, Profile, Rated, SimulatedRating, Update

ROUNDS = 5
"""Rounds, unless said otherwise (option ``rounds``)."""
SHOWN = 10
FED, DRAWN = "Predicted rating fed back", "Sampled rating fed back"


def _rounds(setup: ExperimentSetup) -> int:
    return max(int(setup.options.get("rounds", ROUNDS)), 1)


def feedback_modes(setup: ExperimentSetup) -> tuple[str, ...]:
    """The built-in, which costs nothing, is also fed with draws of its own distribution."""
    return (FED,) if setup.model.asks_a_model else (FED, DRAWN)


def eligible_users(setup: ExperimentSetup) -> list[int]:
    """Users with a history to begin with."""
    users = [u for u in setup.users if len(setup.ctx.split.train.of_user(u)) >= SHOWN]
    require_users(setup, 2, f"have {SHOWN} training ratings", users)
    return users


def draw_unrated_items(setup: ExperimentSetup, user: int) -> list[tuple[Item, ...]]:
    """The movies of each round: none that the user has rated, drawn by how often others rated them."""
    train = setup.ctx.split.train
    ids, counts = np.unique(train.item, return_counts=True)
    rated = np.concatenate([train.of_user(user).item, setup.ctx.split.test.of_user(user).item])
    unrated = ~np.isin(ids, setup.ctx.dataset.all_ids(rated))
    unrated &= ids == setup.ctx.dataset.first_ids(ids)
    ids, chances = ids[unrated], counts[unrated] / counts[unrated].sum()
    count = min(SHOWN * _rounds(setup), len(ids))
    drawn = np.random.default_rng((setup.ctx.seed, 41, user)).choice(ids, count, replace=False, p=chances)
    return [setup.ctx.dataset.items_of(drawn[start : start + SHOWN]) for start in range(0, count, SHOWN)]


def estimate(setup: ExperimentSetup) -> Estimate:
    """What it will ask: the histories, and each round a rating of ten movies, an update, and the panel."""
    model = setup.model
    users = eligible_users(setup)
    total = estimate_cost(
        replace(setup, users=tuple(users)), [Arm("start", replace(setup, users=tuple(users)).sample, model)]
    )
    if not model.asks_a_model:
        return total
    for user in users:
        history = history_of(setup.ctx.dataset, setup.ctx.split, user, model.history)
        start = context_after(setup.ctx.dataset, setup.ctx.split, user, ())
        profile = Profile(start.profile.about, (Bullet("x" * 1200),))
        context = start.with_batch(history).after_update(Update(profile, "", ()))
        panel = setup.ctx.dataset.items_of(setup.test.of_user(user).item)
        for items in draw_unrated_items(setup, user):
            batch = tuple(Rated(i, setup.ctx.dataset.scale.nearest(context.usual_rating), 0) for i in items)
            total += estimate_rating(model, setup.ctx.store, context, items)
            total += estimate_update(model, setup.ctx.store, context.with_batch(batch))
            total += estimate_rating(model, setup.ctx.store, context, panel)
            context = context.with_batch(batch).after_update(Update(profile, "", ()))
    return total


def run(setup: ExperimentSetup) -> Result:
    """Mean, spread, error and taste by round."""
    users, names = eligible_users(setup), feedback_modes(setup)
    rows: list[dict[str, object]] = []
    profiles: list[tuple[str, int, int, float]] = []
    failed_users: list[int] = []
    unanswered: list[str] = []
    lock, done = threading.Lock(), [0]
    total = len(users) * len(names)

    def run_user(index: int) -> None:
        user, mode = users[index // len(names)], names[index % len(names)]
        try:
            user_rows, similarities = _loop(setup, user, mode)
        except (ModelError, InvalidInputError) as error:
            if isinstance(error, ModelError) and error.is_fatal:
                raise
            with lock:
                failed_users.append(user)
                if isinstance(error, ModelError) and error.is_transient:
                    unanswered.append(str(error))
            user_rows, similarities = [], []
        with lock:
            rows.extend(user_rows)
            profiles.extend(similarities)
            done[0] += 1
            setup.ctx.on_progress(done[0], total, mode)

    setup.ctx.on_progress(0, total, names[0])
    run_threaded(run_user, total, setup.ctx.workers, setup.ctx.cancelled, setup.ctx.store)
    if unanswered:
        raise UnfinishedError(
            f"{len(unanswered):,} of {total:,} loops were not answered. The first cause: {unanswered[0]}", GO_ON
        )
    if not rows:
        raise InvalidInputError("No user's loop finished: the model failed for all.", "See the LLM calls page.")
    frame = pd.DataFrame(rows).sort_values(["way", "user_id", "round", "kind"], kind="stable")
    # In the same order every time, whoever was first: sums of fractions depend on it as well.
    similarities = pd.DataFrame(sorted(profiles), columns=["way", "user_id", "round", "likeness"])
    return _result(setup, frame.reset_index(drop=True), similarities, names, failed_users)


def _loop(
    setup: ExperimentSetup, user: int, mode: str
) -> tuple[list[dict[str, object]], list[tuple[str, int, int, float]]]:
    """One user's rounds: rows of ratings (kind: real, fed, panel), and how alike the profile stays."""
    model, data, split = setup.model, setup.ctx.dataset, setup.ctx.split
    spec = make_evolution_spec(data, split, user, model)
    store = setup.ctx.store if model.asks_a_model else None
    steps = (
        list(run_evolution(data, split, model, spec, store, cancelled=setup.ctx.cancelled))
        if store
        else list(evolve(data, split, model, spec))
    )
    model = model.recorded_as(f"{spec.id}-loop")  # no part of what the usual evolution costs
    context = context_after(data, split, user, steps)
    test = setup.test.of_user(user)
    panel = data.items_of(test.item)
    rng = np.random.default_rng((setup.ctx.seed, 42, user))
    rows = [
        {
            "way": mode,
            "user_id": user,
            "round": s.number - len(steps),
            "kind": "real",
            "item_id": r.item.id,
            "said": r.rating,
            "true": r.rating,
        }
        for s in steps
        for r in s.batch
    ]
    rows += _panel(model.rate(context, panel), test.rating.tolist(), mode, user, 0)
    first, similarities = context.profile, [(mode, user, 0, 1.0)]
    rows += _tastes(context, mode, user, 0)
    for number, items in enumerate(draw_unrated_items(setup, user), 1):
        setup.ctx.raise_if_cancelled()
        batch = _batch(model.rate(context, items), items, context, mode, rng)
        if not batch:
            raise ModelError("Every rating of a round failed.")
        rows += [
            {
                "way": mode,
                "user_id": user,
                "round": number,
                "kind": "fed",
                "item_id": r.item.id,
                "said": r.rating,
                "true": np.nan,
            }
            for r in batch
        ]
        reading = context.with_batch(batch)
        context = reading.after_update(model.update(reading))
        rows += _panel(model.rate(context, panel), test.rating.tolist(), mode, user, number)
        rows += _tastes(context, mode, user, number)
        similarities.append((mode, user, number, profile_similarity(first, context.profile)))
    return rows, similarities


def _batch(
    ratings: Sequence[SimulatedRating], items: Sequence[Item], context: Context, mode: str, rng: np.random.Generator
) -> tuple[Rated, ...]:
    """The ratings that are fed back, on the scale; failed ones are left out."""
    moment = context.seen[-1].timestamp if context.seen else 0
    batch = []
    for rating, item in zip(ratings, items, strict=True):
        if rating.rating is None or rating.expected is None:
            continue
        value = rating.rating
        if mode == DRAWN:
            value = context.scale.nearest(rating.expected + (rating.std or 0.0) * rng.standard_normal())
        batch.append(Rated(item, value, moment + 1))
    return tuple(batch)


def _tastes(context: Context, mode: str, user: int, number: int) -> list[dict[str, object]]:
    """The user's genre effects after all that was read: real ratings and those fed back."""
    mean = user_mean(context.seen, context.usual_rating)
    return [
        {
            "way": mode,
            "user_id": user,
            "round": number,
            "kind": "taste",
            "item_id": -1,
            "genre": key.partition(":")[2],
            "said": e.effect,
            "true": np.nan,
        }
        for key, e in measure_tastes(context.seen, mean).items()
        if key.startswith("genre:")
    ]


def _panel(
    ratings: Sequence[SimulatedRating], true: Sequence[float], mode: str, user: int, number: int
) -> list[dict[str, object]]:
    return [
        {
            "way": mode,
            "user_id": user,
            "round": number,
            "kind": "panel",
            "item_id": r.item_id,
            "said": np.nan if r.expected is None else r.expected,
            "true": t,
        }
        for r, t in zip(ratings, true, strict=True)
    ]


def _result(
    setup: ExperimentSetup, frame: pd.DataFrame, similarities: pd.DataFrame, names: Sequence[str], lost: Sequence[int]
) -> Result:
    boot = setup.bootstrap(frame["user_id"].unique())
    last = int(frame["round"].max())
    frame, gone = _complete(frame)
    compared = _against_start(frame)

    def line(kind: tuple[str, ...], measure: str) -> list[Point]:
        points = []
        for (way, number), rows in frame[frame["kind"].isin(kind)].groupby(["way", "round"]):
            points.append(Point.of(str(way), float(str(number)), _measured(boot, rows, measure)))
        return points

    def panel(number: int, measure: str) -> Figure:
        rows = frame[(frame["kind"] == "panel") & (frame["round"] == number) & (frame["way"] == names[0])]
        return _measured(boot, rows, measure)

    drift = {m: panel(last, m) - panel(0, m) for m in ("mean", "spread", "rmse")}
    rows_of_mode = frame[frame["way"] == names[0]]
    fed = _measured(boot, rows_of_mode[(rows_of_mode["kind"] == "fed") & (rows_of_mode["round"] == last)], "spread")
    real = _measured(boot, rows_of_mode[rows_of_mode["kind"] == "real"], "spread")
    ratio = panel(last, "spread") / panel(0, "spread")
    stays = similarities[(similarities["round"] == last) & (similarities["way"] == names[0])]
    then = compared[(compared["round"] == last) & (compared["way"] == names[0])]
    same_tastes = boot.correlation(then["user_id"].to_numpy(), then["start"], then["said"])
    taste_points = [
        Point.of(
            str(way), float(str(number)), boot.correlation(rows["user_id"].to_numpy(), rows["start"], rows["said"])
        )
        for (way, number), rows in compared.groupby(["way", "round"])
    ]
    words_kept = boot.mean(stays["user_id"].to_numpy(), stays["likeness"])
    points = [
        Point.of(str(way), float(str(number)), boot.mean(rows["user_id"].to_numpy(), rows["likeness"]))
        for (way, number), rows in similarities.groupby(["way", "round"])
    ]
    panels = (
        Panel(
            "Mean of the input ratings (rounds up to 0 are real)",
            "Round",
            "Mean rating",
            "line",
            tuple(line(("real", "fed"), "mean")),
        ),
        Panel(
            "Standard deviation of the input ratings (rounds up to 0 are real)",
            "Round",
            "Standard deviation",
            "line",
            tuple(line(("real", "fed"), "spread")),
        ),
        Panel("Error on the panel", "Round", "RMSE", "line", tuple(line(("panel",), "rmse"))),
        Panel(
            "Genre preferences: correlation with those before the loop",
            "Round",
            "Correlation",
            "line",
            tuple(taste_points),
        ),
        Panel("Stability of the profile text", "Round", "Shared words", "line", tuple(points)),
    )
    first = (
        f"After {last} rounds on its own ratings the mean rating of the panel changes by "
        f"{format_figure(drift['mean'], 2, signed=True)} stars, {describe_significance(drift['mean'])}, "
        f"and their standard deviation is {format_figure(ratio, 2)} times the original."
    )
    second = (
        f"The standard deviation of its own input ratings is {format_figure(fed, 2)} stars, that of the real ratings "
        f"before {format_figure(real, 2)}; the RMSE on the panel changes by "
        f"{format_figure(drift['rmse'], signed=True)}, {describe_significance(drift['rmse'])}, and its genre "
        f"preferences correlate by {format_figure(same_tastes, 2)} with those before."
    )
    figures = {
        "mean": drift["mean"].json,
        "spread": drift["spread"].json,
        "spread_ratio": ratio.json,
        "rmse": drift["rmse"].json,
        "likeness": words_kept.json,
        "tastes": same_tastes.json,
        "fed_spread": fed.json,
        "real_spread": real.json,
    }
    notes = []
    if lost:
        notes.append(f"{len(set(lost))} users' loops failed because of model errors; they are excluded.")
    if gone:
        notes.append(f"{gone} movies of the panel lack a rating in some round and are excluded from all.")
    return Result((first, second), panels, figures, frame, tuple(notes))


def _complete(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The rows, of the panel only movies that were rated in every round; and how many were not."""
    panel = frame["kind"] == "panel"
    keys = ["way", "user_id", "item_id"]
    given = frame[panel].groupby(keys)["said"].transform(lambda v: v.notna().all())
    keep = pd.Series(True, index=frame.index)
    keep[given.index] = given.astype(bool)
    gone = len(frame[panel & ~keep].drop_duplicates(keys))
    return frame[keep].reset_index(drop=True), gone


def _against_start(frame: pd.DataFrame) -> pd.DataFrame:
    """Genre effects by round with those before the loop (``start``), of genres that were there then."""
    effects = frame[frame["kind"] == "taste"]
    start = effects[effects["round"] == 0][["way", "user_id", "genre", "said"]].rename(columns={"said": "start"})
    return effects.merge(start, on=["way", "user_id", "genre"])


def _measured(boot: Bootstrap, rows: pd.DataFrame, measure: str) -> Figure:
    users, values = rows["user_id"].to_numpy(), rows["said"].to_numpy(float)
    if measure == "rmse":
        return boot.rmse(users, values - rows["true"].to_numpy(float))
    return boot.mean(users, values) if measure == "mean" else boot.std(users, values)


SPEC = ExperimentSpec(
    "loop",
    "closed-loop",
    "Closed loop",
    "What happens when a profile is updated with its own ratings?",
    run,
    estimate,
    position=80,
    icon="all_inclusive",
    options={"rounds": Option("Rounds", ROUNDS, 1, 20)},
)
