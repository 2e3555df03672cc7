"""What servers say when they do not answer: told apart by more than a word or a status, in every form it comes in."""

from __future__ import annotations

import json

import pytest

from lusifer.errors import ModelError
from lusifer.llm import Endpoint, Message
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.redact import redact
from lusifer.llm.server_errors import from_status, inside
from tests.servers.openai import KEY
from tests.servers.scripted import Reply, ScriptedServer, events

ASK = [Message("user", "Rate.")]
WAIT = {"retry-after": "20"}

SAID = [
    # status, body, headers, what it is
    (429, {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}, {}, "credit"),
    (429, {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}, WAIT, "credit"),
    (
        429,
        {"error": {"message": "You exceeded your current quota, check your plan and billing details."}},
        {},
        "credit",
    ),
    (
        429,
        {"error": {"message": "Insufficient balance or no resource package. Please recharge.", "code": "1113"}},
        {},
        "credit",
    ),
    (402, {"error": {"message": "Insufficient credits", "code": 402}}, {}, "credit"),
    (402, {"error": "Payment Required"}, {}, "credit"),
    (403, {"error": {"message": "user quota is not enough", "code": "insufficient_user_quota"}}, {}, "credit"),
    (400, {"error": {"message": "Your credit balance is too low to access the API."}}, {}, "credit"),
    (400, {"error": {"message": "Access denied", "code": "Arrearage"}}, {}, "credit"),
    (0, {"error": {"message": "Insufficient credits", "code": 402}}, {}, "credit"),
    (
        429,
        {
            "error": {
                "status": "RESOURCE_EXHAUSTED",
                "message": "You exceeded your current quota, please check your plan and "
                "billing details. Quota exceeded for requests per minute. Please retry in 28.5s.",
            }
        },
        {},
        "rate-limit",
    ),
    (429, {"error": {"message": "Quota exceeded: 15 requests per minute"}}, {}, "rate-limit"),
    (
        429,
        {"error": {"message": "Check your billing tier: rate limit reached", "code": "rate_limit_exceeded"}},
        {},
        "rate-limit",
    ),
    (429, {"error": {"message": "Your quota is being refilled"}}, WAIT, "rate-limit"),
    (429, "", {}, "rate-limit"),
    (0, {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "slow"}}}, {}, "rate-limit"),
    (0, {"error": {"message": "temporarily overloaded", "code": 502}}, {}, "server"),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, {}, "rate-limit"),
    (404, "404 page not found", {}, "path"),
    (404, "<html><h1>Not Found</h1></html>", {}, "path"),
    (0, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}, {}, "path"),
    (405, {"detail": "Method Not Allowed"}, {}, "path"),
    (404, {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}, {}, "model"),
    (404, {"error": {"message": "No endpoints found for meta/llama-9."}}, {}, "model"),
    (400, {"error": {"message": "Model Not Exist", "type": "invalid_request_error"}}, {}, "model"),
    (404, {"error": {"message": "No endpoints found matching your data policy."}}, {}, "policy"),
    (404, {"error": {"message": "Blocked by your guardrail settings"}}, {}, "policy"),
    (403, {"error": {"message": "Not allowed by the privacy policy of your account"}}, {}, "policy"),
    (400, {"error": "No models loaded. Please load a model."}, {}, "unloaded"),
    (404, {"error": {"message": "Model is unloaded"}}, {}, "unloaded"),
    (400, {"message": "The model is not loaded"}, {}, "unloaded"),
    (503, {"error": {"message": "Loading model", "type": "unavailable_error"}}, {}, "server"),
    (400, {"error": {"message": "Too big.", "code": "context_length_exceeded"}}, {}, "context"),
    (400, {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}, {}, "context"),
    (
        500,
        {"error": '{"error": {"code": 400, "message": "request (6030 tokens) exceeds the available context size"}}'},
        {},
        "context",
    ),
    (413, "Payload Too Large", {}, "context"),
    (400, {"error": {"message": "max_tokens is too large: 600", "param": "max_tokens"}}, {}, "request"),
    (401, {"error": {"message": "No auth credentials found", "code": 401}}, {}, "auth"),
    (0, {"error": {"message": "No auth credentials found", "code": 401}}, {}, "auth"),
    (400, {"error": {"message": "API key not valid.", "status": "INVALID_API_KEY"}}, {}, "auth"),
    (400, {"error": {"message": "Failed", "code": "json_validate_failed", "failed_generation": "{"}}, {}, "json"),
    (400, {"error": {"message": "Bad"}}, {}, "request"),
    (400, [{"error": {"code": 400, "message": "Bad", "status": "INVALID_ARGUMENT"}}], {}, "request"),
    (
        400,
        {"error": {"message": "The input token count (1200000) exceeds the maximum number of tokens"}},
        {},
        "context",
    ),
    (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens"}, {}, "context"),
    (422, {"error": "`inputs` must have less than 1000 tokens. Given: 1012"}, {}, "context"),
    (400, {"error": {"message": "Range of input length should be [1, 30720]"}}, {}, "context"),
    (400, {"error": {"message": "This model's maximum prompt length is 8192, the request has 9000"}}, {}, "context"),
    (429, {"error": {"message": "Monthly usage limit reached for this key"}}, {}, "credit"),
    (429, {"error": {"message": "Usage limit reached"}}, {}, "credit"),
    (429, {"error": {"message": "Usage limit reached, try again in 20 seconds"}}, {}, "rate-limit"),
    (429, {"error": {"message": "Usage limit reached"}}, WAIT, "rate-limit"),
    (
        400,
        {"error": {"message": "You have reached your specified API usage limits. Access again on 1 May"}},
        {},
        "credit",
    ),
    (412, {"error": {"message": "Account suspended, due to reaching the monthly spending limit"}}, {}, "credit"),
    (403, {"error": {"message": "Key limit exceeded (monthly limit)", "code": 403}}, {}, "credit"),
    (400, {"error": {"message": "Budget has been exceeded! Max budget: 0.5", "type": "budget_exceeded"}}, {}, "credit"),
]

