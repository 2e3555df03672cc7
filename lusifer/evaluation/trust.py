"""The trust card of a model and prompt version: what its recorded runs say, and what it may be used for.

A card computes nothing anew: each line is read from the newest finished run that measured it, with its interval, and
names that run. The verdicts follow `RULES`, which are said beside them. What was not measured is said to be so, and no use
that needs it is granted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lusifer.evaluation.bootstrap import Bootstrap
from lusifer.simulator import BUILTIN, label
from lusifer.store import Store

COMPARISON, FIDELITY, AGREEMENT, EXPERIMENT = "comparison", "fidelity", "agreement", "experiment"
FAITHFUL, LOST = 0.80, 0.05
DRIFT, SPREAD_KEPT, REPEAT = 0.25, 0.75, 0.30
RECITED = 0.10
"""Share of ratings by which a model may recite more with the right id at most: few users alone show no memory either."""
MIN_USERS = 20
"""Users that a run needs to be on a card."""
MIN_OPTIONS = {"loop": {"rounds": 5}, "repeat": {"draws": 3}}
"""Options that an experiment needs at least: a loop of one round drifts little."""
NOT_FOR_MODELS = (
    "nothing yet for a language model: the check needs thousands of interactions and runs with the built-in only"
)


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
    """Whether a model is fit for a use, and why."""

    use: str
    fit: bool
    because: str


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
            lines.append(f"- **Fit for {v.use}: {'yes' if v.fit else 'no'}**, because {v.because}")
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


Test = Callable[[float, float, float], bool]


@dataclass(frozen=True)
class _Rule:
    key: str
    title: str
    rule: str
    test: Test | None
    how: str


RULES = (
    _Rule(
        "over_bias",
        "Gain over user and item bias (RMSE, negative is better)",
        "all of the interval below zero",
        lambda v, lo, hi: hi < 0,
        "a comparison on the Accuracy page",
    ),
    _Rule(
        "over_fm",
        "Gain over the factorization machine (RMSE, negative is better)",
        "all of the interval below zero",
        lambda v, lo, hi: hi < 0,
        "a comparison on the Accuracy page with community evidence on",
    ),
    _Rule(
        "faithfulness",
        "Faithfulness: share of statements supported by the ratings",
        f"all of the interval above {FAITHFUL:.2f}",
        lambda v, lo, hi: lo >= FAITHFUL,
        "a comparison on the Accuracy page",
    ),
    _Rule(
        "missing",
        "Share of missing ratings",
        f"all of the interval below {LOST:.2f}",
        lambda v, lo, hi: hi <= LOST,
        "a comparison on the Accuracy page",
    ),
    _Rule(
        "histogram",
        "Realism of calibrated samples: histogram per user, closer than the best naive simulator by",
        "all of the interval above zero",
        lambda v, lo, hi: lo > 0,
        "a run on the Realism page",
    ),
    _Rule(
        "auc",
        "Realism of calibrated samples: real-vs-simulated AUC (0.5 is chance level)",
        "",
        None,
        "a run on the Realism page",
    ),
    _Rule(
        "agreement_same",
        "Agent ranking here vs. by held-out ratings, choosing among the same movies (Kendall's tau)",
        "",
        None,
        "the agent-ranking check on the Environment page",
    ),
    _Rule(
        "agreement",
        "Agent ranking here vs. by held-out ratings, over whole episodes (Kendall's tau)",
        "all of the interval above zero",
        lambda v, lo, hi: lo > 0,
        "the agent-ranking check on the Environment page",
    ),
    _Rule(
        "recited",
        "Contamination: recalls more ratings with the right user ID than with another's",
        f"the interval includes zero and does not exceed {RECITED:.2f}",
        lambda v, lo, hi: lo <= 0 and hi <= RECITED,
        "the experiment Contamination",
    ),
    _Rule(
        "masked",
        "Contamination: change in the correlation with real ratings when titles are masked",
        "",
        None,
        "the experiment Contamination",
    ),
    _Rule(
        "drift",
        "Drift of the mean in a closed loop (stars)",
        f"all of the interval within {DRIFT:.2f} of zero",
        lambda v, lo, hi: max(abs(lo), abs(hi)) <= DRIFT,
        "the experiment Closed loop",
    ),
    _Rule(
        "spread_kept",
        "Remaining standard deviation after a closed loop (1: unchanged)",
        f"all of the interval above {SPREAD_KEPT:.2f}",
        lambda v, lo, hi: lo >= SPREAD_KEPT,
        "the experiment Closed loop",
    ),
    _Rule(
        "repeat",
        "Repeatability: standard deviation of a rating over repetitions (stars)",
        f"all of the interval below {REPEAT:.2f}",
        lambda v, lo, hi: hi <= REPEAT,
        "the experiment Repeatability",
    ),
    _Rule("price", "Price per user (dollars)", "", None, "a comparison on the Accuracy page"),
)
"""Every line of a card: what is asked of its interval, and how it is measured."""
USES: dict[str, tuple[str, ...]] = {
    "demonstration": ("faithfulness", "missing"),
    "ranking agents": ("missing", "histogram", "recited", "agreement"),
    "training": (
        "missing",
        "histogram",
        "recited",
        "agreement",
        "over_bias",
        "over_fm",
        "drift",
        "spread_kept",
        "repeat",
    ),
}
"""What each use asks for. Training asks for a gain over the factorization machine: without one, that is the cheaper
and better world to train in."""


def build_trust_card(store: Store, dataset: str, dataset_hash: str, split: str, model: str, version: str) -> TrustCard:
    """The card of a model and prompt version on a split, from the recorded runs."""
    measured = _measured(store, dataset_hash, split, model, version)
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
        how = NOT_FOR_MODELS if rule.key.startswith("agreement") and model != BUILTIN else rule.how
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
        parts.append("not met: " + "; ".join(f"{_short(x)} is {x.text}, required: {x.rule}" for x in failed))
    if few:
        parts.append("too few users for an interval: " + ", ".join(_short(x) for x in few))
    if unknown:
        parts.append("not measured: " + "; ".join(f"{_short(x)} (by {x.how})" for x in unknown))
    if not parts:
        parts.append("all requirements are met: " + ", ".join(_short(x) for x in asked))
    return Verdict(use, not (failed or few or unknown), "; ".join(parts) + ".")


SHORT = {
    "histogram": "closeness to real histograms",
    "recited": "memory of the dataset",
    "over_bias": "gain over bias",
    "over_fm": "gain over the factorization machine",
    "agreement": "rank agreement of agents",
}
"""What a line is called in a verdict, where its title's beginning does not say it."""


