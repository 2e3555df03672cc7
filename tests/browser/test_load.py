"""A dozen sessions at once: nobody meets an error, and everybody is answered about their own user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, Lay


def test_sessions_at_once_meet_no_error(lay: Lay, tmp_path: Path) -> None:
    lay(tmp_path)
    few = ["--sessions", "12", "--minutes", "0.1", "--ramp", "2", "--think", "0.5", "--no-browser"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *few],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "LUSIFER_DATA": str(tmp_path)},
    )
    assert done.returncode == 0 and " 0 errors" in done.stdout, done.stdout + done.stderr
