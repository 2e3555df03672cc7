"""A GGUF file on this machine: llama.cpp's own server in a child process, on loopback.

Needs the extra ``local`` (``pip install "lusifer[local]"``). The server stops when this process ends,
however it ends: it watches the pipe that its parent holds.
"""

from __future__ import annotations

import atexit
import importlib.util
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from lusifer import settings
from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.llm.endpoints import Endpoint
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.protocol import Completion, Message, Options
from lusifer.progress import never_cancelled

INSTALL_HINT = f"Install the extra `local`: {settings.install_extra('local')}."
START_SECONDS = 300.0
ANSWER_SECONDS = 300
POLL_SECONDS, HEALTH_SECONDS = 0.1, 1.0
SLOTS = 4
COMMAND = (sys.executable, "-m", "lusifer.llm.local_server")


class _Server:
    """A child process that loads a model file and then serves it. It is waited for from outside, by whoever asks."""

    def __init__(self, path: Path) -> None:
        self.url, self.is_ready, self.ends = "", False, time.monotonic() + START_SECONDS
        # Without "passive" the threads of OpenMP spin while they wait, and a busy machine crawls.
        self.process = subprocess.Popen(
            [*COMMAND, str(path), str(SLOTS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=settings.child_environment(OMP_WAIT_POLICY="passive"),
        )
        atexit.register(self.process.kill)
        threading.Thread(target=self._read_url, name="lusifer-model-file", daemon=True).start()

    def _read_url(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            word, _, rest = line.decode(errors="replace").strip().partition(" ")
            if word == "LISTENING":
                self.url = rest
                return  # from here on nobody reads: the child writes nothing more to the pipe

    @property
    def has_failed(self) -> bool:
        """Whether it has ended, or should have answered by now."""
        return self.process.poll() is not None or (not self.is_ready and time.monotonic() > self.ends)

    def look(self) -> bool:
        """Whether it can answer by now."""
        self.is_ready = self.is_ready or (bool(self.url) and _healthy(self.url))
        return self.is_ready


_servers: dict[Path, _Server] = {}
_lock = threading.Lock()


def is_installed() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("xllamacpp") is not None


def models_dir() -> Path:
    """Where model files are looked for: ``models/`` in the data folder."""
    return settings.data_dir() / "models"


def list_model_files() -> list[Path]:
    """The GGUF files in `models_dir`, alphabetically."""
    folder = models_dir()
    return sorted(folder.rglob("*.gguf")) if folder.is_dir() else []


def find_model_file(name: str) -> Path:
    """A model file by its path, or by its name below `models_dir` (in public mode by that alone).

    Raises:
        InvalidInputError: there is no such file, or it is no GGUF file.
    """
    inside = models_dir() / name
    places = [inside] if inside.resolve().is_relative_to(models_dir().resolve()) else []
    if not settings.is_public():
        places.append(Path(name).expanduser())
    for path in places:
        if path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"GGUF":
                    return path.resolve()
            raise InvalidInputError(f"{name} is not a GGUF file.", "Choose a file that ends with .gguf.")
    fix = f"Put it into {models_dir()}, or give its whole path."
    raise InvalidInputError(f"There is no model file {name!r}.", "" if settings.is_public() else fix)


def identity(path: Path) -> str:
    """What can change a file's answers: the file. Told by name, size and time, not by reading it."""
    stat = path.stat()
    return f"file|{path.name}@{stat.st_size}-{stat.st_mtime_ns}"


def start_server(path: Path, cancelled: Callable[[], bool] = never_cancelled) -> Endpoint:
    """Start a server for a model file, or return the one that runs; waits until it can answer.

    One that is cancelled goes on loading: the next question finds it.

    Raises:
        ModelError: the extra is missing, or the server does not start.
        CancelledError: somebody cancelled while it loaded the file.
    """
    if not is_installed():
        raise ModelError("A model file needs the package xllamacpp.", INSTALL_HINT, kind="unreachable")
    with _lock:
        server = _servers.get(path)
        if server is None or server.has_failed:
            server = _servers[path] = _Server(path)
    while not server.look():
        if server.has_failed:
            server.process.kill()
            raise ModelError(
                f"The server for {path.name} did not start.",
                "The file may be damaged, unsupported by llama.cpp, or larger than the memory.",
                kind="unreachable",
            )
        if cancelled():
            raise CancelledError("Stopped while the model file was loaded.", "Finished work is saved.")
        time.sleep(POLL_SECONDS)
    return Endpoint("file", f"{server.url}/v1", workers=SLOTS)


def _healthy(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback has no proxy
    try:
        with opener.open(f"{url}/health", timeout=HEALTH_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class LocalFile:
    """One model file. Its server is started by the first question."""

    def __init__(
        self, name: str, endpoint: Endpoint | None = None, cancelled: Callable[[], bool] = never_cancelled
    ) -> None:
        self.path, self.cancelled = find_model_file(name), cancelled
        self.endpoint = endpoint or Endpoint("file", "", kind="file", workers=SLOTS)
        self.spec, self.identity = f"file:{name}", identity(self.path)

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`."""
        server = start_server(self.path, self.cancelled)
        # A processor without a graphics card may take minutes for an answer.
        timeout = self.endpoint.timeout or ANSWER_SECONDS
        settings = replace(self.endpoint, url=server.url, kind="openai", timeout=timeout)
        model = OpenAICompatible(settings, self.path.stem, self.cancelled)
        return model.complete(messages, **options)
