"""Fixtures: real MovieLens, a real database, real local servers; and no request beyond loopback."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
GUARD = Path(__file__).parent / "guard"
TEST_DATA = Path(os.environ["LUSIFER_TEST_DATA"]) if os.environ.get("LUSIFER_TEST_DATA") else None
PATIENCE = 600
"""Seconds that a test waits for something that comes at once on an idle machine. Only what hangs is ended by it."""
RECBOLE = ROOT / ".test-data" / "ml-100k"

_spec = importlib.util.spec_from_file_location("lusifer_guard", GUARD / "sitecustomize.py")
assert _spec and _spec.loader
_guard = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_guard)  # from here on this process reaches loopback alone

# A shell's background jobs ignore it, and so would what the tests start and then interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if getattr(signal, "SIGHUP", None) and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LUSIFER_DATA", "LUSIFER_DB", "LUSIFER_PUBLIC"):
    os.environ.pop(name, None)
os.environ["LUSIFER_AUTOMATIC"] = "0"  # pages compute by themselves only where a test is about that


# A busy machine draws examples slowly; that says nothing about the code. The same examples every time: a change is
# held against what it was before. LUSIFER_NEW_EXAMPLES=1 searches on, for whoever looks for faults.
hypothesis.settings.register_profile(
    "any-machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=not os.environ.get("LUSIFER_NEW_EXAMPLES"),
)
hypothesis.settings.load_profile("any-machine")

LONG = (
    "test_conformance",
    "browser/test_pages",
    "test_cli",
    "pages/test_pages",
    "test_paths",
    "test_storm",
    "test_cluster",
    "browser/test_prompts",
)
"""Files that take minutes: begun first, so that at the end both workers have something left to do; the very first
fits what others then have."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def late(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(LONG) if f"{name}.py" in str(item.path)), len(LONG))

    items.sort(key=late)


@pytest.fixture(scope="session", autouse=True)
def no_request_beyond_loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Children are guarded too; at the end nothing may have been tried, by anybody."""
    log = tmp_path_factory.mktemp("guard") / "beyond-loopback.txt"
    os.environ["LUSIFER_GUARD_LOG"] = _guard.LOG = str(log)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(GUARD), str(ROOT)])
    os.environ.update(no_proxy="*", NO_PROXY="*")
    yield log
    tried = log.read_text() if log.exists() else ""
    assert not tried, f"requests beyond loopback: {tried}"


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk() -> None:
    """No database of this process survives a loss of power: hundreds are made, and each waited for the disk."""
    from lusifer.store import core

    core.SYNCHRONOUS = "OFF"


@pytest.fixture(scope="session")
def grouplens() -> Path:
    """GroupLens' own ml-100k folder; only tests that need those very files ask for it."""
    if TEST_DATA is None or not (TEST_DATA / "ml-100k" / "u.data").is_file():
        pytest.skip("needs GroupLens' own ml-100k files (set LUSIFER_TEST_DATA)")
    return TEST_DATA / "ml-100k"


@pytest.fixture(scope="session")
def recbole() -> Path:
    """MovieLens 100K as the package index has it; `make test` fetches it."""
    assert RECBOLE.is_dir(), "run the tests with `make test`, which fetches MovieLens 100K for them"
    return RECBOLE


@pytest.fixture(scope="session")
def source(recbole: Path) -> Path:
    """Real MovieLens 100K, in GroupLens' layout where that is at hand."""
    found = TEST_DATA / "ml-100k" if TEST_DATA else None
    return found if found and found.is_dir() else recbole


Lay = Callable[[Path], None]


