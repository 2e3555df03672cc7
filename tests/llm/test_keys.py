"""A known key gets in nowhere: not in an answer, a token, a list of models or an error, whole or in pieces."""

from __future__ import annotations

import base64
import html
import json
import re
import sqlite3
from urllib.parse import quote

import pytest

from lusifer.errors import ModelError
from lusifer.llm import CachedLLM, Endpoint, Message
from lusifer.llm.batch import read_answer_line
from lusifer.llm.embeddings import OpenAIEmbeddings
from lusifer.llm.ollama import Ollama, list_installed
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.redact import hide
from tests.servers.openai import KEY
from tests.servers.scripted import Reply, ScriptedServer, chat, events

ASK = [Message("user", "What did my header say?")]
ESCAPED = "".join(f"\\u{ord(c):04x}" for c in KEY)
WRITTEN = {
    "whole": f"Your header was Bearer {KEY}.",
    "beginning": f"It began with {KEY[:-2]} or so",
    "end": f"it ends with {KEY[9:]}",
    "eight": f"<{KEY[7:15]}>",
    "twice": f"{KEY} {KEY[:12]}",
    "capitals": f"AUTHORIZATION: BEARER {KEY.upper()}",
    "json": json.dumps({"reason": f"the key is {KEY}"}),
    "json escapes": '{"reason": "' + ESCAPED + '"}',
    "json in json": json.dumps({"reason": '{"key": "' + ESCAPED + '"}'}),
    "one escape": f"{KEY[:6]}\\u{ord(KEY[6]):04x}{KEY[7:10]}",
    "address": f"http://host/?q={quote(KEY).replace('-', '%2d').replace('s', '%73')}",
    "html": "".join(f"&#{ord(c)};" for c in KEY),
}
each_writing = pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)


def leaks(text: str) -> bool:
    """Whether eight characters of the key stand in a text, however they are written."""
    seen = [text, text.replace("\\\\", "\\")]
    for _ in range(4):
        plain = re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), seen[-1])
        seen.append(html.unescape(plain))
    found = " ".join(seen).lower().replace("%2d", "-").replace("%73", "s")
    return any(KEY[at : at + 8].lower() in found for at in range(len(KEY) - 7))


def test_the_check_finds_what_is_planted() -> None:
    assert all(map(leaks, WRITTEN.values())) and not leaks(f"{KEY[:7]} {KEY[8:15]}")


def of_openai(url: str) -> OpenAICompatible:
    return OpenAICompatible(Endpoint("mine", f"{url}/v1", KEY), "m")


