"""What runs on the machines of a cluster: the actor beside the database, and the workers with a file of their own."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import StoreError
from lusifer.evaluation import RunContext
from lusifer.evaluation.simulation import MAX_UNANSWERED_IN_A_ROW, SimulationResult, simulate
from lusifer.simulator import UserModelConfig
from lusifer.simulator.community import Community
from lusifer.store import Store
from lusifer.store.bookings import Room

ANSWERS_PER_BATCH = 200
"""Answers handed in at a time."""
TRY_AGAIN_SECONDS = 300.0
"""Between two users who are tried at a server that is gone; a local run tries it anew with each part."""


@dataclass(frozen=True)
class SharedInputs:
    """What all workers need, sent to each machine once."""

    dataset: Dataset
    split: Split
    community: Community | None
    forecasts: bool


class HomeStore(Store):
    """The database, whose process holds the claims and bookings of all workers: each is the one worker's that asked."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._claims: dict[str, set[str]] = {}
        self._bookings: dict[str, set[int]] = {}

    def claim_for(self, worker: str, key: str, beside_batches: bool) -> bool:
        """Claim an answer for a worker, see `Store.claim_answer`."""
        claimed = self.claim_answer(key, beside_batches=beside_batches)
        if claimed:
            self._claims.setdefault(worker, set()).add(key)
        return claimed

    def release_for(self, worker: str, key: str) -> None:
        """A worker's claim ends, if it has it."""
        if key in self._claims.get(worker, ()):
            self._claims[worker].remove(key)
            self.release_answer(key)

    def set_aside_for(self, worker: str, *booking: Any) -> int | tuple[str, str]:
        """Set money aside for a worker's call, see `Store.set_aside`."""
        number = self.set_aside(*booking)
        if isinstance(number, int):
            self._bookings.setdefault(worker, set()).add(number)
        return number

    def settle_for(self, worker: str, booking: int, tokens: int, dollars: float | None) -> None:
        """A worker's call has its price."""
        self.settle(booking, tokens, dollars)
        self._bookings.get(worker, set()).discard(booking)

    def settle_estimated_for(self, worker: str, booking: int) -> None:
        """A worker's call has a price that will never be known."""
        self.settle_estimated(booking)
        self._bookings.get(worker, set()).discard(booking)

    def release_worker(self, worker: str) -> None:
        """A worker is gone: whoever waits for what it asked, or for what it set aside, goes on."""
        for key in self._claims.pop(worker, ()):
            self.release_answer(key)
        for booking in self._bookings.pop(worker, ()):
            with contextlib.suppress(StoreError):  # the others come back all the same
                self.settle_estimated(booking)


class StoreActor:
    """The database, for workers; runs on the machine that has its file."""

    def __init__(self, path: str) -> None:
        self.store = HomeStore(path)

    def call(self, method: str, *values: Any) -> Any:
        """Call a method of the store."""
        return getattr(self.store, method)(*values)

    def import_answers(self, answers: Sequence[tuple[str, dict[str, Any], dict[str, Any]]]) -> int:
        """Take in answers that a worker left behind; how many were new."""
        missing = {key for key, _, _ in answers} - self.store.has_answers([k for k, _, _ in answers])
        for key, answer, call in answers:
            if key in missing:
                self.store.save_answer(key, answer, call)
        return len(missing)


