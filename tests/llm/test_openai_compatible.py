"""The OpenAI-compatible client against a real server that misbehaves; secrets; prices."""

from __future__ import annotations

import socket

import pytest

from lusifer.errors import ModelError
from lusifer.llm import CachedLLM, CallMetadata, Endpoint, Message, openai_compatible
from lusifer.llm.endpoints import OPENAI_URL
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.prices import price
from lusifer.llm.redact import redact
from lusifer.llm.server_errors import retry_after
from lusifer.simulator.answers import ratings_schema
from tests.servers.openai import KEY, OpenAIServer

ASK = [Message("system", "Be brief."), Message("user", "Rate.")]


@pytest.fixture
def schema(ml100k):
    return ratings_schema(ml100k.items_of([1, 50]), ml100k.scale)


def _model(server: OpenAIServer, key: str = KEY) -> OpenAICompatible:
    return OpenAICompatible(Endpoint("openai", server.url, key), "small")


def test_an_answer_with_its_counts(openai_server, schema) -> None:
    answer = _model(openai_server).complete(ASK, schema=schema, temperature=0, seed=3, max_tokens=99)
    assert '"ratings"' in answer.text and answer.finish_reason == "stop"
    assert (answer.input_tokens, answer.cached_tokens, answer.output_tokens) == (120, 20, 40)
    sent = openai_server.requests[0]
    assert sent["messages"] == [m.to_json() for m in ASK] and sent["model"] == "small"
    assert sent["temperature"] == 0 and sent["seed"] == 3 and sent["max_tokens"] == 99
    assert sent["response_format"]["json_schema"]["schema"] == schema
    assert sent["response_format"]["json_schema"]["strict"] is True


def test_models_are_listed(openai_server) -> None:
    assert _model(openai_server).list_models() == ["a", "b"]


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("400", "bad-request"),
        ("404", "not-found"),
        ("429", "rate-limit"),
        ("500", "server"),
        ("reset", "reset"),
        ("half", "reset"),
        ("no-choices", "invalid"),
        ("refusal", "refused"),
        ("html", "invalid"),
        ("context", "context"),
        ("408", "server"),
        ("409", "server"),
        ("413", "context"),
        ("503:7", "server"),
    ],
)
def test_lasting_failures_have_a_kind_and_a_way_out(openai_server, schema, way, kind) -> None:
    openai_server.always = way
    with pytest.raises(ModelError) as failed:
        _model(openai_server).complete(ASK, schema=schema)
    assert failed.value.kind == kind and failed.value.fix
    assert failed.value.retry_after == (7 if way == "503:7" else None)
    assert len(openai_server.requests) == 1, "asking again is another's business"


def test_a_server_that_hangs_is_left(openai_server, schema, monkeypatch) -> None:
    monkeypatch.setattr(openai_compatible, "TIMEOUT_SECONDS", 0.3)
    openai_server.always = "hang"
    with pytest.raises(ModelError) as failed:
        _model(openai_server).complete(ASK, schema=schema)
    assert failed.value.kind == "timeout"


def test_a_slow_answer_is_waited_for(openai_server, schema) -> None:
    openai_server.always = "drip"
    assert '"ratings"' in _model(openai_server).complete(ASK, schema=schema).text


@pytest.mark.parametrize(
    "unknown",
    [{"response_format"}, {"logprobs"}, {"seed"}, {"temperature"}, {"response_format", "seed"}],
    ids=lambda parts: "+".join(sorted(parts)),
)
def test_what_a_server_does_not_know_is_left_out(openai_server, schema, unknown) -> None:
    openai_server.unknown = unknown
    model = _model(openai_server)
    for _ in range(2):
        answer = model.complete(ASK, schema=schema, temperature=0.5, seed=1, logprobs=5)
        assert '"ratings"' in answer.text
    assert len(openai_server.requests) == 2 + len(unknown), "refused once, then known"
    last = openai_server.requests[-1]
    assert not unknown & last.keys()
    if "response_format" in unknown:
        assert "JSON schema:" in last["messages"][-1]["content"], "the schema goes along in words"


def test_streaming(openai_server, schema) -> None:
    pieces: list[str] = []
    answer = _model(openai_server).complete(ASK, schema=schema, on_text=pieces.append)
    assert "".join(pieces) == answer.text == openai_server.content(openai_server.requests[0], "ok")
    assert len(pieces) > 3 and answer.finish_reason == "stop" and answer.input_tokens == 120
    openai_server.behave("half")
    with pytest.raises(ModelError) as failed:
        _model(openai_server).complete(ASK, schema=schema, on_text=pieces.append)
    assert failed.value.kind == "reset"