WITHOUT_A_STATUS = [
    ("Rate limit reached, try again in 5s", "rate-limit"),
    ("Rate limit exceeded: free-models-per-day", "rate-limit"),
    ("You are being rate limited.", "rate-limit"),
    ("Your organization has reached its rate limit", "rate-limit"),
    ("429 Too Many Requests", "rate-limit"),
    ("Upstream error from Cloud: too many requests", "rate-limit"),
    ("Request was throttled.", "rate-limit"),
    ({"message": "Too Many Requests"}, "rate-limit"),
    ({"code": "rate_limit_exceeded"}, "rate-limit"),
    ("Please slow down.", "rate-limit"),
    ("Concurrency limit exceeded for this key", "rate-limit"),
    ("Quota exceeded: 15 requests per minute", "rate-limit"),
    ("server overloaded", "server"),
    ("The server had an error while processing your request. Sorry about that!", "server"),
    ("We're currently experiencing high demand.", "server"),
    ("Upstream request timed out", "server"),
    ("Model service overloaded. Please try again later.", "server"),
    ("Overloaded", "server"),
    ("The model is currently overloaded with other requests.", "server"),
    ("The server is busy, please try again later", "server"),
    ("Service temporarily unavailable", "server"),
    ("503 Service Unavailable", "server"),
    ("An internal error has occurred.", "server"),
    ({"message": "Internal server error", "type": "server_error"}, "server"),
    ({"message": "Something went wrong", "type": "api_error"}, "server"),
    ({"message": "Try later", "status": "UNAVAILABLE"}, "server"),
    # Refusals that have a word of these in them.
    ({"message": "Internal server error", "type": "invalid_request_error"}, "request"),
    ({"message": "Too many requests", "param": "messages"}, "request"),
    ({"message": "The server is busy", "code": 400}, "request"),
    ("I can't discuss how a server overloaded its rate limit", "request"),
    ("Unsupported parameter: rate_limit", "request"),
    ("Unsupported parameter: timeout", "request"),
    ("Sorry, the prompt mentions rate limits that are exceeded", "request"),
    ("I won't rate films in which a model timed out", "request"),
    ("The rate limit parameter was not reached", "request"),
    ("The system role is unavailable", "request"),
    ("The model is unavailable in your region", "model"),
    ("logprobs is not supported by this server", "request"),
]


@pytest.mark.parametrize(("said", "kind"), WITHOUT_A_STATUS)
def test_what_an_error_without_a_status_means(said, kind) -> None:
    for value in (
        {"error": said},
        [{"error": said}],
        {"error": said, "choices": [{"delta": {}, "finish_reason": "error"}]},
    ):
        error = inside(value)
        assert error is not None and error.kind == kind, error


@pytest.mark.parametrize("body", ["{}", "[]", "null", '""', "", "Slow", '{"error": {}}', '{"error": {"code": 429}}'])
def test_the_wait_that_a_server_asks_for_is_kept_whatever_it_says(body) -> None:
    for headers in ({"retry-after": "3600"}, {"retry-after": "3600", "retry-after-ms": "soon"}):
        assert from_status(429, body, headers).retry_after == 3600
    assert from_status(429, body, {"retry-after-ms": "1500", "retry-after": "9"}).retry_after == 1.5
    assert from_status(429, body, {"retry-after": "soon"}).retry_after is None


@pytest.mark.parametrize(("said", "seconds"), [(20, 20), ("20", 20), ("20s", 20), ("soon", None), (float("nan"), None)])
def test_a_wait_may_stand_in_the_body(said, seconds) -> None:
    assert from_status(429, json.dumps({"error": {"message": "Slow", "retry_after": said}}), {}).retry_after == seconds


