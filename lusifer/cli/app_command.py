"""``app``: the explorer in a browser."""

from __future__ import annotations

import argparse
from typing import Any


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("app", help="open the explorer in a browser")
    command.add_argument("--port", type=int, default=8501)
    command.add_argument("--host", default="localhost", help="where it answers; 0.0.0.0 lets other machines in")
    command.add_argument("--no-browser", action="store_true", help="only start the server")
    command.set_defaults(run=run_app, no_json=True)
    return [command]


def run_app(options: argparse.Namespace) -> int:
    """Run the app until it ends; the server's exit code."""
    from lusifer.ui import launcher

    return launcher.launch_app(options.port, host=options.host, browser=not options.no_browser)
