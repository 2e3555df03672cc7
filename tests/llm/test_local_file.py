"""A real language model in a file: llama.cpp's server in a child process. Mechanics, not taste."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from lusifer import prompts
from lusifer.errors import CancelledError, ModelError
from lusifer.llm import Message, create_bare_llm, create_llm, local_file
from lusifer.simulator import LLMUserModel, make_evolution_spec, rate_items, run_evolution
from tests.conftest import PATIENCE, ROOT
from tests.get_model import FILE

pytestmark = pytest.mark.timeout(400)
SCHEMA = {
    "type": "object",
    "properties": {
        "rating": {"type": "number", "enum": [1, 2, 3, 4, 5]},
        "why": {"type": "string", "maxLength": 30},
    },
    "required": ["rating", "why"],
    "additionalProperties": False,
}
ASK = [Message("system", "Answer with JSON."), Message("user", "Rate Toy Story from 1 to 5.")]


@pytest.fixture(scope="module")
def spec():
    assert FILE.is_file(), "run the tests with `make test`, which fetches the model for them"
    return f"file:{FILE}"


def test_schema_log_probabilities_and_streaming(spec) -> None:
    model, endpoint = create_bare_llm(spec)
    assert endpoint.kind == "file"
    pieces: list[str] = []
    options = {"schema": SCHEMA, "temperature": 0.0, "max_tokens": 80}
    answer = model.complete(ASK, **options, logprobs=10)
    said = json.loads(answer.text)
    assert said["rating"] in range(1, 6) and answer.input_tokens > 10 and answer.output_tokens > 5
    at = answer.text.index(str(said["rating"]))
    token = next(t for t in answer.tokens if t.start <= at < t.start + len(t.text))
    assert str(said["rating"]) in token.text and len(token.top) == 10
    streamed = model.complete(ASK, **options, on_text=pieces.append)
    assert "".join(pieces) == streamed.text and json.loads(streamed.text) == said


def test_four_at_a_time(spec) -> None:
    model, _ = create_bare_llm(spec)
    found: list[str] = []

    def ask(n: int) -> None:
        question = [Message("user", f"Rate movie {n} from 1 to 5.")]
        found.append(model.complete(question, schema=SCHEMA, max_tokens=80).text)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 4 and all(re.search(r'"rating"\s*:\s*[1-5]', text) for text in found)


def test_a_short_user_end_to_end(spec, ml100k, last10, store) -> None:
    """One batch of two ratings, then a movie: whatever 135M parameters say, it is accounted for."""
    templates = dataclasses.replace(prompts.load(), recent=2, rating_tokens=20, update_tokens=120)
    model = LLMUserModel(create_llm(spec, store), templates)
    what = make_evolution_spec(ml100k, last10, 405, model, history=2, batch_size=2, forecasts=False)
    steps = []
    try:
        steps.extend(run_evolution(ml100k, last10, model, what, store))
    except ModelError as error:  # it may not close a JSON object in time
        assert error.kind in {"truncated", "invalid"}
    (made,) = rate_items(ml100k, last10, model, what, steps, ml100k.items_of([50]), store)
    assert (made.rating in range(1, 6) and 1 <= made.expected <= 5) or made.failure
    used = store.get_usage()
    assert used["made"] >= 2 and used["input_tokens"] > 300 and used["unpriced"] >= 2
    if not made.failure:
        (again,) = rate_items(ml100k, last10, model, what, steps, ml100k.items_of([50]), store)
        assert again == made and store.get_usage()["made"] == used["made"]


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 100)
    model, _ = create_bare_llm(f"file:{broken}")
    with pytest.raises(ModelError, match="did not start") as failed:
        model.complete(ASK)
    assert failed.value.kind == "unreachable"


SILENT = "import time; time.sleep(20)"
MUTE = """
import socket, time
s = socket.create_server(("127.0.0.1", 0))
print("LISTENING http://127.0.0.1:%d" % s.getsockname()[1], flush=True)
time.sleep(20)
"""


@pytest.mark.parametrize("child", [SILENT, MUTE], ids=["it loads", "it listens and does not answer"])
def test_whoever_waits_for_the_file_to_be_loaded_can_stop(tmp_path: Path, monkeypatch, child) -> None:
    """Two that ask at once: who is cancelled leaves, though the other goes on waiting."""
    file, leave = tmp_path / "large.gguf", threading.Event()
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(local_file, "COMMAND", (sys.executable, "-c", child))
    other = threading.Thread(target=lambda: _ask_until(f"file:{file}", leave.is_set))
    other.start()
    try:
        threading.Timer(0.3, (stop := threading.Event()).set).start()
        with pytest.raises(CancelledError, match="loaded"):
            create_bare_llm(f"file:{file}", cancelled=stop.is_set)[0].complete(ASK)
        assert other.is_alive()
    finally:
        leave.set()
        other.join()
        local_file._servers.pop(file.resolve()).process.kill()  # noqa: SLF001 - nobody else ends it before the tests end


def _ask_until(spec: str, cancelled) -> None:
    with pytest.raises(CancelledError):
        create_bare_llm(spec, cancelled=cancelled)[0].complete(ASK)


def test_without_the_extra_it_says_how_to_get_it(spec, monkeypatch) -> None:
    monkeypatch.setattr(local_file, "is_installed", lambda: False)
    with pytest.raises(ModelError, match="pip install"):
        create_bare_llm(spec)[0].complete(ASK)


def test_the_server_ends_with_its_parent_however_that_ends(spec) -> None:
    code = (
        "import sys, time; from pathlib import Path; from lusifer.llm import local_file\n"
        f"e = local_file.start_server(Path({str(FILE)!r})); r = next(iter(local_file._servers.values()))\n"
        "print(r.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert _alive(child)
    parent.kill()
    parent.wait()
    until = time.monotonic() + PATIENCE
    while _alive(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
