"""Settings: what is logged, and where."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lusifer import settings
from lusifer.cli.main import main
from lusifer.errors import InvalidInputError, ModelError
from lusifer.llm import Message
from lusifer.llm.budget import PUBLIC_DAY_DOLLARS, SpendingLimit, operator_budget
from lusifer.llm.endpoints import Endpoint
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.retry import RetryingLLM
from tests.conftest import ROOT
from tests.servers.openai import KEY


@pytest.fixture(autouse=True)
def logger():
    """The logger of the whole package as it was, afterwards."""
    logger = logging.getLogger("lusifer")
    level, handlers = logger.level, list(logger.handlers)
    yield logger
    logger.setLevel(level)
    logger.handlers[:] = handlers


def test_the_level_is_chosen_by_a_variable_or_an_argument(monkeypatch, capsys, logger) -> None:
    for variable, argument, wanted in (("", "", "WARNING"), ("debug", "", "DEBUG"), ("error", "info", "INFO")):
        monkeypatch.setenv("LUSIFER_LOG", variable)
        settings.configure_logging(argument)
        assert logging.getLevelName(logger.level) == wanted
    logging.getLogger("lusifer.somewhere").info("said once")
    assert capsys.readouterr().err.count("said once") == 1
    monkeypatch.setenv("LUSIFER_LOG", "loud")
    settings.configure_logging()
    assert "no log level 'LOUD'" in capsys.readouterr().err


def test_retries_and_unsupported_parts_are_logged_without_the_key(openai_server, capsys) -> None:
    settings.configure_logging("debug")
    openai_server.unknown = {"seed"}
    openai_server.behave("ok", "429")
    model = RetryingLLM(OpenAICompatible(Endpoint("mine", openai_server.url, KEY), "m"), first=0.01)
    model.complete([Message("user", "Say something.")], seed=1)
    said = capsys.readouterr().err
    assert "Asked again in" in said and "refused a part of the request: no seed is sent" in said
    wrong = OpenAICompatible(Endpoint("mine", openai_server.url, f"{KEY}wrong"), "m")
    with pytest.raises(ModelError):
        RetryingLLM(wrong).complete([Message("user", "Again.")])
    assert KEY not in said + capsys.readouterr().err


TEXT = "LUSIFER_TRY=ja \u00e9\nLUSIFER_NEXT=2\n"
FILES = {
    "utf-8": TEXT.encode(),
    "utf-8-mark": TEXT.encode("utf-8-sig"),
    "utf-16": TEXT.encode("utf-16"),
    "utf-16-le-mark": b"\xff\xfe" + TEXT.encode("utf-16-le"),
    "utf-16-be-mark": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "utf-16-le": TEXT.encode("utf-16-le"),
    "utf-16-be": TEXT.encode("utf-16-be"),
    "windows-lines": TEXT.replace("\n", "\r\n").encode(),
    "export": TEXT.replace("LUSIFER_TRY", "export  LUSIFER_TRY").encode(),
    "double-quotes": TEXT.replace("ja \u00e9", '"ja \u00e9"   # mine').encode(),
    "single-quotes": TEXT.replace("ja \u00e9", "'ja \u00e9' # mine").encode(),
    "comment": TEXT.replace("ja \u00e9", "ja \u00e9   # mine").encode(),
    "blanks": TEXT.replace("=", " = ").encode(),
    "a line that is none": b"what is this\n" + TEXT.encode(),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_forms_of_an_environment_file(tmp_path, monkeypatch, content) -> None:
    for name in ("LUSIFER_TRY", "LUSIFER_NEXT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_bytes(content)
    settings.load_env_file(tmp_path / ".env")
    assert (os.environ["LUSIFER_TRY"], os.environ["LUSIFER_NEXT"]) == ("ja \u00e9", "2")


@pytest.mark.parametrize("value", ["a#b", "http://h/#x", "sk-${HOME}", "a=b=c"])
def test_what_is_no_comment_stays(tmp_path, monkeypatch, value) -> None:
    monkeypatch.setenv("LUSIFER_TRY", "")
    monkeypatch.delenv("LUSIFER_TRY")
    (tmp_path / ".env").write_text(f"LUSIFER_TRY={value}\n")
    settings.load_env_file(tmp_path / ".env")
    assert os.environ["LUSIFER_TRY"] == value


@pytest.mark.parametrize(
    "content", ["LUSIFER_TRY=\u00e9".encode("cp1252"), b"\xff\xfeA", "LUSIFER_TRY=\u0416".encode("cp1251")]
)
def test_a_file_in_no_encoding_is_named(tmp_path, content) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(InvalidInputError, match=".env") as failed:
        settings.load_env_file(tmp_path / ".env")
    assert "UTF-8" in failed.value.fix
    settings.load_env_file(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "value", ["~/place/x", "$LUSIFER_HOME_HERE/place/x", "${LUSIFER_HOME_HERE}/place/x", " ~/place/x "]
)
def test_paths_are_as_a_shell_would_have_given_them(tmp_path, monkeypatch, value) -> None:
    for name in ("HOME", "USERPROFILE", "LUSIFER_HOME_HERE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("LUSIFER_DB", value)
    monkeypatch.setenv("LUSIFER_DATA", value)
    assert settings.database_path() == settings.data_dir() == tmp_path / "place" / "x"
    child = settings.child_environment()
    assert Path(child["LUSIFER_DB"]) == Path(child["LUSIFER_DATA"]) == tmp_path / "place" / "x"


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "cp932", "cp1251", "utf-8", "utf-16"])
def test_output_is_utf_8_whatever_the_code_page(encoding) -> None:
    code = r"""
