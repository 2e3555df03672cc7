"""Our local server in a process of its own, so that what it does takes no time from what is measured.

``python -m tests.servers.openai_subprocess SECONDS`` prints its address and serves until its input ends.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.openai import OpenAIServer

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running(delay: float = 0.0) -> Iterator[str]:
    """The address of a server that answers every question after so many seconds."""
    command = [sys.executable, "-m", "tests.servers.openai_subprocess", str(delay)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin and process.stdout
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("The local server did not start.")
        try:
            yield url
        finally:
            process.stdin.close()


def main(delay: float) -> None:
    with OpenAIServer() as server:
        server.delay = delay
        print(server.url, flush=True)
        # Tens of thousands of requests need not be remembered.
        pause = threading.Event()
        threading.Thread(target=lambda: _forget(server, pause), daemon=True).start()
        sys.stdin.read()
        pause.set()


def _forget(server: OpenAIServer, pause: threading.Event) -> None:
    while not pause.wait(1.0):
        server.requests.clear()


if __name__ == "__main__":
    main(float(sys.argv[1]))
