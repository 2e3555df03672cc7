"""Fetching MovieLens: 100K from GroupLens, else from the copy inside a wheel of the package index; larger releases
from GroupLens.

Everything happens in a hidden folder beside the target, which is checked and then moved into place:
an interrupted or damaged download leaves nothing half-made.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lusifer import settings
from lusifer.datasets import DATASET_SPECS, check_complete, load, movielens, releases
from lusifer.errors import CancelledError, DatasetError, InvalidInputError
from lusifer.progress import Progress, ignore_progress

GROUPLENS_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
GROUPLENS_SHA256 = "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"
GROUPLENS_BYTES = 4_924_029
WHEEL = "recbole==1.2.1"
WHEEL_FOLDER = "recbole/dataset_example/ml-100k/"

BASE_URL = "https://files.grouplens.org/datasets/movielens/"
"""Where the larger releases lie; ``LUSIFER_MOVIELENS_URL`` says another place."""


@dataclass(frozen=True)
class Release:
    """A release that can be downloaded: its title, megabytes, and the MD5 of its archive, where it is fixed. For
    the others GroupLens' own ``.md5`` beside the archive is asked."""

    title: str
    megabytes: int
    md5: str = ""


RELEASES = {
    "ml-1m": Release("MovieLens 1M", 6, "c4d9eecfca2ab87c1945afe126590906"),
    "ml-10m": Release("MovieLens 10M", 63, "ce571fd55effeba0271552578f2648bd"),
    "ml-20m": Release("MovieLens 20M", 190),
    "ml-25m": Release("MovieLens 25M", 250, "6b51fb2759a8657d3bfcbfc42b592ada"),
    "ml-32m": Release("MovieLens 32M", 228),
    "ml-latest-small": Release("MovieLens latest-small", 1),
    "ml-latest": Release("MovieLens latest", 335),
}
"""The larger releases, by the name of their archive."""
ARCHIVE_FILES = ("ratings", "movies", "users", "links", "README")
"""What is kept of an archive: the beginnings of its files' names."""


def fetch(
    name: str = "ml-100k",
    data_dir: Path | None = None,
    *,
    source: str = "auto",
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
    replace: bool = False,
    url: str | None = None,
) -> Path:
    """Bring a data set into the data folder and return its folder; one that is there is kept as it is.

    Args:
        name: a name of `lusifer.datasets.DATASET_SPECS` or `RELEASES`.
        source: ``grouplens``, ``pypi``, or ``auto`` (GroupLens, else the package index).
        on_progress: called with percent done, 100 (0 where it can't be known), and what is being done.
        cancelled: asked often; once true, the work stops and nothing is left behind.
        replace: fetch even if a folder is there; that one is kept beside it under a dated name.
        url: another address of GroupLens' archive (``LUSIFER_ML100K_URL`` does the same).

    Raises:
        InvalidInputError: unknown name or source.
        DatasetError: the folder can't be written, no source can be reached, or what arrived is not
            the data set.
        CancelledError: ``cancelled`` said so.
    """
    if name in RELEASES:
        return _fetch_release(name, data_dir or settings.data_dir(), on_progress, cancelled, replace, url)
    spec = DATASET_SPECS.get(name)
    if spec is None:
        raise InvalidInputError(
            f"There is no dataset {name!r} to download.", f"Known: {', '.join([*DATASET_SPECS, *RELEASES])}."
        )
    if source not in {"auto", "grouplens", "pypi"}:
        raise InvalidInputError(f"There is no source {source!r}.", "Choose auto, grouplens or pypi.")
    root = data_dir or settings.data_dir()
    target = root / name
    if target.exists() and not replace:
        load(name, root)  # whole, or says what is wrong with it
        on_progress(100, 100, f"{spec.title} is already in {target}.")
        return target
    work = _temporary_folder(root)
    try:
        folder = _obtain(work, source, on_progress, cancelled, url)
        check_complete(movielens.read(folder), spec, folder)
        if target.exists():
            _move_aside(target)
        folder.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    on_progress(100, 100, f"{spec.title} is in {target}.")
    return target


def _move_aside(target: Path) -> None:
    """Keep what is replaced, under a dated name."""
    target.rename(target.with_name(f"{target.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}"))


