"""A dozen sessions at once: nobody meets an error, and everybody is answered about their own user."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from benchmarks.load import drive
from tests.browser.conftest import running


def test_sessions_at_once_meet_no_error(source: Path, tmp_path: Path) -> None:
    (tmp_path / "ml-100k").symlink_to(source, target_is_directory=True)
    given = argparse.Namespace(sessions=12, minutes=0.2, ramp=3.0, think=0.5)
    with running(tmp_path) as app:
        assert asyncio.run(drive(app.url, given, None, list(range(1, 900))))
