"""Settings: what is logged, and where."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lusifer import settings
from lusifer.errors import InvalidInputError, ModelError
from lusifer.llm import Message
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