def test_log_probabilities_lie_on_the_text(openai_server, schema) -> None:
    openai_server.mass = 0.9
    answer = _model(openai_server).complete(ASK, schema=schema, logprobs=5)
    assert answer.tokens and all(answer.text[t.start :].startswith(t.text) for t in answer.tokens)
    openai_server.behave("wrong-logprobs")
    assert not _model(openai_server).complete(ASK, schema=schema, logprobs=5).tokens


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds) -> None:
    assert retry_after(headers) == seconds


def test_a_wrong_key_is_never_repeated(openai_server, schema) -> None:
    wrong = "sk-wrong-0123456789abcdef"
    with pytest.raises(ModelError) as failed:
        _model(openai_server, wrong).complete(ASK, schema=schema)
    assert failed.value.kind == "auth" and "OPENAI_API_KEY" in failed.value.fix
    assert wrong not in repr(failed.value) and failed.value.__cause__ is None
    with pytest.raises(ModelError, match="did not accept the key"):
        _model(openai_server, wrong).list_models()


def test_an_unreachable_server(schema) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}/v1"
    with pytest.raises(ModelError, match="can't be reached") as failed:
        OpenAICompatible(Endpoint("openai", url, KEY), "m").complete(ASK, schema=schema)
    assert "secret" not in str(failed.value) and "OPENAI_BASE_URL" in failed.value.fix


def test_no_key_for_openai_is_said_before_anything_is_sent() -> None:
    with pytest.raises(ModelError, match="no key for OpenAI"):
        OpenAICompatible(Endpoint("openai", OPENAI_URL), "m").complete(ASK)


def test_identity_names_server_and_model_and_no_secret() -> None:
    model = OpenAICompatible(Endpoint("openai", "https://me:pw@host:8000/v1", KEY), "m")
    assert KEY not in repr(model.endpoint)
    assert model.identity == "https://host:8000/v1|m" and model.spec == "openai:m"


def test_the_planted_key_is_nowhere(openai_server, schema, store) -> None:
    """Neither good answers, failures nor echoes of the key leave it in the database's files."""
    for way, key in (("ok", KEY), ("refusal", KEY), ("400", KEY), ("ok", "sk-other-0123456789ab")):
        openai_server.behave(way)
        try:
            CachedLLM(_model(openai_server, key), store).complete(
                [*ASK, Message("user", way)], schema=schema, metadata=CallMetadata("rate")
            )
        except ModelError as error:
            assert key not in str(error)
    store.close()
    for file in store.path.parent.iterdir():
        content = file.read_bytes()
        assert b"sk-planted" not in content and b"sk-other" not in content


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}.",
        "Bearer abcdefghijkl",
        "https://me:pw12@host/x",
        "sk-proj-****abcd is wrong",
        "AIzaSyA1234567890abc",
    ],
)
def test_redaction(text: str) -> None:
    clean = redact(text)
    assert "[hidden]" in clean
    assert not any(s in clean for s in ("0123456789", "abcdefghij", "pw12", "abcd is", "SyA12"))
    assert redact("Wait for the key frame.") == "Wait for the key frame."


def test_prices_are_known_or_unknown_never_zero() -> None:
    known = price("https://api.openai.com:/v1|gpt-4o-mini", 1_000_000, 0, 1_000_000)
    assert known is not None and known == pytest.approx(0.75, rel=0.5)
    assert price("https://api.openai.com:/v1|no-such-model", 10, 0, 10) is None
    assert price("http://localhost:8000/v1|gpt-4o-mini", 10, 0, 10) is None


@pytest.mark.parametrize("key", ["planted\nsecret-999", "planted-secret-9\u00e9", "planted\x00secret-999"])
def test_a_key_that_fits_no_header_is_named_and_not_sent(openai_server, key, caplog) -> None:
    """The HTTP library would put it into its debug log, and the retries would ask six times."""
    caplog.set_level("DEBUG")
    model = OpenAICompatible(Endpoint("openai", openai_server.url, key), "small")
    with pytest.raises(ModelError, match="invalid characters") as failed:
        model.complete([Message("user", "x")])
    assert failed.value.kind == "auth" and not openai_server.requests
    assert "secret-9" not in repr(failed.value) + caplog.text
