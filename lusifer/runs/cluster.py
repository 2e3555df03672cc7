"""Users spread over a Ray cluster: each worker simulates some and keeps what it was answered; one home gathers it.

The home is an actor beside the database that opens it for all workers. They look answers up there before they ask,
set money aside there, and send what they were answered there at once; a file of their own on their machine holds it as
well until it has arrived. So a budget holds for all workers together, nothing that is stored is asked again, and
whoever takes a killed worker's place on its machine first hands in what that one had not handed in.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import socket
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from lusifer import settings
from lusifer.errors import CancelledError, InvalidInputError, LusiferError
from lusifer.evaluation.simulation import SimulationResult, merge_simulations
from lusifer.runs.cluster_worker import SharedInputs, StoreActor, Worker, hand_in
from lusifer.runs.population import Engine
from lusifer.simulator import BUILTIN, UserModelConfig
from lusifer.store import Store

logger = logging.getLogger(__name__)
USERS_PER_TASK = 25
"""Users that a worker takes at once where nobody is asked; with a language model they are taken singly."""
CLUSTER_TIMEOUT = 180.0
"""Seconds after which a cluster without one worker that answers is given up on."""
MAX_CALL_SECONDS = 330.0
"""Seconds that users under way are waited for when all stops. However long an endpoint is given, a call ends within
`lusifer.llm.transport.GRACE_SECONDS` then; the rest is for what has to be stored."""
STOP_TIMEOUT = 30.0
"""Seconds that workers may take to acknowledge that they stop."""
START_TIMEOUT = 180.0
"""Seconds that all workers may take to start."""
MAX_CRASHES = 3
"""Workers that may end on the same users before these are given up on."""


class Cluster:
    """Workers on a Ray cluster, as `lusifer.runs.population.run_population` uses them.

    Args:
        workers: how many; none: as many as the cluster has cores.
        threads: users that each has under way at a time, where a language model is asked.
        address: of a cluster that runs (``auto``: the one on this machine, ``HOST:PORT``); none: what
            ``RAY_ADDRESS`` says, else one on this machine for as long as the work takes.

    Raises:
        InvalidInputError: Ray is missing, can't be reached, or has too few cores.
    """

    def __init__(
        self,
        model_config: UserModelConfig,
        work: SharedInputs,
        store: Store,
        *,
        workers: int | None = None,
        threads: int = 1,
        address: str | None = None,
    ) -> None:
        if (workers is not None and workers < 1) or threads < 1:
            raise InvalidInputError(
                "A cluster needs at least one worker, with one user at a time.",
                "Give larger numbers.",
            )
        address = address or os.environ.get("RAY_ADDRESS") or None
        if address and address.startswith("ray://"):
            raise InvalidInputError(
                "Ray Client is not supported: the database must be on a machine of the cluster.",
                "Run the command on such a machine, with --ray-address auto.",
            )
        try:
            ray_spec = importlib.util.find_spec("ray")
        except ValueError:
            ray_spec = None
        if ray_spec is None:
            raise InvalidInputError(
                "The engine ray needs Ray, which is not installed.",
                f"{settings.install_extra('scale')} (about 250 MB)",
            )
        self._ray: Any = None
        self.model_config, self.work, self.store = model_config, work, store
        self.asking = model_config.spec != BUILTIN
        self.threads = threads if self.asking else 1
        self.count, self.address = workers, address
        self.workers: list[Any] = []
        self._deaths: Counter[Any] = Counter()  # how often each worker has ended
        self._folder: Path | None = None

    def start(self, run: str) -> None:
        """Start the workers of a run.

        Raises:
            InvalidInputError: as the class, or a machine lacks what the model needs (a key).
        """
        # Ray reads these when it is imported: no word to anybody about our use, and a cluster of our own stays on this
        # machine.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self.address is None:
            # A worker that ends is told of by us.
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        else:
            _reach(self.address)
        import ray

        self._ray = ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
        try:
            if self.address is not None:
                package = Path(__file__).resolve().parents[1]
                ray.init(address=self.address, runtime_env={"py_modules": [str(package)]}, **quiet)
            else:
                cores = self.count or os.cpu_count() or 1
                mask = os.umask(0o077)  # its token and its files are nobody else's business
                try:
                    ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
                finally:
                    os.umask(mask)
        except Exception as error:
            raise InvalidInputError(
                f"Ray could not be started or reached ({_first(error)}).",
                "Check: ray status. Or use --engine local.",
            ) from None
        try:
            self._hire(run)
        except BaseException:
            self.close()
            raise

    def _hire(self, run: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ray = self._ray
        cores = int(ray.cluster_resources().get("CPU", 0))
        count = self.count or max(cores, 1)
        if count > cores:
            raise InvalidInputError(
                f"{count} workers are requested, but the cluster has {cores} cores.",
                f"Request at most {cores}." if cores else "Add a machine with cores.",
            )
        home = None
        if self.asking:
            this_node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            store_actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=this_node)(
                StoreActor
            )
            home = store_actor.remote(str(self.store.path.resolve()))
        self._home = home
        self._folder = Path(tempfile.gettempdir()) / f"lusifer-{run}"
        self._sent = [ray.put(self.work)]  # held on to: a worker that starts anew needs it again
        hired = ray.remote(num_cpus=1, max_restarts=-1, max_concurrency=self.threads + 1)(Worker)
        self.workers = [
            hired.remote(self._sent, self.model_config, run, home, str(self._folder), str(number))
            for number in range(count)
        ]
        pid_requests = [w.pid.remote() for w in self.workers]
        ready, missing = ray.wait(pid_requests, num_returns=count, timeout=START_TIMEOUT)
        if missing:
            idle = int(ray.available_resources().get("CPU", 0))
            raise InvalidInputError(
                f"{len(missing)} of {count} workers did not start: {idle} of the cluster's {cores} cores are free.",
                "Wait until other cores are free, or request fewer workers.",
            )
        try:
            ray.get(ready)
        except ray.exceptions.RayError as error:
            raise _ours(error, "A worker could not start") from None

    @property
    def engine(self) -> Engine:
        """This cluster as the engine of a population."""
        return Engine("ray", lambda run, model: self.start(run), self.simulate_parts)

    def simulate_parts(
        self,
        parts: Sequence[tuple[int, Sequence[int]]],
        on_users_done: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> Generator[tuple[int, SimulationResult], None, None]:
        """Simulate parts of a population; the first of them comes first, the others as they are done.

        Args:
            parts: as (number, users).
            on_users_done: told how many users more are done.
            cancelled: asked between two users; once true, the work stops.

        Raises:
            ModelError: a fatal one.
            CancelledError: ``cancelled`` said so, after the calls under way have ended.
            LusiferError: some users end every worker that takes them.
        """
        ray = self._ray
        size = 1 if self.asking else USERS_PER_TASK
        queue: deque[tuple[int, tuple[int, ...]]] = deque(
            (number, tuple(users[start : start + size]))
            for number, users in parts
            for start in range(0, len(users), size)
        )
        sizes = dict(parts)
        pieces: dict[int, list[SimulationResult]] = {number: [] for number, _ in parts}
        finished: dict[int, SimulationResult] = {}
        crash_counts: dict[tuple[int, ...], int] = {}
        free = deque(w for _ in range(self.threads) for w in self.workers)
        busy: dict[Any, tuple[Any, int, tuple[int, ...], int]] = {}
        lost = _LostWorkers()
        first_number = parts[0][0] if parts else None
        try:
            while queue or busy:
                if cancelled():
                    raise CancelledError("The simulation was stopped.", "Answers so far are saved.")
                free.extend(lost.recovered(ray))
                if not busy and not free and lost.since() > CLUSTER_TIMEOUT:
                    raise LusiferError(
                        "No worker of the cluster responds any more.",
                        "Check: ray status. Finished parts and all answers are saved: continue with --resume.",
                    )
                while queue and free:
                    worker, (number, users) = free.popleft(), queue.popleft()
                    busy[worker.simulate.remote(users)] = (worker, number, users, self._deaths[worker])
                if not busy:
                    time.sleep(0.2)
                    continue
                ready, _ = ray.wait(list(busy), num_returns=1, timeout=0.2)
                for promise in ready:
                    worker, number, users, deaths_before = busy.pop(promise)
                    try:
                        pieces[number].append(ray.get(promise))
                    except (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError):
                        # It starts anew by itself, elsewhere if its machine is gone, and hands in what the dead one
                        # left there. It is given nothing before it answers.
                        lost.add(worker)
                        self._release(worker, deaths_before)
                        queue.appendleft((number, users))
                        crash_counts[users] = crash_counts.get(users, 0) + 1
                        if crash_counts[users] >= MAX_CRASHES:
                            raise LusiferError(
                                f"{crash_counts[users]} workers ended while they simulated {_named(users)}.",
                                "Check the memory of the machines; finished parts are saved.",
                            ) from None
                        continue
                    except ray.exceptions.RayError as error:
                        raise _ours(error, f"A worker failed at {_named(users)}") from None
                    free.append(worker)
                    on_users_done(len(users))
                    if sum(len(s.evolutions) for s in pieces[number]) == len(sizes[number]):
                        test = self.work.split.test.of_users(list(sizes[number]))
                        finished[number] = merge_simulations(pieces.pop(number), test)
                if first_number is not None and first_number in finished:
                    yield first_number, finished.pop(first_number)
                    first_number = None
                if first_number is None:
                    for number in sorted(finished):
                        yield number, finished.pop(number)
        except BaseException:  # an error, a cancel, Ctrl-C, or whoever takes the parts has stopped
            self._stop(list(busy))
            raise

    def _release(self, worker: Any, deaths_before: int) -> None:
        """Let nobody wait for what a worker asked that has ended, nor for the money that it set aside.

        Each of its promises tells of its end; by the second, another may be at work in its place.
        """
        if self._deaths[worker] > deaths_before:
            return
        self._deaths[worker] += 1
        if self._home is not None:
            self._home.call.remote("release_worker", str(self.workers.index(worker)))

    def _stop(self, busy: list[Any]) -> None:
        """Have every worker begin no further call, and let the calls under way end: they are paid."""
        stops = [worker.stop.remote() for worker in self.workers]
        _, silent = self._ray.wait(stops, num_returns=len(stops), timeout=STOP_TIMEOUT)
        logger.info("%d of %d workers begin no further call", len(stops) - len(silent), len(stops))
        if busy:
            self._ray.wait(busy, num_returns=len(busy), timeout=MAX_CALL_SECONDS)

    def close(self) -> None:
        """Let the workers go, and Ray; what lies in this machine's folder is handed in."""
        ray = self._ray
        if ray is None:
            return
        try:
            if self.workers:
                left = [w.leave.remote() for w in self.workers]
                ray.wait(left, num_returns=len(left), timeout=30)
        except ray.exceptions.RayError:
            pass
        finally:
            self.workers = []
            ray.shutdown()
            if self._folder is not None and self._folder.is_dir():
                hand_in(self._folder, StoreActor(str(self.store.path)).import_answers)
                if self._clean(self._folder):
                    shutil.rmtree(self._folder, ignore_errors=True)

    @staticmethod
    def _clean(folder: Path) -> bool:
        """Whether no answer lies in this machine's folder any more."""
        return not list(folder.glob("*.db"))


