"""Suggested edits of prompts: the largest errors told to a language model, and the changes that it proposes checked.

One question (a reflection as in GEPA, arXiv 2507.19457) shows the templates, their variables and a few answers that
were far from the truth, and asks for three independent changes. What comes back is held against what a person's own
edit is held against, and against what only a model does: it may repeat a text, leave out what is asked about, or write
a movie of the cases into a prompt for everybody. Nothing is saved or tried here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lusifer.datasets import Item
from lusifer.errors import ModelError
from lusifer.llm import CachedLLM, CallMetadata, Message
from lusifer.prompts import PromptSet, sandbox
from lusifer.simulator import LLMUserModel, RunContext, Step
from lusifer.simulator.answers import find_json
from lusifer.simulator.estimate import Estimate, estimate_questions
from lusifer.simulator.evolution import context_after
from lusifer.simulator.item_rows import columns_of, render_columns, render_row
from lusifer.simulator.llm_model import REPAIRABLE, SAID, SAMPLING_TEMPERATURE, Question
from lusifer.simulator.preview import context_at, preview_prompt
from lusifer.simulator.prompt_variables import VARIABLES
from lusifer.simulator.rating_summary import describe_person
from lusifer.store import Store

PURPOSE = "suggest"
"""What its calls are recorded as."""
CHANGEABLE = ("system", "first", "update", "rate")
"""Templates that a change may be of. ``repair`` is asked after unusable answers alone and moves no error."""
REQUIRED = {"first": ({"batch"},), "update": ({"batch"}, {"profile", "statements"}), "rate": ({"items"},)}
"""Variables without which a template does not ask for what is read from its answer: one of each set."""
CHANGES, CASES = 3, 6
MIN_CHANGE = 0.005
"""RMSE by which a user must have got worse to count."""
CHECKED_USERS = 2
"""Users for whom a changed template is filled in: one more than a person's edit is tried on."""
MAX_RECENT, MAX_REASON = 10, 400
"""Newest ratings that a case lists; characters of a reason."""


@dataclass(frozen=True)
class Case:
    """An answer that was far from the truth.

    Attributes:
        user: whose rating it is; never told.
        item: what was rated.
        rating: the true rating.
        predicted: the expected value that was answered.
        reason: the reason that was given with it.
        steps: the user's evolution, whose last profile was told.
        other: what the other version of the comparison answered; ``None`` without one.
    """

    user: int
    item: Item
    rating: float
    predicted: float
    reason: str
    steps: tuple[Step, ...]
    other: float | None = None


@dataclass(frozen=True)
class Change:
    """A proposed change: one template, why, and its whole new text; ``problems`` are what keeps it from being saved."""

    template: str
    reason: str
    text: str
    problems: tuple[str, ...] = ()


