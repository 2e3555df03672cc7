"""``app``: the explorer in a browser."""

from __future__ import annotations

import argparse


def run_app(options: argparse.Namespace) -> int:
    """Run the app until it ends; the server's exit code."""
    from lusifer.ui import launcher

    return launcher.launch_app(options.port, host=options.host, browser=not options.no_browser)
