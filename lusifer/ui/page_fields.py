"""The fields of the pages' state: how each stands in the address, is read, checked and written, and its default."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from lusifer.prompts import TEMPLATES

PROMPT_VIEWS = EDIT_PROMPT, COMPARE_PROMPTS, SUGGEST_EDITS, PROMPT_VERSIONS = "Edit", "Compare", "Suggest", "Versions"
"""The views of the Prompts page."""
MAP_COLOURS = ("mean", "activity", "genre", "error")
"""What the points of the map of users are coloured by."""
LAB_VIEWS = EDIT_PROFILE, WHAT_IF, YOU = "Edit a profile", "What if", "You"
"""The views of the What-if lab."""
EVOLUTION_VIEWS = STEPS, PRESENT = "steps", "present"
"""The views of Evolution: the steps, and its story as a presentation."""
CALL_VIEWS = TRACES, ALL_CALLS = "Traces", "All calls"
"""The views of the LLM calls page."""
ACCURACY_VIEWS = ("distribution", "groups", "calibration", "audit", "misses", "pairs", "ranking", "cold", "runs")
"""What can be open under Details on the Accuracy page."""
MAX_HISTORY, MAX_BATCH_SIZE = 500, 100
"""The longest history and the largest batch that a person can choose, in ratings."""
MAX_REPEATED = 60
"""Characters of a wrong value that a message repeats."""


class WrongValueError(ValueError):
    """The address holds what a field can't be.

    Attributes:
        problem: what it should have been, to follow "is".
        nearest: the nearest value that the field can have.
    """

    def __init__(self, problem: str, nearest: object) -> None:
        super().__init__(problem)
        self.problem, self.nearest = problem, nearest


def nearest_text(given: str, options: Iterable[str], default: str) -> str:
    """The option that is written most like a text, upper and lower case alike; the default where none is near."""
    by_case = {o.casefold(): o for o in reversed(list(options))}
    found = difflib.get_close_matches(given.casefold(), by_case, 1)
    return by_case[found[0]] if found else default


def _read_switch(given: str) -> bool:
    if given.casefold() not in {"true", "false"}:
        raise WrongValueError("neither true nor false", False)
    return given.casefold() == "true"


def _whole(low: int, high: int | None, default: int | None) -> Callable[[str], int | None]:
    """How a whole number within bounds is read."""

    def read(given: str) -> int | None:
        span = f"from {low} to {high}" if high is not None else f"from {low}"
        if not re.fullmatch(r"[+-]?[0-9]{1,9}", given.strip()):
            raise WrongValueError(f"no whole number {span}", default)
        number = int(given)
        inside = max(low, number if high is None else min(number, high))
        if inside != number:
            raise WrongValueError(f"not {span}", inside)
        return number

    return read


def _one_of(options: Sequence[str], default: str) -> Callable[[str], str]:
    """How one of some texts is read."""

    def read(given: str) -> str:
        if given not in options:
            raise WrongValueError(f"none of {', '.join(options)}", nearest_text(given, options, default))
        return given

    return read


@dataclass(frozen=True)
class Rule:
    """How a field of the state stands in the address and on the page.

    Attributes:
        name: of its parameter in the address.
        title: how messages call it.
        read: the value of a text of the address; raises `WrongValueError`. What only a dataset or a store can tell
            (whether there is such a user, such a run) is checked where that is open, see `settle`.
        page: the address of the page that it belongs to; ``None`` where it holds on every page.
        key: of its widget.
    """

    name: str
    title: str
    read: Callable[[str], Any]
    page: str | None
    key: str


def _field(
    default: Any,
    name: str,
    title: str,
    read: Callable[[str], Any] = str,
    *,
    page: str | None = None,
    key: str | None = None,
) -> Any:
    return field(default=default, metadata={"rule": Rule(name, title, read, page, key or name)})


@dataclass
class PageState:
    """What is looked at. An empty text or ``None`` means: not chosen yet, the page's default.

    Attributes:
        dataset: its name.
        split: its name.
        model: the spec of the user model.
        prompts: a label or version.
        evidence: whether the form of a new comparison offers an arm that is told what others gave.
        user: the id as the dataset's files have it.
        history: length of the history, in ratings.
        batch_size: ratings a step.
        user_search: words that users are searched for.
        map_colour: what the map of users is coloured by.
        step: the step that is shown, from 1.
        evolution_view: what Evolution shows: the steps, or its story as a presentation.
        chapter: of the story that is presented, from 1; the chapter of the step, or the first, by default.
        side_by_side: whether Evolution compares two sides; the next three are the other one's.
        profile_step: after which step Predict ratings takes the profile; the last by default.
        item: an item that Predict ratings is asked for, by the id that the files have.
        lab_view: what is open in the What-if lab.
        details: what is open under Details on Accuracy.
        comparison: the recorded comparison that is shown, by its id; so are the next runs on their pages.
        other_comparison: the one that it is compared with.
        slice: which ratings of the comparison are listed: ``genre:Horror``, ``cell:5:3``; empty for all.
        predictor: whose errors are listed and shown, a column of the comparison.
        experiment: by its name.
        prompts_view: what is open on Prompts.
        template: the template that is edited.
        suggestion: the run whose suggested edits are shown, by its id.
        draft: the draft that is edited, by its id.
        version: the version that is shown, such as ``v4``.
        calls_view: what is open on LLM calls.
        trace: what the tree of calls is of, such as ``run:ID`` or ``recorded:NAME``.
        trace_from: the user from whom on its users are listed.
        call: the call that is shown: its number, or user, step and purpose.
        call_search: words that calls are searched for.
    """

    dataset: str = _field("", "dataset", "dataset")
    split: str = _field("", "split", "split")
    model: str = _field("", "model", "model")
    prompts: str = _field("", "prompts", "prompts")
    evidence: bool = _field(False, "evidence", "community evidence", _read_switch, page="errors")
    user: str = _field("", "user", "user")
    history: int | None = _field(None, "history", "history length", _whole(1, MAX_HISTORY, None))
    batch_size: int | None = _field(None, "batch", "batch size", _whole(1, MAX_BATCH_SIZE, None))
    user_search: str = _field("", "find", "search", page="users")
    map_colour: str = _field("mean", "colour", "colour", _one_of(MAP_COLOURS, "mean"), page="users")
    step: int = _field(1, "step", "step", _whole(1, None, 1))
    evolution_view: str = _field(STEPS, "view", "view", _one_of(EVOLUTION_VIEWS, STEPS), page="evolution")
    chapter: int | None = _field(None, "chapter", "chapter", _whole(1, None, None), page="evolution")
    side_by_side: bool = _field(False, "beside", "side by side", _read_switch, page="evolution")
    other_user: str = _field("", "other-user", "other user", page="evolution")
    other_model: str = _field("", "other-model", "other model", page="evolution")
    other_prompts: str = _field("", "other-prompts", "other prompts", page="evolution")
    profile_step: int | None = _field(
        None, "profile-step", "profile after step", _whole(1, None, None), page="rate", key="from_step"
    )
    item: str = _field("", "movie", "movie", page="rate")
    lab_view: str = _field(EDIT_PROFILE, "hands", "view", _one_of(LAB_VIEWS, EDIT_PROFILE), page="hands")
    details: str = _field(ACCURACY_VIEWS[0], "view", "view", _one_of(ACCURACY_VIEWS, ACCURACY_VIEWS[0]), page="errors")
    comparison: str = _field("", "run", "comparison", page="errors")
    other_comparison: str = _field("", "other", "other comparison", page="errors")
    slice: str = _field("", "slice", "slice", page="errors")
    predictor: str = _field("", "predictor", "predictor", page="errors")
    experiment: str = _field("", "experiment", "experiment", page="experiments")
    experiment_run: str = _field("", "run", "result", page="experiments")
    realism_run: str = _field("", "run", "result", page="fidelity", key="fidelity-run")
    agent_run: str = _field("", "run", "result", page="playground", key="play-run")
    prompts_view: str = _field(EDIT_PROMPT, "view", "view", _one_of(PROMPT_VIEWS, EDIT_PROMPT), page="prompts")
    template: str = _field("update", "template", "template", _one_of(tuple(TEMPLATES), "update"), page="prompts")
    trial: str = _field("", "trial", "comparison", page="prompts", key="trial-run")
    suggestion: str = _field("", "suggestion", "suggestion", page="prompts", key="suggestion-run")
    draft: str = _field("", "draft", "draft", page="prompts")
    version: str = _field("", "version", "version", page="prompts")
    calls_view: str = _field(TRACES, "view", "view", _one_of(CALL_VIEWS, TRACES), page="calls", key="calls-view")
    trace: str = _field("", "trace", "trace", page="calls")
    trace_from: str = _field("", "from", "first user", page="calls", key="trace-from")
    call: str = _field("", "call", "call", page="calls")
    call_search: str = _field("", "call-search", "search", page="calls")


RULES: dict[str, Rule] = {f.name: f.metadata["rule"] for f in dataclasses.fields(PageState)}
"""The rule of each field."""
DEFAULTS: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(PageState)}
"""The value of each field that nobody chose."""
USERS = ("user", "other_user")
"""Fields that name a user of the dataset."""
RUNS = ("comparison", "other_comparison", "experiment_run", "realism_run", "agent_run", "trial", "suggestion")
"""Fields that name a run, of one dataset and split."""


FORMER = {("evolution", "present", "true"): ("view", PRESENT)}
"""Parameters of links that were made before, by page, name and value, and what they are called now."""


def _write(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_page(page: str) -> dict[str, Rule]:
    """The rules of the fields that stand in the address of a page."""
    return {attribute: rule for attribute, rule in RULES.items() if rule.page in {None, page}}


def read_address(state: PageState, page: str, query: str, *, complete: bool) -> dict[str, str]:
    """Take over what an address says.

    Args:
        state: changed in place.
        page: the address of the page, without parameters.
        query: its parameters, as they follow the question mark.
        complete: whether what it leaves out has its default; else it stays as it is.

    Returns:
        What was wrong, by field: a sentence that names the value which is used.
    """
    given, wrong = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}, {}
    for (of, name, former), (now, instead) in FORMER.items():
        if of == page and given.get(name, "").casefold() == former:
            given.setdefault(now, instead)
    for attribute, rule in of_page(page).items():
        text = given.get(rule.name, "")
        if not complete and rule.name not in given:
            continue
        value = DEFAULTS[attribute]
        if text:
            try:
                value = rule.read(text)
            except WrongValueError as error:
                value = error.nearest
                used = "the default" if value is None else _write(value)
                wrong[attribute] = (
                    f"The link's {rule.title}, {text[:MAX_REPEATED]}, is {error.problem}; {used} is used."
                )
        setattr(state, attribute, value)
    return wrong


def write_address(state: PageState, page: str, **explicit: Any) -> dict[str, str]:
    """The parameters of a page's address that bring this state back.

    Args:
        state: what is looked at.
        page: the address of the page, without parameters.
        **explicit: fields with other values, which stand in the address even if they are the default.
    """
    values = {a: explicit.get(a, getattr(state, a)) for a in of_page(page)}
    return {
        RULES[a].name: _write(value)
        for a, value in values.items()
        if value is not None and (value != DEFAULTS[a] or (a in explicit and value != ""))
    }


def reset_dependents(state: PageState, changed: Iterable[str]) -> None:
    """Reset what belonged to a value that was changed: another dataset has other users, another user other steps."""
    fields = set(changed)
    if "dataset" in fields:
        state.user = state.other_user = ""
        fields.add("user")
    if fields & {"dataset", "split"}:
        for attribute in RUNS:
            setattr(state, attribute, "")
    if "user" in fields:
        state.step, state.item = 1, ""
    if fields & {"user", "split", "model", "prompts", "history", "batch_size"}:
        state.chapter = None
    if fields & {"user", "history", "batch_size"}:
        state.profile_step = None
    if "trace_from" in fields:
        state.call = ""
    if "experiment" in fields:
        state.experiment_run = ""
