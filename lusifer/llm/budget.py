"""Hard budgets: before a call its highest price is set aside, and what would pass a limit is not asked.

The sums live in the database, taken and changed in one transaction that holds the write lock, so they
hold across threads and processes. A call whose process dies stays set aside at its highest price: it
may have been paid. Where a price is unknown, tokens are counted instead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from lusifer.errors import InvalidInputError, ModelError
from lusifer.llm.prices import price
from lusifer.llm.protocol import LLM, Completion, LLMWrapper, Message, Options, innermost
from lusifer.store import Store

MIN_CHARACTERS_PER_TOKEN = 2.0
"""Characters a token, when the most must be assumed (four is usual, foreign scripts have fewer)."""
TOKENS_PER_DOLLAR = 1_000_000
"""What a dollar of budget allows where the price is not known: about a small hosted model's price."""
SCOPES = ("run", "session", "day")


@dataclass(frozen=True)
class SpendingLimit:
    """The most that may be spent in one scope; ``None``: as much as it takes."""

    dollars: float | None = None
    tokens: int | None = None

    @property
    def token_limit(self) -> int | None:
        """The limit where no price is known: its tokens, else a million for each dollar."""
        if self.tokens is None and self.dollars is not None:
            return int(self.dollars * TOKENS_PER_DOLLAR)
        return self.tokens

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
        """What each scope is called in the database."""
        return {"run": self.run_id, "session": self.session_id, "day": time.strftime("%Y-%m-%d")}

    def limits(self) -> dict[str, SpendingLimit]:
        """The limit of each scope that has one and can be counted."""
        found = {"run": self.run, "session": self.session, "day": self.day}
        names = self.names()
        return {s: limit for s, limit in found.items() if limit.is_set and names[s]}


def operator_budget(run_id: str = "", session_id: str = "") -> Budget:
    """The operator's limits.

    ``LUSIFER_BUDGET_RUN``, ``_SESSION``, ``_DAY`` (dollars), and the same with ``_TOKENS`` behind.

    Raises:
        InvalidInputError: one is no number.
    """
    limits = {s: SpendingLimit(_number(s, ""), _whole(_number(s, "_TOKENS"))) for s in SCOPES}
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

    def __init__(self, inner: LLM, store: Store, budget: Budget) -> None:
        super().__init__(inner)
        self.store, self.budget = store, budget

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`.

        Raises:
            ModelError: kind ``budget``, before anything is asked, when a limit would be exceeded.
        """
        limits = self.budget.limits()
        if not limits:
            return self.inner.complete(messages, **options)
        input_tokens, output_tokens = estimate_most_tokens(messages, options)
        output_tokens += getattr(innermost(self), "extra_tokens", 0)  # a model that thinks may write more
        dollars = price(self.identity, input_tokens, 0, output_tokens)
        booking = self.set_aside(limits, input_tokens + output_tokens, dollars)
        try:
            answer = self.inner.complete(messages, **options)
        except ModelError as error:
            # What was refused cost nothing; what we stopped waiting for may be paid all the same.
            if error.kind not in {"timeout", "reset"}:
                self.store.settle_later(booking, 0, 0.0)
            raise
        total_tokens = answer.input_tokens + answer.output_tokens
        if total_tokens:  # a server that does not count leaves the estimate standing
            self.store.settle_later(booking, total_tokens, price(self.identity, **answer.token_counts))
        return answer

    def set_aside(self, limits: dict[str, SpendingLimit], tokens: int, dollars: float | None) -> int:
        """Reserve the most that work can cost; the reservation's number, for `Store.settle`.

        Raises:
            ModelError: kind ``budget``, a limit would be exceeded.
        """
        names = self.budget.names()
        counted: dict[str, tuple[str, float | None]] = {
            scope: ("dollars", limit.dollars)
            if limit.dollars is not None and dollars is not None
            else ("tokens", limit.token_limit)
            for scope, limit in limits.items()
        }
        booked = self.store.set_aside(names, tokens, dollars, counted)
        if isinstance(booked, int):
            return booked
        scope, spent, most = booked
        unit = counted[scope][0]
        amount = f"${spent:.2f} of ${most:.2f}" if unit == "dollars" else f"{spent:,.0f} of {most:,.0f} tokens"
        raise ModelError(
            f"The budget of this {scope} would be exceeded: {amount} are spent or reserved.",
            "Raise the budget, or wait for a new period; answers so far are saved.",
            kind="budget",
        )
