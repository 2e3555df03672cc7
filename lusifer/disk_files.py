"""Files that are written whole or not at all, their checksums, and what to say where a disk takes no more. A leaf."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"
"""How the name of a file ends that is being written."""
DOWNLOAD = ".fetch-"
"""How the name of a folder begins that a download works in."""
LEFT_AFTER_SECONDS = 24 * 3600
"""What was not written to for so long belongs to a process that was killed."""
MIN_FREE_BYTES = 1 << 20
"""With less than this a disk counts as full where an error does not say so."""
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def replacing(path: Path, *, follow: bool = False) -> Iterator[Path]:
    """Where to write what shall lie at a path: a file beside it, which takes its place when the block ends.

    By then its content is on the disk, so that neither a killed process nor a power cut leaves half of it under
    that name. A block that fails leaves the former file, and nothing beside it. What is no file (a pipe, the terminal)
    is written to as it is.

    Args:
        path: where it shall lie.
        follow: of a link, replace the file that it leads to, as whoever named the path expects; else the link, which
            may be anybody's.

    Raises:
        OSError: it can't be written.
    """
    path = path.resolve() if follow and path.is_symlink() else path
    if path.exists() and not path.is_file():
        yield path
        return
    partial = path.with_name(f".{path.name[:80]}-{secrets.token_hex(4)}{PARTIAL}")
    try:
        yield partial
        _sync(partial)
        replace_file(partial, path)
        if os.name == "posix":  # the new name as well; elsewhere a folder can't be opened
            _sync(path.parent)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until what was written is on the disk; some file systems know no such thing for folders."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() or os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def replace_file(new: Path, old: Path, attempts: int = 10) -> None:
    """Put a whole new file in the place of another.

    Windows refuses while a virus scanner or an indexer looks at one of them, for a moment: tried again for a second.

    Raises:
        OSError: it could not be replaced.
    """
    for attempt in range(attempts):
        try:
            new.replace(old)
            return
        except PermissionError:
            if attempt == attempts - 1:
                raise
            time.sleep(0.02 * (attempt + 1))


def checksum(path: Path) -> str:
    """CRC-32 of a file, as eight hexadecimal digits: no single damaged bit leaves it as it was.

    Raises:
        OSError: it can't be read.
    """
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return f"{value:08x}"


def is_disk_full(folder: Path) -> bool:
    """Whether next to nothing can be written where a folder lies."""
    try:
        return shutil.disk_usage(folder).free < MIN_FREE_BYTES
    except OSError:
        return False


def says_disk_full(error: OSError) -> bool:
    """Whether an error says that a disk, or what a user may have of it, is full."""
    return error.errno in _FULL or "No space left" in str(error)  # libraries drop the number


def explain_write_error(what: str, error: OSError, fix: str = "Check write access to its folder.") -> tuple[str, str]:
    """Message and way out where something could not be written.

    Args:
        what: what could not be done, as a sentence without its end: "X can't be written".
        error: what the system said.
        fix: what to do where the disk is not full.
    """
    if says_disk_full(error):
        return f"{what}: the disk is full.", "Make room on that disk, and try again."
    return f"{what} ({error.strerror or error}).", fix


def remove_leftovers(folder: Path, older_than: float = LEFT_AFTER_SECONDS) -> list[Path]:
    """Remove what killed processes left half-written in a data folder; what was removed.

    That is files that end in ``.partial``, in the folder and the two levels below it, and the folders of downloads.
    What can't be removed stays.

    Args:
        folder: the data folder.
        older_than: seconds for which nothing was written to them.
    """
    limit, removed = time.time() - older_than, []
    for pattern in (f"{DOWNLOAD}*", f"*{PARTIAL}", f"*/*{PARTIAL}", f"*/*/*{PARTIAL}"):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if path.is_symlink() or _last_written(path) > limit:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed.append(path)
    return removed


def _last_written(path: Path) -> float:
    """The newest time of a file, or of what lies in a folder."""
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return max(file.stat().st_mtime for file in files)