@pytest.mark.parametrize(("status", "body", "headers", "kind"), SAID)
def test_what_a_server_means(status, body, headers, kind) -> None:
    if status:
        error = from_status(status, body if isinstance(body, str) else json.dumps(body), headers)
    else:
        error = inside(body, headers)
    assert error is not None and error.kind == kind, error
    assert not body or error.text


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"message": {"content": "error"}}]},
        {"choices": [], "usage": {}},
        {"message": {"content": "x"}, "done": True},
        {"data": [], "error": None},
        {"code": 200, "message": "success", "choices": [{}]},
        [],
        None,
    ],
)
def test_an_answer_is_no_error(body) -> None:
    assert inside(body) is None


@pytest.mark.parametrize(("status", "body", "headers", "kind"), [s for s in SAID if s[0] != 0][::3])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_person_reads_what_the_server_said_and_what_to_do(status, body, headers, kind, streamed) -> None:
    reply = Reply(body, status, headers=headers)
    with ScriptedServer(lambda sent, n: reply) as server, pytest.raises(ModelError) as failed:
        options = {"on_text": lambda text: None} if streamed else {}
        OpenAICompatible(Endpoint("mine", server.url, KEY), "m").complete(ASK, **options)
    kinds = {
        "credit": "auth",
        "path": "not-found",
        "model": "not-found",
        "policy": "not-found",
        "unloaded": "not-found",
        "missing": "not-found",
        "request": "bad-request",
        "json": "invalid",
    }
    assert failed.value.kind == kinds.get(kind, kind) and failed.value.fix
    assert failed.value.is_fatal == (kind in {"credit", "path", "model", "policy", "unloaded", "auth"})
    words = body if isinstance(body, str) else from_status(status, json.dumps(body), {}).text
    assert "<" in words or words.rstrip(".")[:60] in str(failed.value)


@pytest.mark.parametrize(("code", "kind"), [(401, "auth"), (402, "auth"), (429, "rate-limit"), (502, "server")])
def test_errors_in_the_middle_of_a_stream(code, kind) -> None:
    start = {"choices": [{"index": 0, "delta": {"content": "{"}, "finish_reason": None}]}
    broken = {
        "error": {"message": "It went wrong", "code": code},
        "choices": [{"delta": {"content": ""}, "error": {"code": code}}],
    }
    for last in ({"error": {"message": "It went wrong", "code": code}}, broken):
        with ScriptedServer(
            lambda sent, n, last=last: Reply(events([start, last, "[DONE]"]), kind="text/event-stream")
        ) as server:
            with pytest.raises(ModelError) as failed:
                OpenAICompatible(Endpoint("mine", server.url, KEY), "m").complete(ASK, on_text=lambda text: None)
        assert failed.value.kind == kind


@pytest.mark.parametrize(
    ("path", "told"),
    [("", "/v1"), ("/api", "/api/v1"), ("/v1", "ends with /v1")],
)
def test_a_wrong_address_names_what_sets_it_and_a_better_one(path, told) -> None:
    with ScriptedServer(lambda sent, n: Reply("404 page not found", 404, "text/plain")) as server:
        with pytest.raises(ModelError) as failed:
            OpenAICompatible(Endpoint("mine", server.address + path, KEY), "m").complete(ASK)
    assert "the url of endpoint mine" in failed.value.fix and told in failed.value.fix
    assert "404 page not found" in failed.value.message


def test_a_web_page_is_told_from_an_answer() -> None:
    with ScriptedServer(lambda sent, n: Reply("<!doctype html><title>Chat</title>", kind="text/html")) as server:
        with pytest.raises(ModelError, match="web page") as failed:
            OpenAICompatible(Endpoint("mine", server.address, KEY), "m").complete(ASK)
    assert "/v1" in failed.value.fix


SECRETS = {
    "whole": f"Incorrect API key provided: {KEY}",
    "beginning": f"key {KEY[:14]}... is wrong",
    "end": f"the key that ends with {KEY[-10:]}",
    "named": "x-api-key: abcdef0123456789abcdef0123456789",
    "query": "POST https://host/v1?api_key=zzzz9999yyyy8888 failed",
    "bearer": "Authorization: Bearer zzzz9999yyyy8888",
    "token": "invalid token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.zzzz9999",
    "proxy": "via socks5://me:zzzz9999@proxy:1080",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_no_secret_reaches_an_error(text) -> None:
    with ScriptedServer(lambda sent, n: Reply({"error": {"message": text}}, 400)) as server:
        with pytest.raises(ModelError) as failed:
            OpenAICompatible(Endpoint("mine", server.url, KEY), "m").complete(ASK)
    for piece in (KEY[:14], KEY[-10:], "zzzz9999", "abcdef0123456789"):
        assert piece not in repr(failed.value) + str(failed.value)
    assert "[hidden]" in str(failed.value)


@pytest.mark.parametrize("text", ["Wait for the key frame.", "max_tokens: 600 is too large", "a sentence of tokens"])
def test_words_stay(text) -> None:
    assert redact(text, KEY) == text
