"""The Ollama client against a server that is itself held against a real one's recorded answers."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from lusifer.errors import CancelledError, ModelError
from lusifer.llm import Endpoint, Message
from lusifer.llm import ollama as client
from lusifer.llm.ollama import Ollama
from lusifer.simulator import LLMUserModel, UserModelConfig, make_evolution_spec, rate_items, run_evolution
from lusifer.simulator.answers import ratings_schema
from tests.conftest import TEST_DATA
from tests.servers.ollama import OllamaServer

ASK = [Message("system", "Be brief."), Message("user", "Rate.")]


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as found:
        yield found


@pytest.fixture
def schema(ml100k):
    return ratings_schema(ml100k.items_of([1, 50]), ml100k.scale)


def model(server: OllamaServer, name: str = "qwen05") -> Ollama:
    return Ollama(Endpoint("ollama", server.url, kind="ollama"), name)


def test_an_answer_with_everything_asked_for(server, schema) -> None:
    answer = model(server).complete(ASK, schema=schema, temperature=0.3, seed=4, max_tokens=50)
    assert '"ratings"' in answer.text and (answer.input_tokens, answer.output_tokens) == (27, 10)
    sent = server.requests[0]
    assert sent["format"] == schema and sent["keep_alive"] == "10m" and sent["stream"] is False
    options = sent["options"]
    assert (options["temperature"], options["seed"], options["num_predict"]) == (0.3, 4, 50)
    assert options["num_ctx"] >= 8192, "its own default would cut our prompts"


def test_streaming_and_log_probabilities(server, schema) -> None:
    server.mass = 0.8
    pieces: list[str] = []
    streamed = model(server).complete(ASK, schema=schema, logprobs=50, on_text=pieces.append)
    assert "".join(pieces) == streamed.text and len(pieces) > 3
    whole = model(server).complete(ASK, schema=schema, logprobs=50)
    assert whole.tokens == streamed.tokens and whole.tokens
    assert all(whole.text[t.start :].startswith(t.text) for t in whole.tokens)
    assert server.requests[-1]["top_logprobs"] == 20, "Ollama takes no more"


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("500", "server"),
        ("429", "rate-limit"),
        ("400", "bad-request"),
        ("context", "context"),
        ("reset", "reset"),
        ("html", "invalid"),
    ],
)
def test_failures_have_a_kind_and_a_way_out(server, schema, way, kind) -> None:
    server.always = way
    with pytest.raises(ModelError) as failed:
        model(server).complete(ASK, schema=schema)
    assert failed.value.kind == kind and failed.value.fix


def test_a_stream_that_ends_early(server) -> None:
    server.behave("not-done")
    with pytest.raises(ModelError) as failed:
        model(server).complete(ASK, on_text=lambda text: None)
    assert failed.value.kind == "reset"


def test_a_server_that_hangs_is_left(server, monkeypatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.3)
    server.always = "hang"
    with pytest.raises(ModelError) as failed:
        model(server).complete(ASK)
    assert failed.value.kind == "timeout"


def test_no_such_model_says_how_to_get_it(server) -> None:
    with pytest.raises(ModelError, match="ollama pull nope") as failed:
        model(server, "nope").complete(ASK)
    assert failed.value.kind == "not-found"


def test_not_running_says_how_to_start_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = Endpoint("ollama", f"http://127.0.0.1:{taken.getsockname()[1]}", kind="ollama")
    with pytest.raises(ModelError, match="ollama serve") as failed:
        Ollama(endpoint, "m").complete(ASK)
    assert failed.value.kind == "unreachable"
    assert client.list_running(endpoint) == []


def test_a_password_in_the_address_is_shown_nowhere() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://me:planted-password@127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ModelError, match="is not running at") as failed:
            Ollama(Endpoint("ollama", url, kind="ollama"), "m").complete(ASK)
    assert "planted-password" not in repr(failed.value)


def _too_busy(*_: object, **__: object) -> dict[str, str]:
    raise ModelError("Busy.", kind="timeout")


def test_models_and_digests(server, monkeypatch) -> None:
    endpoint = Endpoint("ollama", server.url, kind="ollama")
    assert client.list_running(endpoint) == ["qwen05:latest"] == model(server).list_models()
    first = model(server).identity
    assert first == f"{server.url}|qwen05@f47d5c74a2d5"
    server.digest = "0" * 64
    assert model(server).identity == first, "asked at most once a minute"
    monkeypatch.setattr(client, "_digests", {})
    second = model(server).identity
    assert second != first, "another file under the same name answers differently"
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 100))
    monkeypatch.setattr(client, "list_installed", _too_busy)
    assert model(server).identity == second, (
        "a minute later it is too busy to say: else its stored answers would be asked for again"
    )


def test_pulling(server) -> None:
    endpoint = Endpoint("ollama", server.url, kind="ollama")
    seen: list[tuple] = []
    client.pull(endpoint, "gemma3", lambda *said: seen.append(said))
    assert seen[0][2] == "pulling manifest" and (60, 100, "pulling abc") in seen
    assert "gemma3" in client.list_installed(endpoint)
    with pytest.raises(ModelError):
        client.pull(endpoint, "nope", lambda *said: None)
    with pytest.raises(CancelledError):
        client.pull(endpoint, "other", lambda *said: None, lambda: True)


def test_a_user_end_to_end(server, ml100k, last10, store, monkeypatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    server.mass = 0.9
    simulated = UserModelConfig("ollama:qwen05").build(store)
    assert isinstance(simulated, LLMUserModel)
    what = make_evolution_spec(ml100k, last10, 405, simulated)
    steps = list(run_evolution(ml100k, last10, simulated, what, store))
    made = rate_items(ml100k, last10, simulated, what, steps, ml100k.items_of([50, 172]), store)
    assert len(steps) == 4 and all(m.how == "tokens" for m in made)
    used = store.get_usage()
    assert used["made"] == 9 and used["unpriced"] == 9, "a server here has no price"


@pytest.mark.skipif(
    TEST_DATA is None or not (TEST_DATA / "ollama" / "transcripts.jsonl").is_file(),
    reason="needs recorded answers of an Ollama server (set LUSIFER_TEST_DATA)",
)
def test_the_server_is_like_a_real_one(server) -> None:
    """Same status, same kind of content, same keys of the same types, wherever our client asks."""
    assert TEST_DATA
    checked = 0
    for line in (TEST_DATA / "ollama" / "transcripts.jsonl").read_text().splitlines():
        said = json.loads(line)
        body = said["body"] or {}
        if said["path"] not in {"/", "/api/version", "/api/tags", "/api/ps", "/api/chat"}:
            continue
        if "think" in body or said["method"] == "HEAD":
            continue  # never sent
        server.mass = 0.9
        if "num_ctx" in body.get("options", {}):
            server.behave("context")
        request = urllib.request.Request(
            server.url + said["path"],
            json.dumps(body).encode() if said["body"] else None,
            method=said["method"],
        )
        try:
            with urllib.request.urlopen(request) as answer:
                status, kind, text = answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            status, kind, text = error.code, error.headers["Content-Type"], error.read()
        assert status == said["status"], said
        assert kind == said["ctype"], said
        if "json" in kind:
            ours = [json.loads(x) for x in text.decode().splitlines()]
            theirs = [json.loads(x) for x in said["text"].splitlines()]
            for mine, real in ((ours[0], theirs[0]), (ours[-1], theirs[-1])):
                assert _shape(mine) == _shape(real), said
        checked += 1
    assert checked >= 12


def _shape(value):
    """Keys and types, lists by their first entry; numbers are numbers."""
    if isinstance(value, dict):
        return {k: _shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value and isinstance(value[0], dict) else [type(v).__name__ for v in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
