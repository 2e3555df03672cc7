"""``evaluate``: predictors compared on a test set."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lusifer import settings
from lusifer.errors import InvalidInputError

if TYPE_CHECKING:
    from lusifer.datasets import Dataset
    from lusifer.datasets.splits import Split

from lusifer.cli.common_options import build_user_model, group_of_users, open_store, with_details
from lusifer.cli.output import log


def _build_community(options: argparse.Namespace, dataset: Dataset, split: Split) -> Any:
    """Community evidence as far as it is asked for; the full one is kept for the next time."""
    from lusifer.simulator import community

    if options.evidence == "off":
        return community.offsets_only(dataset, split, seed=options.seed) if options.calibrate == "on" else None
    folder = settings.prediction_cache_dir()
    if not community.is_cached(dataset, split, folder, seed=options.seed):
        log("Computing community evidence (about a minute and a half; cached for next time) ...")
    last = [0]

    def on_progress(done: int, total: int, message: str = "") -> None:
        if total and done * 10 // total > last[0]:
            last[0] = done * 10 // total
            log(f"{last[0] * 10}% of the community evidence")

    return community.with_factorization(dataset, split, folder, seed=options.seed, on_progress=on_progress)


def run_evaluate(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load, splits
    from lusifer.evaluation import SIMULATOR, RunContext, evaluate, sample_users

    if bool(options.train) != bool(options.test) or (options.train and options.split):
        raise InvalidInputError("Give either --split, or both --train and --test.")
    names = [n.strip() for n in options.predictors.split(",") if n.strip()]
    store = open_store(options.model) if SIMULATOR in names else None
    dataset = with_details(load(options.dataset), store)
    if options.train:
        split = splits.from_files(dataset, options.train, options.test)
    else:
        split = splits.make(dataset, options.split or splits.DEFAULT)
    model, community = None, None
    if SIMULATOR in names:
        model = build_user_model(options, store, evidence=options.evidence == "on")
        community = _build_community(options, dataset, split)
    model_is_paid = options.model != "builtin"
    users = None
    if options.users is not None or options.user_group != "all":
        count = len(dataset.user_ids) if options.users is None else options.users
        users = sample_users(split, count, options.seed, group_of_users(options.user_group, dataset))
    last = [""]

    def report(done: int, total: int, message: str = "") -> None:
        if message != last[0] or done % 50 == 0 or model_is_paid:
            log(f"{done}/{total} {message}")
        last[0] = message

    workers = options.workers if model_is_paid else 1
    ctx = RunContext(dataset, split, store, settings.prediction_cache_dir(), options.seed, workers, report)
    comparison = evaluate(
        ctx, names, users=users, model=model, community=community, calibration=options.calibrate == "on"
    )
    for note in comparison.notes:
        log(f"lusifer: {note}")
    scored = comparison.scores()
    if options.metrics == "basic":
        basic = ("rmse", "mae", "r2", "pearson", "seconds")
        scored = {name: {m: s[m] for m in basic} for name, s in scored.items()}
    if not options.json:
        print(f"{comparison.rows:,} ratings of {split.name}")
        print(f"{'predictor':20} {'RMSE':>7} {'MAE':>7} {'R²':>7} {'Pearson':>8} {'seconds':>8}")
        for name, s in scored.items():
            print(f"{name:20} {s['rmse']:7.4f} {s['mae']:7.4f} {s['r2']:7.3f} {s['pearson']:8.3f} {s['seconds']:8.2f}")
    return {"rows": comparison.rows, "predictors": scored}
