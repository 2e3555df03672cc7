"""Where a trace's calls come from: a recording's answers, or the calls of a run or an evolution in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from lusifer.datasets import Dataset
from lusifer.llm.recordings import PREFIX, Recording, list_recordings
from lusifer.simulator import label
from lusifer.store import FIRST_LOCAL, Store
from lusifer.store.traces import MOST_USERS, Scope
from lusifer.ui.components.user_picker import first_recorded, nearest_recorded
from lusifer.ui.pages.llm_calls import traced_calls
from lusifer.ui.pages.llm_calls.traced_calls import Sums, TracedCall

SCOPES: tuple[Scope, ...] = ("run", "evolution")
UNRECORDED = {"evolve-": "Evolution", "rate-": "Predicted ratings", "scratch-": "Draft of a prompt"}
"""How calls outside recorded runs are called, by how their names begin."""
COST_COLUMNS = ["purpose", "step", "seconds", "input_tokens", "output_tokens", "price"]


class TraceSource(Protocol):
    """What a tree is drawn from."""

    @property
    def name(self) -> str:
        """In the address: ``recorded:NAME``, ``run:ID`` or ``evolution:ID``."""
        ...

    @property
    def title(self) -> str:
        """For people."""
        ...

    def label(self, user: int | None) -> str:
        """A user as people know them."""
        ...

    def find_user(self, label: str) -> int | None:
        """The user that a label names; ``None`` where there is none."""
        ...

    def nearest_user(self, label: str) -> int | None:
        """Whose calls stand for those of a user whom there are none about, or of nobody (""); ``None``: the first's."""
        ...

    def users(self, first: int | None) -> Mapping[int | None, Sums]:
        """Sums by user, ascending, from one on: at most `MOST_USERS`."""
        ...

    def calls(self, user: int | None) -> list[TracedCall]:
        """The calls about one user."""
        ...

    def total(self) -> Sums:
        """Sums over everything."""
        ...

    def costs(self) -> pd.DataFrame:
        """The newest calls for the charts, with `COST_COLUMNS`."""
        ...


@dataclass(frozen=True)
class RecordingTrace:
    """The answers of a recording, which needs no database."""

    recording: Recording
    dataset: Dataset | None

    @property
    def name(self) -> str:
        """See `TraceSource`."""
        return self.recording.spec

    @property
    def title(self) -> str:
        """See `TraceSource`."""
        return f"Recording {self.recording.name}"

    def label(self, user: int | None) -> str:
        """See `TraceSource`."""
        return _label(self.dataset, user)

    def find_user(self, label: str) -> int | None:
        """See `TraceSource`."""
        user = _find_user(self.dataset, label)
        return user if user in self.recording.header.users else None

    def nearest_user(self, label: str) -> int | None:
        """See `TraceSource`."""
        user = _find_user(self.dataset, label)
        return first_recorded(self.recording) if user is None else nearest_recorded(self.recording, user)

    def users(self, first: int | None) -> Mapping[int | None, Sums]:
        """See `TraceSource`."""
        sums = traced_calls.recorded_sums(self.recording)
        return dict([(u, s) for u, s in sums.items() if first is None or u >= first][:MOST_USERS])

    def calls(self, user: int | None) -> list[TracedCall]:
        """See `TraceSource`."""
        return traced_calls.recorded_calls(self.recording, user, self.label(user)) if user is not None else []

    def total(self) -> Sums:
        """See `TraceSource`."""
        sums = traced_calls.recorded_sums(self.recording).values()
        return Sums(calls=sum(s.calls for s in sums), tokens=sum(s.tokens for s in sums))

    def costs(self) -> pd.DataFrame:
        """See `TraceSource`."""
        rows = [
            (purpose, step, None, answer.input_tokens or None, answer.output_tokens or None, None)
            for (_, step, purpose), parts in self.recording.answers.items()
            for answer in parts
        ]
        return pd.DataFrame(rows, columns=COST_COLUMNS)


