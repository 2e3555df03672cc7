"""``recordings``: a language model's recorded answers listed, shown, made from a run, and added."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lusifer import settings

if TYPE_CHECKING:
    from lusifer.llm.recordings import Recording


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command and its leaves."""
    recordings = commands.add_parser("recordings", help="recorded answers of language models, used as recorded:NAME")
    actions = recordings.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the recordings of this machine")
    listing.set_defaults(run=_run_list)
    show = actions.add_parser("show", help="show what a recording holds, how it was made, and by whom")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=_run_show)
    make = actions.add_parser("make", help="make a recording from a run of a language model")
    make.add_argument("run_id", metavar="RUN")
    make.add_argument("file", type=Path, metavar="FILE", help="NAME.jsonl.gz")
    make.add_argument("--note", default="", help="how the answers were made, for those who use it")
    make.set_defaults(run=_run_make)
    add = actions.add_parser("add", help="add a recording that somebody handed on")
    add.add_argument("file", type=Path, metavar="FILE")
    add.set_defaults(run=_run_add)
    return [listing, show, make, add]


def _describe(recording: Recording) -> dict[str, Any]:
    header = recording.header
    fields = ("dataset", "split", "history", "batch_size", "prompt_version", "answered_by", "collected", "note")
    return {
        "name": recording.name,
        "model": recording.spec,
        "users": [recording.label(user) for user in recording.users],
        "answers": recording.count,
        **{name: getattr(header, name) for name in fields},
        "hash": recording.hash,
        "file": str(recording.path),
    }


def _run_list(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.cli.output import log
    from lusifer.errors import InvalidInputError
    from lusifer.llm.recordings import SUFFIX, folders, list_recordings, open_recording

    found = list_recordings()
    for path in [path for folder in folders() for path in folder.glob(f"*{SUFFIX}")]:
        try:
            open_recording(path)
        except InvalidInputError as error:
            log(f"lusifer: {path} is left out: {error}")
    if not options.json:
        for recording in found:
            header = recording.header
            print(
                f"{recording.spec}  {len(recording.users)} users, {recording.count} answers, {header.dataset} "
                f"{header.split}, {header.prompt_version}, {header.collected}"
            )
    return {"recordings": [_describe(recording) for recording in found]}


def _run_show(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.llm.recordings import PREFIX, find_recording

    return _print(options, find_recording(options.name.removeprefix(PREFIX)))


def _run_make(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.runs.recording_export import make_recording
    from lusifer.store import Store

    recording = make_recording(Store(settings.database_path()), options.run_id, options.file, note=options.note)
    return _print(options, recording)


def _run_add(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.llm.recordings import add_recording

    return _print(options, add_recording(options.file))


def _print(options: argparse.Namespace, recording: Recording) -> dict[str, Any]:
    fields = _describe(recording)
    if not options.json:
        for name, value in fields.items():
            print(f"{name:14} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return fields
