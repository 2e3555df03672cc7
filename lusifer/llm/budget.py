"""Hard budgets: before a call its highest price is set aside, and what would pass a limit is not asked.

The sums live in the database, taken and changed in one transaction that holds the write lock, so they
hold across threads and processes. What is set aside for calls under way may come back, so a call that
does not fit beside them waits for them. A call whose price will never be known (its process died, nobody
waited for its end) is booked at the mean of its run's settled calls. Where a price is unknown, tokens are
counted instead; a limit in tokens holds in any case.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Unpack

from lusifer import settings
from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.llm.prices import price
from lusifer.llm.protocol import LLM, Completion, LLMWrapper, Message, Options, innermost, timeout_of
from lusifer.llm.turns import TURNS
from lusifer.store import Store
from lusifer.store.bookings import Room

MIN_CHARACTERS_PER_TOKEN = 2.0
"""Characters a token, when the most must be assumed (four is usual, foreign scripts have fewer)."""
TOKENS_PER_DOLLAR = 1_000_000
"""What a dollar of budget allows where the price is not known: about a small hosted model's price."""
PUBLIC_DAY_DOLLARS = 5.0
"""What all visitors of a public server may spend in a day where its operator sets no limit."""
SCOPES = ("run", "session", "day")
MAX_WAIT_SECONDS = 600.0
"""The longest that a call waits while nothing comes back of what others have set aside; twice an endpoint's own timeout
where that is longer."""
POLL_SECONDS, MAX_POLL_SECONDS = 0.05, 0.4
log = logging.getLogger(__name__)
_overruns: dict[str, int] = {}
"""By identity, the tokens that a call took beyond what it could: as many are set aside from then on."""
_lock = threading.Lock()


@dataclass(frozen=True)
class SpendingLimit:
    """The most that may be spent in one scope; ``None``: as much as it takes."""

    dollars: float | None = None
    tokens: int | None = None

    def counted(self, *, has_price: bool) -> dict[str, float]:
        """The most by unit, each of which holds; dollars without a price count as a million tokens each.

        Where no price is known and tokens are limited too, these alone are counted.
        """
        most: dict[str, float] = {} if self.tokens is None else {"tokens": self.tokens}
        if self.dollars is not None and has_price:
            most["dollars"] = self.dollars
        elif self.dollars is not None and not most:
            most["tokens"] = int(self.dollars * TOKENS_PER_DOLLAR)
        return most

    @property
    def is_set(self) -> bool:
        """Whether anything is limited."""
        return self.dollars is not None or self.tokens is not None

    def capped_by(self, other: SpendingLimit) -> SpendingLimit:
        """The smaller of two limits in each unit."""
        dollars = [x for x in (self.dollars, other.dollars) if x is not None]
        tokens = [x for x in (self.tokens, other.tokens) if x is not None]
        return SpendingLimit(min(dollars, default=None), min(tokens, default=None))


@dataclass(frozen=True)
class Budget:
    """Limits by scope (``run``, ``session``, ``day``), and whose run and session it is."""

    run: SpendingLimit = SpendingLimit()
    session: SpendingLimit = SpendingLimit()
    day: SpendingLimit = SpendingLimit()
    run_id: str = ""
    session_id: str = ""

    def names(self) -> dict[str, str]:
        """What each scope is called in the database; a day is one of UTC, whatever zone a process lives in."""
        return {"run": self.run_id, "session": self.session_id, "day": time.strftime("%Y-%m-%d", time.gmtime())}

    def limits(self) -> dict[str, SpendingLimit]:
        """The limit of each scope that has one and can be counted."""
        found = {"run": self.run, "session": self.session, "day": self.day}
        names = self.names()
        return {s: limit for s, limit in found.items() if limit.is_set and names[s]}


def operator_budget(run_id: str = "", session_id: str = "") -> Budget:
    """The operator's limits.

    ``LUSIFER_BUDGET_RUN``, ``_SESSION``, ``_DAY`` (dollars), and the same with ``_TOKENS`` behind. A public server has
    a limit for the day in any case: a visitor has as many sessions as they like.

    Raises:
        InvalidInputError: one is no number.
    """
    limits = {s: SpendingLimit(_number(s, ""), _whole(_number(s, "_TOKENS"))) for s in SCOPES}
    if settings.is_public() and not limits["day"].is_set:
        limits["day"] = SpendingLimit(PUBLIC_DAY_DOLLARS)
    return Budget(**limits, run_id=run_id, session_id=session_id)


def _number(scope: str, unit: str) -> float | None:
    name = f"LUSIFER_BUDGET_{scope.upper()}{unit}"
    text = os.environ.get(name, "").strip()
    try:
        value = float(text) if text else None
    except ValueError:
        value = -1.0
    if value is not None and not 0 <= value < float("inf"):
        raise InvalidInputError(f"{name} is {text!r}, which is not an amount.", "Give a number, such as 5.")
    return value


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def estimate_most_tokens(messages: Sequence[Message], options: Options) -> tuple[int, int]:
    """The most tokens that a call can read and write."""
    characters = sum(len(m.content) for m in messages) + len(str(options.get("schema") or ""))
    return int(characters / MIN_CHARACTERS_PER_TOKEN), options.get("max_tokens") or 4096


