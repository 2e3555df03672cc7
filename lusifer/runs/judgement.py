"""Second opinions of a language model on a comparison's statements, as a recorded run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from lusifer.datasets import Dataset
from lusifer.errors import InvalidInputError
from lusifer.evaluation import RunContext
from lusifer.evaluation.audit import Claim, audit
from lusifer.evaluation.audit.judge import OPINION_TOKENS, PURPOSE, VERSION, Opinion, ask_judge, judge_question
from lusifer.evaluation.bootstrap import Bootstrap
from lusifer.evaluation.simulation import run_threaded
from lusifer.llm import Budget, CallMetadata, create_llm
from lusifer.runs.kinds import JUDGEMENT, JudgementSummary
from lusifer.runs.recording import ModelNames, OnStart, RecordedRun, ignore_start, record, require_store
from lusifer.simulator import Step
from lusifer.simulator.estimate import Estimate, estimate_questions
from lusifer.simulator.llm_model import Question
from lusifer.simulator.models import is_free
from lusifer.simulator.types import Rated

Evolutions = Mapping[int, Sequence[Step]]
"""Steps by user."""


@dataclass(frozen=True)
class _StepQuestion:
    """One question and what it is about."""

    user: int
    claims: Sequence[Claim]
    question: Question


def _questions(dataset: Dataset, evolutions: Evolutions, run: str = "") -> Iterator[_StepQuestion]:
    for user, steps in evolutions.items():
        claims = audit(dataset, steps).claims
        seen: list[Rated] = []
        for step in steps:
            own = [c for c in claims if c.step == step.number]
            metadata = CallMetadata(PURPOSE, run or None, user, step.number, VERSION)
            if own:
                yield _StepQuestion(user, own, judge_question(dataset, seen, step, own, metadata))
            seen += step.batch


def estimate_judgement(ctx: RunContext, judge: str, evolutions: Evolutions) -> Estimate:
    """What a judge of all these statements costs: one question a step."""
    questions = ((q.question, OPINION_TOKENS * len(q.claims)) for q in _questions(ctx.dataset, evolutions))
    return estimate_questions(judge, ctx.store, questions)


def run_judgement(
    ctx: RunContext,
    judge: str,
    evolutions: Evolutions,
    comparison: str = "",
    *,
    keys: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    on_start: OnStart = ignore_start,
) -> RecordedRun[JudgementSummary]:
    """Ask a language model about every statement of some evolutions, and record what it says beside the audit.

    Args:
        ctx: the data, the store, workers, and how to report and to stop.
        judge: the judge's spec, ``ENDPOINT:MODEL``.
        evolutions: steps by user.
        comparison: the id of the comparison whose evolutions these are, if they are of one.
        keys: keys by endpoint name, before the configured ones.
        budget: what may be spent.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: the judge is no language model that can be asked, or there is nothing to judge.
        ModelError: it can't be asked.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    store = require_store(ctx)
    if is_free(judge):
        raise InvalidInputError("A second opinion needs a language model that can be asked.", "Connect one.")
    params = {"comparison": comparison, "users": list(evolutions)}
    title = f"Second opinions on run {comparison}" if comparison else "Second opinions"
    with record(ctx, JUDGEMENT, title, model=ModelNames(judge, VERSION), params=params, on_start=on_start) as run:
        questions = list(_questions(ctx.dataset, evolutions, run.id))
        if not questions:
            raise InvalidInputError("There are no statements to judge.", "Choose users whose profiles are stored.")
        limits = replace(budget, run_id=run.id) if budget is not None else None
        llm = create_llm(judge, store, keys=keys, budget=limits, cancelled=ctx.cancelled)
        opinions: dict[int, dict[int, Opinion]] = {}

        def ask(index: int) -> None:
            asked = questions[index]
            opinions[index] = ask_judge(llm, asked.question, len(asked.claims))
            ctx.on_progress(len(opinions), len(questions), "Second opinions")

        run_threaded(ask, len(questions), ctx.workers, ctx.cancelled, store)
        rows = [
            (asked.user, c.step, c.kind, c.text, c.verdict, c.why, opinion.verdict, opinion.why)
            for index, asked in enumerate(questions)
            for number, c in enumerate(asked.claims, 1)
            if (opinion := opinions[index].get(number)) is not None
        ]
        asked_about = sum(len(q.claims) for q in questions)
        frame = pd.DataFrame(rows, columns=["user_id", "step", "kind", "text", "audit", "why", "judge", "judge_why"])
        run.finish(_summary(comparison, asked_about, frame), frame)
    return run


def _summary(comparison: str, asked: int, rows: pd.DataFrame) -> JudgementSummary:
    """How often the two agree: the share over statements, its interval by users."""
    same = (rows["audit"] == rows["judge"]).to_numpy(float)
    users = rows["user_id"].to_numpy(int)
    return {
        "comparison": comparison,
        "statements": asked,
        "judged": len(rows),
        "agreement": Bootstrap(users).mean(users, same).json if len(rows) else [None, None, None],
        "verdicts": {
            str(verdict): {str(k): int(n) for k, n in part["judge"].value_counts().items()}
            for verdict, part in rows.groupby("audit")
        },
    }
