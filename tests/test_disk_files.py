"""Kept files: whole or not there, checked when they are read, private, and honest about a full disk."""

from __future__ import annotations

import os
import re
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from lusifer import datasets, disk_files, settings
from lusifer.cli.main import main
from lusifer.datasets import columnar_cache, movielens
from lusifer.datasets import fetch as fetching
from lusifer.datasets.fetch import fetch
from lusifer.datasets.item_details import export_csv
from lusifer.disk_files import remove_leftovers, replacing
from lusifer.errors import CancelledError, DatasetError, LusiferError, StoreError
from lusifer.runs import population_table, tables
from lusifer.store import Store
from tests.conftest import write_tiny
from tests.servers.files import FileServer, zip_of

posix = pytest.mark.skipif(os.name != "posix", reason="rights and devices of POSIX systems")
ROWS = pd.DataFrame(
    {"user_id": np.arange(40), "rating": np.linspace(1, 5, 40), "reason": ["liked it"] * 40, "items": [[1, 2]] * 40}
)


# ---- whole ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError, MemoryError])
@pytest.mark.parametrize("before", [None, "former"])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, before: str | None, failure: type) -> None:
    path = tmp_path / "file.json"
    if before:
        path.write_text(before)
    with pytest.raises(failure), replacing(path) as partial:
        partial.write_text("half")
        raise failure
    assert sorted(p.name for p in tmp_path.iterdir()) == (["file.json"] if before else [])
    assert not before or path.read_text() == before
    with replacing(path) as partial:
        partial.write_text("whole")
    assert path.read_text() == "whole" and len(list(tmp_path.iterdir())) == 1


def test_content_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, disk_files.replace_file
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle))[1])
    monkeypatch.setattr(disk_files, "replace_file", lambda *paths: (done.append("replace"), replace(*paths))[1])
    with replacing(tmp_path / "file") as partial:
        partial.write_text("x")
    assert done[:2] == ["sync", "replace"]


