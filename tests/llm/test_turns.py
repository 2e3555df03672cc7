"""Threads that compute in turn: in the order in which they came, and held up by nobody."""

from __future__ import annotations

import threading
import time

import pytest

from lusifer.llm import turns as turns_module
from lusifer.llm.turns import PATIENCE_SECONDS, TURNS, Turns, in_turn


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


def test_the_first_who_waits_takes_a_turn_that_was_left(monkeypatch) -> None:
    """And the others stay in their order, however many wait for longer than one is patient."""
    monkeypatch.setattr(turns_module, "PATIENCE_SECONDS", 0.2)
    turns, ended = Turns(), []

    def work(number: int) -> None:
        turns.take()
        ended.append(number)
        time.sleep(0.05)
        turns.give_back()

    turns.take()  # and it is never given back
    threads = started(work, 12)
    for thread in threads:
        thread.join()
    assert ended == list(range(12))


def test_work_in_turn_gives_its_turn_back() -> None:
    @in_turn
    def work(fails: bool) -> int:
        assert TURNS._holder == threading.get_ident()  # noqa: SLF001 - nothing else tells
        return 1 // (not fails)

    assert work(False) == 1 and not TURNS._holder  # noqa: SLF001
    with pytest.raises(ZeroDivisionError):
        work(True)
    assert not TURNS._holder  # noqa: SLF001


def test_nobody_waits_behind_one_who_was_interrupted(monkeypatch) -> None:
    monkeypatch.setattr(turns_module, "PATIENCE_SECONDS", 0.2)

    class Interrupting(Turns):
        def _is_left(self) -> bool:
            me = threading.current_thread()
            if me.name == "interrupted" and any(ident == me.ident for ident, _ in self._waiting):
                raise KeyboardInterrupt
            return super()._is_left()

    turns, ended = Interrupting(), list[int]()

    def wait() -> None:
        with pytest.raises(KeyboardInterrupt):
            turns.take()

    def work(number: int) -> None:
        turns.take()
        ended.append(number)
        turns.give_back()

    turns.take()  # and it is never given back
    interrupted = threading.Thread(target=wait, name="interrupted")
    interrupted.start()
    time.sleep(0.05)
    for thread in (interrupted, *started(work, 3)):
        thread.join(10)
    assert ended == [0, 1, 2]