@dataclass(frozen=True)
class StoredTrace:
    """The calls of a run or an evolution in the database.

    ``dataset`` is the one that its users are of; ``None`` where that is another one than the page looks at. ``local``
    says whether calls about local users may be shown.
    """

    store: Store
    scope: Scope
    id: str
    title: str
    dataset: Dataset | None
    local: bool
    usage: Sums | None = None

    @property
    def name(self) -> str:
        """See `TraceSource`."""
        return f"{self.scope}:{self.id}"

    def label(self, user: int | None) -> str:
        """See `TraceSource`."""
        return _label(self.dataset, user)

    def find_user(self, label: str) -> int | None:
        """See `TraceSource`."""
        user = _find_user(self.dataset, label)
        if user is None or (not self.local and user >= FIRST_LOCAL):
            return None
        found = self.store.sum_trace_users(self.scope, self.id, local=self.local, first=user, limit=1)
        return user if found and found[0]["user_id"] == user else None

    def nearest_user(self, label: str) -> int | None:
        """See `TraceSource`."""
        return None

    def users(self, first: int | None) -> Mapping[int | None, Sums]:
        """See `TraceSource`."""
        rows = self.store.sum_trace_users(self.scope, self.id, local=self.local, first=first)
        return {row["user_id"]: traced_calls.stored_sums(row) for row in rows}

    def calls(self, user: int | None) -> list[TracedCall]:
        """See `TraceSource`."""
        if not self.local and (user or 0) >= FIRST_LOCAL:
            return []
        return [traced_calls.stored_call(row) for row in self.store.list_trace_calls(self.scope, self.id, user)]

    def total(self) -> Sums:
        """See `TraceSource`."""
        if self.scope == "run" and self.local:  # kept beside the rows: nothing is added up
            usage = self.store.get_run_usage(self.id)
            return traced_calls.stored_sums({**usage, "latency_ms": None})
        return traced_calls.add(self.users(None).values())

    def costs(self) -> pd.DataFrame:
        """See `TraceSource`."""
        table = pd.DataFrame(self.store.list_traced_costs(self.scope, self.id, local=self.local))
        if table.empty:
            return pd.DataFrame(columns=COST_COLUMNS)
        return table.assign(seconds=pd.to_numeric(table["latency_ms"]) / 1000)[COST_COLUMNS]


def _label(dataset: Dataset | None, user: int | None) -> str:
    if user is None or user >= FIRST_LOCAL:
        return "–" if user is None else str(user)
    return str(dataset.user_label(user)) if dataset is not None and user in dataset.users.index else str(user)


def _find_user(dataset: Dataset | None, label: str) -> int | None:
    if dataset is not None and label in dataset.user_numbers:
        return dataset.user_numbers[label]
    number = int(label) if label.isascii() and label.isdigit() and len(label) <= 18 else None
    if number is None or (dataset is not None and number < FIRST_LOCAL):
        return None
    return number


def list_titles(store: Store | None, *, local: bool) -> dict[str, str]:
    """What can be traced: names and titles of recordings, then of runs, the newest first."""
    titles = {r.spec: f"Recording {r.name}" for r in list_recordings()}
    for row in store.list_traced_runs() if store is not None else []:
        if local or store is None or store.sum_trace_users("run", row["run"], local=False, limit=1):
            calls = int(row["made"]) + int(row["cached"])
            title = _run_title(row["run"], row["title"] or row["kind"])
            titles[f"run:{row['run']}"] = f"{title} ({calls:,} call{'s' * (calls != 1)})"
    return titles


def _run_title(run: str, title: str | None) -> str:
    """A run as people know it; calls outside recorded runs have names of their own."""
    if title is None and run == "again":
        return "Asked again"
    for prefix, name in UNRECORDED.items():
        if title is None and run.startswith(prefix):
            return f"{name} {run.removeprefix(prefix)}"
    return f"{title or 'Run'} {run}"


def open_trace(name: str, store: Store | None, dataset: Dataset, *, local: bool) -> TraceSource | None:
    """The trace of a name; ``None`` where there is none.

    Args:
        name: as in the address.
        store: the database, if there is one.
        dataset: what the page looks at.
        local: whether calls about local users may be shown.
    """
    if name.startswith(PREFIX):
        recording = next((r for r in list_recordings() if r.spec == name), None)
        same = recording is not None and recording.header.dataset_hash == dataset.hash
        return RecordingTrace(recording, dataset if same else None) if recording is not None else None
    scope, _, number = name.partition(":")
    found = next((s for s in SCOPES if s == scope), None)
    if store is None or found is None or not number or not store.has_trace(found, number):
        return None
    if not local and not store.sum_trace_users(found, number, local=False, limit=1):
        return None
    about = store.get_run(number) if found == "run" else store.get_evolution(number)
    if about is None and number.startswith("evolve-"):
        about = store.get_evolution(number.removeprefix("evolve-"))
    other = about is not None and about["dataset_hash"] not in {None, dataset.hash}
    title = f"Evolution {number}"
    if found == "evolution" and about is not None and not other and about["user_id"] in dataset.users.index:
        title = f"Evolution of user {dataset.user_label(about['user_id'])} by {label(about['model'])}"
    if found == "run":
        title = _run_title(number, (about or {}).get("title") or (about or {}).get("kind"))
    return StoredTrace(store, found, number, title, None if other else dataset, local)
