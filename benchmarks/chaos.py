"""A population that is killed, told to stop, locked out and without room on the disk at random moments, and resumed.

Whatever happens, the resumed run must give the same ratings as one that nothing happened to; a question is asked again
only where it was under way; no money stays set aside; the database is whole; and no command ends in a traceback. All is
drawn by a seed. ``python -m benchmarks.chaos --storms 20`` prints JSON and ends with 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from lusifer import settings
from tests.servers.openai import OpenAIServer

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 6
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "hangup": signal.SIGHUP, "interrupt": signal.SIGINT}
EVENTS = (*SIGNALS, "locked", "full")
LONG = 300.0
"""Seconds after which a command that should have ended counts as stuck."""


@dataclass
class Report:
    """What one storm came to."""

    seed: int
    events: list[str] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    requests: int = 0
    questions: int = 0
    asked_again: int = 0
    asked_again_at_most: int = 0
    open_bookings: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Storm:
    """One population and what happens to it.

    Args:
        folder: with a dataset in it, for the database and the runs.
        server: who is asked.
        users: how many are simulated.
        seed: of what happens, and when.
    """

    def __init__(self, folder: Path, server: OpenAIServer, users: int, seed: int) -> None:
        self.folder, self.server, self.users = folder, server, users
        self.random, self.report = random.Random(seed), Report(seed)
        self.database = folder / f"storm-{seed}.db"
        self.environment = {
            **os.environ,
            "LUSIFER_DATA": str(folder),
            "LUSIFER_DB": str(self.database),
            "LUSIFER_ENDPOINT_MINE_URL": server.url,
            "LUSIFER_BUDGET_DAY_TOKENS": str(10**9),
        }

    def start(self, run: str = "") -> subprocess.Popen[str]:
        """The command that begins, or goes on."""
        command = [sys.executable, "-m", "lusifer", "simulate", "--workers", str(WORKERS), "--yes", "--json"]
        command += ["--resume", run] if run else ["--users", str(self.users), "--model", "mine:m"]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run_id(self) -> str:
        """The run that was begun; empty before that."""
        if not self.database.exists():
            return ""
        with sqlite3.connect(self.database) as db:
            try:
                row = db.execute("select id from runs order by rowid desc limit 1").fetchone()
            except sqlite3.OperationalError:  # killed before the first table
                row = None
        db.close()
        return row[0] if row else ""

    def finish(self, child: subprocess.Popen[str]) -> str:
        """Wait for a command; what it printed to stdout."""
        try:
            out, err = child.communicate(timeout=LONG)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            self.report.problems.append("a command did not end")
        if "Traceback" in err:
            self.report.problems.append(f"a traceback: {err.strip().splitlines()[-1]}")
        self.report.exit_codes.append(child.returncode)
        return out

    def wait_for_requests(self, child: subprocess.Popen[str], count: int) -> bool:
        """Wait until so many more questions have come; whether the command still runs."""
        goal, until = len(self.server.requests) + count, time.monotonic() + LONG
        while len(self.server.requests) < goal and child.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        return child.poll() is None

    def strike(self, child: subprocess.Popen[str], event: str) -> None:
        """Let something happen to a command."""
        self.report.events.append(event)
        if event == "locked":
            db = sqlite3.connect(self.database, timeout=LONG, isolation_level=None)
            db.execute("begin immediate")
            time.sleep(self.random.uniform(0.2, 1.0))
            db.execute("rollback")
            db.close()
            if self.wait_for_requests(child, self.random.randint(1, 20)):
                child.kill()
        elif event == "full":  # no file of the command may grow from now on
            size = Path(f"{self.database}-wal").stat().st_size
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        else:
            child.send_signal(SIGNALS[event])

    def rage(self, events: list[str]) -> Report:
        """All events, one after the other, and then the end of the run; what broke is in the report."""
        began, before = time.monotonic(), len(self.server.requests)
        for event in events:
            child = self.start(self.run_id())
            if self.wait_for_requests(child, self.random.randint(8, 30)):
                self.strike(child, event)
            self.finish(child)
            if self.report.exit_codes[-1] == 0:
                break
        else:
            self.finish(self.start(self.run_id()))
        if self.report.exit_codes[-1] != 0:
            self.report.problems.append("the resumed run did not end well")
        self._count(before)
        self.report.seconds = round(time.monotonic() - began, 1)
        return self.report

    def _count(self, before: int) -> None:
        report = self.report
        asked = Counter(  # one that was cut off by a kill has no messages
            json.dumps([r.get("messages"), r.get("response_format")]) for r in self.server.requests[before:]
        )
        report.requests, report.questions = asked.total(), len(asked)
        report.asked_again = report.requests - report.questions
        report.asked_again_at_most = WORKERS * len(report.events)
        if report.asked_again > report.asked_again_at_most:
            report.problems.append("questions were asked again that were not under way")
        with sqlite3.connect(self.database) as db:
            report.open_bookings = db.execute("select count(*) from spending where settled = 0").fetchone()[0]
            if db.execute("pragma integrity_check").fetchone() != ("ok",):
                report.problems.append("the database is damaged")
            answers = db.execute("select count(*), count(distinct key) from calls where status = 'ok'").fetchone()
        db.close()
        if answers[0] != answers[1]:
            report.problems.append("an answer was stored twice")
        if report.open_bookings:
            report.problems.append("money stays set aside")

    def table(self) -> pd.DataFrame:
        """The ratings of the run."""
        return pd.read_parquet(self.folder / "runs" / f"{self.run_id()}.parquet")


def undisturbed(folder: Path, server: OpenAIServer, users: int) -> pd.DataFrame:
    """The ratings of the same population, to which nothing happens."""
    calm = Storm(folder, server, users, -1)
    calm.rage([])
    return calm.table()


def rage(folder: Path, server: OpenAIServer, users: int, seed: int, events: int, truth: pd.DataFrame) -> Report:
    """One storm, its ratings held against those of an undisturbed run."""
    storm = Storm(folder, server, users, seed)
    report = storm.rage([storm.random.choice(EVENTS) for _ in range(events)])
    if not report.problems and not storm.table().equals(truth):
        report.problems.append("the ratings differ from those of an undisturbed run")
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storms", type=int, default=20)
    parser.add_argument("--events", type=int, default=6, help="in each storm")
    parser.add_argument("--users", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, OpenAIServer() as server:
        server.delay, folder = 0.03, Path(place)
        (folder / "ml-100k").symlink_to((settings.data_dir() / "ml-100k").resolve(), target_is_directory=True)
        truth = undisturbed(folder, server, options.users)
        reports = [
            rage(folder, server, options.users, options.seed + n, options.events, truth) for n in range(options.storms)
        ]
    result = {
        "storms": len(reports),
        "events": dict(sorted(Counter(e for r in reports for e in r.events).items())),
        **{name: sum(getattr(r, name) for r in reports) for name in ("requests", "questions", "asked_again")},
        "asked_again_at_most": sum(r.asked_again_at_most for r in reports),
        "open_bookings": sum(r.open_bookings for r in reports),
        "problems": [{"seed": r.seed, "problem": p} for r in reports for p in r.problems],
        "seconds": round(sum(r.seconds for r in reports), 1),
        "reports": [asdict(r) for r in reports],
    }
    print(json.dumps(result, indent=1))
    sys.exit(1 if result["problems"] else 0)


if __name__ == "__main__":
    main()
