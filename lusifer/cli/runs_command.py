"""``runs`` (earlier ``cache``): export a run with its answers to a file, and import it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lusifer import settings


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command and its earlier name, which the help does not show; their leaves."""
    runs = commands.add_parser("runs", help="export and import runs with their answers")
    return [*_add_actions(runs), *_add_actions(commands.add_parser("cache"))]


def _add_actions(command: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    out = actions.add_parser("export", help="write a run and everything it depends on to a file")
    out.add_argument("run_id", metavar="RUN")
    out.add_argument("file", type=Path)
    out.set_defaults(run=_run_export)
    back = actions.add_parser("import", help="import such a file")
    back.add_argument("file", type=Path)
    back.set_defaults(run=_run_import)
    return [out, back]


def _run_export(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.runs import tables
    from lusifer.store import Store

    table_file = tables.table_path(options.run_id)
    files = {table_file.name: table_file.read_bytes()} if table_file.is_file() else {}
    row_counts = Store(settings.database_path()).export_run(options.run_id, options.file, files)
    if not options.json:
        summary = ", ".join(f"{n:,} {t.replace('_', ' ')}" for t, n in row_counts.items() if n)
        print(f"{options.file}: {summary}")
    return {"run": options.run_id, "file": str(options.file), "rows": row_counts}


def _run_import(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.runs import tables
    from lusifer.store import Store

    run, row_counts, files = Store(settings.database_path()).import_run(options.file)
    for name, content in files.items():
        target = tables.table_path(run).parent / Path(name).name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    if not options.json:
        summary = ", ".join(f"{n:,} {t.replace('_', ' ')}" for t, n in row_counts.items() if n) or "nothing new"
        print(f"run {run}: {summary}")
    return {"run": run, "rows": row_counts}
