"""``app``: the explorer in a browser."""

from __future__ import annotations

import argparse


def run_app(options: argparse.Namespace) -> None:
    from lusifer.ui import launcher

    launcher.launch_app(options.port, browser=not options.no_browser)
