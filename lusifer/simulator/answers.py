"""What a language model must answer: the schemas that are sent, and the rules for what comes back.

Rules: JSON may stand in a code fence or in other text; unknown and repeated ids are dropped (the
first of two counts); a number may come as a string, and as ``4/5`` where 5 is the scale's highest; a
rating off the scale or not a number is a failure of that item alone; an expected value outside the
range is brought to its edge, one that is no number is taken to be the rating; of an answer that was cut
off, the complete ratings count; a change that cites no movie of the batch is dropped. What is missing
is asked for once more, and then stays missing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lusifer.datasets import Item, RatingScale
from lusifer.errors import ModelError
from lusifer.llm import Token
from lusifer.simulator.probabilities import MIN_SCALE_PROBABILITY, RatingProbabilities, objects, rating_probabilities
from lusifer.simulator.types import (
    DIRECTIONS,
    SECTIONS,
    Bullet,
    Change,
    Direction,
    Profile,
    Rated,
    SimulatedRating,
    Update,
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Sections(_Strict):
    likes: list[str]
    dislikes: list[str]
    people_and_themes: list[str]
    mood: list[str]
    rating_habits: list[str]


class _Change(_Strict):
    aspect: str
    direction: Direction
    item_ids: list[int]


class UpdateAnswer(_Strict):
    """Answer to the update prompt."""

    profile: _Sections
    explanation: str
    changes: list[_Change]


def update_schema(batch: Sequence[Rated]) -> dict[str, Any]:
    """JSON schema of `UpdateAnswer` with the batch's ids as the only ones that may be cited.

    Lengths are bounded, since a small model may find no end; an answer beyond them is still read.
    """
    schema = UpdateAnswer.model_json_schema()
    for section in schema["$defs"]["_Sections"]["properties"].values():
        section |= {"maxItems": 8}
        section["items"] = {"type": "string", "maxLength": 200}
    change = schema["$defs"]["_Change"]["properties"]
    change["aspect"] |= {"maxLength": 80}
    ids: list[int] = [r.item.id for r in batch]
    change["item_ids"] |= {
        "items": {"type": "integer", "enum": ids},
        "minItems": 1,
        "maxItems": len(ids),
    }
    schema["properties"]["explanation"] |= {"maxLength": 500}
    schema["properties"]["changes"] |= {"maxItems": 12}
    return schema


def ratings_schema(items: Sequence[Item], scale: RatingScale) -> dict[str, Any]:
    """JSON schema of the ratings of exactly these items."""
    rating = {
        "type": "object",
        "properties": {
            "item_id": {"type": "integer", "enum": [i.id for i in items]},
            "reason": {"type": "string", "maxLength": 240},
            "rating": {"type": "number", "enum": [_plain(v) for v in scale.values.tolist()]},
            "expected": {"type": "number"},
        },
        "required": ["item_id", "reason", "rating", "expected"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "ratings": {
                "type": "array",
                "items": rating,
                "minItems": len(items),
                "maxItems": len(items),
            }
        },
        "required": ["ratings"],
        "additionalProperties": False,
    }


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value


def find_json(text: str) -> dict[str, Any]:
    """The JSON object in an answer, with or without a fence or text around it.

    Raises:
        ModelError: there is none.
    """
    start = text.find("{")
    while start >= 0:
        try:
            value, _ = json.JSONDecoder().raw_decode(text[start:])
        except ValueError:
            start = text.find("{", start + 1)
            continue
        if isinstance(value, dict):
            return value
        break
    raise ModelError(
        "The model did not answer with JSON.",
        "Ask again, or choose another model.",
        kind="invalid",
        text=text,
    )


def read_update(text: str, about: str, batch: Sequence[Rated]) -> Update:
    """An update answer as an `Update`.

    Raises:
        ModelError: the answer lacks a part or has one of the wrong type (kind ``invalid``).
    """
    try:
        answer = UpdateAnswer.model_validate(find_json(text))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(
            f"The model's answer does not fit: {where}: {first['msg']}.",
            "Ask again, or choose another model.",
            kind="invalid",
            text=text,
        ) from None
    known = {r.item.id for r in batch}
    changes = []
    for change in answer.changes:
        ids = tuple(dict.fromkeys(i for i in change.item_ids if i in known))
        if ids and change.direction in DIRECTIONS and change.aspect.strip():
            changes.append(Change(change.aspect.strip(), change.direction, ids))
    sections: dict[str, Any] = {
        name: tuple(Bullet(" ".join(t.split())) for t in getattr(answer.profile, name) if t.strip())
        for name in SECTIONS
    }
    explanation = " ".join(answer.explanation.split())
    return Update(Profile(about=about, **sections), explanation, tuple(changes))


LEFT_OUT = "The model's answer left this ITEM out."
"""Failure of a rating that an answer lacks. It is stored, and shown to models in repairs: its wording must stay."""


def read_ratings(
    text: str, items: Sequence[Item], scale: RatingScale, tokens: Sequence[Token] = ()
) -> tuple[SimulatedRating, ...]:
    """A ratings answer as one `SimulatedRating` an item, in the order asked; missing ones say so.

    An answer that was cut off gives what was complete in it.

    Args:
        text: the answer.
        items: what is rated.
        scale: the rating scale.
        tokens: log probabilities of the answer, for the expected values.

    Raises:
        ModelError: there is no rating in it at all (kind ``invalid``).
    """
    answer_rows = _rows(text)
    probabilities = rating_probabilities(text, tokens, scale)
    by_id: dict[int, SimulatedRating] = {}
    item_ids = {i.id for i in items}
    for row in answer_rows:
        item_id = _integer(row.get("item_id"))
        if item_id is not None and item_id in item_ids and item_id not in by_id:
            by_id[item_id] = _rating(item_id, row, scale, probabilities.get(item_id))
    return tuple(
        by_id.get(i.id) or SimulatedRating(i.id, None, None, failure=LEFT_OUT.replace("ITEM", i.item_nouns.singular))
        for i in items
    )


def _rows(text: str) -> list[dict[str, Any]]:
    try:
        rows = find_json(text).get("ratings")
    except ModelError:
        rows = None
    if isinstance(rows, list):
        return [r for r in rows if isinstance(r, dict)]
    salvaged = []
    for start, end in objects(text):
        with suppress(ValueError):
            row = json.loads(text[start:end])
            if "item_id" in row:
                salvaged.append(row)
    if not salvaged:
        raise ModelError(
            "The model's answer has no list of ratings.",
            "Ask again, or choose another model.",
            kind="invalid",
            text=text,
        )
    return salvaged


def _integer(value: Any) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _number(value: Any, highest: float) -> float | None:
    """A finite number, also one in a string; ``4/5`` only where 5 is the scale's highest."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text, slash, out_of = str(value).partition("/")
    try:
        if slash and float(out_of) != highest:
            return None
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _rating(
    item_id: int, row: dict[str, Any], scale: RatingScale, probabilities: RatingProbabilities | None
) -> SimulatedRating:
    rating, stated = (_number(row.get(k), scale.highest) for k in ("rating", "expected"))
    if rating is None or not scale.contains(rating):
        answer = str(row.get("rating"))[:20]
        return SimulatedRating(
            item_id, None, None, failure=f"The model answered {answer!r}, which is not on the scale."
        )
    reason = " ".join(str(row.get("reason") or "").split())
    if probabilities is not None and probabilities.scale_probability >= MIN_SCALE_PROBABILITY:
        return SimulatedRating(
            item_id,
            rating,
            probabilities.expected,
            probabilities.std,
            reason,
            scale_probability=probabilities.scale_probability,
            how="tokens",
        )
    if probabilities is not None:  # the model meant something else than a rating there: what it wrote holds
        return SimulatedRating(
            item_id, rating, rating, None, reason, scale_probability=probabilities.scale_probability, how="rating"
        )
    if stated is None:
        return SimulatedRating(item_id, rating, rating, None, reason, how="rating")
    return SimulatedRating(item_id, rating, float(scale.clip(stated)), None, reason, how="stated")
