"""The parser of the command line, and the function that runs one command."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from lusifer import __version__, settings, shutdown
from lusifer.cli import (
    adaptations_command,
    agents_command,
    app_command,
    audit_command,
    data_command,
    evaluate_command,
    evolve_command,
    experiment_command,
    folders_command,
    prompts_command,
    rate_command,
    realism_command,
    recordings_command,
    runs_command,
    simulate_command,
    story_command,
    trust_command,
)
from lusifer.cli.output import print_json
from lusifer.errors import CancelledError, LusiferError
from lusifer.safe_text import filtered_streams

EXIT_BAD_INPUT = 2
COMMANDS = (
    app_command,
    data_command,
    evolve_command,
    story_command,
    audit_command,
    rate_command,
    evaluate_command,
    realism_command,
    experiment_command,
    agents_command,
    prompts_command,
    simulate_command,
    trust_command,
    runs_command,
    recordings_command,
    adaptations_command,
    folders_command,
)
"""The commands, in the order of the help."""


class _ArgumentParser(argparse.ArgumentParser):
    list_choices: Callable[[], str] | None = None
    """Makes the end of the help: what takes an import is made when it is read."""

    def error(self, message: str) -> Any:
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message}\n")

    def format_help(self) -> str:
        if self.list_choices is not None:
            self.epilog = self.list_choices()
        return super().format_help()


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _ArgumentParser(
        prog=settings.command_name(),
        description="Simulate the users of a recommender system, and inspect the simulation.",
    )
    parser.add_argument("--version", action="version", version=f"lusifer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    leaves = [leaf for module in COMMANDS for leaf in module.register(commands)]
    for leaf in leaves:
        if not leaf.get_default("no_json"):
            leaf.add_argument("--json", action="store_true", help="print only JSON to stdout")
        leaf.add_argument("-v", "--verbose", action="store_true", help="log retries, repairs and fallbacks to stderr")
        folders_command.add_option(leaf)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. What it prints goes through one filter, whatever prints it."""
    settings.keep_files_private()
    with filtered_streams():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with shutdown.handled_signals():
            settings.load_env_file()
            settings.check_switches()
            options = build_parser().parse_args(arguments)
            folders_command.apply_option(options)
            settings.configure_logging("info" if getattr(options, "verbose", False) else "")
            result = options.run(options)
    except (KeyboardInterrupt, CancelledError) as error:
        print("lusifer: stopped; finished work is saved.", file=sys.stderr)
        return 128 + getattr(error, "number", signal.SIGINT)
    except LusiferError as error:
        print(f"lusifer: {error}".replace("\n", " "), file=sys.stderr)
        return EXIT_BAD_INPUT
    except OSError as error:
        # The reader (head, less) has had enough; Windows calls that an invalid argument.
        if not isinstance(error, BrokenPipeError) and error.errno != errno.EINVAL:
            raise
        sys.stderr.close()
        return 0
    if isinstance(result, int):
        return result
    if result is not None:
        print_json(options, result)
    return 0
