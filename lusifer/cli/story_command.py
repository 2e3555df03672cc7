"""``story``: one user as a model saw them, as an HTML file to send; nothing is asked."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lusifer.cli.common_options import add_evolution_options
from lusifer.cli.evolve_command import prepare_evolution
from lusifer.disk_files import explain_write_error
from lusifer.errors import InvalidInputError, LusiferError
from lusifer.safe_files import write_file


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("story", help="one user as an HTML file to send, from stored results")
    command.add_argument("file", type=Path, metavar="FILE", help="NAME.html; what lies there is replaced")
    add_evolution_options(command)
    command.set_defaults(run=_run_story)
    return [command]


def _run_story(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.simulator import load_steps, run_evolution
    from lusifer.simulator.models import is_free
    from lusifer.ui.story.story_data import build_story
    from lusifer.ui.story.story_html import render_story

    if options.file.suffix.lower() not in {".html", ".htm"}:
        raise InvalidInputError(f"{options.file} is no name of an HTML file.", "Give a file whose name ends .html.")
    dataset, split, model, spec, total_steps, store = prepare_evolution(options)
    steps = load_steps(dataset, spec, store)
    if len(steps) < total_steps and is_free(model.spec):
        steps = list(run_evolution(dataset, split, model, spec, store))
    story = build_story(dataset, split, model, spec, steps, store, total_steps=total_steps)
    content = render_story(story, datetime.now(UTC)).encode()
    try:
        write_file(options.file, content)
    except OSError as error:
        raise LusiferError(*explain_write_error(f"{options.file} can't be written", error)) from None
    if not options.json:
        print(f"{options.file}: {len(steps)} of {total_steps} steps, {len(content) / 1000:,.0f} kB")
    return {"file": str(options.file), "steps": len(steps), "total_steps": total_steps, "bytes": len(content)}
