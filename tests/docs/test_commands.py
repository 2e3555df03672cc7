"""Every command that the README and the documentation show is run, or says why not.

Commands of the program run in this process, one after the other in one data folder, against a local server that speaks
OpenAI's protocol. Where one would take minutes, `SHORTENED` appends flags that make the sample small; the flags that
the documentation shows are checked against the command's own help all the same. A block that can't be run here stands
under a comment ``<!-- not run: REASON -->``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import re
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lusifer import settings
from lusifer.cli.main import main
from tests.conftest import ROOT
from tests.datasets.test_releases import write_albums
from tests.docs.markdown import Command, block_commands, documents, inline_commands
from tests.servers.openai import KEY, OpenAIServer

BLOCKS = [c for path in documents() for c in block_commands(path)]
INLINE = [c for path in documents() for c in inline_commands(path)]
OURS = re.compile(r"(?:\S*python -m )?lusifer ")
SHORTENED: dict[str, list[str]] = {
    "data enrich": ["--from", "table.csv"],
    "evaluate": ["--users", "20", "--evidence", "off", "--predictors", "bias,simulator", "--calibrate", "off"],
    "data enrich --export": [],
    "experiment": ["--users", "8"],
    "simulate": ["--users", "3", "--workers", "2"],
    "simulate --engine openai-batch": ["--users", "3", "--poll-interval", "0.05"],
}
"""Flags that are appended, by how a command begins and the flags it has; the last that fits counts."""
PLACEHOLDERS = {"MODEL": "small", "SPEC": "builtin"}
REASONS = ("needs ", "another system", "opens ", "takes ", "makes ")
"""How a reason may begin."""


def is_ours(command: Command) -> bool:
    """Whether it is a command of this program."""
    return bool(OURS.match(command.text + " "))


def arguments(command: Command) -> list[str]:
    """What stands after ``python -m lusifer``."""
    return shlex.split(OURS.sub("", command.text, count=1))


def run(*given: str) -> tuple[int, str]:
    """The exit code and all that was printed."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        patch.setattr(settings, "load_env_file", lambda: None)
        try:
            code = main(given)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue()


@pytest.fixture(scope="module")
def folder(lay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in: a data folder, a table of details, tables of another domain, and a server to ask."""
    base = tmp_path_factory.mktemp("documents")
    data = base / "data"
    data.mkdir()
    lay(data)
    (base / "table.csv").write_text("movie_id,overview\n50,A farm boy leaves home.\n", encoding="utf-8")
    write_albums(data / "music", "csv")
    with OpenAIServer() as server, pytest.MonkeyPatch.context() as patch:
        server.batch_looks = 1
        patch.chdir(base)
        patch.setenv("LUSIFER_DATA", str(data))
        patch.setenv("OPENAI_BASE_URL", server.url)
        patch.setenv("OPENAI_API_KEY", KEY)
        yield base


def appended(given: list[str]) -> list[str]:
    """The flags that make the command's sample small."""
    found: list[str] = []
    for start, flags in SHORTENED.items():
        words = start.split()
        names = [w for w in words if not w.startswith("-")]
        if given[: len(names)] == names and all(w in given for w in words):
            found = flags
    return found


def filled(given: list[str], folder: Path) -> list[str]:
    """The arguments with the documentation's placeholders filled in; RUN is the newest run."""
    if "RUN" in given:
        with contextlib.closing(sqlite3.connect(folder / "data" / "lusifer.db")) as database:
            ((newest,),) = database.execute("select id from runs order by created_at desc limit 1").fetchall()
        given = [newest if g == "RUN" else g for g in given]
    for name, value in PLACEHOLDERS.items():
        given = [re.sub(rf"\b{name}\b", value, g) for g in given]
    return given


def test_blocks_are_found() -> None:
    """Of each kind of block and document something is found, so that a change of style can't switch the tests off."""
    files = {c.file for c in BLOCKS}
    assert {"README.md", "CONTRIBUTING.md", "docs/data.md", "docs/how-to/evaluate.md"} <= files
    assert len([c for c in BLOCKS if is_ours(c) and not c.reason]) >= 15 and len(INLINE) >= 10


def test_every_command_is_run_or_says_why_not() -> None:
    unexplained = [
        c.place
        for c in BLOCKS
        if not (
            is_ours(c)
            or c.reason
            or re.match(r"(\w+=\S* )*make |python (-m (benchmarks|docs)\.|docs/|examples/)", c.text)
        )
    ]
    assert not unexplained, "nothing runs these: put <!-- not run: REASON --> before their blocks"
    unclear = [c.place for c in BLOCKS if c.reason and not c.reason.startswith(REASONS)]
    assert not unclear, f"a reason begins with one of {REASONS}"


@pytest.mark.parametrize("command", [c for c in [*BLOCKS, *INLINE] if is_ours(c)], ids=lambda c: c.place)
def test_a_command_exists_with_its_flags(command: Command) -> None:
    given = [a for a in arguments(command) if a != "…"]
    names = list(itertools.takewhile(lambda a: re.fullmatch(r"[a-z][a-z-]*", a), given))
    code, printed = run(*names, "--help")
    assert code == 0, printed
    missing = [a for a in given if a.startswith("--") and not re.search(rf"{a.split('=')[0]}\b", printed)]
    assert not missing, f"{' '.join(names)} has no {missing}"


@pytest.mark.parametrize("command", [c for c in BLOCKS if is_ours(c) and not c.reason], ids=lambda c: c.place)
def test_a_command_of_the_program_runs(command: Command, folder: Path) -> None:
    given = arguments(command)
    code, printed = run(*filled([*given, *appended(given)], folder))
    assert code == 0, printed


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    "command", [c for c in BLOCKS if re.match(r"(\w+=\S* )*make ", f"{c.text} ")], ids=lambda c: c.place
)
def test_a_make_target_exists(command: Command) -> None:
    words = [w for w in shlex.split(command.text) if "=" not in w]
    done = subprocess.run(["make", "--dry-run", *words[1:]], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_benchmarks_that_are_named_exist() -> None:
    for path in [*documents(), ROOT / "benchmarks" / "README.md"]:
        text = path.read_text(encoding="utf-8")
        for module in re.findall(r"python -m ((?:benchmarks|docs)\.\w+)", text):
            assert importlib.util.find_spec(module), (path.name, module)
        for script in re.findall(r"python ((?:docs|examples|tests)/[\w/]+\.py)", text):
            assert (ROOT / script).is_file(), (path.name, script)
