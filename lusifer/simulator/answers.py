"""What a language model must answer: the schemas that are sent, and the rules for what comes back.

Rules (docs/answers.md has the table): a thought before the answer is none of it; JSON may stand in a code fence, in
other text or in other objects, and may be nearly JSON; two different answers are none; unknown ids are dropped, a
repeated one counts once, and with two ratings as none; a number may come as text, and as ``4/5`` where 5 is the
scale's highest; a rating off the scale or not a number is a failure of that item alone; an expected value outside the
range is brought to its edge, one that is no number is taken to be the rating; of an answer that was cut off, the
complete ratings count; a change that cites no movie of the batch is dropped. What is missing is asked for once more,
and then stays missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from lusifer.datasets import Item, RatingScale
from lusifer.errors import ModelError
from lusifer.llm import Token
from lusifer.simulator.json_candidates import Candidate, DuplicateKeys, candidates, prepare, unwrapped
from lusifer.simulator.number_words import read_id, read_number
from lusifer.simulator.probabilities import MIN_SCALE_PROBABILITY, RatingProbabilities, rating_probabilities
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

    @field_validator("item_ids", mode="before")
    @classmethod
    def _read_ids(cls, value: Any) -> Any:
        """Ids as they may be written; what is none can't be one of the batch."""
        return [i for v in value if (i := read_id(v)) is not None] if isinstance(value, list) else value


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


def _invalid(problem: str, text: str) -> ModelError:
    return ModelError(problem, "Ask again, or choose another model.", kind="invalid", text=text)


NO_JSON = "The model did not answer with JSON."
TWO_ANSWERS = "The model gave two different answers."


def _fitting(text: str, fits: Callable[[Any], bool], mention: str) -> tuple[list[tuple[Candidate, Any]], bool]:
    """What fits in a prepared text, with the candidate that it stands in, and whether more of it was cut off behind."""
    found, unclosed = candidates(text)
    values = [(c, v) for c in found for v in unwrapped(c.value, fits)]
    end = max((c.end for c, _ in values), default=0)
    return values, unclosed >= end and mention in text[unclosed:] if unclosed >= 0 else False


def find_json(text: str, fits: Callable[[Any], bool] = lambda value: isinstance(value, dict), mention: str = "") -> Any:
    """The one JSON object of an answer that fits, with or without a thought, a fence, text or an object around it.

    Args:
        text: the answer.
        fits: whether a value has the shape that was asked for.
        mention: what stands in any answer of that shape, be it cut off.

    Raises:
        ModelError: there is none, or there are several different ones.
    """
    values, cut_off = _fitting(prepare(text), fits, mention or "\0")
    if not values:
        raise _invalid(NO_JSON, text)
    if cut_off or any(value != values[0][1] for _, value in values) or any(c.twice for c, _ in values):
        raise _invalid(TWO_ANSWERS, text)
    return values[0][1]


_NAMES = {"".join(c for c in n if c.isalnum()): n for n in (*SECTIONS, "item_ids", "profile", "explanation", "changes")}


def _named_as_asked(value: Any) -> Any:
    """The value with the schema's names for what only spells them otherwise (``itemIds``, ``People and themes``)."""
    if isinstance(value, list):
        return [_named_as_asked(v) for v in value]
    if not isinstance(value, dict):
        return value
    named = {_NAMES.get("".join(c for c in k.lower() if c.isalnum()), k): _named_as_asked(v) for k, v in value.items()}
    return named if len(named) == len(value) else value


def _is_update(value: Any) -> bool:
    return isinstance(value, dict) and any(k.lower() == "profile" and isinstance(v, dict) for k, v in value.items())


def read_update(text: str, about: str, batch: Sequence[Rated]) -> Update:
    """An update answer as an `Update`.

    Raises:
        ModelError: the answer lacks a part or has one of the wrong type (kind ``invalid``).
    """
    try:
        found = find_json(text, _is_update, "profile")
    except ModelError as error:
        if error.message == TWO_ANSWERS:
            raise
        found = find_json(text)  # whose fault is named
    try:
        answer = UpdateAnswer.model_validate(_named_as_asked(found))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _invalid(f"The model's answer does not fit: {where}: {first['msg']}.", text) from None
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
    item_ids = {i.id for i in items}
    prepared = prepare(text)
    rows = _rows(prepared, item_ids, scale)
    # Log probabilities know places in the text: one that had to be unpacked has others.
    probabilities = rating_probabilities(prepared, tokens, scale) if len(prepared) == len(text) else {}
    by_id = {item_id: _rating(item_id, row, scale, probabilities.get(item_id)) for item_id, row in rows.items()}
    return tuple(
        by_id.get(i.id) or SimulatedRating(i.id, None, None, failure=LEFT_OUT.replace("ITEM", i.item_nouns.singular))
        for i in items
    )


Row = Mapping[str, Any]


