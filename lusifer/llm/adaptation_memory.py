"""What was learned of a model's server, kept in the database for 30 days; and one call's dealings with refusals."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from lusifer.errors import StoreError
from lusifer.llm import adaptations
from lusifer.llm.endpoints import Endpoint
from lusifer.llm.redact import redact
from lusifer.llm.server_errors import ServerError
from lusifer.store import Store, now

KEPT_DAYS = 30
"""Servers are updated: what was learned earlier is tried anew."""
SECONDS_BETWEEN_TRIALS = 600.0
"""Where a refusal names no part, all that was learned is tried anew, but not at every call."""
_learned: dict[tuple[str, str], dict[str, str]] = {}
_trials: dict[tuple[str, str], float] = {}
_lock = threading.Lock()
log = logging.getLogger(__name__)


def address_of(endpoint: Endpoint) -> str:
    """An endpoint's address without user, password, key and query: what its models are remembered under."""
    parts = urlsplit(endpoint.url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return redact(f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}", *endpoint.secrets)


class AdaptationMemory:
    """What was learned of one model at one address.

    Args:
        endpoint: the server.
        model: its model.
        store: the database, where all processes find it; ``None``: it holds as long as this process.
        shared: whether others may learn from it; else it holds for this object alone.
    """

    def __init__(self, endpoint: Endpoint, model: str, store: Store | None = None, *, shared: bool = True) -> None:
        self.address, self.model = address_of(endpoint), model
        self._store = store if shared else None
        self._name = (self.address, model)
        self._own: dict[str, str] = {}  # of this object: where nothing is shared, or could not be stored
        self._shared = shared

    def learned(self) -> dict[str, str]:
        """The adaptations and when each was learned (ISO 8601, UTC), in that order; none older than `KEPT_DAYS`."""
        found = dict(self._own)
        if self._store is not None:
            with contextlib.suppress(StoreError):
                found |= {r["adaptation"]: r["learned_at"] for r in self._store.list_adaptations(*self._name)}
        elif self._shared:
            with _lock:
                found |= _learned.get(self._name, {})
        return keep_valid(found)

    def remember(self, adaptation: str, learned_at: str = "") -> None:
        """Keep an adaptation, learned now or at a given time."""
        learned_at = learned_at or now()
        if self._store is not None:
            try:
                self._store.save_adaptation(*self._name, adaptation, learned_at)
                return
            except StoreError as error:
                log.warning("What the server of %s refused can't be remembered: %s", self.model, error)
        if self._store is not None or not self._shared:
            self._own[adaptation] = learned_at
            return
        with _lock:
            _learned.setdefault(self._name, {})[adaptation] = learned_at

    def forget(self, only: Collection[str] | None = None) -> None:
        """Forget all that was learned, or some of it."""
        for kept in (self._own, _learned.get(self._name, {})):
            with _lock:
                for adaptation in list(kept if only is None else only):
                    kept.pop(adaptation, None)
        if self._store is not None:
            with contextlib.suppress(StoreError):
                self._store.delete_adaptations(*self._name, only)

    def may_try_anew(self) -> bool:
        """Whether all that was learned may be tried anew now; from then on not for `SECONDS_BETWEEN_TRIALS`."""
        with _lock:
            last = _trials.get(self._name)
            if last is not None and time.monotonic() - last < SECONDS_BETWEEN_TRIALS:
                return False
            _trials[self._name] = time.monotonic()
            return True


def keep_valid(learned: Mapping[str, str]) -> dict[str, str]:
    """Of adaptations and their times those that are known here and not older than `KEPT_DAYS`."""
    oldest = (datetime.now(UTC) - timedelta(days=KEPT_DAYS)).isoformat()
    return {a: when for a, when in learned.items() if adaptations.is_adaptation(a) and when >= oldest}


def list_learned(store: Store, address: str = "", model: str = "") -> list[dict[str, Any]]:
    """What the database holds of servers: rows of address, model, adaptation, learned_at and meaning."""
    rows = store.list_adaptations(address, model)
    valid = [row for row in rows if keep_valid({row["adaptation"]: row["learned_at"]})]
    return [{**row, "meaning": adaptations.describe(row["adaptation"])} for row in valid]


def forget_process_memory() -> None:
    """Forget what this process learned without a database, as a new process does."""
    with _lock:
        _learned.clear()
        _trials.clear()


class Negotiation:
    """One call's way to a form of its request that the server takes; ``learned`` is what its first form rests on."""

    def __init__(self, memory: AdaptationMemory, learned: Mapping[str, str]) -> None:
        self._memory = memory
        self._before = dict(learned)
        self._set_aside: dict[str, str] = {}
        self._learned: list[str] = []

    def adapt(self, error: ServerError, adaptation: str | None) -> bool:
        """Whether to ask again in another form, after a refusal and the adaptation that it asks for, if any."""
        opposite = adaptations.opposites(adaptation) & self._before.keys()
        if opposite:  # what took the place of a refused part is refused now: both may be as they were at first
            self._drop(opposite)
            return True
        if adaptation is not None and adaptation not in self._learned:
            self._learned.append(adaptation)
            log.info("%s refused a part of the request: %s.", self._memory.model, adaptations.describe(adaptation))
            self._memory.remember(adaptation)
            return True
        unnamed = adaptation is None and error.kind in {"request", "missing"}
        if unnamed and self._before and self._memory.may_try_anew():
            self._set_aside = dict(self._before)
            self._drop(self._before)
            return True
        return False

    def _drop(self, names: Iterable[str]) -> None:
        gone = set(names)
        self._memory.forget(gone)
        self._before = {a: when for a, when in self._before.items() if a not in gone}

    def fail(self, *, undo: bool) -> None:
        """The call failed: what was set aside was not the reason; nor was what was left out, where it is undone."""
        for adaptation, when in self._set_aside.items():
            self._memory.remember(adaptation, when)
        if undo:
            self._memory.forget([a for a in self._learned if a not in self._set_aside])