def pick_cases(rows: pd.DataFrame, count: int = CASES) -> pd.DataFrame:
    """The worst regressions, one a user as long as there are users.

    First (up to half) users who got worse against the other version, by how much; then by the largest error.

    Args:
        rows: user_id, item_id, rating, predicted; and ``other``, the other version's predictions, where there is one.
        count: the most rows.

    Returns:
        The picked rows in that order.
    """
    rows = rows[rows["predicted"].notna() & (rows["predicted"] != rows["rating"])]
    rows = rows.assign(error=(rows["predicted"] - rows["rating"]).abs(), worse=0.0).astype({"user_id": int})
    if "other" in rows:
        other_error = (rows["other"] - rows["rating"]).abs()
        squares = pd.DataFrame({"own": rows["error"] ** 2, "other": other_error**2})[other_error.notna()]
        rmse = np.sqrt(squares.groupby(rows["user_id"]).mean())
        change = rows["user_id"].map(rmse["own"] - rmse["other"]).fillna(0.0)
        rows["worse"] = change.where(change >= MIN_CHANGE, 0.0)
        rows["gain"] = (rows["error"] - other_error).fillna(0.0)
    by_error = rows.sort_values(["error", "user_id", "item_id"], ascending=[False, True, True], kind="stable")
    picked: list[Any] = []
    if (by_error["worse"] > 0).any():
        regressed = by_error[by_error["worse"] > 0].sort_values(["worse", "gain"], ascending=False, kind="stable")
        picked = regressed.drop_duplicates("user_id").index[: count // 2].tolist()
    users = set(rows.loc[picked, "user_id"])
    others = by_error[~by_error["user_id"].isin(users)].drop_duplicates("user_id").index.tolist()
    order = dict.fromkeys([*picked, *others, *by_error.index])
    return rows.loc[list(order)[:count]]


# ---- the question -------------------------------------------------------------------------------------------------


def answer_schema() -> dict[str, Any]:
    """JSON schema of the answer: exactly `CHANGES` changes."""
    change = {
        "type": "object",
        "properties": {
            "template": {"type": "string", "enum": list(CHANGEABLE)},
            "reason": {"type": "string", "maxLength": MAX_REASON},
            "text": {"type": "string"},
        },
        "required": ["template", "reason", "text"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"changes": {"type": "array", "items": change, "minItems": CHANGES, "maxItems": CHANGES}},
        "required": ["changes"],
        "additionalProperties": False,
    }


def suggestion_question(ctx: RunContext, model: LLMUserModel, cases: Sequence[Case], draw: int = 0) -> Question:
    """The one call that asks for changes of a model's prompts.

    Neither the data set nor anybody's id is named: cases are numbered, people told by gender and decade.

    Args:
        ctx: the data.
        model: the model that is asked, with the prompts that are to be changed.
        cases: what went wrong.
        draw: 0 for the first question; a new number asks anew, at a temperature that gives other changes.
    """
    nouns, texts = ctx.dataset.item_nouns, dict(model.prompts.templates)
    system = (
        "You improve prompts. A language model plays single users of "
        f"{nouns.with_item_noun('a movie')} site: it keeps a profile of a user, written from their ratings step by "
        f"step, and predicts how this user rates {nouns.plural}. You see its templates and cases in which its "
        "prediction was far from the true rating. Propose changes that make predictions better for all users, also "
        "those you do not see. Answer with JSON alone."
    )
    parts = [
        "TASK\n"
        "Propose exactly three independent changes. Each changes one template and is tried by itself, with all others "
        "as they are. For each give the template, the reason in one or two plain sentences that say what the cases "
        "have in common, and the whole new text of the template, not a part of it.\n"
        "What counts is the mean squared error of the predicted (expected) ratings over all users. The cases are the "
        f"largest errors of many, one a user. Some of them no prompt can mend: do not push predictions to the ends of "
        f"the scale for their sake. What a model knows of {nouns.plural} in general it may use.",
        "RULES\n"
        "- A text is a Jinja template. It uses the variables of its template and no others, and the filters "
        f"{', '.join(sandbox.filter_names())}.\n"
        + "".join(f"- {name} must keep {_required_text(name)}.\n" for name in REQUIRED)
        + f"- A template is for every user: name no {nouns.singular} and no person of the cases, and repeat none of "
        "their ratings.\n"
        "- The form of the model's own answers is fixed by a schema elsewhere. Ask for no other.",
        "VARIABLES\n" + "\n".join(_variable_lines()),
    ]
    parts += [f"=== TEMPLATE {name}\n{texts[name].rstrip()}\n=== END OF {name}" for name in CHANGEABLE]
    parts += [f"=== CASE {number}\n{_describe_case(ctx, model.prompts, case)}" for number, case in enumerate(cases, 1)]
    longest = max(len(texts[name]) for name in CHANGEABLE)
    return [Message("system", system), Message("user", "\n\n".join(parts))], {
        "schema": answer_schema(),
        "temperature": SAMPLING_TEMPERATURE if draw else 0.0,
        "max_tokens": 1000 + 2 * longest,  # three texts twice as long, at three characters a token
        "logprobs": 0,
        "draw": draw,
        "metadata": CallMetadata(PURPOSE, model.run, prompt_version=model.version),
        "on_text": model.on_text,
    }


def _required_text(template: str) -> str:
    return " and ".join(" or ".join(sorted(names)) for names in REQUIRED[template])


def _variable_lines() -> Iterator[str]:
    for variable in VARIABLES:
        templates = [t for t in CHANGEABLE if t in variable.templates]
        if templates:
            yield f"- {variable.name} (in {', '.join(templates)}): {variable.doc}"


def _describe_case(ctx: RunContext, prompts: PromptSet, case: Case) -> str:
    """What was told, what was answered, what was true."""
    noun, context = ctx.dataset.item_nouns.singular, context_after(ctx.dataset, ctx.split, case.user, case.steps)
    recent = context.seen[-min(prompts.recent, MAX_RECENT) :] if prompts.recent else ()
    columns = columns_of([case.item, *(r.item for r in recent)], prompts.metadata)
    heading, reason = render_columns(columns), " ".join(case.reason.split())
    lines = [
        f"Person: {describe_person(context.user)}",
        f"Profile:\n{replace(context.profile, about='').text.strip() or '(none)'}",
        *([f"Newest ratings ({heading} | rating):"] if recent else []),
        *(f"{render_row(columns, r.item)} | {r.rating:g}" for r in recent),
        f"The {noun} to rate ({heading}): {render_row(columns, case.item)}",
        f"Predicted: {case.predicted:.1f}" + (f", because: {reason}" if reason else ""),
        *([f"Another version of the prompts predicted {case.other:.1f}"] if _differs(case) else []),
        f"True rating: {case.rating:g}",
    ]
    return "\n".join(lines)


def _differs(case: Case) -> bool:
    return case.other is not None and f"{case.other:.1f}" != f"{case.predicted:.1f}"


def estimate_suggestion(model: LLMUserModel, store: Store, question: Question) -> Estimate:
    """What the question costs: nothing where its answer is stored."""
    messages, options = question
    if isinstance(model.llm, CachedLLM) and store.has_answers([model.llm.key(messages, **options)]):
        return Estimate(dollars=0.0, cached=1)
    return estimate_questions(model.spec, store, [(question, (options["max_tokens"] or 0) // 2)])


# ---- the answer ---------------------------------------------------------------------------------------------------


def ask_for_changes(ctx: RunContext, model: LLMUserModel, cases: Sequence[Case], draw: int = 0) -> list[Change]:
    """Ask for `CHANGES` changes; one more call where the answer can't be read or has fewer.

    Returns:
        The changes, checked. Fewer than asked for where the second answer has no more.

    Raises:
        ModelError: the model can't be asked, or gave no change at all.
        CancelledError: somebody stopped it.
    """
    messages, options = suggestion_question(ctx, model, cases, draw)
    found: list[Change] = []
    for last in (False, True):
        answer = None
        try:
            answer = model.llm.complete(messages, **options)
            changes = read_changes(answer.text)
            found = max(found, changes, key=len)
            if last or len(found) == CHANGES:
                break
            problem = f"It has {len(found)} of {CHANGES} changes that name a template and give its text."
            raise ModelError(problem, "Ask again, or choose another model.", kind="invalid", text=answer.text)
        except ModelError as error:
            if answer is not None:
                model.reject(answer, error)
            if error.kind not in REPAIRABLE or (last and not found):
                raise
            messages = _repair(messages, error)
            if error.kind == "truncated":
                options["max_tokens"] = 2 * (options["max_tokens"] or 0)
    return _check_changes(ctx, model, found, cases)


def _repair(messages: list[Message], error: ModelError) -> list[Message]:
    schema = json.dumps(answer_schema(), separators=(",", ":"))
    prompt = (
        f"Your answer can't be used: {error.message}\nAnswer again, whole and in the same form.\n"
        f"JSON alone, by this schema: {schema}"
    )
    if not error.text.strip():  # many chat templates take no two messages of one role in a row
        return [*messages[:-1], Message("user", f"{messages[-1].content}\n\n{prompt}")]
    return [*messages, Message("assistant", error.text[:SAID]), Message("user", prompt)]


def read_changes(text: str) -> list[Change]:
    """The changes of an answer, at most `CHANGES`; those that name no template or have no text are left out.

    Raises:
        ModelError: there is no list of changes in it, or there are two that differ (kind ``invalid``).
    """
    answer = find_json(
        text, lambda value: isinstance(value, dict) and isinstance(value.get("changes"), list), "changes"
    )
    changes = []
    for entry in answer["changes"]:
        fields = entry if isinstance(entry, dict) else {}
        template, reason, new = (fields.get(name) for name in ("template", "reason", "text"))
        name = str(template).strip().lower().removesuffix(".j2")
        if name in CHANGEABLE and isinstance(new, str) and new.strip():
            told = " ".join(reason.split()) if isinstance(reason, str) else ""
            changes.append(Change(name, told[:MAX_REASON], new))
    return changes[:CHANGES]


def _check_changes(
    ctx: RunContext, model: LLMUserModel, changes: Sequence[Change], cases: Sequence[Case]
) -> list[Change]:
    tokens_per_character = (ctx.store.tokens_per_character(model.spec) if ctx.store else None) or 0.25
    checked: list[Change] = []
    for change in changes:
        before = dict(model.prompts.templates)[change.template]
        ending = before[len(before.rstrip()) :]  # else a line end alone would be a difference
        change = replace(change, text=change.text.rstrip() + ending)
        problems = find_problems(ctx, model.prompts, change, cases, model.spec, tokens_per_character)
        if any((c.template, c.text) == (change.template, change.text) for c in checked):
            problems = [*problems, "An earlier change is the same."]
        checked.append(replace(change, problems=tuple(problems)))
    return checked


def find_problems(
    ctx: RunContext,
    prompts: PromptSet,
    change: Change,
    cases: Sequence[Case],
    spec: str = "",
    tokens_per_character: float = 0.25,
) -> list[str]:
    """What is wrong with a change: as of a person's edit, and what it lost, repeats or gives away.

    Args:
        ctx: the data.
        prompts: the set that it changes.
        change: the change.
        cases: what it was proposed from: the template is filled in for `CHECKED_USERS` of these users, before, within
            and after their evolution.
        spec: the model that will be asked; what it can't read is a problem too.
        tokens_per_character: what this model's tokenizer takes.
    """
    before = dict(prompts.templates)[change.template]
    if change.text.strip() == before.strip():
        return ["It is the text that this version has."]
    changed, mistakes = prompts.with_template(change.template, change.text), list[str]()
    for case in list({case.user: case for case in cases}.values())[:CHECKED_USERS]:
        steps = case.steps
        contexts = {
            name: (context_at(ctx.dataset, ctx.split, case.user, steps, template, min(at, len(steps))), [case.item])
            for name, template, at in (
                ("first", "first", 1),
                ("update", "update", 2),
                ("rate", "rate", len(steps)),
                ("cold", "rate", 0),
            )
        }
        context, items = contexts.get(change.template, contexts["rate"])
        preview = preview_prompt(
            changed, change.template, context, items, spec, tokens_per_character, list(contexts.values())
        )
        mistakes += [mistake.text for mistake in preview.mistakes]
    if mistakes:
        return list(dict.fromkeys(mistakes))
    used = sandbox.variables_of(change.text)
    problems = [
        f"{change.template}: it no longer has {' or '.join(sorted(names))}."
        for names in REQUIRED.get(change.template, ())
        if not names & used
    ]
    told = [case.item for case in cases] + [r.item for case in cases for step in case.steps for r in step.batch]
    named = sorted({item.title for item in told if _names(change.text, item) and not _names(before, item)})
    if named:
        problems.append(f"{change.template}: it names what is in the cases ({', '.join(named[:3])}).")
    return problems


def _names(text: str, item: Item) -> bool:
    """Whether a text names an item: by its title with the year, or by a title of several words."""
    names = {item.title} | ({item.name} if " " in item.name else set())
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names)
