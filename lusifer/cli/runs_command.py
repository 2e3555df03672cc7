"""``runs`` (earlier ``cache``): recorded runs listed, shown, pinned, exported to a file and imported."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lusifer import settings
from lusifer.errors import InvalidInputError


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command and its earlier name, which the help does not show; their leaves."""
    runs = commands.add_parser("runs", help="list, show, pin, export and import recorded runs")
    actions = runs.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list recorded runs, newest first")
    listing.add_argument("--kind", default="", help="only of this kind, such as comparison or experiment")
    listing.add_argument("--limit", type=int, default=50, help="at most this many (default: 50)")
    listing.set_defaults(run=_run_list)
    show = actions.add_parser("show", help="show a run: settings, state and summary")
    show.add_argument("run_id", metavar="RUN")
    show.set_defaults(run=_run_show)
    pin = actions.add_parser("pin", help="pin a run: it stands first on its page, and beside other results there")
    unpin = actions.add_parser("unpin", help="take a run's pin back")
    for parser in (pin, unpin):
        parser.add_argument("run_id", metavar="RUN")
        parser.set_defaults(run=_run_pin, pinned=parser is pin)
    old = commands.add_parser("cache").add_subparsers(dest="action", required=True, metavar="ACTION")
    return [listing, show, pin, unpin, *_add_transfer(actions), *_add_transfer(old)]


def _add_transfer(actions: Any) -> list[argparse.ArgumentParser]:
    out = actions.add_parser("export", help="write a run and everything it depends on to a file")
    out.add_argument("run_id", metavar="RUN")
    out.add_argument("file", type=Path)
    out.set_defaults(run=_run_export)
    back = actions.add_parser("import", help="import such a file")
    back.add_argument("file", type=Path)
    back.set_defaults(run=_run_import)
    return [out, back]


def _run_list(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.runs.listing import list_runs
    from lusifer.store import Store

    if options.limit < 1:
        raise InvalidInputError("A list needs at least one entry.", "Give --limit 1 or more.")
    store = Store(settings.database_path())
    rows, pinned = list_runs(store, options.kind, options.limit), set(store.list_pinned_runs())
    if not options.json:
        for row in rows:
            when = str(row["created_at"])[:16].replace("T", " ")
            mark = "  (pinned)" if row["id"] in pinned else ""
            print(f"{row['id']}  {when}  {row['status']:11}  {row['kind']:12}  {row['title']}{mark}")
    kept = [{k: v for k, v in row.items() if k not in {"params", "summary"}} for row in rows]
    return {"runs": [{**row, "pinned": row["id"] in pinned} for row in kept]}


def _run_pin(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.runs.listing import get_run
    from lusifer.store import Store

    store = Store(settings.database_path())
    row = get_run(store, options.run_id)
    store.pin_run(row["id"], options.pinned)
    if not options.json:
        print(f"{row['id']} is {'' if options.pinned else 'no longer '}pinned: {row['title']}")
    return {"run": row["id"], "pinned": options.pinned}


def _run_show(options: argparse.Namespace) -> dict[str, Any]:
    import json

    from lusifer.runs import tables
    from lusifer.runs.kinds import RUN_KINDS
    from lusifer.runs.listing import get_run, with_file_ids
    from lusifer.store import Store

    row = with_file_ids(get_run(Store(settings.database_path()), options.run_id))
    path = tables.table_path(options.run_id)
    row["table"] = str(path) if path.is_file() else None
    if not options.json:
        kind = RUN_KINDS.get(row["kind"])
        print(f"{kind.title if kind else row['kind']}: {row['title']}")
        for key in (
            "status",
            "dataset",
            "split",
            "model",
            "model_version",
            "seed",
            "created_at",
            "finished_at",
            "table",
        ):
            print(f"  {key:14} {row.get(key)}")
        for key in ("params", "summary"):
            print(f"  {key}: {json.dumps(row[key], ensure_ascii=False, indent=2)}")
    return row


def _run_export(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.runs.listing import export_run
    from lusifer.store import Store

    row_counts = export_run(Store(settings.database_path()), options.run_id, options.file)
    if not options.json:
        print(f"{options.file}: {_describe(row_counts)}")
    return {"run": options.run_id, "file": str(options.file), "rows": row_counts}


def _run_import(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.runs.listing import import_run
    from lusifer.store import Store

    run, row_counts = import_run(Store(settings.database_path()), options.file)
    if not options.json:
        print(f"run {run}: {_describe(row_counts) or 'nothing new'}")
    return {"run": run, "rows": row_counts}


def _describe(row_counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {t.replace('_', ' ')}" for t, n in row_counts.items() if n)