class _LostWorkers:
    """Workers that ended, until they answer again."""

    def __init__(self) -> None:
        self.asked: dict[Any, Any] = {}
        self.later: list[tuple[float, Any]] = []
        self.began = time.monotonic()

    def add(self, worker: Any) -> None:
        """One place on a worker is lost for now."""
        if not self.asked and not self.later:
            self.began = time.monotonic()
        self.later.append((time.monotonic() + 0.2, worker))

    def since(self) -> float:
        """Seconds since nobody was lost."""
        return time.monotonic() - self.began if self.asked or self.later else 0.0

    def recovered(self, ray: Any) -> list[Any]:
        """Those that answer again."""
        time_now = time.monotonic()
        for entry in [x for x in self.later if x[0] <= time_now]:
            self.later.remove(entry)
            self.asked[entry[1].pid.remote()] = entry[1]
        recovered = []
        ready = ray.wait(list(self.asked), num_returns=len(self.asked), timeout=0)[0] if self.asked else ()
        for promise in ready:
            worker = self.asked.pop(promise)
            try:
                ray.get(promise)
                recovered.append(worker)
            except ray.exceptions.RayError:
                self.later.append((time_now + 1.0, worker))
        return recovered


def _reach(address: str) -> None:
    """Knock before Ray does, which waits for minutes.

    Raises:
        InvalidInputError: nobody is there.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return  # "auto": Ray looks for itself
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise InvalidInputError(
            f"No Ray cluster answers at {address} ({error.strerror or 'timeout'}).",
            "Check: ray status. Or leave the address out to start one here.",
        ) from None


def _named(users: Sequence[int]) -> str:
    return f"user {users[0]}" if len(users) == 1 else f"users {users[0]} to {users[-1]}"


def _first(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _ours(error: BaseException, summary: str) -> LusiferError:
    """What a worker raised, where it is one of ours; else its last line."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LusiferError):
            original = cause if not hasattr(cause, "cause") else cause.cause
            return original if isinstance(original, LusiferError) else cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    return LusiferError(
        f"{summary} ({lines[-1][:200] if lines else type(error).__name__}).",
        "Finished parts are saved: continue with --resume.",
    )
