"""``evaluate``: predictors compared on a test set, as a recorded run."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lusifer.cli import common_options
from lusifer.cli.common_options import add_model_options, add_old_flag, add_sample_options
from lusifer.cli.output import log, print_json
from lusifer.errors import InvalidInputError

if TYPE_CHECKING:
    from lusifer.datasets import Dataset
    from lusifer.evaluation.imported_predictions import ImportedPredictions

BASIC_METRICS = ("rmse", "mae", "r2", "pearson")


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("evaluate", help="compare predictors on a test set")
    command.add_argument("--dataset", default="ml-100k")
    command.add_argument("--split", help="last-10 (default), last-N, u1 … u5, global-time, random, cold-K")
    command.add_argument("--train", type=Path, help="CSV of training ratings")
    command.add_argument("--test", type=Path, help="CSV of test ratings")
    command.add_argument(
        "--predictors",
        default="constant,user-mean,item-mean,bias,svdpp",
        help="names separated by commas, see below (default: %(default)s)",
    )
    command.list_choices = _list_predictors
    add_model_options(command)
    add_sample_options(command, "all", None)
    add_old_flag(command, "--among", "--user-group", choices=common_options.USER_GROUPS)
    command.add_argument(
        "--evidence",
        choices=("on", "off", "both"),
        default="off",
        help="on: use community evidence in the prompt and in the calibration; both: also without it, as the Accuracy "
        "page does (reported as simulator-evidence)",
    )
    command.add_argument(
        "--calibrate",
        choices=("on", "off"),
        default="on",
        help="also report simulator-calibrated: blended with the user's own mean, by forecasts of the training set",
    )
    command.add_argument(
        "--metrics",
        choices=("basic", "all"),
        default="basic",
        help="all: also rank and within-user correlation, exact and off-by-one share, coverage, rounded RMSE",
    )
    add_old_flag(command, "--measures", "--metrics", choices=("basic", "all"))
    command.add_argument(
        "--predictions",
        action="append",
        default=[],
        metavar="NAME=FILE.csv",
        help="predictions of another program (columns user, item, prediction), compared on the same rows; repeatable",
    )
    command.add_argument(
        "--missing",
        choices=("refuse", "bias"),
        default="refuse",
        help="test ratings that such a file lacks: refuse the file (default), or impute the user and item bias",
    )
    command.add_argument("--no-record", action="store_true", help="leave the comparison out of the recorded runs")
    command.set_defaults(run=_run_evaluate)
    return [command]


def _list_predictors() -> str:
    from lusifer.baselines import BASELINES

    return f"predictors: {', '.join(BASELINES)}, simulator, simulator-combined, builtin"


def _run_evaluate(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import splits
    from lusifer.evaluation import COMBINED, SIMULATOR
    from lusifer.runs.comparison import ComparisonSpec, run_comparison
    from lusifer.simulator import community, label
    from lusifer.simulator.models import recorded_users

    if bool(options.train) != bool(options.test) or (options.train and options.split):
        raise InvalidInputError("Give either --split, or both --train and --test.")
    names = [n.strip() for n in options.predictors.split(",") if n.strip()]
    simulating = SIMULATOR in names or COMBINED in names
    if not simulating:
        options.model = "builtin"  # nobody else is asked, and no key is needed
    store = common_options.open_store(options.model)
    dataset, split = common_options.load_data(options, store)
    if options.train:
        split = splits.from_files(dataset, options.train, options.test)
    ctx = common_options.build_run_context(options, dataset, split, store)
    users = None
    if options.users is not None or options.user_group != "all" or recorded_users(options.model):
        users = common_options.sample_group(options, ctx)
    spec = ComparisonSpec(names, users, options.user_group, calibration=options.calibrate == "on")
    if simulating and options.evidence != "off":
        evidence = common_options.load_evidence(ctx, options.seed)
        spec = replace(spec, community=evidence) if options.evidence == "on" else replace(spec, evidence=evidence)
    if simulating and options.evidence != "on" and options.calibrate == "on":
        spec = replace(spec, community=community.offsets_only(dataset, split, seed=options.seed))
    spec = replace(spec, imported=_read_imported(options, dataset), missing=options.missing)
    config = common_options.build_model_config(options, store, evidence=simulating and options.evidence == "on")
    people = len(split.test.user_ids) if users is None else len(users)
    run = run_comparison(
        ctx,
        config,
        spec,
        f"{len(names)} predictors, {people:,} users, {label(config.spec)}",
        recorded=not options.no_record,
    )
    result = _report(options, run.summary, split.name, run.id if run.store is not None else None)
    if run.summary.get("unanswered"):
        print_json(options, result)
        run.require_finished()
    return result


def _read_imported(options: argparse.Namespace, dataset: Dataset) -> list[ImportedPredictions]:
    """The files of ``--predictions``."""
    from lusifer.evaluation.imported_predictions import read_predictions

    named = [text.partition("=") for text in options.predictions]
    for name, _, file in named:
        if not name or not file:
            raise InvalidInputError("--predictions needs a name and a file.", "Give NAME=FILE.csv.")
    if len({name for name, _, _ in named}) < len(named):
        raise InvalidInputError("Two files of --predictions have one name.", "Give each its own.")
    return [read_predictions(dataset, name, Path(file)) for name, _, file in named]


def _report(options: argparse.Namespace, summary: dict[str, Any], split: str, run: str | None) -> dict[str, Any]:
    from lusifer.evaluation import METRICS

    for note in summary["notes"]:
        log(f"lusifer: {note}")
    metrics = [*(BASIC_METRICS if options.metrics == "basic" else (*METRICS, "coverage")), "seconds"]
    bounds = [f"{m}_{end}" for m in metrics for end in ("low", "high")]
    scores = {
        name: {key: row[key] for key in (*metrics, *bounds) if key in row}
        for name, row in summary["predictors"].items()
    }
    if not options.json:
        print(f"{summary['rows']:,} ratings of {split}, 95 % intervals by a bootstrap over users")
        print(f"{'predictor':20} {'RMSE':>25} {'MAE':>7} {'R²':>7} {'Pearson':>8} {'seconds':>8}")
        for name, s in scores.items():
            rmse = _with_interval([s["rmse"], s["rmse_low"], s["rmse_high"]])
            mae, r2, pearson = (_number(s[m], d) for m, d in (("mae", 4), ("r2", 3), ("pearson", 3)))
            print(f"{name:20} {rmse:>25} {mae:>7} {r2:>7} {pearson:>8} {s['seconds']:8.2f}")
        if summary["simulator_minus"]:
            print("RMSE of the simulator minus that of the others, paired by users:")
        for name, triple in summary["simulator_minus"].items():
            print(f"  {name:18} {_with_interval(triple):>25}")
        _print_gains(summary)
        if run:
            print(f"run {run}")
    return {
        "rows": summary["rows"],
        "predictors": scores,
        "simulator_minus": summary["simulator_minus"],
        "adds": summary["adds"],
        "calibrations": summary["calibrations"],
        "run": run,
    }


def _print_gains(summary: dict[str, Any]) -> None:
    """What the model's answers are worth beside each method, and what their weights rest on."""
    if summary["adds"]:
        print("RMSE with the model minus that of the same without it:")
    for gain in summary["adds"].values():
        alone = f"  minus {gain['over']} alone {_with_interval(gain['minus_method'])}" if gain["minus_method"] else ""
        print(f"  {'over ' + gain['over']:18} {_with_interval(gain['difference']):>25}{alone}")
    for name, calibration in summary["calibrations"].items():
        print(f"{name}: {calibration['source']}; weight of the model {calibration['weight']:.2f}")


def _number(value: float | None, digits: int) -> str:
    return "nan" if value is None else f"{value:.{digits}f}"


def _with_interval(triple: list[float | None]) -> str:
    value, low, high = (_number(x, 4) for x in triple)
    return f"{value} ({low} to {high})"
