"""What a calibration costs and gains, over many seeds, for models that are made up, so that the truth is known.

Users rate around a level of their own that drifts a little; collaborative filtering knows some of what makes a rating,
a good model knows something else. Of each kind of model: RMSE of the calibrated and of the combined row minus that of
the model alone, and minus that of the same without the model, by how many users have forecasts to learn from (40 each).
Below zero is a gain. Prints JSON with ``--json``, else tables.

With ``--recording NAME`` the rows of real answers instead: a recorded model beside every method on MovieLens 100K's
``last-10``, of several recordings together where several are named. ``--write-figures`` writes them to
docs/figures.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import figures
from lusifer import settings
from lusifer.datasets import RatingScale, load, splits
from lusifer.evaluation import COMBINED, estimates, evaluate, rmse_difference
from lusifer.llm.recordings import PREFIX
from lusifer.simulator import RunContext, UserModelConfig, community
from lusifer.simulator.calibration import LANGUAGE_MODEL, LANGUAGE_MODEL_COMBINED, Blend, BlendPrior
from lusifer.simulator.models import recorded_users

Floats = NDArray[np.float64]
SCALE = RatingScale(1.0, 5.0, 1.0)
MEAN, BATCH, STEPS = 3.5, 10, 4
LEVEL, QUALITY, TASTE, OWN, DRIFT, NOISE = 0.4, 0.45, 0.25, 0.28, 0.14, 0.92
"""Standard deviations: of users' levels and items' qualities, of tastes that collaborative filtering knows, of what
only a model can know, of the level's drift since, of the rest. Errors come out as on MovieLens 100K's ``last-10``."""


@dataclass(frozen=True, eq=False)
class Ratings:
    """What lies behind n ratings, and what is known of them without a model.

    Attributes:
        seen: ratings of the user that were shown before.
        level: as far as it shows in these; ``community`` and ``own_mean``: estimates without a model.
    """

    user: NDArray[np.int64]
    seen: Floats
    level: Floats
    quality: Floats
    own: Floats
    community: Floats
    own_mean: Floats
    rating: Floats
    item_count: Floats

    @property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """As `Blend` reads them."""
        n = len(self.user)
        return {
            "user_id": self.user.astype(float),
            "base": np.full(n, MEAN),
            "user": self.level,
            "item": self.quality,
            "habit": np.zeros((n, len(SCALE.values))),
            "item_count": self.item_count,
            "estimate": self.community,
            "own_mean": self.own_mean,
        }


REFERENCES = {"own_mean": "the user's mean", "community": "collaborative filtering"}
Model = Callable[[Ratings, np.random.Generator], Floats]


def answer(
    r: Ratings, rng: np.random.Generator, boldness: float = 1.0, bias: float = 0.0, noise: float = 0.25
) -> Floats:
    """A model that sees the user's level, knows something of films, and of this user's tastes once it has seen them."""
    own = r.own * np.where(r.seen > 0, 1.0, 0.3)
    deviation = r.level + 0.6 * r.quality + own + rng.normal(0, noise, len(r.user))
    return SCALE.clip(MEAN + boldness * deviation + bias)


GOOD: dict[str, Model] = {
    "strong": answer,
    "strong and timid": lambda r, rng: answer(r, rng, boldness=0.5),
    "strong and harsh": lambda r, rng: answer(r, rng, bias=-0.8),
    "strong and noisy": lambda r, rng: answer(r, rng, noise=0.5),
}
USELESS: dict[str, Model] = {
    "noise around the user's mean": lambda r, rng: SCALE.clip(r.own_mean + rng.normal(0, 0.45, len(r.user))),
    "always 4": lambda r, rng: np.full(len(r.user), 4.0),
    "any rating": lambda r, rng: rng.integers(1, 6, len(r.user)).astype(float),
    "strict noise": lambda r, rng: SCALE.clip(rng.normal(2.7, 0.6, len(r.user))),
}


def make_ratings(rng: np.random.Generator, users: int, per_batch: int, steps: range) -> Ratings:
    """Ratings of some users in batches; at step k (from 0) the user has shown k batches."""
    step = np.tile(np.repeat(np.array(steps), per_batch), users)
    user = np.repeat(np.arange(users), per_batch * len(steps))
    n, seen = len(user), step * float(BATCH)
    level, drift = rng.normal(0, LEVEL, users)[user], rng.normal(0, DRIFT, users)[user]
    quality, taste, own = (rng.normal(0, sd, n) for sd in (QUALITY, TASTE, OWN))
    exact = MEAN + level + drift + quality + taste + own + rng.normal(0, NOISE, n)
    # A mean of k ratings is off by their spread over √k, and damped accordingly.
    spread = np.sqrt(QUALITY**2 + TASTE**2 + OWN**2 + NOISE**2)
    trust = seen / (seen + spread**2 / LEVEL**2)
    errors = rng.normal(0, 1, (users, len(steps)))[user, step - steps.start] * spread
    shown = np.where(seen > 0, trust * (level + errors / np.sqrt(np.maximum(seen, 1))), 0.0)
    community = MEAN + level * 0.9 + quality + taste + rng.normal(0, 0.1, n)
    rating = SCALE.clip(np.rint(exact))
    counts = np.where(rng.random(n) < 0.2, 20.0, 150.0)
    return Ratings(user, seen, shown, quality, own, SCALE.clip(community), MEAN + shown, rating, counts)


def select(r: Ratings, rows: NDArray[np.bool_]) -> Ratings:
    """Some of the rows."""
    return Ratings(*(getattr(r, name)[rows] for name in r.__dataclass_fields__))


def rmse(expected: Floats, true: Floats) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((expected - true) ** 2)))


def measure(
    model: Model, users: int, seed: int, priors: Mapping[bool, BlendPrior], per_batch: int = 100
) -> dict[str, float]:
    """One draw of the world: the rows' RMSE minus those without the model, and minus the model alone."""
    rng = np.random.default_rng((seed, users))
    everything = make_ratings(rng, max(users, 10), per_batch, range(STEPS + 1))
    within = np.tile(np.arange(per_batch), len(everything.user) // per_batch)
    said = model(everything, rng)
    forecast = (everything.seen < STEPS * BATCH) & (within < BATCH) & (everything.user < users)
    test = everything.seen == STEPS * BATCH
    if users:
        test &= everything.user < users
    known, asked, true = select(everything, forecast), select(everything, test), everything.rating[test]
    found = {"alone": rmse(said[test], true)}
    for beside, name, without in ((False, "calibrated", "own_mean"), (True, "combined", "community")):
        blend = Blend.fit(
            known.columns, said[forecast], known.seen, known.rating, SCALE, priors[beside], community=beside
        )
        error, same = (
            rmse(blend.apply(asked.columns, said[test], asked.seen, model_term=used).expected, true)
            for used in (True, False)
        )
        found |= {
            name: error,
            f"{name} − the same without the model": error - same,
            f"{name} − {REFERENCES[without]} alone": error - rmse(SCALE.clip(getattr(asked, without)), true),
            f"{name} − model alone": error - found["alone"],
            f"{name}: weight": blend.summary.weight,
        }
    return found


def table(seeds: int, counts: tuple[int, ...] = (0, 1, 10, 37)) -> list[dict[str, Any]]:
    """Every kind of model by how many users have forecasts: means over seeds."""
    priors = {False: LANGUAGE_MODEL, True: LANGUAGE_MODEL_COMBINED}
    rows: list[dict[str, Any]] = []
    for kind, models in (("good", GOOD), ("useless", USELESS)):
        for name, model in models.items():
            for users in counts:
                drawn = [measure(model, users, seed, priors) for seed in range(seeds)]
                means = {key: float(np.mean([d[key] for d in drawn])) for key in drawn[0]}
                rows.append({"kind": kind, "model": name, "users": users, "forecasts": 40 * users, **means})
    return rows


def measure_recordings(names: Sequence[str]) -> list[dict[str, Any]]:
    """RMSE and Pearson correlation of every row, and what the model changes beside each method, with intervals."""
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    offsets = community.offsets_only(dataset, split)
    ctx = RunContext(dataset, split, cache_dir=settings.prediction_cache_dir())
    pieces: list[tuple[NDArray[Any], Floats, dict[str, Floats]]] = []
    for number, name in enumerate(names):
        model = UserModelConfig(f"{PREFIX}{name}").build(None)
        predictors = [COMBINED, *estimates.usable_methods()]
        asked = list(recorded_users(model.spec))
        found = evaluate(ctx, predictors, users=asked, model=model, community=offsets)
        values = {predictor: p.values for predictor, p in found.predictions.items()}
        for method, blend in found.combinations.items():
            values |= {f"with {method}": blend.calibrated.expected, f"{method}, levels": blend.without_model.expected}
        # A user of two recordings answered twice: two different draws of the bootstrap.
        pieces.append((found.test.user + 1_000_000 * number, found.test.rating.astype(float), values))
    if len(pieces) > 1:
        users, true = (np.concatenate([p[i] for p in pieces]) for i in (0, 1))
        pieces.append((users, true, {n: np.concatenate([p[2][n] for p in pieces]) for n in pieces[0][2]}))
    rows: list[dict[str, Any]] = []
    for label, (users, true, values) in zip([*names, "together"], pieces, strict=False):
        for name, expected in values.items():
            row = {"recording": label, "row": name, "rmse": rmse(expected, true), "ratings": len(true)}
            row["pearson"] = float(np.corrcoef(expected, true)[0, 1])
            for method in estimates.usable_methods():
                row[f"minus {method}"] = rmse_difference(users, expected, values[method], true).json
            if f"{name.removeprefix('with ')}, levels" in values and name.startswith("with "):
                same = values[f"{name.removeprefix('with ')}, levels"]
                row["minus the same without the model"] = rmse_difference(users, expected, same, true).json
            rows.append(row)
    return rows


def print_recordings(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line a row, differences as value (low to high)."""
    for row in rows:
        triples = {k: v for k, v in row.items() if isinstance(v, list)}
        told = "; ".join(f"{k} {v[0]:+.3f} ({v[1]:+.3f} to {v[2]:+.3f})" for k, v in triples.items())
        print(f"{row['recording']}: {row['row']:22} RMSE {row['rmse']:.4f} Pearson {row['pearson']:.3f}  {told}")


def printed_figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """RMSE of the rows that predictors are, and how far the combined one lies from each method."""
    found = {f"{r['recording']}.{r['row']}": f"{r['rmse']:.3f}" for r in rows if "," not in r["row"]}
    for row in rows:
        if row["row"] == COMBINED:
            for method in estimates.usable_methods():
                value, low, high = row[f"minus {method}"]
                found[f"{row['recording']}.minus-{method}"] = f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
    return {name.replace(" ", "-"): value for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--recording", action="append", default=[], metavar="NAME")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(figures.OPTION, action="store_true", dest="write")
    options = parser.parse_args()
    if options.recording:
        measured = measure_recordings(options.recording)
        print(json.dumps(measured, ensure_ascii=False, indent=1)) if options.json else print_recordings(measured)
        if options.write:
            figures.write_figures("calibration", printed_figures(measured))
        return
    rows = table(options.seeds)
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    keys = [k for k in rows[0] if k not in {"kind", "model", "users", "forecasts"}]
    for number, key in enumerate(keys, 1):
        print(f"[{number}] {key}")
    print(f"{'':38} {'forecasts':>9} " + " ".join(f"{f'[{n}]':>8}" for n in range(1, len(keys) + 1)))
    for row in rows:
        label = f"{row['kind']}: {row['model']}"
        print(f"{label:38} {row['forecasts']:>9} " + " ".join(f"{row[k]:8.4f}" for k in keys))


if __name__ == "__main__":
    main()
