"""What is asked of each line of a trust card, and what each use asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FAITHFUL, LOST = 0.80, 0.05
DRIFT, SPREAD_KEPT, REPEAT = 0.25, 0.75, 0.30
RECITED = 0.10
"""Share of ratings by which a model may recite more with the right id at most: few users alone show no memory."""
NOT_FOR_MODELS = (
    "nothing yet for a language model: episodes need thousands of interactions and run with the built-in only"
)
NOT_FOR_RECORDINGS = "nothing yet for a recording, which holds no such answers: connect the model that made it"
BY_EXPERIMENT = ("recited", "masked", "drift", "spread_kept", "repeat")
"""Lines that experiments measure."""
NOT_MEASURABLE = (NOT_FOR_MODELS, NOT_FOR_RECORDINGS)
"""Why a line can't be measured at all, in place of how it is."""


Test = Callable[[float, float, float], bool]


@dataclass(frozen=True)
class Rule:
    """A line of a card: what is asked of its interval, in words and as a test, and how it is measured."""

    key: str
    title: str
    rule: str
    test: Test | None
    how: str


RULES = (
    Rule(
        "over_bias",
        "Gain over user and item bias (RMSE, negative is better)",
        "all of the interval below zero",
        lambda v, lo, hi: hi < 0,
        "a comparison on the Accuracy page",
    ),
    Rule(
        "over_fm",
        "Gain over the factorization machine (RMSE, negative is better)",
        "all of the interval below zero",
        lambda v, lo, hi: hi < 0,
        "a comparison on the Accuracy page with the simulator combined",
    ),
    Rule(
        "over_fm-time",
        "Gain over the time-aware factorization machine (RMSE, negative is better)",
        "all of the interval below zero",
        lambda v, lo, hi: hi < 0,
        "a comparison on the Accuracy page with the simulator combined",
    ),
    Rule(
        "faithfulness",
        "Faithfulness: share of statements supported by the ratings",
        f"all of the interval above {FAITHFUL:.2f}",
        lambda v, lo, hi: lo >= FAITHFUL,
        "a comparison on the Accuracy page",
    ),
    Rule(
        "missing",
        "Share of missing ratings",
        f"all of the interval below {LOST:.2f}",
        lambda v, lo, hi: hi <= LOST,
        "a comparison on the Accuracy page",
    ),
    Rule(
        "histogram",
        "Realism of calibrated samples: histogram per user, closer than the best naive simulator by",
        "all of the interval above zero",
        lambda v, lo, hi: lo > 0,
        "a run on the Realism page",
    ),
    Rule(
        "auc",
        "Realism of calibrated samples: real-vs-simulated AUC (0.5 is chance level)",
        "",
        None,
        "a run on the Realism page",
    ),
    Rule(
        "ranking",
        "Recommenders ranked by simulated users vs. by all real users (Kendall's tau)",
        "all of the interval above zero",
        lambda v, lo, hi: lo > 0,
        "Ranking of recommenders under a comparison on the Accuracy page",
    ),
    Rule(
        "ranking_gap",
        "The same, less what as many real users reach",
        "the interval reaches zero: not significantly worse than real users",
        lambda v, lo, hi: hi >= 0,
        "Ranking of recommenders under a comparison on the Accuracy page",
    ),
    Rule(
        "agreement_same",
        "Agent ranking here vs. by held-out ratings, choosing among the same movies (Kendall's tau)",
        "",
        None,
        "the agent-ranking check on the Environment page",
    ),
    Rule(
        "agreement",
        "Agent ranking here vs. by held-out ratings, over whole episodes (Kendall's tau)",
        "all of the interval above zero",
        lambda v, lo, hi: lo > 0,
        "the agent-ranking check on the Environment page",
    ),
    Rule(
        "recited",
        "Contamination: recalls more ratings with the right user ID than with another's",
        f"the interval includes zero and does not exceed {RECITED:.2f}",
        lambda v, lo, hi: lo <= 0 and hi <= RECITED,
        "the experiment Contamination",
    ),
    Rule(
        "masked",
        "Contamination: change in the correlation with real ratings when titles are masked",
        "",
        None,
        "the experiment Contamination",
    ),
    Rule(
        "drift",
        "Drift of the mean in a closed loop (stars)",
        f"all of the interval within {DRIFT:.2f} of zero",
        lambda v, lo, hi: max(abs(lo), abs(hi)) <= DRIFT,
        "the experiment Closed loop",
    ),
    Rule(
        "spread_kept",
        "Remaining standard deviation after a closed loop (1: unchanged)",
        f"all of the interval above {SPREAD_KEPT:.2f}",
        lambda v, lo, hi: lo >= SPREAD_KEPT,
        "the experiment Closed loop",
    ),
    Rule(
        "repeat",
        "Repeatability: standard deviation of a rating over repetitions (stars)",
        f"all of the interval below {REPEAT:.2f}",
        lambda v, lo, hi: hi <= REPEAT,
        "the experiment Repeatability",
    ),
    Rule("price", "Price per user (dollars)", "", None, "a comparison on the Accuracy page"),
)
"""Every line of a card: what is asked of its interval, and how it is measured."""
USES: dict[str, tuple[str, ...]] = {
    "demonstration": ("faithfulness", "missing"),
    "ranking recommenders": ("missing", "recited", "ranking", "ranking_gap"),
    "training": (
        "missing",
        "histogram",
        "recited",
        "agreement",
        "over_bias",
        "over_fm",
        "over_fm-time",
        "drift",
        "spread_kept",
        "repeat",
    ),
}
"""What each use asks for. Training asks for a gain over both factorization machines: without one, these are the cheaper
and better world to train in."""