import sys
from lusifer.safe_text import filtered_streams
with filtered_streams():
    print("R\u00b2 \u2013 \u00e9 \ud83d")
    print("\u00b2", file=sys.stderr)
"""
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().startswith("R\u00b2 \u2013 \u00e9 ") and done.stderr.decode().strip() == "\u00b2"


NEITHER = ["1  # strangers", "y", "2", "enabled", "public", '"1"', "yes please", "-1", "11", "no!", "нет", "1;"]


@pytest.mark.parametrize("variable", ["LUSIFER_PUBLIC", "LUSIFER_AUTOMATIC"])
@pytest.mark.parametrize("value", NEITHER)
def test_what_is_neither_yes_nor_no_stops_the_start(variable, value, monkeypatch, capsys) -> None:
    """A container's environment file takes a line as it is: nobody guesses what was meant."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInputError, match=f"{variable} is .*neither yes nor no"):
        settings.check_switches()
    assert main(["app", "--no-browser", "--port", "0"]) == 2
    assert "neither yes nor no" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "public"),
    [
        ("1", True),
        (" YES ", True),
        ("on", True),
        ("True", True),
        ("0", False),
        ("", False),
        ("No", False),
        ("off", False),
    ],
)
def test_yes_and_no(value, public, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_PUBLIC", value)
    monkeypatch.delenv("LUSIFER_AUTOMATIC")
    assert settings.is_public() is public
    assert settings.computes_automatically() is not public, "what anybody starts by opening a page fills the workers"
    monkeypatch.setenv("LUSIFER_AUTOMATIC", "1")
    assert settings.computes_automatically()


LINES = {
    "LUSIFER_PUBLIC=1  # strangers": True,
    "LUSIFER_PUBLIC='1' # strangers": True,
    'export LUSIFER_PUBLIC="yes"': True,
    "LUSIFER_PUBLIC=on\t# strangers": True,
    "LUSIFER_PUBLIC = 1": True,
    "LUSIFER_PUBLIC=0\nLUSIFER_PUBLIC=1": True,
    "# LUSIFER_PUBLIC=1": False,
    "LUSIFER_PUBLIC=0 # strangers": False,
    "LUSIFER_PUBLIC=1# strangers": None,
    "LUSIFER_PUBLIC=y": None,
    "LUSIFER_PUBLIC": None,
    "LUSIFER_PUBLIC: 1": None,
    "LUSIFER_PUBLIC 1": None,
    "\n\nlusifer_public=1": None,
    "set LUSIFER_PUBLIC=1": None,
    "$env:LUSIFER_PUBLIC=1": None,
    'LUSIFER_PUBLIC="1': None,
    "- LUSIFER_PUBLIC=1": None,
    "  -  LUSIFER_PUBLIC: 1": None,
    "LUSIFER-PUBLIC=1": None,
    "lusifer-public: 1": None,
    "LUSIFER PUBLIC=1": None,
    "LUSIFER.PUBLIC=1": None,
    "LUSIFER_PUBLIC =1": True,
    "LUSIFER__PUBLIC=1": None,
    "LUSIFERPUBLIC=1": None,
    "\u200bLUSIFER_PUBLIC=1": None,
    "\ufeffLUSIFER_PUBLIC=1": None,
    "LUSIFER_\u200bPUBLIC=1": None,
    "LUSIFER_PUBLIC\u200b=1": None,
    "\u00a0LUSIFER_PUBLIC=1": True,
    "LUSIFER\u2011PUBLIC=1": None,
    "\u201cLUSIFER_PUBLIC\u201d=1": None,
    "ENV LUSIFER_PUBLIC=1": None,
    "declare -x LUSIFER_PUBLIC=1": None,
    "setenv LUSIFER_PUBLIC 1": None,
    "* LUSIFER_PUBLIC=1": None,
    "-e LUSIFER_PUBLIC=1": None,
    "; LUSIFER_PUBLIC=1": None,
    "// LUSIFER_PUBLIC=1": None,
    "#LUSIFER_PUBLIC=1": False,
    "  # - LUSIFER_PUBLIC=1": False,
    "NOTE=about LUSIFER_PUBLIC=1": False,
    "LUSIFER_PUBLIC_NOTE=1": False,
    "lusifer/public=1": None,
    "[lusifer explorer]\nLUSIFER_PUBLIC=1": True,
    "A='\nLUSIFER_PUBLIC=1\n'": False,
}
"""Lines, and whether the server is public: ``None`` for not at all."""


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_public_or_private_or_stops_the_start(line, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_PUBLIC", "")
    monkeypatch.delenv("LUSIFER_PUBLIC")
    (tmp_path / ".env").write_text(f"OTHER=2\n{line}\nNEXT_LINE=3\n", encoding="utf-8")
    if LINES[line] is None:
        with pytest.raises(InvalidInputError, match="(?i)LUSIFER.{0,2}PUBLIC"):
            settings.load_env_file(tmp_path / ".env")
            settings.check_switches()
    else:
        settings.load_env_file(tmp_path / ".env")
        assert settings.is_public() is LINES[line]


def test_a_public_server_has_a_limit_for_the_day(monkeypatch) -> None:
    assert not operator_budget().day.is_set
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    assert operator_budget().day.dollars == PUBLIC_DAY_DOLLARS
    monkeypatch.setenv("LUSIFER_BUDGET_DAY", "20")
    assert operator_budget().day.dollars == 20
    monkeypatch.delenv("LUSIFER_BUDGET_DAY")
    monkeypatch.setenv("LUSIFER_BUDGET_DAY_TOKENS", "1000")
    assert operator_budget().day == SpendingLimit(None, 1000)
