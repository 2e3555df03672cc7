"""``prompts``: versions, labels and files without a browser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lusifer import settings
from lusifer.cli import prompt_comparison_command, prompt_suggestion_command
from lusifer.disk_files import explain_write_error, replacing
from lusifer.errors import InvalidInputError
from lusifer.safe_files import read_text


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; its leaves."""
    prompts = commands.add_parser("prompts", help="prompt versions and their labels")
    actions = prompts.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list all versions, newest first, and the labels")
    listing.set_defaults(run=_run_list)
    show = actions.add_parser("export", help="write a version to a file")
    show.add_argument("name", help="a label, a shipped set or a version (v4)")
    show.add_argument("file", type=Path)
    show.set_defaults(run=_run_export)
    take = actions.add_parser("import", help="create a version from a file")
    take.add_argument("file", type=Path)
    take.add_argument("--note", default="")
    take.set_defaults(run=_run_import)
    label = actions.add_parser("label", help="point a label at a version")
    label.add_argument("label")
    label.add_argument("name", help="a label, a shipped set or a version (v4)")
    label.set_defaults(run=_run_label)
    back = actions.add_parser("rollback", help="move a label back to its previous version")
    back.add_argument("label", nargs="?", default="active")
    back.set_defaults(run=_run_rollback)
    diff = actions.add_parser("diff", help="show the differences between two versions")
    diff.add_argument("one")
    diff.add_argument("other")
    diff.set_defaults(run=_run_diff)
    comparison, suggestion = (m.add_action(actions) for m in (prompt_comparison_command, prompt_suggestion_command))
    return [listing, show, take, label, back, diff, comparison, suggestion]


def _open_versions() -> Any:
    from lusifer.prompts import versions
    from lusifer.store import Store

    store = Store(settings.database_path())
    versions.ensure_shipped_versions(store)
    return store


def _run_list(options: argparse.Namespace) -> dict[str, Any]:
    store = _open_versions()
    rows, labels = store.list_prompts(), store.list_prompt_labels()
    if not options.json:
        for row in rows:
            named = ", ".join(x for x, n in labels.items() if n == row["number"])
            print(f"v{row['number']:<4} {row['name']:16} {row['hash'][:8]}  {named:18} {row['note'] or ''}")
    return {"versions": rows, "labels": labels}


def _run_export(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer import prompts
    from lusifer.prompts import versions

    prompt_set = versions.resolve(options.name, _open_versions())
    if options.file.exists():
        raise InvalidInputError(f"{options.file} already exists.", "Give another name, or move it away.")
    try:
        with replacing(options.file, follow=True) as partial:
            partial.write_text(prompts.to_json(prompt_set), encoding="utf-8")
    except OSError as error:
        what = f"{options.file} can't be written"
        raise InvalidInputError(*explain_write_error(what, error, "Give another path.")) from None
    if not options.json:
        print(f"{prompt_set.version} is in {options.file}")
    return {"version": prompt_set.version, "file": str(options.file)}


def _run_import(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer import prompts
    from lusifer.prompts import versions

    store = _open_versions()
    note = options.note or f"Imported from {options.file.name}"
    version = versions.save(store, prompts.from_json(read_text(options.file, prompts.MAX_FILE_BYTES)), None, note)
    if not options.json:
        print(f"{version.prompts.version} is {version.name}")
    return {"number": version.number, "name": version.name}


def _run_label(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.prompts import versions

    store = _open_versions()
    number = versions.save(store, versions.resolve(options.name, store)).number
    before = versions.move_label(store, options.label, number)
    if not options.json:
        print(f"{options.label} points at v{number}" + (f", previously v{before}" if before else ""))
    return {"label": options.label, "number": number, "before": before}


def _run_rollback(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.prompts import versions

    number = versions.rollback(_open_versions(), options.label)
    if not options.json:
        print(f"{options.label} points at v{number} again")
    return {"label": options.label, "number": number}


def _run_diff(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.prompts import versions

    store = _open_versions()
    differences = versions.diff(versions.resolve(options.one, store), versions.resolve(options.other, store))
    if not options.json:
        for d in differences:
            print(f"{d.part}: {d.before} → {d.after}" if not d.lines else "\n".join([f"{d.part}:", *d.lines]))
    return {
        "differences": [
            {"what": d.part, "before": d.before, "after": d.after, "lines": list(d.lines)} for d in differences
        ]
    }
