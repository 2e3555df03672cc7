"""The kinds of runs: how each is stored, what people call it, and what comes out of it.

Another kind is one more entry here and a module that records it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

from lusifer.evaluation import trust
from lusifer.evaluation.comparison_metrics import ModelGain

Triple = Sequence[float | None]
"""A value and the ends of its 95 % interval."""


class ComparisonSummary(TypedDict):
    """Predictors on the same test ratings; see `lusifer.evaluation.comparison_metrics.summary`."""

    rows: int
    asked: int
    predictors: dict[str, dict[str, Any]]
    notes: list[str]
    simulator_minus: dict[str, Triple]
    adds: dict[str, ModelGain]
    calibrations: NotRequired[dict[str, dict[str, Any]]]
    audit: dict[str, dict[str, Any]]
    trust: dict[str, Triple]


class RealismSummary(TypedDict):
    """How close simulated ratings are to real ones; see `lusifer.evaluation.fidelity.measure_fidelity`."""

    users: int
    rows: int
    simulators: dict[str, dict[str, Any]]
    histograms: dict[str, list[float]]
    notes: list[str]


class ExperimentSummary(TypedDict):
    """Sentences, charts and figures; see `lusifer.evaluation.experiments.Result`."""

    sentences: list[str]
    panels: list[dict[str, Any]]
    figures: dict[str, Triple]
    notes: list[str]


class PromptComparisonSummary(TypedDict):
    """Candidates with paired differences; see `lusifer.evaluation.prompt_trials.summary`."""

    candidates: dict[str, dict[str, Any]]
    base: str
    rows: int
    asked: int
    users: int
    forecasts: int


class PromptSuggestionSummary(TypedDict):
    """Proposed changes of a prompt version; see `lusifer.evaluation.suggested_edits.Change`.

    ``problems`` of each are lines of one text. ``cases`` counts the answers that were told.
    """

    suggestions: list[dict[str, str]]
    cases: int


class PopulationSummary(TypedDict):
    """What was simulated, and its error."""

    users: int
    failed_users: int
    ratings: int
    given: int
    parts: int
    rmse_raw: float | None
    rmse_expected: float | None
    rmse_calibrated: float | None


class ValiditySummary(TypedDict):
    """What stated changes gain on later ratings; ``None``: no change named an aspect of a later item."""

    comparison: str
    stated: Triple | None
    others: Triple | None
    difference: Triple | None
    ratings: list[int]


class JudgementSummary(TypedDict):
    """How a language model's opinions on statements agree with the audit.

    ``statements`` were asked about, ``judged`` got an opinion; ``agreement`` is the share of these on which both say
    the same; ``verdicts`` counts the judge's verdicts by the audit's.
    """

    comparison: str
    statements: int
    judged: int
    agreement: Triple
    verdicts: dict[str, dict[str, int]]


class AgentPlaySummary(TypedDict):
    """One row an agent; see `lusifer.env.agent_runs.summarize_agents`."""

    agents: list[dict[str, Any]]


class AgentRankingSummary(TypedDict):
    """Rank agreement with held-out ratings; see `lusifer.env.agreement.measure_agreement`."""

    variants: int
    users: int
    tau: Triple
    tau_episodes: Triple
    rows: list[dict[str, Any]]


class RankingSummary(TypedDict):
    """How simulated users rank recommenders; see `lusifer.evaluation.recommender_ranking.rank_recommenders`."""

    comparison: str
    variants: int
    users: int
    real_users: int
    tau: Triple
    spearman: Triple
    yardstick: Triple
    gap: Triple
    rows: list[dict[str, Any]]


Summary = TypeVar("Summary", bound=Mapping[str, object])


@dataclass(frozen=True)
class RunKind(Generic[Summary]):
    """A kind of run.

    Attributes:
        name: the name it is stored under.
        title: what people call it.
        summary: what comes out of it.
        params: parameters that are looked up in every run of the kind, and their types.
    """

    name: str
    title: str
    summary: type[Any]
    params: Mapping[str, Any] = field(default_factory=dict)


_PROMPT_PARAMS = {"users": list[int], "candidates": list[dict[str, Any]]}
COMPARISON = RunKind[ComparisonSummary](trust.COMPARISON, "Comparison of predictors", ComparisonSummary)
REALISM = RunKind[RealismSummary](trust.FIDELITY, "Realism", RealismSummary)
EXPERIMENT = RunKind[ExperimentSummary](
    trust.EXPERIMENT, "Experiment", ExperimentSummary, {"name": str, "options": dict, "asked": list[int], "users": int}
)
AGENT_RANKING = RunKind[AgentRankingSummary](trust.AGREEMENT, "Agent-ranking check", AgentRankingSummary)
RANKING = RunKind[RankingSummary](trust.RANKING, "Ranking of recommenders", RankingSummary)
AGENT_PLAY = RunKind[AgentPlaySummary](
    "playground", "Agents in the environment", AgentPlaySummary, {"reward": str, "seeds": list[int]}
)
PROMPT_COMPARISON = RunKind[PromptComparisonSummary](
    "prompt-trial", "Comparison of prompts", PromptComparisonSummary, _PROMPT_PARAMS
)
FINAL_CHECK = RunKind[PromptComparisonSummary](
    "prompt-final", "Final check of prompts on held-out users", PromptComparisonSummary, _PROMPT_PARAMS
)
PROMPT_SUGGESTION = RunKind[PromptSuggestionSummary](
    "prompt-suggestion",
    "Suggested edits of prompts",
    PromptSuggestionSummary,
    {"users": list[int], "source": str, "candidate": int},
)
POPULATION = RunKind[PopulationSummary]("population", "Population", PopulationSummary, {"users": list[int]})
VALIDITY = RunKind[ValiditySummary]("validity", "Predictive validity", ValiditySummary)
JUDGEMENT = RunKind[JudgementSummary]("judgement", "Second opinions on statements", JudgementSummary)

STATUSES = ("running", "done", "unfinished", "cancelled", "failed", "interrupted")
"""What a run's status may be; the last is never stored, see `lusifer.runs.listing.list_runs`."""
RUN_KINDS: dict[str, RunKind[Any]] = {
    kind.name: kind
    for kind in (
        COMPARISON,
        REALISM,
        EXPERIMENT,
        POPULATION,
        PROMPT_COMPARISON,
        FINAL_CHECK,
        PROMPT_SUGGESTION,
        AGENT_PLAY,
        AGENT_RANKING,
        RANKING,
        VALIDITY,
        JUDGEMENT,
    )
}
"""All kinds, by the name they are stored under."""