class WorkerStore(Store):
    """A worker's own file, with the home behind it.

    Args:
        call_home: calls a method of the store actor and returns a promise; `wait_for` waits for one.
        worker: whose claims these are.
    """

    def __init__(
        self, path: Path, call_home: Callable[..., Any], wait_for: Callable[[Any], Any], worker: str = ""
    ) -> None:
        super().__init__(path)
        self.worker = worker
        self._call_home, self._wait_for, self._sent = call_home, wait_for, threading.local()
        self._fetched: set[tuple[str, str]] = set()  # models whose adaptations came from home

    def _send(self, method: str, *values: Any) -> None:
        sent = self._promises()
        sent.append((self._call_home(method, *values), values[0] if method == "save_answer" else ""))
        if len(sent) > 64:
            self._confirm(sent)

    def _confirm(self, sent: list[tuple[Any, str]]) -> None:
        """Wait for the oldest promise; an answer that is kept at home is needed here no longer."""
        promise, key = sent.pop(0)
        self._wait_for(promise)
        if key:
            self.delete_answer(key)

    def _promises(self) -> list[tuple[Any, str]]:
        if not hasattr(self._sent, "list"):
            self._sent.list = []
        promises: list[tuple[Any, str]] = self._sent.list
        return promises

    def flush(self) -> None:
        """Wait until all that this thread sent is kept at home."""
        sent = self._promises()
        while sent:
            self._confirm(sent)

    def get_answer(self, key: str) -> dict[str, Any] | None:
        """See `Store`."""
        return super().get_answer(key) or self._wait_for(self._call_home("get_answer", key))

    def has_answers(self, keys: Sequence[str]) -> set[str]:
        """See `Store`."""
        return set(self._wait_for(self._call_home("has_answers", list(keys))))

    def save_answer(self, key: str, answer: dict[str, Any], call: dict[str, Any]) -> None:
        """See `Store`; kept here before it is sent."""
        super().save_answer(key, answer, call)
        self._send("save_answer", key, answer, call)

    def save_call(self, call: dict[str, Any]) -> None:
        """See `Store`."""
        self._send("save_call", call)

    def reject_answer(self, key: str, reason: str) -> None:
        """See `Store`."""
        super().reject_answer(key, reason)
        self._send("reject_answer", key, reason)

    def set_aside(
        self,
        names: dict[str, str],
        tokens: int,
        dollars: float | None,
        limits: Mapping[tuple[str, str], float],
        model: str = "",
        owned: bool = True,
    ) -> int | tuple[str, str]:
        """See `Store`; counted at home, for all workers together."""
        booking = self._wait_for(
            self._call_home("set_aside_for", self.worker, names, tokens, dollars, dict(limits), model, owned)
        )
        return booking if isinstance(booking, int) else tuple(booking)

    def list_adaptations(self, address: str = "", model: str = "") -> list[dict[str, Any]]:
        """See `Store`; what is known at home is fetched once."""
        if (address, model) not in self._fetched:
            self._fetched.add((address, model))
            for row in self._wait_for(self._call_home("list_adaptations", address, model)):
                super().save_adaptation(**row)
        return super().list_adaptations(address, model)

    def save_adaptation(self, address: str, model: str, adaptation: str, learned_at: str = "") -> None:
        """See `Store`; kept here and at home."""
        super().save_adaptation(address, model, adaptation, learned_at)
        self._send("save_adaptation", address, model, adaptation, learned_at)

    def delete_adaptations(self, address: str = "", model: str = "", only: Iterable[str] | None = None) -> int:
        """See `Store`; forgotten here and at home."""
        names = None if only is None else list(only)
        self._send("delete_adaptations", address, model, names)
        return super().delete_adaptations(address, model, names)

    def settle_estimated(self, booking: int) -> None:
        """See `Store`."""
        self._send("settle_estimated_for", self.worker, booking)

    def get_room(self, scope: str, name: str, unit: str) -> Room:
        """See `Store`."""
        room: Room = self._wait_for(self._call_home("get_room", scope, name, unit))
        return room

    def release_dead_bookings(self) -> int:
        """See `Store`."""
        return int(self._wait_for(self._call_home("release_dead_bookings")))

    def claim_answer(self, key: str, *, beside_batches: bool = False) -> bool:
        """See `Store`; held at home."""
        return bool(self._wait_for(self._call_home("claim_for", self.worker, key, beside_batches)))

    def release_answer(self, key: str) -> None:
        """See `Store`; it arrives after the answer that was sent before."""
        self._send("release_for", self.worker, key)

    def settle(self, booking: int, tokens: int, dollars: float | None) -> None:
        """See `Store`."""
        self._send("settle_for", self.worker, booking, tokens, dollars)

    def settle_later(self, booking: int, tokens: int, dollars: float | None) -> None:
        """See `Store`; sent at once: what is written next is written elsewhere."""
        self.settle(booking, tokens, dollars)

    def save_evolution(self, evolution: str, fields: dict[str, Any]) -> None:
        """See `Store`."""
        self._send("save_evolution", evolution, fields)

    def save_steps(self, evolution: str, steps: Sequence[dict[str, Any]]) -> None:
        """See `Store`."""
        self._send("save_steps", evolution, list(steps))

    def list_steps(self, evolution: str) -> list[dict[str, Any]]:
        """See `Store`."""
        return list(self._wait_for(self._call_home("list_steps", evolution)))

    def save_ratings(self, evolution: str, step: int, ratings: Iterable[dict[str, Any]]) -> None:
        """See `Store`."""
        self._send("save_ratings", evolution, step, list(ratings))

    def get_ratings(self, evolution: str, step: int, item_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """See `Store`."""
        return dict(self._wait_for(self._call_home("get_ratings", evolution, step, list(item_ids))))


class Worker:
    """Simulates users, on whatever machine it was put.

    Args:
        work: a promise of the `SharedInputs`.
        home: the actor beside the database; none where nobody is asked.
        folder: where answers are kept on this machine.
        name: of its own; one that starts anew in its place has the same.
    """

    def __init__(
        self, work: list[Any], model_config: UserModelConfig, run: str, store_actor: Any, folder: str, name: str
    ) -> None:
        import ray

        self.work: SharedInputs = ray.get(work[0])
        self.stopped, self._counting, self._busy = threading.Event(), threading.Lock(), 0
        self._unanswered: list[str] = []  # in a row, whichever call they came with
        self._next_try = time.monotonic() + TRY_AGAIN_SECONDS
        self.store: WorkerStore | None = None
        if store_actor is not None:
            self._file = Path(folder) / f"{uuid.uuid4().hex[:12]}.db"
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FileLock(self._file.with_suffix(".lock"))
            self._lock.acquire()
            self.store = WorkerStore(self._file, store_actor.call.remote, ray.get, name)
            hand_in(self._file.parent, lambda found: ray.get(store_actor.import_answers.remote(found)))
        self.model = model_config.build(self.store, run=run, cancelled=self.stopped.is_set)

    def pid(self) -> int:
        """The process that this worker is."""
        return os.getpid()

    def simulate(self, users: Sequence[int]) -> SimulationResult:
        """Simulate some users.

        Raises:
            ModelError: a fatal one.
            CancelledError: after `stop`.
        """
        test = self.work.split.test.of_users(users)
        with self._counting:
            self._busy += 1
            if len(self._unanswered) >= MAX_UNANSWERED_IN_A_ROW and time.monotonic() > self._next_try:
                self._unanswered.pop()  # one user tells whether the server is back
                self._next_try = time.monotonic() + TRY_AGAIN_SECONDS
        try:
            ctx = RunContext(self.work.dataset, self.work.split, self.store, cancelled=self.stopped.is_set)
            return simulate(
                ctx,
                self.model,
                test,
                forecasts=self.work.forecasts,
                community=self.work.community,
                unanswered_before=self._unanswered,
            )
        finally:
            try:
                if self.store is not None:
                    self.store.flush()
            finally:
                with self._counting:
                    self._busy -= 1

    def stop(self) -> None:
        """Begin no further call; what is under way is waited for, since it is paid."""
        self.stopped.set()

    def leave(self) -> None:
        """Forget this worker's file, if all is handed in."""
        if self.store is not None and not self._busy and not self.store.has_any_answer():
            self.store.close()
            for path in self._file.parent.glob(f"{self._file.stem}.*"):
                path.unlink(missing_ok=True)
            self._lock.release()


def hand_in(folder: Path, adopt: Callable[[Any], Any]) -> None:
    """Give what workers of this run left behind on this machine to the home."""
    for path in sorted(folder.glob("*.db")):
        lock = FileLock(path.with_suffix(".lock"))
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue  # it is alive, or somebody else is handing it in
        try:
            leftover = Store(path)
            while answers := leftover.list_answers(ANSWERS_PER_BATCH):
                adopt(answers)
                for key, _, _ in answers:
                    leftover.delete_answer(key)
            leftover.close()
            for old in folder.glob(f"{path.stem}.*"):
                if old.suffix != ".lock":
                    old.unlink(missing_ok=True)
        except StoreError:
            pass  # a file that was cut off before its first answer, or a home that can't write: it stays
        finally:
            lock.release()