class BudgetedLLM(LLMWrapper):
    """Sets a call's highest price aside, asks, and then books what it did cost."""

    def __init__(self, inner: LLM, store: Store, budget: Budget, cancelled: Callable[[], bool] = lambda: False) -> None:
        super().__init__(inner)
        self.store, self.budget, self.cancelled = store, budget, cancelled
        self._tidied = False

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`.

        Raises:
            ModelError: kind ``budget``, before anything is asked, when a limit would be exceeded.
            CancelledError: somebody cancelled.
        """
        limits = self.budget.limits()
        if not limits:
            return self.inner.complete(messages, **options)
        input_tokens, output_tokens = estimate_most_tokens(messages, options)
        output_tokens += getattr(innermost(self), "extra_tokens", 0)  # a model that thinks may write more
        output_tokens = max(output_tokens, _overruns.get(self.identity, 0))
        dollars = price(self.identity, input_tokens, 0, output_tokens)
        booking = self.set_aside(limits, input_tokens + output_tokens, dollars)
        try:
            answer = self.inner.complete(messages, **options)
        except BaseException as error:
            if _may_be_paid(error):
                self.store.settle_estimated(booking)
            else:
                self.store.settle(booking, 0, 0.0)
            raise
        total_tokens = answer.input_tokens + answer.output_tokens
        if total_tokens > input_tokens + output_tokens:
            _note_overrun(self.identity, self.spec, total_tokens, input_tokens + output_tokens)
        if total_tokens:
            self.store.settle_later(booking, total_tokens, price(self.identity, **answer.token_counts))
        else:  # a server that does not count leaves the estimate standing
            self.store.settle_later(booking, input_tokens + output_tokens, dollars)
        return answer

    def set_aside(
        self, limits: dict[str, SpendingLimit], tokens: int, dollars: float | None, *, owned: bool = True
    ) -> int:
        """Reserve the most that work can cost; the reservation's number, for `Store.settle`.

        Where it does not fit beside what is reserved for calls under way, these are waited for.

        Args:
            limits: by scope.
            tokens: the most tokens.
            dollars: the highest price; ``None``: not known.
            owned: whether the reservation ends with this process; work that goes on elsewhere keeps it.

        Raises:
            ModelError: kind ``budget``, a limit would be exceeded.
            CancelledError: somebody cancelled.
        """
        names = self.budget.names()
        counted = {
            (scope, unit): most
            for scope, limit in limits.items()
            for unit, most in limit.counted(has_price=dollars is not None).items()
        }
        if not self._tidied:
            self._tidied = True
            self.store.release_dead_bookings()
        patience, wait, idle = max(MAX_WAIT_SECONDS, 2 * timeout_of(self)), POLL_SECONDS, False
        until, before = time.monotonic() + patience, None
        while True:
            if self.cancelled():
                raise CancelledError("Stopped before the server was asked.", "Finished work is saved.")
            booked = self.store.set_aside(names, tokens, dollars, counted, self.identity, owned)
            if isinstance(booked, int):
                return booked
            if self.store.release_dead_bookings():
                continue
            scope, unit = booked
            most = counted[scope, unit]
            room = self.store.get_room(scope, names[scope], unit)
            mine = float(tokens) if unit == "tokens" else dollars or 0.0
            if room != before:  # others end one after the other, and each may be let in before this one
                until, before = time.monotonic() + patience, room
            # With nothing under way the first time, the last call has just come back.
            if room.settled + mine > most or (idle and not room.calls) or time.monotonic() > until:
                raise self._exceeded(scope, unit, most, room)
            idle = not room.calls
            TURNS.give_back()
            time.sleep(wait)
            wait = min(2 * wait, MAX_POLL_SECONDS)

    def _exceeded(self, scope: str, unit: str, most: float, room: Room) -> ModelError:
        def amount(value: float) -> str:
            return f"${value:.2f}" if unit == "dollars" else f"{value:,.0f}"

        taken = f"{amount(room.settled + room.pending)} of {amount(most)}{'' if unit == 'dollars' else ' tokens'}"
        pending = f" ({amount(room.pending)} of it for {room.calls} calls under way)" if room.calls else ""
        overrun = _overruns.get(self.identity)
        told = f" The server counted up to {overrun:,} tokens for a call, more than it was allowed." if overrun else ""
        return ModelError(
            f"The budget of this {scope} would be exceeded: {taken} are spent or reserved{pending}.{told}",
            "Raise the budget, or wait for a new period; answers so far are saved.",
            kind="budget",
        )


def _may_be_paid(error: BaseException) -> bool:
    """Whether a call that failed may cost something: what we stopped waiting for may, what was refused does not."""
    if isinstance(error, ModelError):
        return error.kind in {"timeout", "reset"}
    return not isinstance(error, CancelledError) or error.may_be_paid


def _note_overrun(identity: str, spec: str, tokens: int, most: int) -> None:
    """Remember that a server took more than it was allowed, and say so where it is news."""
    with _lock:
        before = _overruns.get(identity, 0)
        _overruns[identity] = max(before, tokens)
    if tokens > 2 * before:
        log.warning(
            "%s counted %s tokens for a call that could take %s: its budget may be passed by what is under way.",
            spec,
            f"{tokens:,}",
            f"{most:,}",
        )
