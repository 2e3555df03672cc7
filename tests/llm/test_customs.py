"""Customs of servers: thoughts, words for the end, parts, refusals and streams, each on a server that has them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from lusifer.errors import InvalidInputError, ModelError
from lusifer.llm import CachedLLM, Endpoint, Message, adaptations, load_endpoints
from lusifer.llm.answer_text import blank_thoughts, clean, parse_tokens, read_count, read_finish, read_message
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.simulator.answers import ratings_schema
from tests.servers.openai import KEY
from tests.servers.scripted import Reply, ScriptedServer, chat, events, good, pieces

ASK = [Message("system", "Be brief."), Message("user", "Rate.")]
ANSWER, DRAFT = '{"ratings": [{"item_id": 1, "rating": 4}]}', '{"ratings": [{"item_id": 1, "rating": 1}]}'


@pytest.fixture
def schema(ml100k):
    return ratings_schema(ml100k.items_of([1, 50]), ml100k.scale)


def model(server: ScriptedServer, **settings: Any) -> OpenAICompatible:
    return OpenAICompatible(Endpoint("mine", server.url, KEY, **settings), "m")


THOUGHTS = {
    "tags": f"<think>Maybe {DRAFT}?</think>\n{ANSWER}",
    "other-name": f"<thinking>Maybe {DRAFT}?</thinking>{ANSWER}",
    "capitals": f"<THINK>\n{DRAFT}\n</THINK>\n{ANSWER}",
    "attributes": f'<reasoning effort="high">{DRAFT}</reasoning>{ANSWER}',
    "not-opened": f"Maybe {DRAFT}? No.</think>\n\n{ANSWER}",
    "opened-in-thought": f"<think>I write <think> first. {DRAFT}</think>{ANSWER}",
    "closed-in-thought": f"<think>It ends with </think>, so: {DRAFT}</think>{ANSWER}",
    "two": f"<think>{DRAFT}</think>\n<think>again {DRAFT}</think>{ANSWER}",
    "after": f"{ANSWER}\n<think>Was that right? {DRAFT}",
    "brackets": f"[THINK]{DRAFT}[/THINK]{ANSWER}",
    "signs": f"◁think▷{DRAFT}◁/think▷{ANSWER}",
    "channels": f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
    "channels-bare": f"analysisMaybe {DRAFT}.assistantfinal{ANSWER}",
    "solution": f"<|begin_of_thought|>{DRAFT}<|end_of_thought|>{ANSWER}",
    "part-of-a-name": f"<longcat_think>{DRAFT}</longcat_think>{ANSWER}",
    "camel-case": f"<antThinking>{DRAFT}</antThinking>{ANSWER}",
    "process": f"<thought_process>{DRAFT}</thought_process>{ANSWER}",
    "chain": f"<cot>{DRAFT}</cot>{ANSWER}",
    "one-bar": f"<|channel>thought\n{DRAFT}<channel|>{ANSWER}",
    "bars": f"<|think|>{DRAFT}<|/think|>{ANSWER}",
    "named-ends": f"<think_start>{DRAFT}<think_end>{ANSWER}",
    "attribute": f'<details type="reasoning" done="true">\n<think>a</think>{DRAFT}</details>{ANSWER}',
    "escaped": f"&lt;think&gt;{DRAFT}&lt;/think&gt;{ANSWER}",
    "line": f"Thinking...\nMaybe {DRAFT}\n...done thinking.\n\n{ANSWER}",
    "tag-in-a-draft": f'<think>{{"reason": "a </think> b", "rating": 1}} or {DRAFT}</think>{ANSWER}',
}


@pytest.mark.parametrize("text", THOUGHTS.values(), ids=THOUGHTS)
def test_a_thought_is_never_the_answer(text) -> None:
    answer, thought = read_message({"content": text})
    assert json.loads(answer) == json.loads(ANSWER) and '"rating": 1' in thought
    assert len(blank_thoughts(text)) == len(text), "what is left keeps its place"


@pytest.mark.parametrize("letters", ["THİNK", "thınk", "THINK", "thinK"])
def test_a_tag_is_one_in_whatever_letters(letters: str) -> None:
    """Python takes these for the same letters; Turkish has an i without, and a capital with a dot."""
    assert blank_thoughts(f"[{letters}]I wonder[/{letters}]4").strip() == "4"


OPENED = [
    *(
        "<think>",
        "<longcat_think>",
        "<|channel|>analysis<|message|>",
        "<|channel>thought\n",
        "<thought_process>",
        "<cot>",
    ),
    *("<antThinking>", '<details type="reasoning">', "<details open type=reasoning>", "&lt;think&gt;", "Thinking…\n"),
    *(
        "<|thinking|>",
        "<self-reflection>",
        "<chain-of-thought>",
        "<reasoning_steps>",
        "<seed:cot>",
        "<rationale>",
        "<scratch_pad>",
        "**Thinking...**\n",
    ),
]


@pytest.mark.parametrize("text", [*(f"{tag}Draft: {DRAFT} but" for tag in OPENED), f"{DRAFT}</think>"])
@pytest.mark.parametrize("cut_off", [True, False])
def test_a_thought_without_an_answer_is_none(text, cut_off) -> None:
    assert read_message({"content": text}, cut_off=cut_off)[0] == ""


THOUGHT_PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": DRAFT}]},
    *({"type": kind, "text": DRAFT} for kind in ("reasoning_text", "reasoning.text", "summary_text", "thought")),
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": DRAFT}]},
    {"text": DRAFT, "thought": True},
]


@pytest.mark.parametrize("part", THOUGHT_PARTS)
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("answer", [ANSWER, ""])
def test_parts_that_are_thoughts(part, streamed, answer) -> None:
    content = [part, *([{"type": "text", "text": answer}] if answer else [])]

    def script(body: dict[str, Any], n: int) -> Any:
        deltas = [{"choices": [{"delta": {"content": [p]}, "finish_reason": None}]} for p in content]
        end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
        return Reply(events([*deltas, end, "[DONE]"]), kind="text/event-stream") if streamed else chat(content)

    with ScriptedServer(script) as server:
        said: list[str] = []
        made = model(server).complete(ASK, on_text=said.append)
        assert (made.text, made.thought, "".join(said)) == (answer, DRAFT, answer)


@pytest.mark.parametrize(
    "text",
    [
        *(
            ANSWER,
            '{"a": "he wrote </think> there"}',
            '```json\n{"a": "<think>"}\n```',
            "plain",
            "<apricot>",
            "a &lt; b",
        ),
        *(f'Here: {{"a": "{tag} is"}}' for tag in ("</think>", "<cot>", "&lt;think&gt;")),
        *("{'a': 'it is </think> there',}", '{"a": "</think>", "b": "cut off', json.dumps('{"a": "</think>"}')),
        *("<details><summary>Reasons</summary>4</details>", "Thinking of it... 4", "<b>rethought</b>"),
    ],
)
def test_what_has_no_thought_stays(text) -> None:
    assert read_message({"content": text}) == (text, "")


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "thinking"])
def test_fields_of_thoughts(name) -> None:
    assert read_message({"content": ANSWER, name: DRAFT}) == (ANSWER, DRAFT)
    assert read_message({"content": None, name: ANSWER})[0] == ANSWER, "a whole answer in the wrong field"
    assert read_message({"content": "", name: f"Maybe {DRAFT}"})[0] == "", "a thought with a draft is none"
    assert read_message({"content": None, name: ANSWER}, cut_off=True)[0] == ""


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": ANSWER[:9]}, {"type": "text", "text": ANSWER[9:]}],
        [{"type": "thinking", "thinking": DRAFT}, {"type": "text", "text": ANSWER}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": DRAFT}]}, {"type": "output_text", "text": ANSWER}],
        [ANSWER],
        {"type": "text", "text": ANSWER},
    ],
)
def test_content_in_parts(content, schema) -> None:
    with ScriptedServer(lambda body, n: chat(content)) as server:
        assert model(server).complete(ASK, schema=schema).text == ANSWER


@pytest.mark.parametrize("reason", ["eos_token", "end_turn", "STOP", "stop_sequence", "done", None, ..., 7])
@pytest.mark.parametrize("streamed", [False, True])
def test_any_word_for_a_finished_answer(reason, streamed, store, schema) -> None:
    def script(body: dict[str, Any], n: int) -> Any:
        if body.get("stream"):
            return Reply(events(pieces(good(body), reason)), kind="text/event-stream")
        return chat(good(body), reason)

    with ScriptedServer(script) as server:
        options: dict[str, Any] = {"on_text": lambda text: None} if streamed else {}
        answer = CachedLLM(model(server), store).complete(ASK, schema=schema, **options)
        assert json.loads(answer.text) and answer.finish_reason == "stop"


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
def test_words_for_a_cut_answer(reason, store, schema) -> None:
    with ScriptedServer(lambda body, n: chat(good(body), reason)) as server, pytest.raises(ModelError) as failed:
        CachedLLM(model(server), store).complete(ASK, schema=schema)
    assert failed.value.kind == "truncated" and read_finish(reason) == "length"


def test_a_model_that_thinks_gets_room_and_says_so(store, schema) -> None:
    with ScriptedServer(lambda body, n: chat("", "length", reasoning_content="Hm. " * 9)) as server:
        llm = model(server)
        with pytest.raises(ModelError, match="thinking") as failed:
            CachedLLM(llm, store).complete(ASK, schema=schema, max_tokens=100)
        assert failed.value.kind == "truncated" and "LUSIFER_ENDPOINT_MINE_THINKING_TOKENS" in failed.value.fix
        with pytest.raises(ModelError):
            CachedLLM(llm, store).complete(ASK, schema=schema, max_tokens=100)
        assert [r["max_tokens"] for r in server.requests] == [100, 100 + llm.extra_tokens] and llm.extra_tokens > 1000
        assert "thinks" in llm.adaptations


# ---- refusals ---------------------------------------------------------------------------------------


def error(text: Any, status: int = 400, **fields: Any) -> Reply:
    return Reply({"error": {"message": text, **fields}}, status)


def has_system(body: dict[str, Any]) -> bool:
    return any(m["role"] == "system" for m in body["messages"])


REFUSALS: dict[str, tuple[Any, Any, str]] = {
    # what is refused, how it is said, the adaptation
    "max_tokens-param": (
        lambda b: "max_tokens" in b,
        error("Unsupported parameter.", param="max_tokens", code="unsupported_parameter"),
        "max-completion-tokens",
    ),
    "max_tokens-words": (
        lambda b: "max_tokens" in b,
        error("'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
        "max-completion-tokens",
    ),
    "max_tokens-list": (
        lambda b: "max_tokens" in b,
        Reply({"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted"}]}, 422),
        "max-completion-tokens",
    ),
    "max_tokens-limit": (
        lambda b: b.get("max_tokens", 0) > 64,
        error("max_tokens is too large: 99. This model supports at most 64 completion tokens.", param="max_tokens"),
        "max_tokens=64",
    ),
    "system": (has_system, error("System role not supported"), "no-system"),
    "system-developer": (has_system, error("Developer instruction is not enabled for models/gemma"), "no-system"),
    "system-template": (
        has_system,
        Reply({"error": "Conversation roles must alternate user/assistant/user/assistant/..."}, 500),
        "no-system",
    ),
    "stream-only": (
        lambda b: not b.get("stream"),
        error("parameter.enable_thinking must be set to false for non-streaming calls"),
        "stream-only",
    ),
    "stream-only-words": (lambda b: not b.get("stream"), error("This model only supports streaming."), "stream-only"),
    "logprobs-string": (lambda b: "logprobs" in b, Reply({"error": "logprobs is not supported"}, 400), "no-logprobs"),
    "logprobs-in-200": (
        lambda b: "logprobs" in b,
        Reply({"error": {"message": "Logprobs are not supported by this provider", "code": 400}}),
        "no-logprobs",
    ),
    "logprobs-in-stream": (
        lambda b: "logprobs" in b,
        Reply(events([{"error": {"message": "unknown field: logprobs", "code": 400}}]), kind="text/event-stream"),
        "no-logprobs",
    ),
    "logprobs-limit": (
        lambda b: b.get("top_logprobs", 0) > 5,
        error("Invalid value for 'top_logprobs': must be less than or equal to 5.", param="top_logprobs"),
        "top_logprobs=5",
    ),
    "schema": (
        lambda b: "response_format" in b,
        error("This response_format type is unavailable now"),
        "no-schema",
    ),
    "schema-bounds": (
        lambda b: "maxItems" in json.dumps(b.get("response_format", {})),
        error("Invalid schema for response_format 'answer': 'maxItems' is not permitted.", param="response_format"),
        "no-schema-bounds",
    ),
    "temperature": (
        lambda b: "temperature" in b,
        error("Only the default (1) value is supported.", param="temperature", code="unsupported_value"),
        "no-temperature",
    ),
    "seed-nested": (
        lambda b: "seed" in b,
        Reply({"error": {"message": '{"error": {"message": "unknown argument seed"}}'}}, 400),
        "no-seed",
    ),
    "system-param": (
        has_system,
        error("Unsupported value: 'messages[0].role' does not support 'system' here.", param="messages[0].role"),
        "no-system",
    ),
    "system-roles": (has_system, error("messages.0.role: Input should be 'user' or 'assistant'"), "no-system"),
    "system-raised": (
        has_system,
        Reply({"error": {"message": "Only user and assistant roles are supported!", "code": 500}}, 500),
        "no-system",
    ),
    "system-unknown": (has_system, error("Unknown role: system"), "no-system"),
    "logprobs-allowed": (
        lambda b: b.get("top_logprobs", 0) > 5,
        error("Requested sample logprobs of 10, which is greater than max allowed: 5"),
        "top_logprobs=5",
    ),
    "max_tokens-above": (
        lambda b: b.get("max_tokens", 0) > 64,
        error("max_tokens: 99 > 64, which is the maximum allowed number of output tokens for m"),
        "max_tokens=64",
    ),
    "max_tokens-length": (
        lambda b: b.get("max_tokens", 0) > 64,
        error("max_tokens=99 cannot be greater than max_model_len=64. Please request fewer output tokens."),
        "max_tokens=64",
    ),
    "max_tokens-other-name": (
        lambda b: b.get("max_tokens", 0) > 64,
        error("max_completion_tokens (99) cannot exceed 64"),
        "max_tokens=64",
    ),
    "max_tokens-words-only": (
        lambda b: b.get("max_tokens", 0) > 64,
        error("Requested maximum tokens 99 exceed the model's maximum output of 64"),
        "max_tokens=64",
    ),
    "logprobs-maximum": (lambda b: b.get("top_logprobs", 0) > 5, error("Maximum logprobs is 5"), "top_logprobs=5"),
    "system-model": (has_system, Reply({"error": "Only user and model roles are supported!"}, 500), "no-system"),
    "system-unexpected": (has_system, error("Unexpected message role."), "no-system"),
    "schema-deep": (
        lambda b: "maxItems" in json.dumps(b.get("response_format", {})),
        error("Schema nesting too deep"),
        "no-schema-bounds",
    ),
    "stream-quoted": (lambda b: not b.get("stream"), error("`stream` must be true"), "stream-only"),
    "stream-set": (lambda b: not b.get("stream"), error("Please set stream=true"), "stream-only"),
    "max_tokens-quoted": (
        lambda b: b.get("max_tokens", 0) > 64,
        error("`max_tokens` must be less than or equal to `64`, the maximum value for `max_tokens` is below"),
        "max_tokens=64",
    ),
    "max_tokens-spelled": (
        lambda b: "max_tokens" in b,
        error("this model is not supported MaxTokens, please use MaxCompletionTokens"),
        "max-completion-tokens",
    ),
    "schema-states": (
        lambda b: "maxItems" in json.dumps(b.get("response_format", {})),
        error("The specified schema produces a constraint that has too many states for serving."),
        "no-schema-bounds",
    ),
    "schema-names": (
        lambda b: "additionalProperties" in json.dumps(b.get("response_format", {})),
        error("Unknown name \"additionalProperties\" at 'generation_config.response_schema': Cannot find field."),
        "no-schema",
    ),
    "stream-enabled": (lambda b: not b.get("stream"), error("The stream parameter must be enabled"), "stream-only"),
    "stream-false": (lambda b: not b.get("stream"), error("stream=False is not supported"), "stream-only"),
    "none-named": (
        lambda b: "logprobs" in b,
        error("No endpoints found that can handle the requested parameters.", 404),
        "no-logprobs",
    ),
}


@pytest.mark.parametrize(("refused", "reply", "adaptation"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_refused_is_left_out_and_remembered(refused, reply, adaptation, schema) -> None:
    def script(body: dict[str, Any], n: int) -> Any:
        if refused(body):
            return Reply(iter(list(reply.body)), kind=reply.kind) if reply.kind.endswith("stream") else reply
        if body.get("stream"):
            return Reply(events(pieces(good(body))), kind="text/event-stream")
        return chat(good(body))

    if "stream" in reply.kind:
        reply.body = list(reply.body)
    with ScriptedServer(script) as server:
        llm = model(server)
        for _ in range(2):
            answer = llm.complete(ASK, schema=schema, temperature=0.5, seed=1, max_tokens=99, logprobs=10)
            assert '"ratings"' in answer.text
        assert llm.adaptations[-1] == adaptation and adaptations.describe(adaptation)
        assert tuple(llm.memory.learned()) == llm.adaptations
        assert not any(refused(b) for b in server.requests[-2:]), "refused once, then known"
        assert "Be brief." in json.dumps(server.requests[-1]["messages"])
    by_hand = OpenAICompatible(Endpoint("hand", "http://127.0.0.1:9/v1", adapt=(adaptation,)), "m")
    options: Any = {"schema": schema, "temperature": 0.5, "seed": 1, "max_tokens": 99, "logprobs": 10}
    assert not refused(by_hand.build_request(ASK, options)), "and so where it is set by hand"


@pytest.mark.parametrize(
    "reply",
    [
        error(
            "The maximum context length is 2048 tokens, you asked for max_tokens 600: reduce the length of the messages"
        ),
        error("Rate limit reached for max_tokens", 429),
        error("I do not like your tone."),
        error("I cannot help, as an assistant, with this user role."),
        error("messages.0.role: Input should be 'user', 'assistant', 'system' or 'tool'"),
        error("The model `seed-m` does not exist", 404),
    ],
)
def test_an_error_about_something_else_changes_nothing(reply, schema) -> None:
    with ScriptedServer(lambda body, n: reply) as server:
        llm = OpenAICompatible(Endpoint("mine", server.url, KEY), "seed-m")
        with pytest.raises(ModelError):
            llm.complete(ASK, schema=schema, max_tokens=99, seed=1, logprobs=3)
        assert not llm.adaptations and len(server.requests) == 1


def test_what_did_not_help_is_not_remembered(schema) -> None:
    with ScriptedServer(lambda body, n: error("No endpoints can handle the requested parameters.", 404)) as server:
        llm = model(server)
        with pytest.raises(ModelError, match="requested parameters"):
            llm.complete(ASK, schema=schema, seed=1)
        assert len(server.requests) > 1 and not llm.adaptations


CONTEXT = 8192
TOO_LONG = {
    "vllm": "'max_tokens' or 'max_completion_tokens' is too large: {m}. This model's maximum context length is 8192 "
    "tokens and your request has {p} input tokens ({m} > 8192 - {p}).",
    "openai": "This model's maximum context length is 8192 tokens. However, you requested {s} tokens ({p} in the "
    "messages, {m} in the completion). Please reduce the length of the messages or completion.",
    "tgi": "`inputs` tokens + `max_new_tokens` must be <= 8192. Given: {p} `inputs` tokens and {m} `max_new_tokens`",
    "sum": "input length and `max_tokens` exceed context limit: {p} + {m} > 8,192, decrease them and try again",
    "no-numbers": "The context length is exceeded.",
}


@pytest.mark.parametrize("name", TOO_LONG)
@pytest.mark.parametrize("prompt", [500, 7500, 8150, 9000])
def test_room_for_thoughts_makes_no_prompt_too_long(name, prompt, schema) -> None:
    def script(body: dict[str, Any], n: int) -> Any:
        most = body["max_tokens"]
        if prompt + most > CONTEXT:
            return error(TOO_LONG[name].format(m=most, p=prompt, s=prompt + most))
        return chat(good(body))

    with ScriptedServer(script) as server:
        llm = model(server)
        llm.memory.remember("thinks")
        for _ in range(2):
            if prompt > 8000:
                with pytest.raises(ModelError, match="too long") as failed:
                    llm.complete(ASK, schema=schema, max_tokens=600)
                assert failed.value.kind == "context"
            else:
                assert llm.complete(ASK, schema=schema, max_tokens=600).text
                most = server.requests[-1]["max_tokens"]
                assert most == (600 if name == "no-numbers" else CONTEXT - prompt)
        assert llm.adaptations == ("thinks",) and len(server.requests) <= 4


def test_settings_by_hand(monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_ENDPOINT_BOX_URL", "http://box/v1/chat/completions/")
    monkeypatch.setenv("LUSIFER_ENDPOINT_BOX_ADAPT", "no-system, max_tokens=500")
    monkeypatch.setenv("LUSIFER_ENDPOINT_BOX_TIMEOUT", "600")
    monkeypatch.setenv("LUSIFER_ENDPOINT_BOX_THINKING_TOKENS", "0")
    monkeypatch.setenv("LUSIFER_ENDPOINT_OLLAMA_ADAPT", "no-thinking")
    found = load_endpoints()
    assert found["box"].url == "http://box/v1" and found["box"].adapt == ("no-system", "max_tokens=500")
    assert (found["box"].timeout, found["box"].thinking_tokens) == (600, 0)
    assert found["ollama"].adapt == ("no-thinking",) and found["ollama"].kind == "ollama"
    monkeypatch.setenv("LUSIFER_ENDPOINT_BOX_ADAPT", "no-sytem")
    with pytest.raises(InvalidInputError, match="no-sytem"):
        load_endpoints()


# ---- forms of an answer -------------------------------------------------------------------------------

FORMS = {
    "always-streamed": lambda body: Reply(events(pieces(good(body))), kind="text/event-stream"),
    "streamed-as-text": lambda body: Reply(iter([b": hello\n\n", *events(pieces(good(body)))]), kind="text/plain"),
    "stream-without-blank-lines": lambda body: Reply(
        b"\n".join(e.strip() for e in events(pieces(good(body)))), kind="text/event-stream"
    ),
    "never-streamed": lambda body: chat(good(body)),
    "mark": lambda body: Reply(b"\xef\xbb\xbf" + json.dumps(chat(good(body))).encode()),
    "blanks-first": lambda body: Reply(b"\n   \n\n" + json.dumps(chat(good(body))).encode()),
    "indented": lambda body: Reply(json.dumps(chat(good(body)), indent=2)),
    "gzip": lambda body: Reply(
        gzip.compress(json.dumps(chat(good(body))).encode()), headers={"Content-Encoding": "gzip"}
    ),
    "tool": lambda body: chat(
        None, "tool_calls", tool_calls=[{"function": {"name": "answer", "arguments": good(body)}}]
    ),
    "choices-by-number": lambda body: {"choices": {"0": chat(good(body))["choices"][0]}},
    "in-data": lambda body: {"code": 0, "msg": "success", "data": chat(good(body))},
    "in-result": lambda body: {"success": True, "errors": [], "result": chat(good(body))},
    "in-response": lambda body: {"response": chat(good(body)), "status": "ok"},
    "utf-16": lambda body: Reply(json.dumps(chat(good(body))).encode("utf-16")),
    "utf-16-be": lambda body: Reply(b"\xfe\xff" + json.dumps(chat(good(body))).encode("utf-16-be")),
    "legacy-text": lambda body: {"choices": [{"text": good(body), "finish_reason": "stop"}]},
    "half-a-character": lambda body: Reply(json.dumps(chat(good(body))).replace("Reason", "\\ud83d")),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("streamed", [False, True])
def test_forms_of_an_answer(form, streamed, schema, store) -> None:
    said: list[str] = []
    with ScriptedServer(lambda body, n: form(body)) as server:
        options: dict[str, Any] = {"on_text": said.append} if streamed else {}
        answer = CachedLLM(model(server), store).complete(ASK, schema=schema, **options)
        assert len(json.loads(answer.text)["ratings"]) == 2
        assert not streamed or "".join(said) == answer.text


FOREIGN: dict[str, Any] = {
    "Google": {"candidates": [{"content": {"parts": [{"text": ANSWER}]}, "finishReason": "STOP"}]},
    "Anthropic": {"type": "message", "content": [{"type": "text", "text": ANSWER}], "stop_reason": "end_turn"},
    "Ollama": {"model": "m", "message": {"role": "assistant", "content": ANSWER}, "done": True},
    "Responses": {"object": "response", "output": [{"content": [{"type": "output_text", "text": ANSWER}]}]},
    "Cohere": {"message": {"content": [{"type": "text", "text": ANSWER}]}, "finish_reason": "COMPLETE"},
    "Text Generation Inference": [{"generated_text": ANSWER}],
}


@pytest.mark.parametrize("name", FOREIGN)
def test_an_answer_of_another_protocol_is_named(name, schema) -> None:
    with ScriptedServer(lambda body, n: FOREIGN[name]) as server:
        with pytest.raises(ModelError, match=f"answers in .*{name}.* instead of OpenAI's") as failed:
            model(server).complete(ASK, schema=schema)
        assert "address" in failed.value.fix


@pytest.mark.parametrize(
    ("body", "words"), [(b"", "an empty answer"), (b"  \n", "an empty"), (b"null", "answer: null\\.")]
)
def test_no_answer_is_said_in_whole_sentences(body, words, schema) -> None:
    with ScriptedServer(lambda sent, n: Reply(body)) as server, pytest.raises(ModelError, match=words):
        model(server).complete(ASK, schema=schema)


def test_the_json_that_a_server_refused_is_the_answer(schema) -> None:
    fields = {"code": "json_validate_failed", "failed_generation": '{"ratings": ['}
    with ScriptedServer(lambda body, n: error("Failed to generate JSON.", **fields)) as server:
        assert model(server).complete(ASK, schema=schema).text == '{"ratings": ['
    with ScriptedServer(lambda body, n: error("Failed to generate JSON.", code="json_validate_failed")) as server:
        with pytest.raises(ModelError) as failed:
            model(server).complete(ASK, schema=schema)
        assert failed.value.kind == "invalid"


@pytest.mark.parametrize("value", [None, -1, 10**30, float("nan"), float("inf"), "12", True, [3], {}])
def test_counts_that_are_none(value, schema, store) -> None:
    assert read_count(value) == 0
    usage = {"prompt_tokens": value, "completion_tokens": value, "prompt_tokens_details": {"cached_tokens": value}}
    with ScriptedServer(lambda body, n: {**chat(good(body)), "usage": usage}) as server:
        answer = CachedLLM(model(server), store).complete(ASK, schema=schema)
        assert (answer.input_tokens, answer.output_tokens, answer.cached_tokens) == (0, 0, 0)
    assert read_count(7) == 7 and read_count(7.0) == 7


@pytest.mark.parametrize(
    "entries",
    [
        None,
        5,
        "x",
        [None],
        [{"token": "{"}],
        [{"token": "{", "logprob": "x"}],
        [{"token": "{", "logprob": float("nan")}],
        [{"token": "{", "logprob": 900.0}],
        [{"token": "{", "logprob": -1, "bytes": [999]}],
    ],
)
def test_log_probabilities_that_are_none(entries) -> None:
    assert parse_tokens(entries, "{}") == ()


def test_half_characters() -> None:
    assert clean("a\ud83d b\0") == "a\ufffd b\ufffd" and clean("\ud83d\ude00") == "😀" and clean("é") == "é"


@pytest.mark.parametrize(
    "body",
    [
        [{"id": "b"}, {"id": "a"}],
        {"data": [{"id": "a"}, {"id": "b"}]},
        {"models": [{"name": "a"}, {"model": "b"}]},
        ["b", "a"],
    ],
)
def test_lists_of_models(body) -> None:
    with ScriptedServer(lambda sent, n: body) as server:
        assert model(server).list_models() == ["a", "b"] and server.paths == ["/v1/models"]
