"""Retry, gate and budget: what is waited for, what is given up, what is never passed."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest

from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.llm import Budget, Completion, Endpoint, Message, SpendingLimit
from lusifer.llm.budget import BudgetedLLM, operator_budget
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.rate_limit import INITIAL_CONCURRENCY, ConcurrencyLimiter, RateLimitedLLM, limiter_for
from lusifer.llm.retry import RetryingLLM
from lusifer.store import Store
from tests.servers.openai import KEY, OpenAIServer

ASK = [Message("user", "x" * 400)]


def client(server: OpenAIServer, name: str = "small") -> OpenAICompatible:
    return OpenAICompatible(Endpoint("openai", server.url, KEY), name)


class Answering:
    """An LLM in this process: answers, or raises what the test queued."""

    spec, identity = "openai:x", "http://127.0.0.1/v1|x"

    def __init__(self, *errors: ModelError) -> None:
        self.errors, self.asked, self.tokens = list(errors), 0, (10, 5)

    def complete(self, messages, **options) -> Completion:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return Completion("fine", input_tokens=self.tokens[0], output_tokens=self.tokens[1])


# ---- retry ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ways",
    [["429"], ["429:0"], ["500"], ["reset"], ["half"], ["408"], ["409"], ["503", "429", "502"]],
)
def test_what_passes_is_tried_again(openai_server, ways) -> None:
    openai_server.behave(*ways)
    answer = RetryingLLM(client(openai_server), first=0.01).complete(ASK)
    assert answer.text == "yes" and answer.attempts == len(ways) + 1
    assert len(openai_server.requests) == len(ways) + 1


@pytest.mark.parametrize("way", ["400", "401", "404", "context", "refusal", "html", "no-choices"])
def test_what_does_not_pass_is_not_tried_again(openai_server, way) -> None:
    openai_server.always = way
    with pytest.raises(ModelError) as failed:
        RetryingLLM(client(openai_server), first=0.01).complete(ASK)
    assert len(openai_server.requests) == failed.value.attempts == 1


def test_giving_up_says_how_long_it_was_tried(openai_server) -> None:
    openai_server.always = "500"
    with pytest.raises(ModelError, match=r"Tried 3 times in \d+ seconds") as failed:
        RetryingLLM(client(openai_server), attempts=3, first=0.01).complete(ASK)
    assert failed.value.attempts == 3 and failed.value.kind == "server"


def test_what_the_server_asks_for_is_waited(openai_server) -> None:
    openai_server.behave("429:0.4")
    began = time.monotonic()
    RetryingLLM(client(openai_server), first=0.001).complete(ASK)
    assert time.monotonic() - began >= 0.4


def test_a_wait_beyond_patience_is_given_up_at_once(openai_server) -> None:
    openai_server.always = "429:3600"
    began = time.monotonic()
    with pytest.raises(ModelError, match="requests a wait of 3600 seconds"):
        RetryingLLM(client(openai_server)).complete(ASK)
    assert time.monotonic() - began < 5 and len(openai_server.requests) == 1


def test_cancel_does_not_wait_with_it(openai_server) -> None:
    openai_server.always = "429:60"
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(CancelledError):
        RetryingLLM(client(openai_server), cancelled=stop.is_set).complete(ASK)
    assert time.monotonic() - began < 5


# ---- gate -----------------------------------------------------------------------------------------


def test_the_gate_never_lets_more_than_its_most_through(openai_server) -> None:
    openai_server.delay = 0.02
    limiter = ConcurrencyLimiter(3)
    limited = RateLimitedLLM(client(openai_server), limiter)
    threads = [threading.Thread(target=limited.complete, args=(ASK,)) for _ in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert openai_server.most == 3 and len(openai_server.requests) == 24


def test_it_shrinks_when_refused_and_grows_back() -> None:
    limiter, inner = ConcurrencyLimiter(64), Answering()
    limited = RateLimitedLLM(inner, limiter)
    for _ in range(INITIAL_CONCURRENCY):
        limited.complete(ASK)
    assert limiter.limit == 64, "one more a call until the first refusal"
    inner.errors = [ModelError("no", kind="rate-limit")]
    with pytest.raises(ModelError):
        limited.complete(ASK)
    assert limiter.limit == 32
    for _ in range(32):
        limited.complete(ASK)
    assert 32.9 < limiter.limit < 33.1, "then one more a round"
    inner.errors = [ModelError("no", kind="server")]
    with pytest.raises(ModelError):
        limited.complete(ASK)
    assert limiter.limit > 32.9, "an error that is no refusal changes nothing"


def test_requests_and_tokens_a_minute(monkeypatch) -> None:
    monkeypatch.setattr("lusifer.llm.rate_limit.WINDOW_SECONDS", 0.6)
    for limiter in (ConcurrencyLimiter(8, rpm=2), ConcurrencyLimiter(8, tpm=250)):
        limited, began = RateLimitedLLM(Answering(), limiter), time.monotonic()
        for _ in range(4):  # 100 tokens each
            limited.complete(ASK)
        assert 0.5 < time.monotonic() - began < 3


def test_waiting_for_a_turn_can_be_cancelled() -> None:
    limiter = ConcurrencyLimiter(1)
    limiter.enter(1, lambda: False)
    with pytest.raises(CancelledError):
        limiter.enter(1, lambda: True)
    limiter.leave()
    with pytest.raises(CancelledError):
        limiter.enter(1, lambda: True)
    limiter.enter(1, lambda: False)


def test_one_gate_an_endpoint() -> None:
    a = Endpoint("x", "http://a/v1", "key one")
    assert limiter_for(a) is limiter_for(Endpoint("x", "http://a/v1", "key two"))
    assert limiter_for(a) is not limiter_for(Endpoint("x", "http://b/v1"))


# ---- budget ---------------------------------------------------------------------------------------


def test_a_call_that_could_pass_the_budget_is_not_made(store) -> None:
    inner = Answering()
    llm = BudgetedLLM(inner, store, Budget(run=SpendingLimit(tokens=1000), run_id="r"))
    made = 0
    with pytest.raises(ModelError, match="The budget of this run would be exceeded") as failed:
        for _ in range(100):
            llm.complete(ASK, max_tokens=500)  # 200 + 500 set aside, 15 spent
            made += 1
    assert failed.value.kind == "budget" and failed.value.is_fatal
    assert made == inner.asked == 21, "300 tokens are left for what is not certain"
    assert store.get_spent("run", "r")[0] == made * 15


def test_dollars_where_the_price_is_known_and_tokens_where_not(store, openai_server) -> None:
    known = Answering()
    known.identity = "https://api.openai.com:/v1|gpt-4o-mini"
    llm = BudgetedLLM(known, store, Budget(session=SpendingLimit(dollars=1e-4), session_id="s"))
    with pytest.raises(ModelError, match=r"\$0\.00 of \$0\.00"):
        llm.complete(ASK, max_tokens=5000)
    assert known.asked == 0 and store.get_spent("session", "s") == (0, 0.0)
    unknown = BudgetedLLM(Answering(), store, Budget(session=SpendingLimit(dollars=0.001), session_id="t"))
    unknown.complete(ASK, max_tokens=500)
    with pytest.raises(ModelError, match="of 1,000 tokens"):
        unknown.complete(ASK, max_tokens=900)


def test_a_limit_in_tokens_holds_beside_one_in_dollars(store) -> None:
    """Each by itself: whichever is full first, and where the price is not known."""
    for identity in ("https://api.openai.com:/v1|gpt-4o-mini", Answering().identity):
        inner = Answering()
        inner.identity = identity
        budget = Budget(session=SpendingLimit(dollars=5.0, tokens=1000), session_id=identity)
        llm = BudgetedLLM(inner, store, budget)
        llm.complete(ASK, max_tokens=500)
        with pytest.raises(ModelError, match="of 1,000 tokens"):
            llm.complete(ASK, max_tokens=900)
    apart = Budget(run=SpendingLimit(dollars=1e-4), day=SpendingLimit(tokens=10**6), run_id="r")
    inner.identity = "https://api.openai.com:/v1|gpt-4o-mini"
    with pytest.raises(ModelError, match=r"The budget of this run .*\$"):
        BudgetedLLM(inner, store, apart).complete(ASK, max_tokens=5000)


def test_what_failed_is_given_back_and_what_may_be_paid_is_not(store) -> None:
    refused, lost = ModelError("no", kind="auth"), ModelError("no", kind="timeout")
    llm = BudgetedLLM(Answering(refused, lost), store, Budget(run=SpendingLimit(tokens=10_000), run_id="r"))
    with pytest.raises(ModelError):
        llm.complete(ASK, max_tokens=500)
    assert store.get_spent("run", "r")[0] == 0
    with pytest.raises(ModelError):
        llm.complete(ASK, max_tokens=500)
    assert store.get_spent("run", "r")[0] == 700


def test_without_a_limit_nothing_is_booked(store) -> None:
    BudgetedLLM(Answering(), store, Budget(run_id="r")).complete(ASK)
    assert store.get_spent("run", "r") == (0, 0.0)


def test_the_operators_limits(monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_BUDGET_DAY", "5")
    monkeypatch.setenv("LUSIFER_BUDGET_RUN_TOKENS", "1e6")
    budget = operator_budget("r", "s")
    assert budget.day == SpendingLimit(5.0) and budget.run == SpendingLimit(None, 1_000_000)
    assert budget.day.capped_by(SpendingLimit(2.0, 10)) == SpendingLimit(2.0, 10)
    assert set(budget.limits()) == {"day", "run"}
    for wrong in ("five", "-1", "nan", "inf"):
        monkeypatch.setenv("LUSIFER_BUDGET_DAY", wrong)
        with pytest.raises(InvalidInputError, match="not an amount"):
            operator_budget()


def _spend(path, url: str, made) -> None:
    store = Store(path)
    llm = BudgetedLLM(
        OpenAICompatible(Endpoint("openai", url, KEY), "m"),
        store,
        Budget(day=SpendingLimit(tokens=20_000)),
    )

    def work() -> None:
        while True:
            try:
                llm.complete(ASK, max_tokens=100)
            except ModelError as error:
                assert error.kind == "budget"
                return
            with made.get_lock():
                made.value += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def test_a_budget_holds_across_threads_and_processes(tmp_path, openai_server) -> None:
    """Every call takes 160 tokens and sets 300 aside; 20,000 are never passed, and nearly used up."""
    context = multiprocessing.get_context("spawn")
    made = context.Value("i", 0)
    path = tmp_path / "b.db"
    Store(path)
    workers = [context.Process(target=_spend, args=(path, openai_server.url, made)) for _ in range(2)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(60)
        assert w.exitcode == 0
    spent = made.value * 160
    assert spent == len(openai_server.requests) * 160 <= 20_000
    assert spent > 20_000 - 8 * 300 - 160
