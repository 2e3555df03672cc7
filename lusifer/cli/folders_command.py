"""Where the program keeps its files: the command ``where``, and the option ``--data-dir`` of every command."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from lusifer import settings


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add ``where``; returns what takes ``--json``."""
    where = commands.add_parser("where", help="show the folders and files that the program uses")
    where.set_defaults(run=_run_where)
    return [where]


def add_option(command: argparse.ArgumentParser) -> None:
    """Let a command be told its data folder."""
    command.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of the datasets and the database (otherwise LUSIFER_DATA, or what `where` shows)",
    )


def apply_option(options: argparse.Namespace) -> None:
    """Use the data folder that the command line names, in child processes too."""
    if getattr(options, "data_dir", None):
        os.environ["LUSIFER_DATA"] = str(Path(options.data_dir).expanduser())


def _run_where(options: argparse.Namespace) -> dict[str, Any]:
    """Print where everything lies."""
    result = {
        "data": settings.data_dir(),
        "database": settings.database_path(),
        "settings": settings.home_dir() / ".env",
        "secrets": settings.home_dir() / ".streamlit" / "secrets.toml",
        "app": settings.app_file(),
    }
    rows = {name: str(path.absolute()) for name, path in result.items()}
    if not options.json:
        for name, path in rows.items():
            print(f"{name:10} {path}{'' if Path(path).exists() else '  (not there yet)'}")
    return rows
