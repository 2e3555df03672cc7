"""One question is paid once, and money that was set aside comes back: across threads, processes and their deaths."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.llm import Budget, CachedLLM, Completion, Endpoint, Message, SpendingLimit, create_llm
from lusifer.llm import budget as budget_module
from lusifer.llm.budget import BudgetedLLM
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.prices import price
from lusifer.store import Store
from lusifer.store.process_locks import locks_of
from tests.conftest import PATIENCE, ROOT
from tests.servers.openai import KEY, OpenAIServer

SPAWN = multiprocessing.get_context("spawn")


def question(number: int) -> list[Message]:
    return [Message("user", f"Question {number}. " + "x" * 380)]


def client(url: str) -> OpenAICompatible:
    return OpenAICompatible(Endpoint("openai", url, KEY), "m")


class Answering:
    """An LLM in this process, as slow as the test says; what it raises and counts is set by it."""

    spec, identity = "openai:x", "http://127.0.0.1/v1|x"

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked, self.seconds, self.tokens = 0, seconds, (10, 5)
        self.error: BaseException | None = None

    def complete(self, messages, **options) -> Completion:
        self.asked += 1
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return Completion("fine", input_tokens=self.tokens[0], output_tokens=self.tokens[1])


def ask_all(path: str, url: str, count: int) -> None:
    """A process that asks the same as others, from several threads."""
    store, llm = Store(path), None
    llm = CachedLLM(client(url), store)
    threads = [
        threading.Thread(target=lambda start=start: [llm.complete(question(n)) for n in range(start, count, 4)])
        for start in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ---- one question is paid once ----------------------------------------------------------------------


def test_two_processes_that_ask_the_same_pay_once(tmp_path, openai_server) -> None:
    openai_server.delay, path = 0.03, tmp_path / "b.db"
    Store(path)
    workers = [SPAWN.Process(target=ask_all, args=(str(path), openai_server.url, 40)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert worker.exitcode == 0
    assert len(openai_server.requests) == 40
    used = Store(path).get_usage()
    assert (used["made"], used["cached"]) == (40, 80)


@pytest.mark.parametrize("apart", [False, True], ids=["one-store", "two-stores"])
def test_threads_that_ask_the_same_pay_once(store, apart) -> None:
    inner, results = Answering(0.2), list[bool]()
    stores = [store, Store(store.path) if apart else store]
    threads = [
        threading.Thread(target=lambda s=s: results.append(CachedLLM(inner, s).complete(question(1)).cached))
        for s in stores * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inner.asked == 1 and sorted(results) == [False] + [True] * 5


@pytest.mark.parametrize("error", [ModelError("no", kind="server"), KeyboardInterrupt(), CancelledError("Stopped.")])
def test_who_waits_asks_itself_where_the_first_one_fails(store, error) -> None:
    failing, good, failed = Answering(0.2), Answering(), threading.Event()
    failing.error = error

    def fail() -> None:
        try:
            CachedLLM(failing, store).complete(question(1))
        except BaseException:
            failed.set()

    thread = threading.Thread(target=fail)
    thread.start()
    while not failing.asked:
        time.sleep(0.01)
    assert not CachedLLM(good, store).complete(question(1)).cached and good.asked == 1 and failed.is_set()
    thread.join()


def test_a_question_that_takes_long_is_not_asked_beside(store, monkeypatch) -> None:
    """An endpoint that is given hours for an answer is waited for as long: a second question would be paid too."""
    clock, slow = time.monotonic, Answering(0.3)
    slow.endpoint = Endpoint("x", "http://127.0.0.1/v1", timeout=10**6)
    llm, results = CachedLLM(slow, store), list[bool]()
    threads = [threading.Thread(target=lambda: results.append(llm.complete(question(1)).cached)) for _ in range(2)]
    monkeypatch.setattr(time, "monotonic", lambda: clock() * 10_000)  # hours go by
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert llm.inner.asked == 1 and sorted(results) == [False, True]


def test_waiting_for_somebody_elses_answer_can_be_cancelled(store) -> None:
    llm = CachedLLM(Answering(), store, lambda: True)
    assert store.claim_answer(llm.key(question(1)))
    with pytest.raises(CancelledError):
        llm.complete(question(1))
    store.release_answer(llm.key(question(1)))
    assert llm.complete(question(1)).text == "fine"


HOLDER = """
import sys, time
from lusifer.llm import Budget, CachedLLM, SpendingLimit
from lusifer.llm.budget import BudgetedLLM
from lusifer.store import Store
from tests.llm.test_bookings import Answering, client, question
store = Store(sys.argv[1])
llm = BudgetedLLM(client(sys.argv[2]), store, Budget(run=SpendingLimit(tokens=10**6), run_id="r"))
print("up", flush=True)
CachedLLM(llm, store).complete(question(1), max_tokens=500)
"""


def killed_while_it_asked(path: Path, server: OpenAIServer, number: int) -> None:
    """A process that has a claim and a booking, killed with both."""
    asked = len(server.requests)
    server.hold()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path), server.url], cwd=ROOT) as child:
        while len(server.requests) == asked and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(number)
        child.wait(PATIENCE)
    server.release()


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without a signal")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM] if os.name == "posix" else [])
def test_a_dead_process_holds_neither_an_answer_nor_money(store, openai_server, number) -> None:
    budget = Budget(run=SpendingLimit(tokens=1000), run_id="r")
    for n in range(2, 5):  # 160 tokens each: what a lost call is taken to have cost
        BudgetedLLM(client(openai_server.url), store, budget).complete(question(n), max_tokens=20)
    killed_while_it_asked(store.path, openai_server, number)
    assert store.get_spent("run", "r")[0] > 3 * 160 + 500, "set aside at its highest price"
    llm = CachedLLM(BudgetedLLM(client(openai_server.url), store, budget), store)
    assert llm.complete(question(1), max_tokens=150).text
    assert store.get_spent("run", "r")[0] == 5 * 160
    db = sqlite3.connect(store.path)
    assert db.execute("select count(*) from spending where settled = 0").fetchone() == (0,)


# ---- money comes back -------------------------------------------------------------------------------


def spend(llm: BudgetedLLM, threads: int, failures: list[ModelError], counter: list[int]) -> None:
    def work() -> None:
        try:
            while True:
                llm.complete(question(0), max_tokens=400)
                counter.append(1)
        except ModelError as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@pytest.mark.parametrize("scope", ["run", "session", "day"])
def test_a_small_budget_is_used_up_by_many_workers(store, scope) -> None:
    """A booking is 40 times the price here, and 16 of them are more than the budget."""
    limits: dict[str, Any] = {scope: SpendingLimit(tokens=3000)}
    llm = BudgetedLLM(Answering(0.005), store, Budget(**limits, run_id="r", session_id="s"))
    failures: list[ModelError] = []
    spend(llm, 16, failures, [])
    assert {f.kind for f in failures} == {"budget"} and len(failures) == 16
    name = llm.budget.names()[scope]
    assert 3000 - 600 - 15 <= store.get_spent(scope, name)[0] <= 3000, "up to what one more call might take"


def test_who_waits_for_money_waits_as_long_as_some_comes_back(store, monkeypatch) -> None:
    """One call fits at a time and takes 400 seconds, and the last of eight waits for seven."""
    passed = [0.0]
    clock = SimpleNamespace(
        monotonic=lambda: time.monotonic() + passed[0], sleep=time.sleep, strftime=time.strftime, gmtime=time.gmtime
    )
    monkeypatch.setattr(budget_module, "time", clock)

    class Slow(Answering):
        def complete(self, messages, **options) -> Completion:
            passed[0] += 400
            return super().complete(messages, **options)

    llm = CachedLLM(BudgetedLLM(Slow(0.05), store, Budget(run=SpendingLimit(tokens=1000), run_id="r")), store)
    failures: list[ModelError] = []

    def ask(number: int) -> None:
        try:
            llm.complete(question(number), max_tokens=500)
        except ModelError as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and store.get_spent("run", "r")[0] == 8 * 15


def test_waiting_for_money_can_be_cancelled(store) -> None:
    other, stop = Answering(), threading.Event()
    budget = Budget(run=SpendingLimit(tokens=1000), run_id="r")
    holding = BudgetedLLM(other, store, budget).set_aside(budget.limits(), 900, None)
    llm = BudgetedLLM(Answering(), store, budget, stop.is_set)
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(CancelledError):
        llm.complete(question(1), max_tokens=100)
    store.settle(holding, 10, None)
    assert BudgetedLLM(Answering(), store, budget).complete(question(1), max_tokens=100).text


def test_a_batch_at_a_service_keeps_its_money(store) -> None:
    """It goes on there, whatever becomes of the process: nobody waits for it, and nobody gives it back."""
    budget = Budget(run=SpendingLimit(tokens=1000), run_id="r")
    llm = BudgetedLLM(Answering(), store, budget)
    llm.set_aside(budget.limits(), 900, None, owned=False)
    with pytest.raises(ModelError, match=r"900 of 1,000 tokens are spent or reserved\. Raise") as failed:
        llm.complete(question(1), max_tokens=100)
    assert failed.value.kind == "budget" and store.release_dead_bookings() == 0


@pytest.mark.parametrize(
    ("error", "price_is"),
    [
        (ModelError("no", kind="auth"), 0),
        (ModelError("no", kind="rate-limit"), 0),
        (CancelledError("Stopped."), 0),
        (CancelledError("Stopped.", may_be_paid=True), 15),
        (ModelError("no", kind="timeout"), 15),
        (ModelError("no", kind="reset"), 15),
        (KeyboardInterrupt(), 15),
        (OSError("disk"), 15),
    ],
    ids=str,
)
def test_what_a_failed_call_is_booked_at(store, error, price_is) -> None:
    """What was refused cost nothing; what nobody waited for is taken to cost what the others did."""
    inner = Answering()
    llm = BudgetedLLM(inner, store, Budget(run=SpendingLimit(tokens=10_000), run_id="r"))
    llm.complete(question(1), max_tokens=500)
    inner.error = error
    with pytest.raises(type(error)):
        llm.complete(question(2), max_tokens=500)
    assert store.get_spent("run", "r")[0] == 15 + price_is
    assert store.get_room("run", "r", "tokens").pending == 0


def test_what_a_server_overran_is_told_and_set_aside_from_then_on(store, caplog, monkeypatch) -> None:
    monkeypatch.setattr(budget_module, "_overruns", {})
    inner = Answering()
    inner.tokens = (100, 20_000)
    llm = BudgetedLLM(inner, store, Budget(run=SpendingLimit(tokens=30_000), run_id="r"))
    llm.complete(question(1), max_tokens=100)
    assert "counted 20,100 tokens for a call that could take 296" in caplog.text
    with pytest.raises(ModelError, match="more than it was allowed") as failed:
        llm.complete(question(2), max_tokens=100)
    assert inner.asked == 1 and failed.value.kind == "budget"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"])
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows knows no TZ")
def test_the_day_of_a_budget_is_the_same_everywhere(zone, monkeypatch) -> None:
    """At any moment, one of the first two zones has another day than UTC."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        before, day, after = datetime.now(UTC), Budget().names()["day"], datetime.now(UTC)
        assert day in {f"{before:%Y-%m-%d}", f"{after:%Y-%m-%d}"}
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


