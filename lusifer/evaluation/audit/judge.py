"""A second opinion on the audit's statements: a language model judges them from the same ratings (an "LLM judge").

The audit goes by rules and says what decided. A judge reads as a person does, may be wrong as one, and costs calls: its
opinion stands beside the audit's verdict and replaces nothing. Judges of this kind agree with people about as often as
people do among themselves, and lean towards answers of their own model (Zheng et al. 2023, "Judging LLM-as-a-Judge with
MT-Bench and Chatbot Arena"), so one should be asked that did not write the statements.

One question is asked a step: all ratings up to it, numbered, those of the step marked, and its statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from lusifer.datasets import Dataset
from lusifer.errors import ModelError
from lusifer.evaluation.audit.changes import render_change
from lusifer.evaluation.audit.claims import Claim, Verdict
from lusifer.llm import CachedLLM, CallMetadata, Message
from lusifer.simulator import Step
from lusifer.simulator.answers import find_json
from lusifer.simulator.item_rows import columns_of, render_columns, render_row
from lusifer.simulator.llm_model import REPAIRABLE, Question
from lusifer.simulator.types import Rated

PURPOSE = "judge"
OPINION_TOKENS = 60
"""Tokens of an answer that one opinion takes."""
VERSION = "judge-1"
"""What its calls are recorded under; another wording is another version."""
_SYSTEM = """You check statements about one person against the ratings that this person gave. The table holds every
rating known when the statements were written. Judge by the table alone, each statement by itself:
- supported: what it says agrees with the ratings. Words such as "high", "lukewarm" or "only a 3" are meant relative to
  this person's own mean and range. A right figure that is rounded is right.
- unsupported: anything in it disagrees with the ratings: a wrong rating, mean or count, an item that the person never
  rated, a like that the ratings show as a dislike, or the other way round.
- uncheckable: it says nothing that ratings could show.
First say in one short sentence what in the table decides, then the verdict."""


@dataclass(frozen=True)
class Opinion:
    """What a judge says of one statement.

    Attributes:
        why: what decided, one sentence of the judge.
    """

    verdict: Verdict
    why: str


class _Opinion(BaseModel):
    model_config = ConfigDict(extra="ignore")
    statement: int
    because: str = ""
    verdict: Literal["supported", "unsupported", "uncheckable"]


class _Answer(BaseModel):
    opinions: list[_Opinion]


def opinions_schema(count: int) -> dict[str, Any]:
    """JSON schema of an answer about ``count`` statements."""
    opinion = {
        "type": "object",
        "properties": {
            "statement": {"type": "integer", "enum": list(range(1, count + 1))},
            "because": {"type": "string", "maxLength": 240},
            "verdict": {"type": "string", "enum": list(get_args(Verdict))},
        },
        "required": ["statement", "because", "verdict"],
        "additionalProperties": False,
    }
    opinions = {"type": "array", "items": opinion, "minItems": count, "maxItems": count}
    return {
        "type": "object",
        "properties": {"opinions": opinions},
        "required": ["opinions"],
        "additionalProperties": False,
    }


def judge_question(
    dataset: Dataset, before: Sequence[Rated], step: Step, claims: Sequence[Claim], metadata: CallMetadata
) -> Question:
    """The question about one step's statements.

    Args:
        dataset: whose words items are called by.
        before: the ratings before the step.
        step: whose statements these are.
        claims: the statements, in the order in which they are numbered from 1.
        metadata: what the call is recorded under.
    """
    seen = [*before, *step.batch]
    numbers = {r.item.id: number for number, r in enumerate(seen, 1)}
    new = {r.item.id for r in step.batch}
    columns = columns_of([r.item for r in seen], ("genres", "people"))
    mean = sum(r.rating for r in seen) / len(seen)
    cited = {render_change(c): c.item_ids for c in step.changes}
    lines = [f"# | rating | when | {render_columns(columns)}"]
    for r in seen:
        when = "this step" if r.item.id in new else "before"
        lines.append(f"{numbers[r.item.id]} | {r.rating:g} | {when} | {render_row(columns, r.item)}")
    lines += ["", f"Mean of these {len(seen)} ratings: {mean:.2f}. The scale goes from {dataset.scale.lowest:g} to "]
    lines[-1] += f"{dataset.scale.highest:g}.\n\nStatements:"
    for number, claim in enumerate(claims, 1):
        lines.append(f"{number}. ({_describe(claim, cited, numbers)}) {claim.text}")
    schema = opinions_schema(len(claims))
    lines += ["", 'Answer with JSON: {"opinions": [{"statement": 1, "because": "...", "verdict": "supported"}, ...]}']
    return [Message("system", _SYSTEM), Message("user", "\n".join(lines))], {
        "schema": schema,
        "temperature": 0.0,
        "max_tokens": 200 + 3 * OPINION_TOKENS * len(claims),
        "metadata": metadata,
    }


def _describe(claim: Claim, cited: Mapping[str, Sequence[int]], numbers: Mapping[int, int]) -> str:
    if claim.kind == "bullet":
        return "statement of the profile"
    if claim.kind == "explanation":
        return "why the profile was changed in this step"
    known = [str(numbers[i]) for i in cited.get(claim.text, ()) if i in numbers]
    return "a change in this step" + (f", because of {', '.join(known)}" if known else "")


def read_opinions(text: str, count: int) -> dict[int, Opinion]:
    """An answer as opinions by the number of the statement; of two about one statement the first counts.

    Raises:
        ModelError: it is none (kind ``invalid``), or it leaves statements out.
    """
    found = find_json(text, lambda value: isinstance(value, dict) and "opinions" in value, "opinions")
    try:
        answer = _Answer.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _invalid(f"The judge's answer does not fit: {where}: {first['msg']}.", text) from None
    opinions: dict[int, Opinion] = {}
    for opinion in answer.opinions:
        opinions.setdefault(opinion.statement, Opinion(opinion.verdict, " ".join(opinion.because.split())))
    missing = [n for n in range(1, count + 1) if n not in opinions]
    if missing:
        raise _invalid(f"The judge's answer leaves out the statements {', '.join(map(str, missing[:10]))}.", text)
    return {n: opinions[n] for n in range(1, count + 1)}


def _invalid(problem: str, text: str) -> ModelError:
    return ModelError(problem, "Ask again, or choose another model.", kind="invalid", text=text)


def ask_judge(llm: CachedLLM, question: Question, count: int) -> dict[int, Opinion]:
    """A judge's opinions on ``count`` statements; asked once more where the answer is none.

    Returns:
        Opinions by number; empty where no answer could be used.

    Raises:
        ModelError: the judge can't be asked, or not for now.
    """
    messages, options = question
    for last in (False, True):
        answer = None
        try:
            answer = llm.complete(messages, **options)
            return read_opinions(answer.text, count)
        except ModelError as error:
            if answer is not None:
                llm.reject(answer.key, error.message)
            if error.kind not in REPAIRABLE:
                raise
            if last:
                break
            problem = f"An answer to this could not be used: {error.message} Answer again, about all statements."
            messages = [*messages[:-1], Message("user", f"{messages[-1].content}\n\n{problem}")]
    return {}