@pytest.fixture(scope="session")
def warm(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose prepared copies and fits all tests of a run share, those of other workers too."""
    from lusifer import datasets

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "warm"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):  # two workers come at once
        if not (folder / "ml-100k").exists():
            link(folder / "ml-100k", source)
        datasets.load("ml-100k", folder)
    return folder


@pytest.fixture(scope="session")
def lay(source: Path, warm: Path) -> Lay:
    """Lays MovieLens 100K into a folder as it is at an app's second start: read, with what was fitted before."""

    def make(folder: Path) -> None:
        link(folder / "ml-100k", source)
        shutil.copytree(warm / ".prepared" / "ml-100k", folder / ".prepared" / "ml-100k")
        _bring(warm, folder)

    return make


def link(there: Path, source: Path) -> None:
    """Make a folder stand somewhere else too; where links need a right of their own (Windows), by copying it."""
    try:
        there.symlink_to(source, target_is_directory=True)
    except OSError:
        if os.name == "posix":
            raise
        shutil.copytree(source, there)


@pytest.fixture
def few_baselines() -> Iterator[Callable[..., None]]:
    """Leaves some methods in the registry, one of them in the place of ``fm``; at the end all are back in order."""
    from lusifer.baselines import BASELINES

    everything = dict(BASELINES)

    def keep(*names: str, fm: str) -> None:
        kept = {name: everything[name] for name in names} | {"fm": replace(everything[fm], name="fm")}
        BASELINES.clear()
        BASELINES.update(kept)

    yield keep
    BASELINES.clear()
    BASELINES.update(everything)


def _bring(one: Path, other: Path) -> None:
    """Copy what the product caches under names that say everything that decides it."""
    from lusifer.baselines import BASELINES

    there = other / ".prepared" / "kept"
    there.mkdir(parents=True, exist_ok=True)
    for name in ("forecasts", *(spec.name for spec in BASELINES.values() if spec.slow)):
        for file in (one / ".prepared" / "kept").glob(f"{name}-*.npz"):
            if not (there / file.name).exists():
                partial = there / f"{file.name}.{os.getpid()}"
                shutil.copy(file, partial)
                partial.replace(there / file.name)


@pytest.fixture(scope="session")
def shared_data(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with MovieLens 100K in it, for tests that only read."""
    folder = tmp_path_factory.mktemp("data")
    link(folder / "ml-100k", source)
    return folder


@pytest.fixture(scope="session")
def ml100k(shared_data: Path):
    """MovieLens 100K."""
    from lusifer import datasets

    return datasets.load("ml-100k", shared_data)


@pytest.fixture(scope="session")
def last10(ml100k):
    """Its default split."""
    from lusifer.datasets import splits

    return splits.make(ml100k, "last-10")


@pytest.fixture
def data_dir(lay: Lay, warm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder of this test's own, with MovieLens 100K; the app and the command line use it."""
    folder = tmp_path / "data"
    folder.mkdir()
    lay(folder)
    monkeypatch.setenv("LUSIFER_DATA", str(folder))
    yield folder
    _bring(folder, warm)


@pytest.fixture
def store(tmp_path: Path):
    """A real SQLite file."""
    from lusifer.store import Store

    return Store(tmp_path / "lusifer.db")


@pytest.fixture
def openai_server() -> Iterator:
    """A local server that speaks OpenAI's protocol and misbehaves on demand."""
    from tests.servers.openai import OpenAIServer

    with OpenAIServer() as server:
        yield server


def write_tiny(folder: Path, ratings: list[tuple[int, int, int, int]], users: int, items: int) -> Path:
    """A folder in GroupLens' layout with these ratings."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(map(str, r)) for r in ratings]
    (folder / "u.data").write_text("\n".join(lines) + "\n", encoding="latin-1")
    people = [f"{u}|{20 + u}|{'MF'[u % 2]}|student|0000{u}" for u in range(1, users + 1)]
    (folder / "u.user").write_text("\n".join(people) + "\n", encoding="latin-1")
    movies = []
    for i in range(1, items + 1):
        flags = ["0"] * 19
        flags[1 + i % 18] = "1"
        movies.append(f"{i}|Film {i}, The (19{60 + i % 39})|01-Jan-1995|||{'|'.join(flags)}")
    (folder / "u.item").write_text("\n".join(movies) + "\n", encoding="latin-1")
    (folder / "u.info").write_text(f"{users} users\n{items} items\n{len(ratings)} ratings\n")
    return folder


@pytest.fixture(autouse=True)
def _own_main_module() -> Iterator[None]:
    """A page under test puts its script in the place of ``__main__``, which a spawned process would run again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
