"""Settings: what is logged, and where."""

from __future__ import annotations

import logging

import pytest

from lusifer import settings
from lusifer.errors import ModelError
from lusifer.llm import Message
from lusifer.llm.endpoints import Endpoint
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.retry import RetryingLLM
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
