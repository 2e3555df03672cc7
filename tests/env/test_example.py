"""The example of training: it runs where its extra is installed, and says what is missing where not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_the_example_trains_or_says_what_is_missing(data_dir: Path) -> None:
    given = ["--steps", "64", "--test-steps", "20", "--seeds", "2"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "train_ppo.py"), *given],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if importlib.util.find_spec("stable_baselines3"):
        assert done.returncode == 0 and "ppo above random" in done.stdout, done.stderr
    else:
        assert done.returncode == 2 and "requirements-rl.txt" in done.stderr and not done.stdout
