"""Cancel, signals and the end of the server: nothing is asked after them, whatever the model's server does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lusifer import shutdown
from lusifer.cli.main import main
from lusifer.jobs import Jobs
from lusifer.llm import Message, create_llm
from lusifer.store import Store
from lusifer.ui import launcher
from tests.conftest import PATIENCE, ROOT
from tests.servers.openai import OpenAIServer
from tests.test_launcher import free_port

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without a signal")


@pytest.fixture
def slow_server(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """Named ``mine``; held answers are let go at the end."""
    monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_URL", openai_server.url)
    yield openai_server
    openai_server.release()


def send(server: OpenAIServer, asked: int, *numbers: int) -> threading.Thread:
    """Signals to this very process, once so many questions have been asked."""

    def work() -> None:
        while len(server.requests) < asked:
            time.sleep(0.01)
        for number in numbers:
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


COMMANDS = {
    "simulate": ["simulate", "--users", "40", "--workers", "6", "--yes"],
    "evaluate": ["evaluate", "--predictors", "simulator", "--users", "40", "--workers", "6"],
    "experiment": ["experiment", "repeat", "--users", "12", "--workers", "6", "--yes"],
    "evolve": ["evolve", "--user", "405"],
}


@pytest.mark.parametrize(
    ("command", "way", "numbers"),
    [
        ("simulate", "held", [signal.SIGINT]),
        ("simulate", "429:5", [signal.SIGTERM]),
        ("simulate", "drip", [signal.SIGHUP]),
        ("evaluate", "503", [signal.SIGHUP, signal.SIGTERM]),
        ("experiment", "held", [signal.SIGTERM]),
        ("evolve", "held", [signal.SIGTERM]),
    ],
)
def test_a_signal_ends_a_command_and_its_questions(data_dir, slow_server, capsys, command, way, numbers) -> None:
    if way == "held":
        slow_server.hold()
    else:
        slow_server.always = way
    workers = 1 if command == "evolve" else 6
    sender = send(slow_server, workers, *numbers)
    assert main([*COMMANDS[command], "--model", "mine:m"]) == 128 + numbers[0]
    asked = len(slow_server.requests)
    sender.join(PATIENCE)
    assert "stopped; finished work is saved" in capsys.readouterr().err
    if way != "503":  # which comes at once: how many come before the signal is a matter of the machine
        assert asked < 3 * workers, "those under way, and what they were told to ask again before"
    runs = Store(data_dir / "lusifer.db").list_runs("population" if command == "simulate" else "comparison")
    assert all(r["status"] == "cancelled" for r in runs) and (command not in {"simulate", "evaluate"} or runs)
    time.sleep(0.3)
    assert len(slow_server.requests) == asked and not shutdown.is_requested()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_at_once(number, tmp_path) -> None:
    script = (
        "import signal, sys, time\n"
        "from lusifer import shutdown\n"
        "with shutdown.handled_signals():\n"
        "    try:\n"
        "        print('up', flush=True); time.sleep(60)\n"
        "    except KeyboardInterrupt as error:\n"
        "        print('first', error.number, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, text=True) as child:
        assert child.stdout and child.stdout.readline() == "up\n"
        child.send_signal(number)
        assert child.stdout.readline() == f"first {int(number)}\n"
        time.sleep(shutdown.SECOND_SIGNAL_SECONDS)
        child.send_signal(number)
        assert child.wait(PATIENCE) == 128 + number


def test_what_is_ignored_stays_ignored(monkeypatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with shutdown.handled_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN and not shutdown.is_requested()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("way", ["held", "429:60", "503", "drip"])
def test_a_cancelled_job_asks_nothing_more(store, slow_server, way) -> None:
    """Those that wait for a worker end as well, and bookings are open no longer."""
    if way == "held":
        slow_server.hold()
    else:
        slow_server.always = way
    jobs = Jobs(1)

    def work(job) -> None:
        llm = create_llm("mine:m", store, cancelled=job.cancelled)
        for n in range(9):
            llm.complete([Message("user", str(n))])

    first, waiting = jobs.start("a", "A", work, store=store), jobs.start("b", "B", work, store=store)
    while not slow_server.requests:
        time.sleep(0.01)
    jobs.cancel_all()
    assert first.wait(PATIENCE) and waiting.wait(PATIENCE)
    assert first.state == waiting.state == "cancelled"
    asked = len(slow_server.requests)
    assert asked < 4
    time.sleep(0.2)
    assert len(slow_server.requests) == asked


SERVER = """
from lusifer.evaluation.simulation import run_threaded
from lusifer.llm import Message, create_llm
from lusifer.store import Store
from lusifer.ui import state

def work(job):
    store = Store({path!r})
    llm = create_llm("mine:m", store, cancelled=job.cancelled)
    run_threaded(lambda n: llm.complete([Message("user", job.title + str(n))]), 5000, 4, job.cancelled, store)

for name in "abc":
    state.get_jobs().start(name, name, work)
"""


@pytest.mark.parametrize("way", ["SIGTERM", "launcher"])
def test_a_stopped_app_asks_nothing_more(tmp_path: Path, slow_server, way) -> None:
    """Told to stop, or its launcher killed: every job is cancelled, its queue too, and the process is gone."""
    slow_server.delay = 0.05
    if way == "launcher":
        slow_server.hold()
    script = tmp_path / "page.py"
    script.write_text(SERVER.format(path=str(tmp_path / "lusifer.db")))
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += ["--server.headless", "true", "--server.address", "localhost", "--server.fileWatcherType", "none"]
    if way == "launcher":  # a parent that is killed, as a launcher may be
        starter = (
            "import os, subprocess, sys; os.environ['LUSIFER_LAUNCHER'] = str(os.getpid());"
            f" c = subprocess.Popen({command!r}); print(c.pid, flush=True); c.wait()"
        )
        command = [sys.executable, "-c", starter]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        server = psutil.Process(child.pid)
        if way == "launcher":
            assert child.stdout
            server = psutil.Process(int(child.stdout.readline()))
        assert launcher.wait_until_ready(port, child) and launcher.warm_up(port)
        while len(slow_server.requests) < 8:
            time.sleep(0.02)
        child.kill() if way == "launcher" else child.send_signal(getattr(signal, way))
        psutil.wait_procs([server], timeout=PATIENCE / 10)
        assert not server.is_running()
        assert way == "launcher" or child.wait(PATIENCE) == 0
        asked = len(slow_server.requests)
        time.sleep(0.3)
        assert len(slow_server.requests) == asked < 200, "of 15,000"
    finally:
        for process in [*psutil.Process(child.pid).children(recursive=True)] if child.poll() is None else []:
            process.kill()
        child.kill()
