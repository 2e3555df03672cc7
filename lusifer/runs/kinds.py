"""The kinds of runs: how each is stored, what people call it, and what comes out of it.

Another kind is one more entry here and a module that records it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NotRequired, TypedDict, TypeVar, get_args

from lusifer.evaluation import CALIBRATED, COMBINED, WITH_EVIDENCE, trust
from lusifer.evaluation.audit import Verdict
from lusifer.runs.table_form import ID, IDS, NUMBER, PLAIN, SPARSE, SPARSE_ID, TEXT, TableForm
from lusifer.simulator.calibration import PARTS

Triple = Sequence[float | None]
"""A value and the ends of its 95 % interval."""
Number = float | None
Cell = float | str | None


class PanelPoint(TypedDict):
    """A point of a chart with the ends of its interval."""

    series: str
    x: float | str
    value: Number
    low: Number
    high: Number


class Panel(TypedDict):
    """A chart of an experiment; see `lusifer.evaluation.experiments.Result`."""

    title: str
    kind: str
    x: str
    y: str
    points: list[PanelPoint]


class Gain(TypedDict):
    """What pages read of a `lusifer.evaluation.comparison_metrics.ModelGain`; earlier versions had less."""

    difference: Triple
    forecasts: int
    partial: NotRequired[Number]
    say: NotRequired[list[Number]]


class ComparisonSummary(TypedDict):
    """Predictors on the same test ratings; see `lusifer.evaluation.comparison_metrics.summary`."""

    rows: int
    asked: int
    predictors: dict[str, dict[str, Number]]
    notes: list[str]
    simulator_minus: dict[str, Triple]
    adds: dict[str, Gain]
    calibrations: NotRequired[dict[str, dict[str, Cell]]]
    audit: dict[str, dict[str, Number]]
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
    panels: list[Panel]
    figures: dict[str, Triple]
    notes: list[str]


class PromptComparisonSummary(TypedDict):
    """Candidates with paired differences; see `lusifer.evaluation.prompt_trials.summary`."""

    candidates: dict[str, dict[str, Number | dict[str, Number]]]
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

    agents: list[dict[str, Cell]]


class AgentRankingSummary(TypedDict):
    """Rank agreement with held-out ratings; see `lusifer.env.agreement.measure_agreement`."""

    variants: int
    users: int
    tau: Triple
    tau_episodes: Triple
    rows: list[dict[str, Cell]]


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
    rows: list[dict[str, Cell]]


Summary = TypeVar("Summary", bound=Mapping[str, object])


@dataclass(frozen=True)
class RunKind(Generic[Summary]):
    """A kind of run.

    Attributes:
        name: the name it is stored under.
        title: what people call it.
        summary: what comes out of it.
        params: parameters that are looked up in every run of the kind, and their types.
        table_form: what readers of its rows need of them, by its parameters and summary.
    """

    name: str
    title: str
    summary: type[Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    table_form: Callable[[Mapping[str, Any], Mapping[str, Any]], TableForm] = lambda params, summary: TableForm()


_RATING = {"user_id": ID, "item_id": ID, "rating": NUMBER}


def _comparison_form(params: Mapping[str, Any], summary: Mapping[str, Any]) -> TableForm:
    """See `lusifer.evaluation.comparison_metrics.table`."""
    predictors = summary.get("predictors", {})
    blends = {CALIBRATED, WITH_EVIDENCE, COMBINED, *predictors}
    return TableForm(
        {**dict.fromkeys(predictors, NUMBER), **_RATING},
        {
            **{f"{name}:{part}": SPARSE for name in blends for part in (*PARTS, "high")},
            **dict.fromkeys(("timestamp", "activity", "popularity", "position"), ID),
            "age": SPARSE,
            "reason": TEXT,
        },
        summary.get("rows"),
    )


def _prompt_form(params: Mapping[str, Any], summary: Mapping[str, Any]) -> TableForm:
    """See `lusifer.evaluation.prompt_trials.table`."""
    numbers = range(len(params.get("candidates", ())))
    said = {f"said_{k}": SPARSE for k in numbers} | {f"reason_{k}": TEXT for k in numbers}
    return TableForm(_RATING | said, rows=summary.get("asked"), is_closed=True)


def _play_form(params: Mapping[str, Any], summary: Mapping[str, Any]) -> TableForm:
    """See `lusifer.env.agent_runs.run_agents`."""
    agents = [str(row.get("agent")) for row in summary.get("agents", ())]
    return TableForm(
        {"agent": TEXT, "seed": ID, "step": ID, "reward": NUMBER},
        {"user_id": ID, "item_id": SPARSE_ID, "item_ids": IDS},
        present={"agent": agents},
    )


def _population_form(params: Mapping[str, Any], summary: Mapping[str, Any]) -> TableForm:
    """See `lusifer.runs.population_table.SCHEMA`."""
    given = dict.fromkeys(("raw", "expected", "calibrated", "spread"), SPARSE)
    return TableForm(
        {**_RATING, "timestamp": ID, **given, "reason": TEXT, "failure": TEXT, "step": ID}, rows=summary.get("ratings")
    )


def _judgement_form(params: Mapping[str, Any], summary: Mapping[str, Any]) -> TableForm:
    """See `lusifer.runs.judgement.run_judgement`."""
    texts = dict.fromkeys(("kind", "text", "audit", "why", "judge", "judge_why"), TEXT)
    known = dict.fromkeys(("audit", "judge"), get_args(Verdict))
    return TableForm({"user_id": ID, "step": ID, **texts}, rows=summary.get("judged"), known=known)


def _experiment_form(params: Mapping[str, Any], summary: Mapping[str, Any]) -> TableForm:
    """Each experiment has columns of its own; these are read as ids wherever they are."""
    return TableForm({}, {"user_id": PLAIN, "giver": PLAIN, "item_id": PLAIN, "item_ids": IDS})


_PROMPT_PARAMS = {"users": list[int], "candidates": list[dict[str, Any]]}
COMPARISON = RunKind[ComparisonSummary](
    trust.COMPARISON, "Comparison of predictors", ComparisonSummary, table_form=_comparison_form
)
REALISM = RunKind[RealismSummary](trust.FIDELITY, "Realism", RealismSummary)
EXPERIMENT = RunKind[ExperimentSummary](
    trust.EXPERIMENT,
    "Experiment",
    ExperimentSummary,
    {"name": str, "options": dict, "asked": list[int], "users": int},
    _experiment_form,
)
AGENT_RANKING = RunKind[AgentRankingSummary](trust.AGREEMENT, "Agent-ranking check", AgentRankingSummary)
RANKING = RunKind[RankingSummary](trust.RANKING, "Ranking of recommenders", RankingSummary)
AGENT_PLAY = RunKind[AgentPlaySummary](
    "playground", "Agents in the environment", AgentPlaySummary, {"reward": str, "seeds": list[int]}, _play_form
)
PROMPT_COMPARISON = RunKind[PromptComparisonSummary](
    "prompt-trial", "Comparison of prompts", PromptComparisonSummary, _PROMPT_PARAMS, _prompt_form
)
FINAL_CHECK = RunKind[PromptComparisonSummary](
    "prompt-final", "Final check of prompts on held-out users", PromptComparisonSummary, _PROMPT_PARAMS, _prompt_form
)
PROMPT_SUGGESTION = RunKind[PromptSuggestionSummary](
    "prompt-suggestion",
    "Suggested edits of prompts",
    PromptSuggestionSummary,
    {"users": list[int], "source": str, "candidate": int},
)
POPULATION = RunKind[PopulationSummary](
    "population", "Population", PopulationSummary, {"users": list[int]}, _population_form
)
VALIDITY = RunKind[ValiditySummary]("validity", "Predictive validity", ValiditySummary)
JUDGEMENT = RunKind[JudgementSummary](
    "judgement", "Second opinions on statements", JudgementSummary, table_form=_judgement_form
)

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
