"""The trust card of a model and prompt version: what its recorded runs say, and what it may be used for.

A card computes nothing anew: each line is read from the newest finished run that measured it, with its interval, and
names that run. The verdicts follow `RULES`, which are said beside them. What was not measured is said to be so, and no
use that needs it is granted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lusifer.evaluation.trust.measurements import read_measurements
from lusifer.evaluation.trust.rules import (
    BY_EXPERIMENT,
    NOT_FOR_MODELS,
    NOT_FOR_RECORDINGS,
    NOT_MEASURABLE,
    RULES,
    USES,
)
from lusifer.llm.recordings import PREFIX
from lusifer.simulator import BUILTIN, label
from lusifer.store import Store


@dataclass(frozen=True)
class TrustLine:
    """One measured thing.

    Attributes:
        value, low, high: ``None``: not told.
        rule: what the interval must show, in words; empty for what is only told.
        passes: whether it does; ``None``: not measured, or nothing is asked of it.
        run: the run behind it; empty: not measured.
        how: how it is measured where it has not been.
    """

    key: str
    title: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rule: str = ""
    passes: bool | None = None
    run: str = ""
    when: str = ""
    users: int | None = None
    how: str = ""
    note: str = ""
    setting: str = ""

    @property
    def text(self) -> str:
        """The value with its interval, or that it was not measured."""
        if self.value is None:
            return self.note or "not measured"
        digits = 4 if self.key == "price" else 3
        text = f"{self.value:.{digits}f}"
        if self.low is None or self.high is None:
            text += " (too few users for an interval)"
        else:
            text += f" ({self.low:.{digits}f} to {self.high:.{digits}f})"
        return text.replace("-", "−")


@dataclass(frozen=True)
class Verdict:
    """Whether a model is fit for a use, and why.

    Attributes:
        failed: keys of the lines that do not meet their rule.
        missing: keys of the lines that are required and were not measured, or on too few users.
    """

    use: str
    fit: bool
    because: str
    failed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """``yes``, ``no``, or ``not measured yet`` where nothing speaks against it so far."""
        return "yes" if self.fit else "no" if self.failed else "not measured yet"


@dataclass(frozen=True)
class TrustCard:
    """Everything that is known of one model and prompt version on a split."""

    model: str
    version: str
    dataset: str
    split: str
    lines: tuple[TrustLine, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def measured(self) -> int:
        """How many lines have a run behind them."""
        return sum(bool(x.run) or bool(x.note) for x in self.lines)

    def to_json(self) -> dict[str, Any]:
        """The card as plain values."""
        return asdict(self)

    def to_markdown(self) -> str:
        """The card as a page of text."""
        lines = [
            f"# Trust card: {label(self.model)}",
            "",
            f"Version {self.version}, {self.dataset}, split {self.split}.",
            "",
        ]
        for v in self.verdicts:
            lines.append(f"- **Fit for {v.use}: {v.answer}**. {v.because[:1].upper()}{v.because[1:]}")
        lines += ["", "| Measure | Value (95 % interval) | Required | Run |", "|---|---|---|---|"]
        for x in self.lines:
            mark = {True: "met: ", False: "not met: ", None: ""}[x.passes] + x.rule
            run = f"{x.run}: {x.setting}, {x.when[:10]}" if x.run else "none"
            lines.append(f"| {x.title} | {x.text} | {mark} | {run} |")
        return "\n".join(lines) + "\n"


GROUPS = {"development": "development users", "held-out": "held-out users", "all": "users"}


def _setting_of(run: Mapping[str, Any] | None) -> str:
    """Whom a run looked at and how: ``100 development users, seed 0, rounds 5``."""
    if run is None:
        return ""
    params = run["params"]
    users = params.get("asked", params.get("users"))
    count = len(users) if isinstance(users, list) else users
    parts = [f"{count} {GROUPS.get(params.get('among', 'all'), 'users')}"] if count else []
    parts += [
        f"seed {run['seed']}",
        *(f"{k} {v}" for k, v in (params.get("options") or {}).items()),
    ]
    return ", ".join(parts)


def build_trust_card(store: Store, dataset: str, dataset_hash: str, split: str, model: str, version: str) -> TrustCard:
    """The card of a model and prompt version on a split, from the recorded runs."""
    measured = read_measurements(store, dataset_hash, split, model, version)
    lines = []
    for rule in RULES:
        entry, run, note = measured.get(rule.key, (None, None, ""))
        value, low, high = entry or (None, None, None)
        passes: bool | None = None
        if rule.test is not None and note:
            passes = True
        elif rule.test is not None and value is not None and low is not None and high is not None:
            passes = rule.test(value, low, high)
        params = (run or {}).get("params", {})
        users = params.get("asked", params.get("users"))
        count = len(users) if isinstance(users, list) else users
        which, when = (run or {}).get("id", ""), (run or {}).get("created_at", "")
        how = rule.how
        if rule.key.startswith("agreement") and model != BUILTIN:
            how = NOT_FOR_MODELS
        elif rule.key in BY_EXPERIMENT and model.startswith(PREFIX):
            how = NOT_FOR_RECORDINGS
        lines.append(
            TrustLine(
                rule.key,
                rule.title,
                value,
                low,
                high,
                rule.rule,
                passes,
                which,
                when,
                count,
                how,
                note,
                _setting_of(run),
            )
        )
    by_key = {x.key: x for x in lines}
    verdicts = tuple(_verdict(use, [by_key[k] for k in keys]) for use, keys in USES.items())
    return TrustCard(model, version, dataset, split, tuple(lines), verdicts)


def _verdict(use: str, asked: Sequence[TrustLine]) -> Verdict:
    failed = [x for x in asked if x.passes is False]
    few = [x for x in asked if x.passes is None and x.value is not None]
    unknown = [x for x in asked if x.passes is None and x.value is None]
    parts = []
    if failed:
        parts.append("not met: " + "; ".join(f"{short_title(x)} is {x.text}, required: {x.rule}" for x in failed))
    if few:
        parts.append("too few users for an interval: " + ", ".join(short_title(x) for x in few))
    if unknown:
        parts.append("not measured: " + "; ".join(f"{short_title(x)} ({_way_of(x)})" for x in unknown))
    if not parts:
        parts.append("all requirements are met: " + ", ".join(short_title(x) for x in asked))
    missing = tuple(x.key for x in (*few, *unknown))
    return Verdict(
        use, not (failed or missing), "; ".join(parts) + ".", failed=tuple(x.key for x in failed), missing=missing
    )


def _way_of(line: TrustLine) -> str:
    return line.how if line.how in NOT_MEASURABLE else f"by {line.how}"


SHORT = {
    "histogram": "closeness to real histograms",
    "recited": "memory of the dataset",
    "over_bias": "gain over bias",
    "over_fm": "gain over the factorization machine",
    "over_fm-time": "gain over the time-aware factorization machine",
    "agreement": "rank agreement of agents",
}
"""What a line is called in a verdict, where its title's beginning does not say it."""


def short_title(line: TrustLine) -> str:
    """What a line is called in a sentence."""
    return SHORT.get(line.key) or line.title.split(" (")[0].split(":")[0].lower()
