"""A run in which no call was answered ends with its first cause: on the command line, exit code 2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lusifer.cli.main import main
from tests.servers.openai import KEY, OpenAIServer
from tests.servers.scripted import Reply, ScriptedServer, chat

COMMANDS = {
    "evaluate": ["evaluate", "--predictors", "bias,simulator", "--users", "2"],
    "simulate": ["simulate", "--users", "2", "--yes"],
    "rate": ["rate", "--user", "13", "--items", "50,172", "--history", "10"],
    "evolve": ["evolve", "--user", "13", "--history", "10"],
}
CAUSES: dict[str, tuple[Any, str]] = {
    "credit": (Reply({"error": {"message": "Insufficient credits", "code": 402}}, 402), "no credit left"),
    "credit-in-200": (Reply({"error": {"message": "Insufficient credits", "code": 402}}), "no credit left"),
    "bad-request": (Reply({"error": {"message": "The moon is wrong."}}, 400), "The moon is wrong."),
    "context": (Reply({"error": {"message": "prompt is too long: 9 tokens"}}, 400), "prompt is too long"),
    "words": (Reply(chat("I would rather talk about the weather.")), "did not answer with JSON"),
    "nothing": (Reply(chat(None)), "did not answer with JSON"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(("reply", "told"), CAUSES.values(), ids=CAUSES)
def test_a_run_without_an_answer_ends_with_its_cause(data_dir, monkeypatch, capsys, command, reply, told) -> None:
    with ScriptedServer(lambda body, n: reply) as server:
        monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_URL", server.url)
        monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_KEY", KEY)
        assert main([*command, "--model", "mine:m"]) == 2
    printed = capsys.readouterr()
    assert told in printed.err and "nan" not in printed.out and "RMSE" not in printed.out


@pytest.mark.parametrize(
    "command", [COMMANDS["rate"], COMMANDS["simulate"], COMMANDS["evaluate"]], ids=["rate", "simulate", "evaluate"]
)
def test_ratings_that_all_fail_after_good_profiles(data_dir, monkeypatch, capsys, command) -> None:
    def script(body: dict[str, Any], n: int) -> Any:
        schema = json.dumps(OpenAIServer.schema(body))
        return chat("No." if '"ratings"' in schema else OpenAIServer.content(body, "ok"))

    with ScriptedServer(script) as server:
        monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_URL", server.url)
        assert main([*command, "--model", "mine:m"]) == 2
    assert "no rating at all" in capsys.readouterr().err


def test_a_run_with_some_answers_is_finished(data_dir, monkeypatch, capsys) -> None:
    def script(body: dict[str, Any], n: int) -> Any:
        return chat("No." if n < 8 else OpenAIServer.content(body, "ok"))

    with ScriptedServer(script) as server:
        monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_URL", server.url)
        assert main(["simulate", "--users", "4", "--workers", "1", "--yes", "--model", "mine:m"]) == 0
    assert "users failed" in capsys.readouterr().out
