"""Prompt versions: numbered, never changed, pointed at by labels that move.

A version is named by a label (``active``), by a shipped set's name (``grounded``) or by its number in this
database (``v4``); on another machine the number means something else, so what travels is the file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from lusifer.errors import InvalidInputError
from lusifer.prompts.prompt_sets import (
    DEFAULT,
    SHIPPED,
    TEMPLATES,
    TITLES,
    PromptSet,
    from_json,
    load,
    to_json,
)
from lusifer.prompts.prompt_sets import find as find_file
from lusifer.store import Store

ACTIVE, BASELINE = "active", "baseline"
LABELS = (ACTIVE, BASELINE)
"""Labels that are always there: what is used unless somebody says otherwise, and what it is held against."""


@dataclass(frozen=True)
class PromptVersion:
    """One version: its number, content, the number that it was made from, a note, and when."""

    number: int
    prompts: PromptSet
    parent: int | None
    note: str
    created_at: str

    @property
    def name(self) -> str:
        """How it is asked for: a shipped set by its name, any other by its number."""
        return version_name(self.number, self.prompts)


def version_name(number: int, prompts: PromptSet) -> str:
    """A shipped set's name, or ``v`` and the number."""
    shipped = prompts.name in SHIPPED and prompts == load(prompts.name)
    return prompts.name if shipped else f"v{number}"


def save(store: Store, prompts: PromptSet, parent: int | None = None, note: str = "") -> PromptVersion:
    """Keep a set as a version; the one that is there already if its content is.

    Raises:
        StoreError: the database can't be written.
    """
    text = to_json(prompts)
    return get(store, store.save_prompt(prompts.hash, prompts.name, text, parent, note.strip()))


def get(store: Store, number: int) -> PromptVersion:
    """A version by its number.

    Raises:
        InvalidInputError: there is none.
    """
    row = store.get_prompt(number)
    if row is None:
        raise InvalidInputError(
            f"There is no prompt version v{number} in this database.",
            "See the list on the Prompts page.",
        )
    return PromptVersion(number, _read(row["data"]), row["parent"], row["note"] or "", row["created_at"])


def recorded_numbers(store: Store) -> dict[str, int]:
    """Numbers of versions by what calls and runs are recorded under, ``NAME-HASH``."""
    return {f"{row['name']}-{row['hash'][:8]}": row["number"] for row in store.list_prompts()}


def find_recorded(store: Store, version: str) -> PromptVersion | None:
    """The version of such a name; ``None`` where it is not here."""
    number = recorded_numbers(store).get(version)
    return None if number is None else get(store, number)


@lru_cache(maxsize=256)
def _read(text: str) -> PromptSet:
    return from_json(text)


def ensure_shipped_versions(store: Store) -> None:
    """Number the shipped sets and set the labels that are always there.

    Once for each database, and again when a new release ships other sets.
    """
    hashes = {row["hash"] for row in store.list_prompts()}
    for name in SHIPPED:
        if load(name).hash not in hashes:
            earlier = [r["number"] for r in store.list_prompts() if r["name"] == name]
            save(store, load(name), max(earlier, default=None), f"Shipped. {TITLES[name]}")
    if set(LABELS) - set(store.list_prompt_labels()):
        for label in LABELS:
            store.move_label(label, save(store, load(DEFAULT)).number, unless_there=True)


def list_names(store: Store | None, limit: int = 60) -> list[str]:
    """All that can be asked for, labels first, then shipped sets, then the newest other versions."""
    if store is None:
        return list(SHIPPED)
    ensure_shipped_versions(store)
    labels = store.list_prompt_labels()
    shipped = {load(n).hash for n in SHIPPED}
    others = [f"v{r['number']}" for r in store.list_prompts() if r["hash"] not in shipped]
    custom_labels = [x for x in labels if x not in LABELS]
    return [*LABELS, *custom_labels, *SHIPPED, *others[:limit]]


def resolve(name: str, store: Store | None, *, files: bool = False) -> PromptSet:
    """A set by label, shipped name or number; with ``files`` also from a file.

    Raises:
        InvalidInputError: there is none of that name.
    """
    if name in SHIPPED:
        return load(name)
    if store is not None:
        if re.fullmatch(r"v\d{1,9}", name):
            return get(store, int(name[1:])).prompts
        ensure_shipped_versions(store)
        labels = store.list_prompt_labels()
        if name in labels:
            return get(store, labels[name]).prompts
    elif name in LABELS:
        return load()
    if files and (Path(name).suffix or Path(name).exists()):
        return find_file(name)
    raise InvalidInputError(f"There are no prompts named {name!r}.", f"Known: {', '.join(list_names(store, 20))}.")


def check_label(label: str) -> None:
    """Whether a label may be called that.

    Raises:
        InvalidInputError: it may not, and why.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", label) or re.fullmatch(r"v\d+", label):
        raise InvalidInputError(
            f"A label can't be named {label[:40]!r}.",
            "Use lower-case letters, digits and hyphens, starting with a letter.",
        )
    if label in SHIPPED:
        raise InvalidInputError(f"{label} is a shipped set.", "Give the label another name.")


def move_label(store: Store, label: str, number: int) -> int | None:
    """Point a label at a version; where it pointed before.

    Raises:
        InvalidInputError: no such version, or no name for a label.
    """
    check_label(label)
    get(store, number)
    return store.move_label(label, number)


def rollback(store: Store, label: str = ACTIVE) -> int:
    """Move a label back to where it pointed before its last move; the version it points at now.

    Two rollbacks in a row are there and back again: a rollback is a move like any other.

    Raises:
        InvalidInputError: it has no earlier version.
    """
    moves = [m for m in store.list_label_moves(label) if m["before"] is not None]
    if not moves or moves[0]["before"] == store.list_prompt_labels().get(label):
        raise InvalidInputError(f"The label {label} has no earlier version.", "Move it to a version.")
    store.move_label(label, int(moves[0]["before"]))
    return int(moves[0]["before"])


@dataclass(frozen=True)
class Difference:
    """How two sets differ in one template (``lines``, a unified diff) or parameter (``before``, ``after``)."""

    part: str
    lines: tuple[str, ...] = ()
    before: str = ""
    after: str = ""


def diff(before: PromptSet, after: PromptSet) -> list[Difference]:
    """All that differs, parameters first, templates in their order; nothing for the same content."""
    parameters = [(name, old, asdict(after)[name]) for name, old in asdict(before).items() if name != "templates"]
    differences = [
        Difference(name, before=_format_value(old), after=_format_value(new))
        for name, old, new in parameters
        if old != new
    ]
    texts_before, texts_after = dict(before.templates), dict(after.templates)
    for name in TEMPLATES:
        if texts_before[name] != texts_after[name]:
            lines = difflib.unified_diff(
                texts_before[name].splitlines(), texts_after[name].splitlines(), lineterm="", n=2
            )
            differences.append(Difference(name, tuple(list(lines)[2:])))
    return differences


def _format_value(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