@pytest.mark.parametrize(
    "prices",
    [
        "input = nan\noutput = 1",
        "input = 1\noutput = -0.5",
        "input = inf\noutput = 1",
        "input = true\noutput = 1",
        'input = "nan"\noutput = 1',
        "input = 1\noutput = 1\ncached = nan",
        "input = 1e300\noutput = 1",
        "input = 1",
    ],
)
def test_a_price_that_is_none_is_refused(prices, tmp_path, monkeypatch, store, openai_server) -> None:
    """Compared with a limit, no number is smaller than NaN: the budget would be off."""
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_URL", openai_server.url)
    (tmp_path / "prices.toml").write_text(f'["m"]\n{prices}\n')
    with pytest.raises(InvalidInputError, match=r"prices.toml can't be read: .*m"):
        price("http://x|m", 1, 0, 1)
    llm = create_llm("mine:m", store, budget=Budget(run=SpendingLimit(0.0001), run_id="r"))
    with pytest.raises(InvalidInputError):
        llm.complete(question(1))
    assert not openai_server.requests
    (tmp_path / "prices.toml").write_text('["m"]\ninput = 0\noutput = 2.5\n')
    os.utime(tmp_path / "prices.toml", ns=(1, 1))
    assert price("http://x|m", 10, 0, 10**6) == 2.5