def _short(line: TrustLine) -> str:
    return SHORT.get(line.key) or line.title.split(" (")[0].split(":")[0].lower()


StoredFigure = tuple[list[float | None] | None, Mapping[str, Any] | None, str]


def _measured(store: Store, dataset_hash: str, split: str, model: str, version: str) -> dict[str, StoredFigure]:
    """By line: value with interval, the run, and a note where there is nothing to measure."""

    mine = {
        "dataset_hash": dataset_hash,
        "split": split,
        "model": model,
        "model_version": version,
        "status": "done",
    }
    runs: dict[str, list[dict[str, Any]]] = {}

    def newest(kind: str, fits: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any] | None:
        if kind not in runs:
            runs[kind] = store.list_runs(kind, limit=200, where=mine)
        return next((r for r in runs[kind] if _enough(r) and fits(r)), None)

    entries: dict[str, StoredFigure] = {}

    def take(key: str, kind: str, read: Callable[[Mapping[str, Any]], Any]) -> None:
        def told(run: Mapping[str, Any]) -> bool:
            entry = _read(read, run)
            return entry is not None and entry[0] is not None

        run = newest(kind, told)
        if run is not None:
            entries[key] = _read(read, run), run, ""

    take("over_bias", COMPARISON, lambda r: r["summary"]["adds"]["over_bias"]["difference"])
    take("over_fm", COMPARISON, lambda r: r["summary"]["adds"]["over_fm"]["difference"])
    for key in ("faithfulness", "missing", "price"):
        take(key, COMPARISON, lambda r, key=key: r["summary"]["trust"][key])  # type: ignore[misc]
    take("histogram", FIDELITY, lambda r: r["summary"]["simulators"]["calibrated"]["minus_naive"]["histogram_user"])
    take("auc", FIDELITY, lambda r: r["summary"]["simulators"]["calibrated"]["auc"])
    take("agreement_same", AGREEMENT, lambda r: r["summary"]["tau"])
    take("agreement", AGREEMENT, lambda r: r["summary"]["tau_episodes"])
    for key, name, figure in (
        ("recited", "contamination", "recited"),
        ("masked", "contamination", "masked_correlation"),
        ("drift", "loop", "mean"),
        ("spread_kept", "loop", "spread_ratio"),
        ("repeat", "repeat", "spread"),
    ):
        take(
            key,
            EXPERIMENT,
            lambda r, name=name, figure=figure: (  # type: ignore[misc]
                r["summary"]["figures"][figure] if r["params"]["name"] == name else None
            ),
        )
    if model == BUILTIN:
        entries["recited"] = (None, None, "by design: it has seen only the training set")
    return entries


def _enough(run: Mapping[str, Any]) -> bool:
    """Whether a run looked at enough users, with options that say something. (The check of agents looks at all.)"""
    params = run["params"]
    users = params.get("asked", params.get("users"))
    count = len(users) if isinstance(users, list) else users
    given = params.get("options") or {}
    least = MIN_OPTIONS.get(params.get("name", ""), {})
    return (count is None or count >= MIN_USERS) and all(given.get(k, v) >= v for k, v in least.items())


def _read(read: Callable[[Mapping[str, Any]], Any], run: Mapping[str, Any]) -> Any:
    try:
        return read(run)
    except (KeyError, TypeError):
        return None


def price_a_user(store: Store, plans: Mapping[int, str], builtin: bool, seed: int = 0) -> list[float | None]:
    """Dollars a user, with interval: what their answers cost, whoever asked first; unknown where a call has no
    price. ``plans``: the evolution's id by user."""
    if builtin:
        return [0.0, 0.0, 0.0]
    used = store.usage_by_evolution(list(plans.values()))
    spent = {u: math.nan if used[p]["unpriced"] else used[p]["price"] for u, p in plans.items() if p in used}
    if not spent or any(math.isnan(v) for v in spent.values()):
        return [None, None, None]
    boot = Bootstrap(spent, (seed, 606))
    return boot.mean(np.array(list(spent), dtype=np.int64), list(spent.values())).json
