"""Where things lie and which environment variables move them. A leaf."""

from __future__ import annotations

import os
from pathlib import Path


def project_dir() -> Path:
    """The checkout (where ``app.py`` is), else the current folder (installed as a package)."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "app.py").is_file() else Path.cwd()


def data_dir() -> Path:
    """Folder of the data sets and the database: ``LUSIFER_DATA``, else ``data/`` of the project."""
    return Path(os.environ.get("LUSIFER_DATA") or project_dir() / "data")


def database_path() -> Path:
    """The SQLite file: ``LUSIFER_DB``, else ``lusifer.db`` in the data folder."""
    return Path(os.environ.get("LUSIFER_DB") or data_dir() / "lusifer.db")


def prediction_cache_dir() -> Path:
    """Folder of fitted models and predictions that would take seconds to compute again."""
    return data_dir() / ".prepared" / "kept"


def is_public() -> bool:
    """Whether strangers use this server (``LUSIFER_PUBLIC=1``): they choose no addresses and no files."""
    return os.environ.get("LUSIFER_PUBLIC", "").strip().lower() in {"1", "true", "yes", "on"}


def load_env_file(path: Path | None = None) -> None:
    """Take ``NAME=value`` lines of ``.env`` for variables that are not set yet.

    Only plain lines are read (no interpolation): the file exists so that a key need not be typed
    into a shell. A missing file is fine.
    """
    file = path or project_dir() / ".env"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        name, sep, value = line.strip().removeprefix("export ").partition("=")
        if sep and name.strip().isidentifier():
            os.environ.setdefault(name.strip(), value.strip().strip("'\""))
