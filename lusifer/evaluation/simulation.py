"""The simulator on a test part: everybody evolved and rated, and what their forecasts teach."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from lusifer import shutdown
from lusifer.datasets import RatingTable
from lusifer.errors import CancelledError, EmptyHistoryError, InvalidInputError, ModelError, UnfinishedError
from lusifer.llm.rate_limit import answered_calls, use_slots
from lusifer.llm.turns import TURNS
from lusifer.simulator import (
    Step,
    UserModel,
    make_evolution_spec,
    rate_items,
    run_evolution,
)
from lusifer.simulator.calibration import Answers, Forecasts, newest_ratings
from lusifer.simulator.community import Community
from lusifer.simulator.run_context import RunContext
from lusifer.simulator.types import SimulatedRating
from lusifer.store import Store

MAX_UNANSWERED_IN_A_ROW = 24
"""Users without an answer, one after the other, after which no further one is asked for: what is stored is used."""
GO_ON = "Run it again once that has passed: what was answered is saved and not asked again."


def describe_unanswered(unanswered: Mapping[int, str], users: int) -> str:
    """How many of so many users were not answered for now, and the first cause; empty where all were."""
    if not unanswered:
        return ""
    cause = next(iter(unanswered.values()))
    return f"{len(unanswered):,} of {users:,} users were not answered. The first cause: {cause}"


@dataclass(frozen=True, eq=False)
class SimulationResult:
    """What a user model said of the test rows, in their order.

    Attributes:
        answers: expected ratings, and what they rest on.
        reasons: by user and item.
        forecasts: what its evolutions forecast.
        failed: users whose evolution failed.
        unanswered: by user, the error that passes by itself for which they were not simulated; they are failed too.
        first_failure: why the first rating is missing, or the first evolution failed; empty where nothing did.
        evolutions: the steps, by user id.
        test: the rows.
        ratings: what was said of each user's rows.
    """

    answers: Answers
    seconds: float
    forecasts: Forecasts
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)
    failed: int = 0
    evolutions: dict[int, list[Step]] = field(default_factory=dict)
    test: RatingTable = field(default_factory=lambda: RatingTable.from_arrays([], [], [], []))
    ratings: dict[int, tuple[SimulatedRating, ...]] = field(default_factory=dict)
    first_failure: str = ""
    unanswered: dict[int, str] = field(default_factory=dict)

    @property
    def has_answers(self) -> bool:
        """Whether there is one rating at least."""
        return bool(np.isfinite(self.answers.expected).any())

    @property
    def told_unanswered(self) -> str:
        """How many users were not answered for now, and why; empty where all were."""
        return describe_unanswered(self.unanswered, len(self.test.user_ids))

    def require_answers(self) -> None:
        """Whether every user was answered, and the model gave one rating at least.

        Raises:
            UnfinishedError: some users were not answered for now.
            ModelError: it gave no rating: there is nothing to report but why.
        """
        if self.unanswered:
            raise UnfinishedError(self.told_unanswered, GO_ON)
        if self.first_failure and not self.has_answers:
            raise ModelError(f"The model gave no rating at all. The first failure: {self.first_failure}")


def simulate(
    ctx: RunContext,
    model: UserModel,
    test: RatingTable,
    *,
    forecasts: bool = False,
    community: Community | None = None,
    history: int | None = None,
    batch_size: int | None = None,
    unanswered_before: list[str] | None = None,
) -> SimulationResult:
    """Evolve every user of the test rows and rate those rows.

    A user without a history is rated from demographics alone. A user whose evolution fails has no
    ratings (they stay missing), and is ``unanswered`` where the error passes by itself; a model that can't be asked at
    all, or a spent budget, ends the work. After `MAX_UNANSWERED_IN_A_ROW` such users nobody further is asked; users
    whose answers are all stored are simulated as ever.

    Args:
        ctx: the data, caches, seed, progress and cancellation.
        model: the user model that is asked.
        test: the rows that are rated.
        forecasts: whether each batch is forecast before it is shown.
        community: what a model with ``evidence`` is told.
        history: newest ratings read; ``None``: as the model has it.
        batch_size: ratings read at a time; ``None``: as the model has it.
        unanswered_before: why the last users before these were not answered; kept up to date, for who simulates users
            one by one.

    Raises:
        ModelError: a fatal one (`ModelError.is_fatal`).
        CancelledError: somebody stopped it, between two users.
    """
    dataset, split, store = ctx.dataset, ctx.split, ctx.store
    expected, seen = np.full(len(test), np.nan), np.zeros(len(test))
    ids, offsets = test.user_ids, test.offsets
    snapshots = np.repeat(np.arange(len(ids)), np.diff(offsets))
    newest = [newest_ratings(())] * len(ids)
    reasons: dict[tuple[int, int], str] = {}
    evolutions: dict[int, list[Step]] = {}
    ratings_by_user: dict[int, tuple[SimulatedRating, ...]] = {}
    began = time.perf_counter()
    lock, done, failed = threading.Lock(), [0], [0]
    failures: list[str] = []
    unanswered: dict[int, str] = {}
    in_a_row = [] if unanswered_before is None else unanswered_before

    def simulate_user(index: int) -> None:
        user, rows = int(ids[index]), slice(int(offsets[index]), int(offsets[index + 1]))
        spec = make_evolution_spec(
            dataset,
            split,
            user,
            model,
            history=history,
            batch_size=batch_size,
            forecasts=forecasts,
            community=community,
        )
        items = dataset.items_of(test.item[rows])
        steps: list[Step] = []
        try:
            causes, answered_before = list(in_a_row), answered_calls()
            is_gone = len(causes) >= MAX_UNANSWERED_IN_A_ROW  # the server, and each further try would take minutes
            user_model = model.stored_only(causes[-1]) if is_gone else model
            try:
                for step in run_evolution(
                    dataset,
                    split,
                    user_model,
                    spec,
                    store,
                    cancelled=ctx.cancelled,
                    community=community,
                ):
                    steps.append(step)
            except EmptyHistoryError:
                pass  # a cold start: nothing to read, and the demographics to go by
            ratings = rate_items(dataset, split, user_model, spec, steps, items, store, community)
        except (ModelError, InvalidInputError) as error:
            # A template may fail for one user alone: that user has no ratings.
            if isinstance(error, ModelError) and error.is_fatal:
                raise
            ratings, failure = (), str(error)
            if isinstance(error, ModelError) and error.is_transient:
                unanswered[user] = failure
                in_a_row.append(failure)
        else:
            # What is stored does not tell that the server is there.
            if not is_gone and (answered_calls() > answered_before or not model.asks_a_model):
                in_a_row.clear()
            failure = next((r.failure for r in ratings if r.failure), "")
        with lock:
            failed[0] += not ratings
            failures.extend([failure] if failure else [])
            evolutions[user] = steps
            if ratings:
                ratings_by_user[user] = ratings
                expected[rows] = [np.nan if r.expected is None else r.expected for r in ratings]
                reasons.update({(user, r.item_id): r.reason or r.failure for r in ratings})
            read = [r for s in steps for r in s.batch]
            seen[rows], newest[index] = len(read), newest_ratings(read)
            done[0] += 1
            ctx.on_progress(done[0], len(ids), "simulator")

    ctx.on_progress(0, len(ids), "simulator")
    run_threaded(simulate_user, len(ids), ctx.workers, ctx.cancelled, store)
    ordered = {int(u): evolutions[int(u)] for u in ids}  # whoever was first: the same every time
    answers = Answers(test.user, test.item, expected, seen, snapshots, newest)
    seconds = time.perf_counter() - began
    return SimulationResult(
        answers,
        seconds,
        Forecasts.of(ordered),
        reasons,
        failed[0],
        ordered,
        test,
        ratings_by_user,
        next(iter(failures), ""),
        unanswered,
    )


def require_any_answer(simulations: Iterable[SimulationResult]) -> None:
    """Whether every user of several simulations was answered, and one of them has a rating at least.

    Raises:
        UnfinishedError: some users were not answered for now.
        ModelError: none has a rating, for the reason of the first.
    """
    results = list(simulations)
    for result in results:
        if result.unanswered or not any(s.has_answers for s in results):
            result.require_answers()


def merge_simulations(pieces: Sequence[SimulationResult], test: RatingTable) -> SimulationResult:
    """Simulations of different users as one of all of them, whose rows are ``test``."""
    expected, seen = np.full(len(test), np.nan), np.zeros(len(test))
    ids, offsets = test.user_ids, test.offsets
    newest = [newest_ratings(())] * len(ids)
    index_of_user = {int(u): index for index, u in enumerate(ids)}
    evolutions: dict[int, list[Step]] = {}
    ratings_by_user: dict[int, tuple[SimulatedRating, ...]] = {}
    reasons: dict[tuple[int, int], str] = {}
    for piece in pieces:
        users, cuts = piece.test.user_ids, piece.test.offsets
        for number, user in enumerate(users.tolist()):
            index = index_of_user[user]
            target = slice(int(offsets[index]), int(offsets[index + 1]))
            source = slice(int(cuts[number]), int(cuts[number + 1]))
            expected[target], seen[target] = piece.answers.expected[source], piece.answers.seen[source]
            newest[index] = piece.answers.newest[number]
        evolutions |= piece.evolutions
        ratings_by_user |= piece.ratings
        reasons |= piece.reasons
    ordered = {int(u): evolutions[int(u)] for u in ids}
    snapshots = np.repeat(np.arange(len(ids)), np.diff(offsets))
    return SimulationResult(
        Answers(test.user, test.item, expected, seen, snapshots, newest),
        sum(p.seconds for p in pieces),
        Forecasts.of(ordered),
        reasons,
        sum(p.failed for p in pieces),
        ordered,
        test,
        ratings_by_user,
        next((p.first_failure for p in pieces if p.first_failure), ""),
        {user: cause for p in pieces for user, cause in p.unanswered.items()},
    )


WORKERS_PER_SPARE_THREAD = 16
"""For so many calls at a time there is one thread more than calls; for fewer there is none. A killed process loses its
calls under way and, for each such thread, at most one answer that had come and was not stored yet."""
WAKE_SECONDS = 0.5
"""How often the main thread looks up while others work."""
_settling = threading.Lock()
_settled_runs = 0


@contextmanager
def _settled_objects() -> Iterator[None]:
    """What is there when many threads begin is not searched for garbage until all runs have ended.

    A dataset is 100,000 objects and more, and a search of all stops all threads for a tenth of a second.
    """
    global _settled_runs
    with _settling:
        _settled_runs += 1
        if _settled_runs == 1:
            gc.collect()
            gc.freeze()
    try:
        yield
    finally:
        with _settling:
            _settled_runs -= 1
            if not _settled_runs:
                gc.unfreeze()


def run_threaded(
    work: Callable[[int], None],
    count: int,
    workers: int,
    cancelled: Callable[[], bool],
    store: Store | None,
) -> None:
    """Call ``work`` with 0 … count−1, some at a time; the first error stops what has not begun.

    At most ``workers`` calls of models are made at a time. A few threads more than that compute meanwhile, so that the
    server has a next question at once.

    Raises:
        CancelledError: ``cancelled`` said so before all was begun.
    """
    stop = CancelledError("The comparison was stopped.", "Answers so far are saved.")
    if workers <= 1:
        for index in range(count):
            if cancelled():
                raise stop
            work(index)
        return
    failed, indices, slots = threading.Event(), iter(range(count)), threading.Semaphore(workers)
    threads = min(workers + workers // WORKERS_PER_SPARE_THREAD, count)

    def work_on() -> None:
        use_slots(slots)
        try:
            while not failed.is_set() and (index := next(indices, None)) is not None:
                if cancelled():
                    raise stop
                work(index)
        except BaseException:
            failed.set()
            raise
        finally:
            use_slots(None)
            TURNS.give_back()
            if store is not None:
                store.close()  # each thread has a connection of its own

    is_long = count > 2 * threads
    with (
        _settled_objects() if is_long else nullcontext(),
        ThreadPoolExecutor(max(threads, 1), thread_name_prefix="lusifer-user") as pool,
    ):
        futures = [pool.submit(work_on) for _ in range(threads)]
        try:
            while wait(futures, timeout=WAKE_SECONDS).not_done:
                pass  # a signal that the system gave to another thread is looked at only by one that runs
        except BaseException:  # Ctrl-C: what has not begun shall not begin, and who is asking a model stops
            failed.set()
            with shutdown.requested():
                pool.shutdown(cancel_futures=True)
            raise
    errors = [f.exception() for f in futures if f.exception() is not None]
    for error in sorted(errors, key=lambda e: isinstance(e, CancelledError)):
        raise error  # type: ignore[misc]
