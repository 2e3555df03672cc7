"""A recording made from a run of one's own: the stored answers of its users, to be handed on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lusifer import prompts
from lusifer.datasets import file_ids
from lusifer.errors import InvalidInputError
from lusifer.llm.recordings import (
    PREFIX,
    SUFFIX,
    RecordedAnswer,
    Recording,
    RecordingHeader,
    write_recording,
)
from lusifer.prompts import PromptSet, versions
from lusifer.runs import run_rows
from lusifer.runs.listing import dataset_of, get_run
from lusifer.simulator import BUILTIN, label
from lusifer.simulator.rating_summary import without_rating_habits
from lusifer.simulator.types import SECTIONS, Profile
from lusifer.store import Store


def make_recording(store: Store, run: str, file: Path, *, note: str = "") -> Recording:
    """Write the answers that a run of a language model rests on as a recording.

    It holds what the model said (profiles, explanations, changes, forecasts and ratings with reasons) and no true
    rating. Users whose evolution is not complete are left out.

    Args:
        store: the database.
        run: the id of a comparison, population or realism run.
        file: where it is written, ``NAME.jsonl.gz``; its name is that of the recording.
        note: how the answers were made, for people.

    Raises:
        InvalidInputError: no such run, not one of a language model, no complete evolution, or the file is there.
    """
    row = get_run(store, run)
    if row["model"] == BUILTIN or row["model"].startswith(PREFIX) or not row["model_version"]:
        raise InvalidInputError(
            f"Run {run} holds no answers of a language model ({label(row['model'])}).",
            "Choose a run of a language model.",
        )
    if file.exists() or not file.name.endswith(SUFFIX):
        raise InvalidInputError(
            f"{file} is there, or is no NAME{SUFFIX}.", f"Give a new file whose name ends {SUFFIX}."
        )
    prompt_set = _find_prompts(store, row["model_version"])
    evolutions = _complete_evolutions(store, row, prompt_set)
    if not evolutions:
        raise InvalidInputError(f"Run {run} has no user whose evolution is complete.", "Resume the run first.")
    settings = {(e["history"], e["batch_size"]) for e in evolutions}
    if len(settings) > 1:
        raise InvalidInputError(f"Run {run} used histories of several lengths.", "Choose a run with one.")
    history, batch_size = settings.pop()
    users = tuple(int(e["user_id"]) for e in evolutions)
    header = RecordingHeader(
        recording=file.name.removesuffix(SUFFIX),
        dataset=row["dataset"],
        dataset_hash=row["dataset_hash"],
        split=row["split"],
        history=history,
        batch_size=batch_size,
        prompt_set=prompt_set.name,
        prompt_version=prompt_set.version,
        prompts=json.loads(prompts.to_json(prompt_set)),
        users=users,
        user_labels=_labels_of(row, users),
        answered_by=row["model"],
        collected=f"{datetime.now(UTC):%Y-%m-%d}",
        note=note,
    )
    return write_recording(file, header, (a for e in evolutions for a in _answers(store, e)))


def _labels_of(row: Mapping[str, Any], users: Sequence[int]) -> tuple[str, ...]:
    """The ids of a run's users in the files of its dataset, where that is here and they are not the same."""
    dataset = dataset_of(row)
    if dataset is None or file_ids.COLUMN not in dataset.users:
        return ()
    return tuple(str(dataset.user_label(user)) for user in users)


def _find_prompts(store: Store, version: str) -> PromptSet:
    """The prompt set of a version as runs are recorded under.

    Raises:
        InvalidInputError: it is not in the database, or the answers are another draw than the first.
    """
    if found := versions.find_recorded(store, version):
        return found.prompts
    shipped = next((p for p in map(prompts.load, prompts.SHIPPED) if p.version == version), None)
    if shipped is None:
        raise InvalidInputError(f"The prompts {version} are not in this database.", "Save them as a version first.")
    return shipped


def _complete_evolutions(store: Store, row: Mapping[str, Any], prompt_set: PromptSet) -> list[dict[str, Any]]:
    """The evolutions of a run's users that have all their steps, one a user.

    The same users may have been evolved elsewhere with other histories, which no run does; one with forecasts goes
    before one without, and what came last before what came earlier (details of movies may have come in between).
    """
    table = run_rows.read_rows(row)
    users = row["params"].get("users")
    wanted = set(table["user_id"].tolist()) if table is not None else None
    if wanted is None and isinstance(users, list):
        wanted = set(users)
    of_model = (row["dataset_hash"], row["split"], row["model"], row["model_version"], "")
    complete = [
        e
        for forecasts in (False, True)
        for e in store.list_evolutions(*of_model, forecasts=forecasts)
        if (wanted is None or e["user_id"] in wanted) and e["steps"] and _is_complete(store, e)
    ]
    usual = (prompt_set.history, prompt_set.batch_size)
    found = {e["user_id"]: e for e in complete if (e["history"], e["batch_size"]) == usual}
    found = found or {e["user_id"]: e for e in complete}
    return sorted(found.values(), key=lambda e: int(e["user_id"]))


def _is_complete(store: Store, evolution: Mapping[str, Any]) -> bool:
    most = -(-evolution["history"] // evolution["batch_size"])
    return evolution["steps"] == most or bool(store.list_ratings(evolution["id"]))


def _answers(store: Store, evolution: Mapping[str, Any]) -> Iterator[RecordedAnswer]:
    user, steps = int(evolution["user_id"]), store.list_steps(evolution["id"])
    for step in steps:
        number = step["number"]
        if step["forecast"]:
            yield _ratings(user, number, "forecast", step["forecast"])
        written = without_rating_habits(Profile.from_json(step["profile"]))  # what code adds is computed again
        profile = {name: [b.text for b in written.section(name)] for name in SECTIONS}
        changes = [{k: c[k] for k in ("aspect", "direction", "item_ids")} for c in step["changes"]]
        content = {"profile": profile, "explanation": step["explanation"], "changes": changes}
        yield RecordedAnswer(user=user, step=number, purpose="update", answer=content)
    by_step: dict[int, list[dict[str, Any]]] = {}
    for rating in store.list_ratings(evolution["id"]):
        by_step.setdefault(int(rating["step"]), []).append(rating)
    for number, ratings in sorted(by_step.items()):
        yield _ratings(user, number + 1, "rate", ratings)


def _ratings(user: int, step: int, purpose: Any, ratings: list[dict[str, Any]]) -> RecordedAnswer:
    rows = [
        {"item_id": r["item_id"], "reason": r["reason"], "rating": r["rating"], "expected": r["expected"]}
        for r in ratings
        if r["rating"] is not None
    ]
    return RecordedAnswer(user=user, step=step, purpose=purpose, answer={"ratings": rows})