def _rows(prepared: str, item_ids: set[int], scale: RatingScale) -> dict[int, Row]:
    """The rows of a prepared answer by item id; one that stands twice with two ratings is ambiguous.

    Raises:
        ModelError: there is no list of ratings, or there are two that differ.
    """
    values, cut_off = _fitting(prepared, lambda value: _listed(value) is not None or _row(value) is not None, "item")
    lists: list[list[tuple[Candidate, Row]]] = []
    loose: dict[int, list[tuple[Candidate, Row]]] = {}
    for candidate, value in values:
        listed = _listed(value)
        if listed is not None:
            lists.append([(candidate, row) for row in listed])
        elif (row := _row(value)) is not None and not (candidate.group >= 0 and candidate.is_repaired):
            loose.setdefault(candidate.group, []).append((candidate, row))
    answers = [_by_id(prepared, rows, item_ids, scale) for rows in (*lists, *loose.values())]
    given = [a for a in answers if a]
    if not given and not lists and not any(loose.values()):
        raise _invalid("The model's answer has no list of ratings.", prepared.strip())
    told = [{i: (row.get("rating"), row.get("expected")) for i, row in a.items()} for a in given]
    # Behind a list that is whole, the beginning of another one is a second answer.
    if any(t != told[0] for t in told) or (lists and given and cut_off) or any("ratings" in c.twice for c, _ in values):
        raise _invalid(TWO_ANSWERS, prepared.strip())
    return given[0] if given else {}


def _row(value: Any) -> Row | None:
    """An object with an item's id: its fields, under their names in the schema (``itemId`` is ``item_id``)."""
    if not isinstance(value, dict):
        return None
    row: dict[str, Any] = {}
    for name, field in value.items():
        # Nearly every name is as it was asked for, and to spell each letter by letter takes as long as all the rest.
        known = name if name in _ASKED else _FIELDS.get("".join(c for c in name.lower() if c.isalnum()), str(name))
        if known in row and row[known] != field:
            row[AMBIGUOUS] = True
        row[known] = field
    if isinstance(value, DuplicateKeys) and {_FIELDS.get(n, n) for n in value.names} & {"item_id", "rating"}:
        row[AMBIGUOUS] = True
    return row if "item_id" in row else None


_FIELDS = {"itemid": "item_id", "rating": "rating", "expected": "expected", "reason": "reason"}
_ASKED = frozenset(_FIELDS.values())
AMBIGUOUS = " ambiguous"
"""The field that marks a row of which two ids or ratings are given."""


def _listed(value: Any) -> list[Row] | None:
    """The rows of a list of ratings, or of one by id (``{"ratings": {"50": {…}}}``); ``None`` for anything else."""
    rows = value.get("ratings") if isinstance(value, dict) else value
    if isinstance(value, list) and not any(_row(r) is not None for r in value):
        return None
    if isinstance(rows, dict) and rows and all(read_id(k) is not None for k in rows):
        rows = [{"item_id": k, **(v if isinstance(v, dict) else {"rating": v})} for k, v in rows.items()]
    if not isinstance(rows, list):
        return None
    return [row for r in rows if (row := _row(r)) is not None]


def _by_id(text: str, rows: Sequence[tuple[Candidate, Row]], item_ids: set[int], scale: RatingScale) -> dict[int, Row]:
    """The rows of asked items by id, each with the rating that stands in the text; of two ratings none is taken."""
    by_id: dict[int, Row] = {}
    for candidate, row in rows:
        item_id = read_id(row["item_id"])
        if item_id is None or item_id not in item_ids:
            continue
        if candidate.is_repaired:
            row = _as_written(text[candidate.start : candidate.end], item_id, row, scale)
        if item_id not in by_id:
            by_id[item_id] = row
        elif read_number(by_id[item_id].get("rating"), scale.highest) != read_number(row.get("rating"), scale.highest):
            by_id[item_id] = {**row, AMBIGUOUS: True}
    return by_id


_NAMED_ID = re.compile(r"""["']?\bitem[\s_-]?id["']?\s*[:=]\s*(?P<value>"[^"]*"|'[^']*'|[^,}\]\n]*)""", re.IGNORECASE)
_NAMED = r"""["']?\b{}["']?\s*[:=]\s*(?P<value>"[^"]*"|'[^']*'|[^,}}\]\n]*)"""
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|#[^\n]*", re.DOTALL)


def _as_written(text: str, item_id: int, row: Row, scale: RatingScale) -> Row:
    """A row that was mended, if what stands in the text beside its id says the same; else it is ambiguous.

    A mended text may have lost, moved or joined something. So its id and rating count if the part of the text from this
    id to the next one, or from the one before to this, has exactly one rating, and that is the row's.
    """
    ids = list(_NAMED_ID.finditer(text))
    mine = [n for n, m in enumerate(ids) if read_id(_bare(m["value"])) == item_id]
    checked: dict[str, Any] = {**row, AMBIGUOUS: True}
    if len(mine) != 1:
        return checked
    start = text.rfind("{", 0, ids[mine[0]].start())
    end = text.find("}", ids[mine[0]].end())
    written = text[max(start, 0) : end if end >= 0 else len(text)]
    if len(_NAMED_ID.findall(written)) != 1:
        return checked
    for name in ("rating", "expected"):
        found = re.findall(_NAMED.format(name), written, re.IGNORECASE)
        value = read_number(row.get(name), scale.highest)
        if len(found) != 1 or value is None or read_number(_bare(found[0]), scale.highest) != value:
            if name == "rating":
                return checked
            checked[name] = None
    del checked[AMBIGUOUS]
    return checked


def _bare(value: str) -> str:
    return _COMMENT.sub("", value).strip().strip("\"'").strip()


def _rating(item_id: int, row: Row, scale: RatingScale, probabilities: RatingProbabilities | None) -> SimulatedRating:
    rating, stated = (read_number(row.get(k), scale.highest) for k in ("rating", "expected"))
    if row.get(AMBIGUOUS):
        return SimulatedRating(item_id, None, None, failure="The model's rating can't be told from its answer.")
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
    return SimulatedRating(
        item_id, rating, float(min(max(stated, scale.lowest), scale.highest)), None, reason, how="stated"
    )