@posix
def test_links_and_pipes(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("theirs")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    with replacing(link, follow=True) as partial:
        partial.write_text("followed")
    assert link.is_symlink() and (tmp_path / "target").read_text() == "followed"
    with replacing(link) as partial:
        partial.write_text("replaced")
    assert not link.is_symlink() and (tmp_path / "target").read_text() == "followed"
    with replacing(Path("/dev/null")) as partial:
        assert partial == Path("/dev/null")
    assert not Path("/dev/null").is_file()


LEFTOVERS = (
    "runs/260101-aa.partial",
    "runs/260101-aa/part-00001.partial",
    "runs/.260101-aa.parquet-1f2e3d4c.partial",
    ".prepared/kept/tmpabc.partial",
    ".prepared/ml-100k/.ratings-ab.arrow-1234.partial",
    "recordings/.mine.jsonl.gz-12.partial",
    ".fetch-abcd/archive.zip",
    ".fetch-efgh/unpacked/ratings.csv",
)
KEPT = (
    "runs/260101-aa.parquet",
    "runs/partial",
    "ml-100k/u.data",
    ".prepared/ml-100k.lock",
    "lusifer.db",
    "fetch-notes",
)


def test_what_killed_processes_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old = time.time() - disk_files.LEFT_AFTER_SECONDS - 60
    for name in (*LEFTOVERS, *KEPT):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    for path in tmp_path.rglob("*"):
        os.utime(path, (old, old))
    live = tmp_path / ".fetch-live" / "archive.zip"
    live.parent.mkdir()
    live.write_text("arrives")
    os.utime(live.parent, (old, old))
    young = tmp_path / "runs" / "young.partial"
    young.write_text("x")
    removed = remove_leftovers(tmp_path)
    assert len(removed) == len(LEFTOVERS)
    assert not [n for n in LEFTOVERS if (tmp_path / n).exists()] and all((tmp_path / n).exists() for n in KEPT)
    assert live.exists() and young.exists()
    assert remove_leftovers(tmp_path / "nowhere") == []


# ---- checked --------------------------------------------------------------------------------------


def _flip(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_a_run_table_with_any_flipped_bit_is_no_result(data_dir: Path, caplog) -> None:
    tables.save_table("r-1", ROWS)
    path = tables.table_path("r-1")
    content = path.read_bytes()
    assert tables.is_whole(path) and tables.read_table("r-1")["rating"].tolist() == ROWS["rating"].tolist()
    unnoticed = []
    for bit in range(0, len(content) * 8, 61):  # bits of every place
        path.write_bytes(_flip(content, bit))
        if tables.is_whole(path):
            unnoticed.append(bit)
    for bit in unnoticed:  # in the name of the checksum: the rows are what they were
        path.write_bytes(_flip(content, bit))
        assert tables.read_table("r-1")["reason"].tolist() == ROWS["reason"].tolist()
    assert len(unnoticed) < 4
    path.write_bytes(_flip(content, 8 * 200))
    assert tables.read_table("r-1") is None and "damaged" in caplog.text


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "bit": lambda c: _flip(c, len(c) * 4),
    "half": lambda c: c[: len(c) // 2],
    "empty": lambda c: b"",
    "zeros": lambda c: c[:100] + bytes(64) + c[164:],
    "swapped": lambda c: c[:80] + c[90:100] + c[80:90] + c[100:],
    "longer": lambda c: c + b"x" * 20,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_parts_and_tables_are_not_read_block_by_block(data_dir: Path, damage: str) -> None:
    frame = pd.DataFrame({name: np.ones(30) for name in population_table.SCHEMA.names})
    frame = frame.assign(reason="", failure="").astype({"user_id": "int64", "item_id": "int64", "step": "int16"})
    frame = frame.astype({"timestamp": "int64"} | dict.fromkeys(("rating", "raw", "expected"), "float32"))
    frame = frame.astype(dict.fromkeys(("calibrated", "spread"), "float32"))
    folder = tables.parts_folder("r-2")
    folder.mkdir(parents=True)
    parts = population_table.part_paths(folder, 2)
    for part in parts:
        population_table.write_part(part, frame)
    sound = parts[1].read_bytes()
    parts[1].write_bytes(DAMAGES[damage](sound))
    with pytest.raises(LusiferError, match="missing or damaged"):
        population_table.join_parts("r-2", 2)
    assert not tables.table_path("r-2").exists()
    parts[1].write_bytes(sound)
    path = population_table.join_parts("r-2", 2)
    assert population_table.measure_errors(path)["raw"] == 0
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    for use in (population_table.measure_errors, lambda p: population_table.to_recbole(p, data_dir, "x")):
        with pytest.raises(LusiferError, match="damaged"):
            use(path)
    assert not list((data_dir / "x").glob("*.inter"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_prepared_table_is_read_anew(tmp_path: Path, damage: str) -> None:
    folder = write_tiny(tmp_path / "tiny", [(1, 1, 5, 10), (1, 2, 3, 20), (2, 1, 4, 30)], 2, 2)
    files, kept = list(folder.iterdir()), tmp_path / ".prepared" / "tiny"
    parsed = movielens.read(folder)
    columnar_cache.save(
        kept, parsed, columnar_cache.compute_statistics(parsed), {"files": columnar_cache.fingerprint(files)}
    )
    assert columnar_cache.load(kept, files) is not None and not list(kept.glob(".*"))
    names = sorted(p.name for p in kept.iterdir())
    assert len(names) == 6
    for name in names:
        sound = (kept / name).read_bytes()
        damaged = DAMAGES[damage](sound)
        (kept / name).write_bytes(damaged)
        os.utime(kept / name, ns=(1, len(name)))  # a time that was not seen: checked once a process and file
        assert damaged == sound or columnar_cache.load(kept, files) is None, name
        (kept / name).write_bytes(sound)
    assert columnar_cache.load(kept, files) is not None


# ---- a full disk ----------------------------------------------------------------------------------


def _full(path: Path) -> Path:
    """A path at which the disk is full: the system's own device for that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/dev/full")
    return path


def _save_table(folder: Path) -> None:
    _full(tables.table_path("r-3"))
    tables.save_table("r-3", ROWS)


def _to_recbole(folder: Path) -> None:
    _full(folder / "x" / "x.inter")
    tables.save_table(
        "r-4", ROWS.drop(columns="items").assign(item_id=1, timestamp=1, raw=1.0, expected=1.0, calibrated=1.0)
    )
    population_table.to_recbole(tables.table_path("r-4"), folder, "x")


def _fill_database(folder: Path) -> None:
    store = Store(folder / "small.db")
    with store.writing() as db:
        db.execute("pragma max_page_count = 1")  # as much as it has
    for _ in range(200):
        store.save_call({"status": "ok", "messages": "x" * 10_000})


WRITERS: dict[str, Callable[[Path], object]] = {
    "run table": _save_table,
    "recbole": _to_recbole,
    "database": _fill_database,
    "details": lambda folder: export_csv(datasets.load("ml-100k"), _full(folder / "d.csv"), Store(folder / "d.db")),
    "log": lambda folder: __import__("lusifer.env.agent_runs").env.agent_runs.save_log(
        ROWS, _full(folder / "log.parquet")
    ),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_called_one(data_dir: Path, name: str) -> None:
    with pytest.raises(LusiferError, match="the disk is full") as failed:
        WRITERS[name](data_dir)
    assert "Make room" in str(failed.value)


def test_a_full_disk_is_no_fault_of_the_network(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.open

    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *error: object) -> None: ...

        def write(self, block: bytes) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda p, *a, **k: Full() if p.name == "archive.zip" else original(p, *a, **k))
    with FileServer() as server, pytest.raises(DatasetError, match="the disk is full"):
        fetch("ml-100k", tmp_path, url=server.add("/a.zip", zip_of(source)))  # and no other place is tried
    assert [p.name for p in tmp_path.iterdir()] == [".prepared"]
    with pytest.raises(StoreError):
        Store(tmp_path)


# ---- twice at once --------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3])
def test_fetching_at_once_fetches_once(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(fetching, "GROUPLENS_SHA256", __import__("hashlib").sha256(body := zip_of(source)).hexdigest())
    failures: list[BaseException] = []
    with FileServer() as server:
        url = server.add("/a.zip", body)

        def work() -> None:
            try:
                assert fetch("ml-100k", tmp_path, source="grouplens", url=url) == tmp_path / "ml-100k"
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(count)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert not failures and len(server.asked) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [".prepared", "ml-100k"]
    assert len(datasets.load("ml-100k", tmp_path).ratings) == 100_000


def test_who_waits_for_another_fetch_can_be_stopped(tmp_path: Path) -> None:
    (tmp_path / ".prepared").mkdir()
    said: list[str] = []
    with FileLock(tmp_path / ".prepared" / "ml-1m.lock"), pytest.raises(CancelledError):
        fetch(
            "ml-1m", tmp_path, cancelled=lambda: bool(said), on_progress=lambda d, n, message="": said.append(message)
        )
    assert "waiting" in said[0] and not (tmp_path / "ml-1m").exists()


# ---- private --------------------------------------------------------------------------------------


@posix
def test_what_a_command_creates_is_its_owners_alone(data_dir: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        folder = tmp_path / "made"
        assert main(["prompts", "export", "grounded", str(tmp_path / "prompts.json")]) == 0
        Store(folder / "lusifer.db").save_call({"status": "ok"})
        tables.save_table("r-5", ROWS)
        (folder / "deeper").mkdir()
        created = [tmp_path / "prompts.json", tables.table_path("r-5"), *folder.rglob("*"), folder]
        assert len(created) >= 6
        assert not [p for p in created if stat.S_IMODE(p.stat().st_mode) & 0o077]
    finally:
        os.umask(before)


@posix
@pytest.mark.parametrize("mode", [0o644, 0o666, 0o640, 0o604, 0o600, 0o400])
def test_a_file_of_keys_is_made_private(tmp_path: Path, mode: int, monkeypatch, caplog) -> None:
    monkeypatch.delenv("PLANTED_NAME", raising=False)
    file = tmp_path / ".env"
    file.write_text("PLANTED_NAME=1\n")
    file.chmod(mode)
    settings.load_env_file(file)
    assert stat.S_IMODE(file.stat().st_mode) == mode & 0o600 and ("private" in caplog.text) == bool(mode & 0o077)
    assert os.environ["PLANTED_NAME"] == "1"


def test_the_image_runs_without_rights_and_is_published_on_this_machine_alone() -> None:
    root = Path(__file__).parents[1]
    lines = (root / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and users[-1] not in {"root", "0"}
    texts = {p: p.read_text() for p in (root / "README.md", *(root / "docs").rglob("*.md"))}
    published = [(p.name, m) for p, text in texts.items() for m in re.findall(r"docker run.*? -p (\S+)", text)]
    assert published and all(m.startswith("127.0.0.1:") for _, m in published)
