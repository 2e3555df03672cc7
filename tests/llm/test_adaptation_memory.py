"""What servers refused is remembered in the database: over processes, with a date, without secrets, while it holds."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lusifer import settings
from lusifer.cli.main import main
from lusifer.errors import ModelError
from lusifer.llm import Endpoint, Message, create_bare_llm, create_llm
from lusifer.llm import adaptation_memory as memory_of_servers
from lusifer.llm.adaptation_memory import AdaptationMemory, address_of, list_learned
from lusifer.llm.ollama import Ollama
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.simulator.answers import ratings_schema
from lusifer.store import Store
from tests.servers.openai import KEY
from tests.servers.scripted import Reply, ScriptedServer, chat, events, good, pieces

ASK = [Message("system", "Be brief."), Message("user", "Rate.")]
OPTIONS: Any = {"temperature": 0.5, "seed": 1, "max_tokens": 99, "logprobs": 3}
LEARN = """
import sys
from lusifer.llm import Message, create_llm
from lusifer.store import Store
llm = create_llm("mine:m", Store(sys.argv[1]))
print(llm.complete([Message("system", "Be brief."), Message("user", "Rate.")], max_tokens=99, logprobs=3).text)
"""


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    memory_of_servers.forget_process_memory()


def refuses(*parts: str, until: Callable[[], bool] = lambda: True) -> Callable[[dict[str, Any], int], Any]:
    """A server that takes no part of a request which it names, while ``until`` says so."""

    def script(body: dict[str, Any], n: int) -> Any:
        for part in parts:
            if part in body and until():
                return Reply({"error": {"message": f"Unsupported parameter: {part}", "param": part}}, 400)
        if body.get("stream"):
            return Reply(events(pieces(good(body))), kind="text/event-stream")
        return chat(good(body))

    return script


@pytest.fixture
def schema(ml100k):
    return ratings_schema(ml100k.items_of([1, 50]), ml100k.scale)


def test_another_process_knows_and_the_command_line_forgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUSIFER_DB", str(tmp_path / "x.db"))
    database = Store(settings.database_path())
    with ScriptedServer(refuses("logprobs", "max_tokens")) as server:
        secret = server.url.replace("//", "//ann:Tr0ub4dor@") + "?api_key=abcdefgh12345"
        monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_URL", secret)
        monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_KEY", KEY)
        subprocess.run([sys.executable, "-c", LEARN, str(database.path)], check=True, env=settings.child_environment())
        refused = len(server.requests) - 1
        assert refused == 2
        create_llm("mine:m", database).complete(ASK, draw=1, **OPTIONS)
        assert len(server.requests) == refused + 2, "known from the first request on"
        assert "max_completion_tokens" in server.requests[-1] and "logprobs" not in server.requests[-1]
        (today,) = {row["learned_at"][:10] for row in list_learned(database)}
        assert today == datetime.now(UTC).date().isoformat()
        text = json.dumps(database.list_adaptations())
        assert "Tr0ub4dor" not in text and "abcdefgh12345" not in text and KEY not in text
        assert main(["adaptations", "list"]) == 0
        shown = capsys.readouterr().out
        assert (
            "no-logprobs: no log probabilities are asked for" in shown and today in shown and "Tr0ub4dor" not in shown
        )
        assert main(["adaptations", "forget", "mine:other", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"forgotten": 0}
        done = subprocess.run(
            [sys.executable, "-m", "lusifer", "adaptations", "forget", "mine:m"],
            check=True,
            env=settings.child_environment(),
            capture_output=True,
            text=True,
        )
        assert done.stdout.startswith("2 adaptations forgotten") and not database.list_adaptations()
        before = len(server.requests)
        create_llm("mine:m", database).complete(ASK, draw=2, **OPTIONS)
        assert len(server.requests) == before + 3, "tried anew, and learned again"
        assert main(["adaptations", "forget"]) == 2 and main(["adaptations", "forget", "mine:m", "--all"]) == 2
        capsys.readouterr()
        assert main(["adaptations", "forget", "--all"]) == 0 and not database.list_adaptations()


def bare(server: ScriptedServer, store: Store | None) -> OpenAICompatible:
    endpoint = Endpoint("mine", server.url, KEY)
    return OpenAICompatible(endpoint, "m", memory=AdaptationMemory(endpoint, "m", store))


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        ("max_tokens", "max_completion_tokens", "Unsupported parameter: max_completion_tokens"),
        ("max_tokens", "max_completion_tokens", "Unrecognized request argument supplied: max_completion_tokens"),
        ("!stream", "stream", "Streaming is not supported for this model"),
        ("stream_options", "!stream_options", "Token counts are required here."),
        ("temperature", "!temperature", "The value of a required field is missing."),
        ("response_format", "!response_format", "A form for the answer is required."),
    ],
)
def test_an_adaptation_that_the_server_now_refuses_is_forgotten(first, then, words, store, schema) -> None:
    """A server that is updated: it takes what it refused, and no longer what took its place."""
    state = {"refused": first, "words": f"Unsupported parameter: {first}", "param": first}
    if first == "!stream":
        state |= {"words": "This model only supports streaming.", "param": ""}

    def script(body: dict[str, Any], n: int) -> Any:
        part = state["refused"]
        if (part.lstrip("!") in body) != part.startswith("!"):
            return Reply({"error": {"message": state["words"], "param": state["param"]}}, 400)
        return refuses()(body, n)

    streamed = {"on_text": lambda text: None} if "stream_options" in first else {}
    with ScriptedServer(script) as server:
        llm = bare(server, store)
        llm.complete(ASK, schema=schema, **OPTIONS, **streamed)
        learned = set(llm.adaptations)
        assert len(learned) == 1 and len(server.requests) == 2
        state |= {"refused": then, "words": words, "param": ""}
        llm.complete(ASK, schema=schema, **OPTIONS, **streamed)
        assert not learned & set(bare(server, store).adaptations), "forgotten, in the database too"
        count = len(server.requests)
        llm.complete(ASK, schema=schema, **OPTIONS, **streamed)
        assert len(server.requests) == count + 1


def test_an_error_about_something_else_forgets_nothing(store, schema) -> None:
    strict = refuses("logprobs")

    def script(body: dict[str, Any], n: int) -> Any:
        said = Reply({"error": {"message": "I do not like your tone."}}, 400)
        return said if n >= 2 and "logprobs" not in body else strict(body, n)

    with ScriptedServer(script) as server:
        llm = bare(server, store)
        llm.complete(ASK, schema=schema, **OPTIONS)
        when = llm.memory.learned()
        for tries in (3, 1):  # tried anew once, and then not at every call
            count = len(server.requests)
            with pytest.raises(ModelError, match="tone"):
                llm.complete(ASK, schema=schema, **OPTIONS)
            assert len(server.requests) - count == tries and set(llm.memory.learned()) == set(when)


@pytest.mark.parametrize("days", [29, 31])
def test_what_is_older_than_thirty_days_is_tried_anew(days, store, schema) -> None:
    with ScriptedServer(refuses("seed")) as server:
        llm = bare(server, store)
        old = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        store.save_adaptation(llm.memory.address, "m", "no-seed", old)
        store.save_adaptation(llm.memory.address, "m", "no-such-word")
        assert llm.adaptations == (("no-seed",) if days < 30 else ())
        llm.complete(ASK, schema=schema, **OPTIONS)
        assert len(server.requests) == (1 if days < 30 else 2)
        (when,) = llm.memory.learned().values()
        assert (when == old) == (days < 30) and len(list_learned(store)) == 1


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://ann:secret12@box:8000/v1?api_key=hidden123", "http://box:8000/v1"),
        ("https://Box.example/v1/", "https://box.example/v1"),
        ("http://[::1]:11434", "http://[::1]:11434"),
        ("http://box/sk-abcdefgh123456/v1", "http://box/[hidden]/v1"),
    ],
)
def test_an_address_has_no_secrets(url, address) -> None:
    assert address_of(Endpoint("x", url, KEY)) == address


def test_strangers_keys_teach_nobody_else(store, schema, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(refuses("seed")) as server:
        monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_URL", server.url)
        monkeypatch.setenv("LUSIFER_PUBLIC", "1")
        visitor: Any = create_bare_llm("mine:m", {"mine": "their-own-key"}, store=store)[0]
        for _ in range(2):
            visitor.complete(ASK, schema=schema, **OPTIONS)
        assert len(server.requests) == 3 and visitor.adaptations == ("no-seed",), "known as long as it is asked"
        other: Any = create_bare_llm("mine:m", {"mine": "another-key"}, store=store)[0]
        operator: Any = create_bare_llm("mine:m", store=store)[0]
        assert not other.adaptations and not operator.adaptations and not store.list_adaptations()
        operator.complete(ASK, schema=schema, **OPTIONS)
        assert [row["adaptation"] for row in store.list_adaptations()] == ["no-seed"]


def test_a_database_that_takes_nothing_stops_no_call(store, schema) -> None:
    with sqlite3.connect(store.path) as other:
        other.execute("drop table server_adaptations")
    with ScriptedServer(refuses("seed", "logprobs")) as server:
        llm = bare(server, store)
        llm.complete(ASK, schema=schema, **OPTIONS)
        llm.complete(ASK, schema=schema, **OPTIONS)
        assert len(server.requests) == 4 and set(llm.adaptations) == {"no-seed", "no-logprobs"}


def test_ollama_remembers_too(store, schema) -> None:
    def script(body: dict[str, Any], n: int) -> Any:
        if "format" in body:
            return Reply({"error": "failed to load model vocabulary required for format"}, 500)
        return {"message": {"content": good(body)}, "done": True, "done_reason": "stop"}

    with ScriptedServer(script) as server:
        endpoint = Endpoint("ollama", server.address.replace("//", "//ann:Tr0ub4dor@"), kind="ollama")
        for asked in (2, 3):
            Ollama(endpoint, "m", memory=AdaptationMemory(endpoint, "m", store)).complete(ASK, schema=schema)
            assert len([p for p in server.paths if p == "/api/chat"]) == asked
        assert "Tr0ub4dor" not in json.dumps(store.list_adaptations())
