"""Where things lie and which environment variables move them. A leaf."""

from __future__ import annotations

import io
import logging
import os
import re
import stat
import sys
import unicodedata
from pathlib import Path

import platformdirs

from lusifer.errors import InvalidInputError
from lusifer.safe_text import for_terminal

_YES, _NO = frozenset({"1", "yes", "on", "true"}), frozenset({"0", "no", "off", "false"})
_PACKAGE = Path(__file__).resolve().parent


def checkout_dir() -> Path | None:
    """The checkout that this code runs from; ``None`` for an installed package.

    Known by the project file beside the package: whatever else lies around an installed package, an ``app.py`` of
    somebody else's included, is none of ours.
    """
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "app.py").is_file() else None


def app_file() -> Path:
    """The script that Streamlit runs: the checkout's, or the one that an installed package carries."""
    return (checkout_dir() or _PACKAGE / "_app") / "app.py"


def home_dir() -> Path:
    """Folder of ``.env`` and ``.streamlit/secrets.toml``: the checkout, else the platform's user folder.

    The current folder is never looked into: the program is started from folders that belong to something else.
    """
    return checkout_dir() or Path(platformdirs.user_data_dir("lusifer", appauthor=False))


def data_dir() -> Path:
    """Folder of the datasets and the database.

    ``LUSIFER_DATA``, else ``data/`` of the checkout, else the platform's user folder.
    """
    if named := os.environ.get("LUSIFER_DATA"):
        return _expand(named)
    root = checkout_dir()
    return root / "data" if root else home_dir()


def database_path() -> Path:
    """The SQLite file: ``LUSIFER_DB``, else ``lusifer.db`` in the data folder."""
    named = os.environ.get("LUSIFER_DB")
    return _expand(named) if named else data_dir() / "lusifer.db"


def _expand(path: str) -> Path:
    """A path as a shell would have given it: ``.env`` and other programs leave ``~`` and ``$HOME`` to us."""
    return Path(os.path.expandvars(path.strip())).expanduser()


def command_name() -> str:
    """How a person starts the command line: ``python -m lusifer`` in a checkout, ``lusifer`` where it is installed."""
    return "python -m lusifer" if checkout_dir() else "lusifer"


def install_extra(extra: str) -> str:
    """The command that installs an optional part (``local``, ``scale``, ``rl``)."""
    return f"pip install -r requirements-{extra}.txt" if checkout_dir() else f'pip install "lusifer[{extra}]"'


def child_environment(**more: str) -> dict[str, str]:
    """The environment for a child process of ours that may run in another folder.

    It finds this package, and paths that were given relative to the current folder are absolute.
    """
    if root := checkout_dir():  # an installed package is found by itself
        more["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    absolute = {
        name: str(_expand(value).absolute())
        for name in ("LUSIFER_DATA", "LUSIFER_DB")
        if (value := os.environ.get(name))
    }
    return {**os.environ, **absolute, **more}


def prediction_cache_dir() -> Path:
    """Folder of fitted models and predictions that would take seconds to compute again."""
    return data_dir() / ".prepared" / "kept"


def read_switch(variable: str, default: bool) -> bool:
    """A variable that is yes (1, yes, on, true) or no (0, no, off, false), in small or capital letters.

    Args:
        variable: its name.
        default: what holds where it is not set, or empty.

    Raises:
        InvalidInputError: it is something else. Nobody guesses what was meant: a server that was to be for strangers
            must not start as its owner's.
    """
    value = os.environ.get(variable, "").strip().lower()
    if value and value not in _YES | _NO:
        raise InvalidInputError(
            f"{variable} is {os.environ[variable]!r}, which is neither yes nor no.",
            f"Write {variable}=1 or {variable}=0 and nothing else on the line.",
        )
    return value in _YES if value else default


def check_switches() -> None:
    """Make sure that every variable for yes or no is one of them, before anything starts.

    Raises:
        InvalidInputError: one is neither.
    """
    is_public()
    computes_automatically()


def computes_automatically() -> bool:
    """Whether pages compute by themselves what costs nothing and is not there yet (``LUSIFER_AUTOMATIC``).

    By default they do, except on a public server: work that anybody starts by opening a page would fill its workers.
    """
    return read_switch("LUSIFER_AUTOMATIC", not is_public())


def is_public() -> bool:
    """Whether strangers use this server (``LUSIFER_PUBLIC=1``): they choose no addresses and no files."""
    return read_switch("LUSIFER_PUBLIC", False)