@pytest.mark.parametrize(
    ("text", "streamed"),
    [(text, 0) for text in WRITTEN.values()]
    + [(WRITTEN[name], size) for name in ("whole", "twice", "json escapes", "html") for size in (3, 20)],
)
def test_no_key_is_kept_of_an_answer(text, streamed, store) -> None:
    """Neither in the answer that is given, nor in what is told of it meanwhile, nor anywhere in the database."""
    deltas = [text[at : at + streamed] for at in range(0, len(text), streamed)] if streamed else []
    chunks = [{"choices": [{"index": 0, "delta": {"content": d}, "finish_reason": None}]} for d in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    told: list[str] = []
    with ScriptedServer(
        lambda sent, n: Reply(events([*chunks, end, "[DONE]"]), kind="text/event-stream") if streamed else chat(text)
    ) as server:
        llm = CachedLLM(of_openai(server.address), store)
        answer = llm.complete(ASK, on_text=told.append if streamed else None)
    assert not leaks(answer.text) and "[hidden]" in answer.text
    assert not leaks("".join(told)) and ("".join(told) == answer.text or not streamed)
    assert not leaks("\n".join(sqlite3.connect(store.path).iterdump()))


@each_writing
def test_no_key_gets_in_by_ollama(text) -> None:
    half = len(text) // 2
    values = [{"message": {"content": text[:half]}}, {"message": {"content": text[half:]}, "done": True}]
    with ScriptedServer(
        lambda sent, n: (
            Reply(iter([json.dumps(v).encode() + b"\n" for v in values]))
            if sent
            else {"models": [{"model": text, "digest": text}]}
        )
    ) as server:
        endpoint = Endpoint("ollama", server.address, KEY, kind="ollama")
        told: list[str] = []
        answer = Ollama(endpoint, "m").complete(ASK, on_text=told.append)
        models = list_installed(endpoint)
    assert not leaks(answer.text + "".join(told) + repr(models)) and "[hidden]" in answer.text


@each_writing
def test_no_key_gets_in_by_a_list_of_models(text) -> None:
    with ScriptedServer(lambda sent, n: {"data": [{"id": f"echo-{text}"}, {"id": "other"}]}) as server:
        models = of_openai(server.address).list_models()
    assert len(models) == 2 and not leaks(repr(models))


@pytest.mark.parametrize("cut", [1, 4, 7, 9, 40])
def test_no_key_gets_in_by_tokens(cut) -> None:
    """Also where the text is harmless, and the tokens are not those of it."""
    parts = [KEY[at : at + cut] for at in range(0, len(KEY), cut)]
    for text in (f"4 {KEY}", "4 stars"):
        entries = [{"token": p, "logprob": -0.1, "top_logprobs": [{"token": KEY, "logprob": -1}]} for p in parts]
        if text == "4 stars":
            entries = [e | {"bytes": []} for e in entries]
            entries[-1]["bytes"] = list(text.encode())
        answer = chat(text)
        answer["choices"][0]["logprobs"] = {"content": [{"token": "4 ", "logprob": -0.1, "bytes": None}, *entries]}
        with ScriptedServer(lambda sent, n, answer=answer: answer) as server:
            got = of_openai(server.address).complete(ASK, logprobs=2)
        assert not leaks(got.text + "".join(t.text for t in got.tokens) + repr(got.tokens))


def test_tokens_stay_where_no_key_is() -> None:
    answer = chat("4 stars")
    answer["choices"][0]["logprobs"] = {"content": [{"token": t, "logprob": -0.1} for t in ("4", " stars")]}
    with ScriptedServer(lambda sent, n: answer) as server:
        got = of_openai(server.address).complete(ASK, logprobs=2)
    assert [t.text for t in got.tokens] == ["4", " stars"]


@each_writing
@pytest.mark.parametrize(
    "shape",
    [
        lambda text: Reply({"error": {"message": text, "param": text, "code": text}}, 400),
        lambda text: Reply(text, 500, "text/plain"),
        lambda text: Reply({"error": {"failed_generation": text, "code": "json_validate_failed"}}, 400),
        lambda text: Reply({"error": text}),
        lambda text: Reply({"detail": [{"loc": ["body", text], "msg": text}]}, 422),
        lambda text: Reply(f"x{text} is no JSON", kind="text/plain"),
        lambda text: chat(None, refusal=text),
        lambda text: Reply("", 307, headers={"Location": f"http://127.0.0.1:9/{quote(text)}"}),
    ],
    ids=["fields", "plain", "failed answer", "status 200", "places", "no json", "refusal", "redirect"],
)
def test_no_key_gets_in_by_an_error(text, shape) -> None:
    with ScriptedServer(lambda sent, n: shape(text)) as server:
        try:
            said = of_openai(server.address).complete(ASK).text
        except ModelError as error:
            said = f"{error!r} {error} {error.text}"
    assert not leaks(said)


@each_writing
def test_no_key_gets_in_by_a_batch(text) -> None:
    line = json.dumps({"custom_id": "k", "response": {"status_code": 200, "body": chat(text)}})
    answer = read_answer_line(of_openai("http://127.0.0.1:9"), line)[1]
    assert answer is not None and not leaks(answer.text) and "[hidden]" in answer.text


@pytest.mark.parametrize(
    ("address", "echoed"),
    [
        ("http://me:zzzz9999yy@127.0.0.1:{}/v1", "zzzz9999yy"),
        ("http://me:zzzz9999yy@127.0.0.1:{}/v1", base64.b64encode(b"me:zzzz9999yy").decode()),
        ("http://127.0.0.1:{}/v1?api-key=zzzz9999yy", "zzzz9999yy"),
        ("http://127.0.0.1:{}/v1?version=1&code=zzzz9999yy", "zzzz9999yy"),
    ],
)
def test_an_address_has_secrets_too(address, echoed) -> None:
    with ScriptedServer(lambda sent, n: chat(f"you sent {echoed}")) as server:
        endpoint = Endpoint("mine", address.format(server.http.server_port))
        assert OpenAICompatible(endpoint, "m").complete(ASK).text == "you sent [hidden]"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("none", "none of these"),
        ("EMPTY", "an empty room"),
        ("not-needed", "It was not needed"),
        (KEY, "He gives 4 to \\u0073k-8 films, 100% of the time &#65;"),
        ("", KEY),
    ],
)
def test_what_is_no_key_stays(key, text) -> None:
    assert hide(text, key) == text


def test_a_short_key_is_hidden_whole() -> None:
    assert hide("it is abc123, ABC123", "abc123") == "it is [hidden], [hidden]"


@pytest.mark.parametrize(
    ("ask", "status"),
    [*(("answer", status) for status in (301, 302, 303, 307, 308))]
    + [(ask, status) for ask in ("list", "embedding", "ollama", "batch") for status in (302, 308)],
)
def test_a_redirect_is_not_followed(ask, status) -> None:
    """Neither the question nor the key goes to an address that nobody chose."""
    with (
        ScriptedServer(lambda sent, n: chat("got it")) as other,
        ScriptedServer(
            lambda sent, n: Reply("", status, headers={"Location": f"{other.address}/v1/chat/completions"})
        ) as server,
    ):
        endpoint = Endpoint("mine", server.url, KEY)
        with pytest.raises(ModelError, match=f"{status}: it sends questions on to .*not followed") as failed:
            if ask == "answer":
                OpenAICompatible(endpoint, "m").complete(ASK)
            elif ask == "list":
                OpenAICompatible(endpoint, "m").list_models()
            elif ask == "embedding":
                OpenAIEmbeddings(endpoint, "m").complete(ASK)
            elif ask == "ollama":
                Ollama(endpoint, "m").complete(ASK)
            else:
                model = OpenAICompatible(endpoint, "m")
                try:
                    model.connect().batches.list()
                except Exception as error:
                    raise model.explain(error) from None
        assert "the url of endpoint mine" in failed.value.fix
        assert not other.requests
