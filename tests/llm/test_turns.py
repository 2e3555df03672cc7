"""Threads that compute in turn: in the order in which they came, and held up by nobody."""

from __future__ import annotations

import threading
import time

from lusifer.llm import turns as turns_module
from lusifer.llm.turns import PATIENCE_SECONDS, Turns


def started(work, count: int) -> list[threading.Thread]:
    """Threads that came one after the other."""
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
        time.sleep(PATIENCE_SECONDS / 20)
    return threads


def test_turns_go_in_the_order_in_which_threads_came() -> None:
    turns, ended = Turns(), []

    def work(number: int) -> None:
        turns.take()
        ended.append(number)
        turns.give_back()

    turns.take()
    threads = started(work, 5)
    assert not ended, "it is somebody's turn"
    turns.give_back()
    for thread in threads:
        thread.join()
    assert ended == [0, 1, 2, 3, 4]
    turns.give_back()  # nobody's: nothing happens
    turns.take()


def test_who_keeps_a_turn_holds_up_nobody() -> None:
    turns, ended = Turns(), []

    def take_and_end(number: int) -> None:
        turns.take()
        ended.append(number)

    for thread in started(take_and_end, 4):
        thread.join(10)
    assert sorted(ended) == [0, 1, 2, 3]
    turns.take()
    turns.give_back()
    turns.take()  # at once: what is left of the others' turns waits nowhere
    assert not turns._waiting  # noqa: SLF001 - nothing else tells


def test_a_turn_that_was_left_is_nobodys(monkeypatch) -> None:
    monkeypatch.setattr(turns_module, "PATIENCE_SECONDS", 3600.0)  # nobody is waited for so long
    turns = Turns()
    thread = threading.Thread(target=turns.take)
    thread.start()
    thread.join()
    turns._since -= 7200  # noqa: SLF001 - two hours pass
    turns.take()
    turns.give_back()
    assert not turns._holder  # noqa: SLF001 - nothing else tells
