"""``data fetch``, ``data info`` and ``data enrich``."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from lusifer import settings

if TYPE_CHECKING:
    from lusifer.datasets import Dataset

from lusifer.cli.output import log


def run_fetch(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load
    from lusifer.datasets.fetch import fetch

    last = [""]

    def on_progress(done: int, total: int, message: str = "") -> None:
        percent = f"{done / total:4.0%} " if total else "     "
        activity = message.split(":")[0]
        if activity != last[0] or done in (0, total) or sys.stderr.isatty():
            end = "\r" if sys.stderr.isatty() and done < total else "\n"
            print(f"{percent}{message}", file=sys.stderr, end=end, flush=True)
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


def run_info(options: argparse.Namespace) -> dict[str, Any]:
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


def run_enrich(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import item_details, load, tmdb
    from lusifer.store import Store

    dataset, store = load(options.name), Store(settings.database_path())
    result: dict[str, Any] = {"name": dataset.name}
    if options.forget:
        result["forgotten"] = store.delete_details(dataset.hash)
    if options.source:
        report = item_details.import_csv(dataset, options.source, store)
        result |= {
            "taken": report.taken,
            "empty": report.empty,
            "unknown_ids": len(report.unknown),
            "other_titles": len(report.other_title),
            "unreadable": len(report.unreadable),
        }
        log(report.text)
    if not (options.source or options.export or options.forget):
        began = time.monotonic()

        def on_progress(done: int, total: int, title: str = "") -> None:
            if done % 25 == 0 or done == total:
                rate = done / max(time.monotonic() - began, 1e-9)
                left = f", about {(total - done) / rate:.0f} s left" if done else ""
                log(f"{done}/{total} {title} ({rate:.1f}/s{left})")

        counts = tmdb.enrich(dataset, store, on_progress=on_progress)
        result |= {"found": counts.found, "not_found": counts.not_found, "known": counts.known}
    if options.export:
        result["exported"] = item_details.export_csv(dataset, options.export, store)
    result["movies_with_details"] = len(item_details.load_details(dataset, store))
    if not options.json:
        for key, value in result.items():
            print(f"{key:20} {value}")
    return result
