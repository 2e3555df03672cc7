"""A trace as plain data for the tree, with its figures as they are shown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lusifer.ui.formatting import format_money
from lusifer.ui.pages.llm_calls.traced_calls import RECORDED_STATUS, StepNode, Sums, TracedCall

PURPOSE_TITLES = {
    "forecast": "Forecast",
    "update": "Profile",
    "rate": "Rating",
    "suggest": "Suggested edits",
    "judge": "Second opinion",
    "test": "Connection test",
}
NOBODY = "none"
"""Key of the calls about no user."""
_STATUS_NOTES = {"cached": "from cache", RECORDED_STATUS: "recorded"}
_STATUS_MARKS = {"failed": "failed", "invalid": "invalid answer"}


def user_key(user: int | None) -> str:
    """The key of a user's row."""
    return NOBODY if user is None else str(user)


def describe_tree(
    trace: str,
    title: str,
    total: Sums,
    users: Mapping[int | None, Sums],
    label_of: Callable[[int | None], str],
    *,
    open_user: int | None,
    steps: Sequence[StepNode],
    selected: str,
) -> dict[str, Any]:
    """A trace for the tree.

    Args:
        trace: its name in the address.
        title: for people.
        total: sums over all of it.
        users: sums by user; calls about nobody under ``None``.
        label_of: a user as people know them.
        open_user: the user whose calls are given.
        steps: these calls.
        selected: key of the chosen call.
    """
    calls = [call for step in steps for call in step.calls]
    columns = _columns(total, users.values(), calls)
    longest = max((_length(call) for call in calls), default=0.0) or 1.0
    return {
        "trace": trace,
        "title": "Calls",
        "columns": list(columns),
        "root": _row("root", title, total, columns),
        "users": [
            _row(user_key(user), "About nobody" if user is None else f"User {label_of(user)}", sums, columns)
            for user, sums in users.items()
        ],
        "open": user_key(open_user),
        "steps": [
            {
                **_row(f"{user_key(open_user)}:{step.title}", step.title, step.sums, columns),
                "calls": [_call_row(call, columns, _length(call) / longest) for call in step.calls],
            }
            for step in steps
        ],
        "selected": selected,
    }


def _columns(
    total: Sums, users: Any, calls: Sequence[TracedCall]
) -> dict[str, tuple[Callable[[Sums], str], Callable[[TracedCall], str]]]:
    """Columns that hold something: how each is written for sums, and for a call."""
    sums = [total, *users]
    columns: dict[str, tuple[Callable[[Sums], str], Callable[[TracedCall], str]]] = {}
    if any(s.tokens for s in sums):
        columns["Tokens"] = (
            lambda s: format_count(s.tokens) if s.tokens else "–",
            lambda c: "–" if c.tokens is None else format_count(sum(c.tokens)),
        )
    if any(s.seconds is not None for s in sums) or any(c.seconds is not None for c in calls):
        columns["Time"] = lambda s: format_seconds(s.seconds), lambda c: format_seconds(c.seconds)
    if any(s.price is not None for s in sums) or any(c.price is not None for c in calls):
        columns["Price"] = (
            lambda s: "–" if s.price is None else format_money(s.price) + ("+" if s.unpriced else ""),
            lambda c: "–" if c.price is None else format_money(c.price),
        )
    return columns


def format_seconds(seconds: float | None) -> str:
    """A time of waiting: ``840 ms``, ``3.2 s``, ``12 min``, ``3.4 h``; a dash for an unknown one."""
    if seconds is None:
        return "–"
    for size, unit, digits in ((3600, "h", 1), (120, "min", 0), (1, "s", 1)):
        if seconds >= size:
            return f"{seconds / {'h': 3600, 'min': 60, 's': 1}[unit]:.{digits}f} {unit}"
    return f"{seconds * 1000:.0f} ms"


def format_count(count: int) -> str:
    """A count in at most six characters: ``1,234``, ``12.3k``, ``4.5M``."""
    if count >= 999_950:
        return f"{count / 1e6:.1f}M"
    return f"{count / 1e3:.1f}k" if count >= 10_000 else f"{count:,}"


def _length(call: TracedCall) -> float:
    """What a call's bar shows: how long it took, else its tokens."""
    return call.seconds if call.seconds is not None else float(sum(call.tokens or (0, 0)))


def _row(key: str, title: str, sums: Sums, columns: Mapping[str, Any]) -> dict[str, Any]:
    marks = [["problem", _plural(sums.repairs, "repair")]] if sums.repairs else []
    marks += [["problem", _plural(sums.retries, "retry", "retries")]] if sums.retries else []
    marks += [["problem", f"{sums.failed:,} without a valid answer"]] if sums.failed else []
    return {
        "key": key,
        "title": title,
        "note": _plural(sums.calls, "call") + (f", {sums.cached:,} from cache" if sums.cached else ""),
        "figures": [write(sums) for write, _ in columns.values()],
        "marks": marks,
    }


def _call_row(call: TracedCall, columns: Mapping[str, Any], bar: float) -> dict[str, Any]:
    marks = [["problem", _STATUS_MARKS[call.status]]] if call.status in _STATUS_MARKS else []
    marks += [["problem", f"repair of {call.repairs}"]] if call.repairs is not None else []
    marks += [["problem", _plural(call.retries, "retry", "retries")]] if call.retries else []
    note = _STATUS_NOTES.get(call.status, "")
    if call.key.isdigit():
        note = f"call {call.key}{f', {note}' if note else ''}"
    return {
        "key": call.key,
        "title": PURPOSE_TITLES.get(call.purpose, call.purpose or "Other"),
        "note": note,
        "figures": [write(call) for _, write in columns.values()],
        "marks": marks,
        "bar": round(bar, 4),
    }


def _plural(count: int | None, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
