"""The answer cache: what makes a key, what is served again, what never is."""

from __future__ import annotations

import dataclasses

import pytest

from lusifer.errors import ModelError
from lusifer.llm import CachedLLM, CallMetadata, Completion, Message
from lusifer.llm.cached import answer_key

ASK = [Message("user", "hello")]


class Answering:
    """An LLM in this process; what it answers is set by the test."""

    spec, identity = "openai:x", "http://127.0.0.1/v1|x"

    def __init__(self) -> None:
        self.asked = 0
        self.finish, self.error = "stop", ""

    def complete(self, messages, **options) -> Completion:
        self.asked += 1
        if self.error:
            raise ModelError("It failed.", kind=self.error)
        return Completion(f"answer {self.asked}", self.finish, 10, 2, 5, 1.0)


def test_the_second_time_nobody_is_asked(store) -> None:
    inner = Answering()
    llm = CachedLLM(inner, store)
    first = llm.complete(ASK, metadata=CallMetadata("rate", run="r1"))
    again = llm.complete(ASK, metadata=CallMetadata("update", run="r2", user=3))
    assert inner.asked == 1 and again.text == first.text == "answer 1"
    assert again.cached and not first.cached and again.key == first.key
    used = store.get_usage()
    assert (used["made"], used["cached"], used["input_tokens"], used["unpriced"]) == (1, 1, 10, 1)


def test_exactly_what_can_change_an_answer_is_in_the_key() -> None:
    base = ("id", ASK, {"a": 1}, 0.0, 1, 10, 0)
    others = [
        ("id2", *base[1:]),
        (base[0], [Message("system", "hello")], *base[2:]),
        (*base[:2], {"a": 2}, *base[3:]),
        (*base[:3], 0.5, *base[4:]),
        (*base[:4], 2, *base[5:]),
        (*base[:5], None, base[6]),
        (*base[:6], 1),
    ]
    keys = {answer_key(*o) for o in others} | {answer_key(*base)}
    assert len(keys) == len(others) + 1
    assert answer_key("id", ASK, {"b": 1, "a": 2}, None, None, None, 0) == answer_key(
        "id", ASK, {"a": 2, "b": 1}, None, None, None, 0
    )
    assert {f.name for f in dataclasses.fields(CallMetadata)} == {
        "purpose",
        "evolution",
        "run",
        "user",
        "step",
        "prompt_version",
        "items",
    }


def test_a_new_draw_asks_again(store) -> None:
    llm = CachedLLM(Answering(), store)
    assert [llm.complete(ASK, draw=d).text for d in (0, 1, 0)] == [
        "answer 1",
        "answer 2",
        "answer 1",
    ]


@pytest.mark.parametrize("kind", ["refused", "server", "auth"])
def test_failures_are_recorded_and_asked_again(store, kind: str) -> None:
    inner = Answering()
    inner.error = kind
    llm = CachedLLM(inner, store)
    for _ in range(2):
        with pytest.raises(ModelError):
            llm.complete(ASK)
    inner.error = ""
    assert llm.complete(ASK).text == "answer 3"
    assert store.get_usage()["failed"] == 2


def test_truncated_answers_are_paid_recorded_and_never_served(store) -> None:
    inner = Answering()
    inner.finish = "length"
    llm = CachedLLM(inner, store)
    with pytest.raises(ModelError) as failed:
        llm.complete(ASK)
    assert failed.value.kind == "truncated"
    inner.finish = "stop"
    assert llm.complete(ASK).text == "answer 2"
    used = store.get_usage()
    assert (used["made"], used["failed"], used["input_tokens"]) == (2, 1, 20)


def test_a_rejected_answer_is_never_served(store) -> None:
    inner = Answering()
    llm = CachedLLM(inner, store)
    llm.reject(llm.complete(ASK).key, "No JSON.")
    assert llm.complete(ASK).text == "answer 2"
    assert store.get_usage()["failed"] == 1