def _temporary_folder(root: Path) -> Path:
    """A hidden folder to work in, beside where the data set will stand."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".fetch-", dir=root))
    except OSError as error:
        raise DatasetError(
            f"The data folder {root} can't be written ({error.strerror}).",
            "Check write access to it, or set LUSIFER_DATA to another folder.",
        ) from None


def _fetch_release(
    name: str, root: Path, on_progress: Progress, cancelled: Callable[[], bool], replace: bool, url: str | None
) -> Path:
    """A larger release: downloaded, held against its checksum, unpacked, moved into place, and then read once. What
    is stopped while it is read is whole, and is read the next time."""
    release, target = RELEASES[name], root / name
    if target.exists() and not replace:
        load(name, root, on_progress=on_progress, cancelled=cancelled)
        on_progress(100, 100, f"{release.title} is already in {target}.")
        return target
    work = _temporary_folder(root)
    base = os.environ.get("LUSIFER_MOVIELENS_URL") or BASE_URL
    address = url or f"{base.rstrip('/')}/{name}.zip"
    archive = work / f"{name}.zip"
    try:
        digest = _download(address, archive, release, on_progress, cancelled)
        expected = release.md5 or _published_md5(address)
        if expected and digest != expected:
            raise DatasetError(
                f"{address} sent a file that is not {name}.zip (its MD5 is {digest}, not {expected}).",
                "Try again, or download it by hand and unpack it into data/.",
            )
        on_progress(0, 0, "Unpacking." if expected else "Unpacking (no checksum is published for it).")
        folder = _unpack_release(archive, work / "unpacked")
        if releases.detect_release(folder) is None:
            raise DatasetError(f"{name}.zip holds no supported ratings and movies files.", "Download it again.")
        if target.exists():
            _move_aside(target)
        folder.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    load(name, root, on_progress=on_progress, cancelled=cancelled)
    on_progress(100, 100, f"{release.title} is in {target}.")
    return target


def _download(
    address: str, archive: Path, release: Release, on_progress: Progress, cancelled: Callable[[], bool]
) -> str:
    """The archive, written as it comes; its MD5 (GroupLens publishes that one)."""
    digest = hashlib.md5(usedforsecurity=False)
    on_progress(0, 100, f"Downloading {release.title} (about {release.megabytes} MB).")
    began = time.monotonic()
    try:
        with urllib.request.urlopen(address, timeout=30) as answer, archive.open("wb") as out:
            size = int(answer.headers.get("Content-Length") or release.megabytes * 1_000_000)
            done = 0
            while block := answer.read(1 << 18):
                if cancelled():
                    raise CancelledError("The download was stopped.", "Partial files were removed.")
                out.write(block)
                digest.update(block)
                done += len(block)
                rate = done / max(time.monotonic() - began, 1e-3)
                seconds_left = max(size - done, 0) / max(rate, 1)
                on_progress(
                    _percent(done, size),
                    100,
                    f"Downloading: {done / 1e6:.0f} of {size / 1e6:.0f} MB, {rate / 1e6:.1f} MB/s, about {seconds_left:.0f} s left.",
                )
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DatasetError(
            f"{address} could not be reached ({reason}).",
            "Check the network, or download the archive by hand and unpack it into data/.",
        ) from None
    return digest.hexdigest()


def _percent(done: int, size: int) -> int:
    return round(min(done / size, 1.0) * 100)


def _published_md5(address: str) -> str:
    """The checksum beside an archive; empty where none is published."""
    try:
        with urllib.request.urlopen(f"{address}.md5", timeout=20) as answer:
            match = re.search(rb"\b[0-9a-f]{32}\b", answer.read(4096).lower())
    except (urllib.error.URLError, OSError, ValueError):
        return ""
    return match.group().decode() if match else ""


def _unpack_release(archive: Path, to: Path) -> Path:
    to.mkdir()
    try:
        with zipfile.ZipFile(archive) as source:
            for member in source.infolist():
                name = Path(member.filename).name
                if not member.is_dir() and name.startswith(ARCHIVE_FILES):
                    with source.open(member) as file, (to / name).open("wb") as out:
                        shutil.copyfileobj(file, out, 1 << 20)
    except (zipfile.BadZipFile, OSError) as error:
        raise DatasetError(f"{archive.name} can't be unpacked ({error}).") from None
    return to


def _obtain(work: Path, source: str, on_progress: Progress, cancelled: Callable[[], bool], url: str | None) -> Path:
    failures: list[str] = []
    if source in {"auto", "grouplens"}:
        try:
            return _from_grouplens(work, on_progress, cancelled, url)
        except DatasetError as error:
            failures.append(error.message)
            on_progress(0, 0, f"{error.message} Trying the package index.")
    if source in {"auto", "pypi"}:
        try:
            return _from_pypi(work, on_progress, cancelled)
        except DatasetError as error:
            failures.append(error.message)
    raise DatasetError(
        "MovieLens 100K could not be downloaded. " + " ".join(failures),
        "Check the network (pip's own settings and proxies apply), or download ml-100k.zip by hand "
        "from grouplens.org/datasets/movielens/100k and unpack it into data/.",
    )


def _from_grouplens(work: Path, on_progress: Progress, cancelled: Callable[[], bool], url: str | None) -> Path:
    address = url or os.environ.get("LUSIFER_ML100K_URL") or GROUPLENS_URL
    archive = work / "ml-100k.zip"
    digest = hashlib.sha256()
    on_progress(0, 100, "Downloading ml-100k.zip from GroupLens (4.9 MB).")
    try:
        with urllib.request.urlopen(address, timeout=20) as answer, archive.open("wb") as out:
            size = int(answer.headers.get("Content-Length") or GROUPLENS_BYTES)
            done = 0
            while block := answer.read(65536):
                if cancelled():
                    raise CancelledError("The download was stopped.", "Partial files were removed.")
                out.write(block)
                digest.update(block)
                done += len(block)
                on_progress(_percent(done, size), 100, f"Downloading from GroupLens: {done / 1e6:.1f} MB.")
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DatasetError(f"GroupLens could not be reached ({reason}).") from None
    if digest.hexdigest() != GROUPLENS_SHA256:
        raise DatasetError("GroupLens sent a file that is not ml-100k.zip (checksum differs).")
    on_progress(0, 0, "Unpacking.")
    return _unpack(archive, "ml-100k/", work / "unpacked")


def _from_pypi(work: Path, on_progress: Progress, cancelled: Callable[[], bool]) -> Path:
    on_progress(0, 0, f"Downloading {WHEEL} from the package index (2 MB).")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--dest",
        str(work / "wheel"),
        WHEEL,
    ]
    with (work / "pip.log").open("w+") as log:
        try:
            child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        except OSError as error:
            raise DatasetError(f"pip could not be started ({error}).") from None
        try:
            while child.poll() is None:
                if cancelled():
                    raise CancelledError("The download was stopped.", "Partial files were removed.")
                time.sleep(0.1)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        log.seek(0)
        log_lines = [line.strip() for line in log if line.strip()]
    wheels = list((work / "wheel").glob("*.whl"))
    if child.returncode or not wheels:
        last = next((s for s in reversed(log_lines) if "error" in s.lower()), log_lines[-1] if log_lines else "")
        raise DatasetError(f"The package index did not give {WHEEL} ({last or 'pip failed'}).")
    on_progress(0, 0, "Unpacking.")
    return _unpack(wheels[0], WHEEL_FOLDER, work / "unpacked", endings=(".inter", ".item", ".user"))


def _unpack(archive: Path, inside: str, to: Path, endings: tuple[str, ...] = ("",)) -> Path:
    """Copy the plain files of one folder of a zip; names with a path of their own are left out."""
    to.mkdir()
    try:
        with zipfile.ZipFile(archive) as source:
            for member in source.namelist():
                name = member.removeprefix(inside)
                if not member.startswith(inside) or not name or "/" in name or "\\" in name:
                    continue
                if name.endswith(endings):
                    (to / name).write_bytes(source.read(member))
    except (zipfile.BadZipFile, OSError) as error:
        raise DatasetError(f"{archive.name} can't be unpacked ({error}).") from None
    return to
