"""Many users at a time: each once, the first error stops the rest, and nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from typing import Any

import pytest

from lusifer.errors import CancelledError, ModelError
from lusifer.evaluation.simulation import run_threaded
from lusifer.llm import Endpoint, Message
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.rate_limit import ConcurrencyLimiter, RateLimitedLLM
from lusifer.llm.turns import TURNS
from tests.llm.test_wrappers import client
from tests.servers.openai import KEY
from tests.servers.scripted import Reply, ScriptedServer, chat


@pytest.mark.parametrize("workers", [1, 4, 50])
def test_each_is_worked_on_once(workers: int, store) -> None:
    done: list[int] = []

    def work(index: int) -> None:
        store.save_call({"purpose": "rate", "status": "ok"})
        done.append(index)

    run_threaded(work, 30, workers, lambda: False, store)
    assert sorted(done) == list(range(30)) and len(store.list_calls({})[0]) == 30


def test_nothing_to_do_is_done() -> None:
    run_threaded(lambda index: 1 / 0, 0, 4, lambda: False, None)


@pytest.mark.parametrize("workers", [1, 4])
def test_the_first_error_stops_what_has_not_begun(workers: int) -> None:
    begun: list[int] = []

    def work(index: int) -> None:
        begun.append(index)
        if index == 5:
            raise ModelError("no key", kind="auth")
        time.sleep(0.01)

    with pytest.raises(ModelError, match="no key"):
        run_threaded(work, 1000, workers, lambda: False, None)
    assert len(begun) < 1000


@pytest.mark.parametrize("workers", [1, 4])
def test_a_cancel_stops_what_has_not_begun(workers: int) -> None:
    stopped = threading.Event()

    def work(index: int) -> None:
        if index == 5:
            stopped.set()

    with pytest.raises(CancelledError):
        run_threaded(work, 1000, workers, stopped.is_set, None)


def test_what_lives_before_is_not_searched_for_garbage_meanwhile() -> None:
    """It is again afterwards, also where the work failed; and nobody keeps a turn."""
    counts: list[int] = []

    def work(index: int) -> None:
        counts.append(gc.get_freeze_count())
        TURNS.take()
        if index == 3:
            raise ModelError("no", kind="auth")

    with pytest.raises(ModelError):
        run_threaded(work, 50, 2, lambda: False, None)
    assert min(counts) > 1000 and gc.get_freeze_count() == 0 and not TURNS._holder  # noqa: SLF001


@pytest.mark.parametrize(("workers", "expected_threads"), [(4, 4), (16, 17)])
def test_no_more_calls_at_a_time_than_asked_for(openai_server, workers: int, expected_threads: int) -> None:
    """Though more threads may compute, and whatever becomes of the calls: failed ones leave their place too."""
    openai_server.delay = 0.05
    openai_server.behave(*["500", "ok"] * 4)
    llm = RateLimitedLLM(client(openai_server), ConcurrencyLimiter(64))
    threads: set[int] = set()

    def work(index: int) -> None:
        threads.add(threading.get_ident())
        with contextlib.suppress(ModelError):
            llm.complete([Message("user", f"Rate {index}.")])

    run_threaded(work, 60, workers, lambda: False, None)
    assert openai_server.most == workers and len(threads) == expected_threads and len(openai_server.requests) == 60
    llm.complete([Message("user", "Rate.")])  # and afterwards this thread needs no place


def test_who_waits_for_a_place_can_be_cancelled(openai_server) -> None:
    openai_server.hold()
    stopped = threading.Event()
    llm = RateLimitedLLM(client(openai_server), ConcurrencyLimiter(64), cancelled=stopped.is_set)

    def work(index: int) -> None:
        if index == 1:
            threading.Timer(0.5, stopped.set).start()
        llm.complete([Message("user", f"Rate {index}.")])

    threading.Timer(2.0, openai_server.release).start()
    with pytest.raises(CancelledError):
        run_threaded(work, 3, 2, lambda: False, None)
    assert len(openai_server.requests) <= 2


def test_a_refused_form_keeps_its_place() -> None:
    """The call asks again in another form, and nobody else comes in between."""
    inside, most, lock = [0], [0], threading.Lock()

    def script(body: dict[str, Any], n: int) -> Reply:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.05)
        with lock:
            inside[0] -= 1
        if "logprobs" in body:
            return Reply({"error": {"message": "logprobs is not supported", "param": "logprobs"}}, 400)
        return Reply(chat("4"))

    with ScriptedServer(script) as server:

        def work(index: int) -> None:
            # Of a model of its own, so that none knows what the others have learned.
            limited = RateLimitedLLM(OpenAICompatible(Endpoint("mine", server.url, KEY), f"m{index}"), limiter)
            assert limited.complete([Message("user", "Rate.")], logprobs=5).text == "4"

        limiter = ConcurrencyLimiter(64)
        run_threaded(work, 24, 4, lambda: False, None)
        assert most == [4] and len(server.requests) == 48
        limiter = ConcurrencyLimiter(2)
        most[0] = 0
        run_threaded(lambda index: work(index + 100), 24, 8, lambda: False, None)
        assert most == [2]


def test_settled_objects_stay_so_until_the_last_run_has_ended() -> None:
    second_ended = threading.Event()

    def first(index: int) -> None:
        if not second_ended.is_set():
            run_threaded(lambda n: None, 50, 2, lambda: False, None)
            second_ended.set()
        assert gc.get_freeze_count() > 1000

    run_threaded(first, 50, 2, lambda: False, None)
    assert gc.get_freeze_count() == 0
