"""What a recorded comparison of prompts found, in one sentence, and the facts that belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lusifer.evaluation import prompt_trials
from lusifer.ui.formatting import format_spent

SAME = 0.005
"""RMSE of a user that differs by less is shown as the same: two decimals are shown."""
TONES = {
    "better": ":primary[:material/check_circle:]",
    "worse": ":orange[:material/warning:]",
    "same": ":gray[:material/drag_handle:]",
}
"""The mark before the sentence."""


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign: ``+0.021``, ``−0.021``, and zero without one."""
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else ("−" if value < 0 else "+") + text


def best_candidate(summary: Mapping[str, Any]) -> str:
    """The candidate with the lowest RMSE among those that are held against the base; the base where it is alone."""
    others = {n: c["rmse"]["value"] for n, c in summary["candidates"].items() if n != summary["base"]}
    known = {n: value for n, value in others.items() if value is not None}
    return min(known, key=known.__getitem__) if known else next(iter(others), summary["base"])


def describe_result(summary: Mapping[str, Any], name: str, group: str) -> tuple[str, str]:
    """The sentence, and its tone: ``better``, ``worse`` or ``same``.

    Args:
        summary: of the run.
        name: the candidate that is spoken of.
        group: which users: ``development`` or ``held-out``.
    """
    rmse, base, users = summary["candidates"][name]["rmse"], summary["base"], summary["users"]
    on = f"on {users} user{'s' * (users != 1)}"
    if rmse["value"] is None:
        return f"{name} gave no rating that can be compared", "worse"
    if name == base:
        interval = f" ({rmse['low']:.3f} to {rmse['high']:.3f})" if rmse["low"] is not None else ""
        return f"{name} {on.replace(' user', f' {group} user')}: RMSE {rmse['value']:.3f}{interval}", "same"
    delta, low, high = rmse.get("delta"), rmse.get("delta_low"), rmse.get("delta_high")
    if delta is None:
        return f"{name} can't be compared with {base}: no rating is common to both", "worse"
    if low is None or high is None:
        return f"{name} against {base} {on}: RMSE {signed(delta)}; too few users for an interval", "same"
    if low == high == 0:
        return f"No difference between {name} and {base} {on}: both have an RMSE of {rmse['value']:.3f}", "same"
    figures = f"RMSE {signed(delta)} ({signed(low)} to {signed(high)})"
    if low <= 0 <= high:
        return f"No significant difference between {name} and {base} {on}: {figures}", "same"
    tone = "better" if delta < 0 else "worse"
    return f"{name} is {tone} than {base} {on}: {figures}", tone


def describe_best_users(names: Sequence[str], errors: pd.DataFrame) -> str:
    """For how many users each candidate is the best; empty where two are compared, of which the facts tell it.

    Args:
        names: of the candidates, the base first.
        errors: from `lusifer.evaluation.prompt_trials.errors_by_user`.
    """
    if len(names) < 3 or errors.empty:
        return ""
    counts = prompt_trials.count_best_users(errors, SAME)
    ranked = sorted(zip(counts, names, strict=True), key=lambda entry: -entry[0])
    best = [f"{name} is the best for {count}" for count, name in ranked if count]
    none, users = [name for count, name in ranked if not count], f" of {len(errors)} users"
    if not best:
        return f"No version is the best for any{users}"
    best[0] += users
    return ", ".join([best[0], *(b.replace(" is the best", "") for b in best[1:])]) + (
        f"; {' and '.join(none)} for nobody" if none else ""
    )


def describe_facts(summary: Mapping[str, Any], name: str, changes: pd.Series, final_checks: int, group: str) -> str:
    """What stands under the sentence: users better and worse, tokens, which users, what it cost.

    Args:
        summary: of the run.
        name: the candidate that is spoken of.
        changes: change in RMSE against the base by user.
        final_checks: checks on held-out users so far.
        group: which users: ``development`` or ``held-out``.
    """
    facts = []
    if name != summary["base"] and len(changes):
        worse, better = int((changes >= SAME).sum()), int((changes <= -SAME).sum())
        facts.append(f"better for {better}, worse for {worse}, the same for {len(changes) - better - worse}")
    tokens = summary["candidates"][name]["tokens"]
    if tokens.get("delta") and tokens["value"] and tokens["value"] != tokens["delta"]:  # recorded answers have none
        share = tokens["delta"] / (tokens["value"] - tokens["delta"])
        facts.append(f"{abs(share):.0%} {'more' if share > 0 else 'fewer'} tokens per user")
    facts.append(f"{summary['users']} {group} user{'s' * (summary['users'] != 1)}, {summary['rows']:,} ratings")
    if group == "development":
        checks = f"{final_checks} final check{'s' * (final_checks != 1)} on held-out users so far"
        facts.append(checks if final_checks else "held-out users untouched")
    spends = [c["spend"] for c in summary["candidates"].values()]
    unpriced = any(s["unpriced"] and s["new_calls"] for s in spends)
    facts.append(f"spent: {format_spent({'price': sum(s['new_price'] for s in spends), 'unpriced': unpriced})}")
    text = " · ".join(facts)
    return text[0].upper() + text[1:]