def allowed_hosts() -> list[str]:
    """Names by which browsers ask for the app beside this machine's own (``LUSIFER_HOSTS``, with commas or blanks)."""
    return os.environ.get("LUSIFER_HOSTS", "").replace(",", " ").split()


_OURS = re.compile(r"(?<!\w)LUSIFER(?:[-_.\u2010-\u2015]+(\w[\w-]*)|[\W_]*(PUBLIC)(?!\w))", re.IGNORECASE)
"""What looks like the name of a variable of ours, misspelled ones included."""


def _our_variable(line: str) -> str:
    """The variable of ours that a line means to set, by its right name; empty for another line or a comment.

    A list's dash, a command and marks that nobody sees may stand before it.
    """
    head = "".join(c for c in line.lstrip().partition("=")[0] if unicodedata.category(c) != "Cf")
    found = None if head.startswith("#") else _OURS.search(head.partition("\n")[0])
    return "LUSIFER_" + re.sub(r"[\W_]+", "_", found[1] or found[2]).upper() if found else ""


class _StderrHandler(logging.Handler):
    """Writes to what is stderr at that moment, as `print` does."""

    def emit(self, record: logging.LogRecord) -> None:
        print(for_terminal(self.format(record)), file=sys.stderr)


def configure_logging(level: str = "") -> None:
    """Write to stderr what is decided along the way: retries, repairs, fallbacks, parts that a server does not know.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``; by default ``LUSIFER_LOG``, else ``warning``.
    """
    logger, name = logging.getLogger("lusifer"), (level or os.environ.get("LUSIFER_LOG") or "warning").strip().upper()
    if not any(isinstance(handler, _StderrHandler) for handler in logger.handlers):
        handler = _StderrHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
    known = name in {"DEBUG", "INFO", "WARNING", "ERROR"}
    logger.setLevel(name if known else "WARNING")
    if not known:
        logger.warning("There is no log level %r: choose debug, info, warning or error.", name)


def keep_files_private() -> None:
    """Let nobody else read what this process and its children create from now on: answers, prompts, local users."""
    os.umask(0o077)


def load_env_file(path: Path | None = None) -> None:
    """Take the variables of ``.env`` that are not set yet.

    The file is read as other programs read it (``export``, quotes, comments), in UTF-8 or UTF-16, with or without a
    mark at its beginning; a value is not searched for other variables. A missing file is fine, and so are lines that
    are no variable, unless they name one of ours. It holds keys: one that others on this machine can read is made
    private.

    Raises:
        InvalidInputError: it is no text in one of these encodings, or a line names a variable of ours without setting
            it.
    """
    file = path or home_dir() / ".env"
    try:
        content = file.read_bytes()
    except OSError:
        return
    _make_private(file)
    from dotenv.parser import parse_stream  # mostly there is no file

    try:
        text = content.decode(_encoding(content)).lstrip("\ufeff")
        bindings = list(parse_stream(io.StringIO(text.replace("\0", ""))))
    except UnicodeDecodeError:
        raise InvalidInputError(f"{file} is no text in UTF-8.", "Save it as UTF-8.") from None
    values: dict[str, str] = {}
    for binding in bindings:
        name, value, written = binding.key or "", binding.value, binding.original
        ours = _our_variable(written.string)
        if ours and (value is None or name != ours):
            # Passed over in silence, it would leave what it says undone.
            blank = written.string[: len(written.string) - len(written.string.lstrip())]
            raise InvalidInputError(
                f"Line {written.line + blank.count(chr(10))} of {file} names {ours} and does not set it.",
                f"Write {ours}=VALUE, on a line of its own.",
            )
        if value is not None and name.isidentifier():
            values[name] = value.strip()  # the last of several holds
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _make_private(file: Path) -> None:
    """Take rights on a file of ours from others; elsewhere than on POSIX systems they have none by default."""
    if os.name != "posix":
        return
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            file.chmod(mode & 0o700)
            logging.getLogger("lusifer").warning("Others could read %s, which may hold keys; it is private now.", file)
    except OSError as error:
        logging.getLogger("lusifer").warning("Others can read %s, which may hold keys (%s).", file, error.strerror)


def _encoding(content: bytes) -> str:
    """UTF-16 by its mark, or by the zeros that it has at every other place; else UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if content[1:40:2].count(0) > len(content[1:40:2]) * 0.7:
        return "utf-16-le"
    return "utf-16-be" if content[0:40:2].count(0) > len(content[0:40:2]) * 0.7 else "utf-8"