# ---- what holds them --------------------------------------------------------------------------------


def test_names_are_held_by_one_and_free_again(tmp_path) -> None:
    locks = locks_of(tmp_path / "x-locks")
    assert locks is not None and locks is locks_of(tmp_path / "x-locks")
    assert locks.try_hold("a") and not locks.try_hold("a") and locks.try_hold("b") and locks.is_held("a")
    locks.release("a")
    locks.release("never held")
    assert not locks.is_held("a") and locks.is_held("b") and locks.owner == locks.owner and locks.is_held(locks.owner)
    assert (tmp_path / "x-locks").stat().st_size == 0
    assert locks_of(tmp_path / "no" / "such") is None


def test_looking_whether_a_run_is_under_way_takes_it_from_nobody(store) -> None:
    """A list of runs looks at each just when its own process takes hold of it."""
    over, runs, current = threading.Event(), [f"run-{n}" for n in range(3000)], [""]

    def look() -> None:
        while not over.is_set():
            store.is_under_way(current[0])

    def take(run: str) -> bool:
        current[0] = run
        return store.process_locks.try_hold(f"run {run}")

    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    lookers = [threading.Thread(target=look) for _ in range(2)]
    try:
        for looker in lookers:
            looker.start()
        taken = list(map(take, runs))
    finally:
        over.set()
        sys.setswitchinterval(switching)
        for looker in lookers:
            looker.join()
    assert all(taken)
