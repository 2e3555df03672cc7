"""Runs that a server did not answer for a while: unfinished, with counts and the first cause, and resumed whole."""

from __future__ import annotations

import json

import pytest

from lusifer import prompts
from lusifer.cli.main import main
from lusifer.evaluation import simulation
from lusifer.llm import factory
from lusifer.llm.retry import RetryingLLM
from lusifer.runs import listing
from lusifer.simulator import LLMUserModel, RunContext, UserModelConfig
from lusifer.store import Store
from tests.servers.openai import OpenAIServer

MODEL = ["--model", "mine:m", "--workers", "4"]
PASSING = ("503", "reset", "429:3600", "half", "408")


@pytest.fixture
def server(openai_server: OpenAIServer, data_dir, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    """Named ``mine``; each question is asked once, so that what passes by itself stays."""
    monkeypatch.setenv("LUSIFER_ENDPOINT_MINE_URL", openai_server.url)
    monkeypatch.setattr(RetryingLLM.__init__, "__kwdefaults__", {**RetryingLLM.__init__.__kwdefaults__, "attempts": 1})
    return openai_server


@pytest.fixture
def store(data_dir) -> Store:
    return Store(data_dir / "lusifer.db")


def answered(server: OpenAIServer) -> list[str]:
    return [json.dumps([r["messages"], r.get("response_format")]) for r in server.requests]


@pytest.mark.parametrize("way", PASSING)
def test_a_population_that_nobody_answered_is_unfinished_and_resumed(server, store, capsys, way) -> None:
    server.always = way
    assert main(["simulate", "--users", "3", "--yes", *MODEL]) == 2
    printed = capsys.readouterr()
    assert "3 of 3 users were not answered. The first cause: " in printed.err, printed.err
    assert "RMSE" not in printed.out
    (run,) = listing.list_runs(store)
    assert run["status"] == "unfinished" and f"simulate --resume {run['id']}" in printed.err
    if way != PASSING[0]:
        return
    server.always = "ok"
    assert main(["simulate", "--resume", run["id"], "--yes", "--workers", "4"]) == 0
    assert "3 users, 30 of 30 ratings, 0 users failed" in capsys.readouterr().out
    assert listing.get_run(store, run["id"])["status"] == "done"


def test_a_server_that_is_gone_is_not_asked_for_every_user(server, monkeypatch, capsys) -> None:
    monkeypatch.setattr(simulation, "MAX_UNANSWERED_IN_A_ROW", 5)
    server.always = "503"
    assert main(["simulate", "--users", "30", "--yes", *MODEL]) == 2
    assert "30 of 30 users were not answered" in capsys.readouterr().err
    assert len(server.requests) <= 5 + 4, "and those that were under way"


def test_who_is_stored_is_simulated_though_the_server_is_gone(server, store, ml100k, last10, monkeypatch) -> None:
    """By answers alone: as another evolution, without forecasts, nothing of these users is stored."""
    monkeypatch.setattr(simulation, "MAX_UNANSWERED_IN_A_ROW", 2)
    ctx, model = RunContext(ml100k, last10, store), UserModelConfig("mine:m").build(store)
    users = [int(user) for user in last10.test.user_ids[:8]]
    simulation.simulate(ctx, model, last10.test.of_users(users[4:6]), forecasts=True)
    one_by_one: list[str] = []  # as a worker of a cluster takes them
    server.always, asked = "503", len(server.requests)
    for user in users[:4]:
        result = simulation.simulate(ctx, model, last10.test.of_users([user]), unanswered_before=one_by_one)
        assert list(result.unanswered) == [user]
    assert len(server.requests) == asked + 2
    asked, failed = len(server.requests), store.get_usage()["failed"]
    result = simulation.simulate(ctx, model, last10.test.of_users(users))
    assert set(result.ratings) == set(users[4:6]) and all(r.rating for r in result.ratings[users[4]])
    assert list(result.unanswered) == users[:4] + users[6:] and len(set(result.unanswered.values())) == 1
    assert len(server.requests) == asked + 2, "and what is stored does not tell that it is back"
    assert store.get_usage()["failed"] == failed + 2, "nor is recorded as a call what nobody asked"

    between = RunContext(ml100k, last10, store, workers=1)
    asked, causes = len(server.requests), list[str]()
    for user in (users[0], users[4], users[1], users[2]):  # the second is stored
        simulation.simulate(between, model, last10.test.of_users([user]), unanswered_before=causes)
    assert len(server.requests) == asked + 2, "nor where it comes before they are so many"

    asked, bare = len(server.requests), LLMUserModel(factory.create_bare_llm("mine:m")[0], prompts.load())
    result = simulation.simulate(RunContext(ml100k, last10), bare, last10.test.of_users(users))  # nothing is stored
    assert list(result.unanswered) == users and len(server.requests) == asked + 2


def test_a_population_answered_in_part_is_resumed_whole(server, store, capsys) -> None:
    """No user is lost for good, and no answer is paid twice."""
    server.faults = (0.05, PASSING)
    assert main(["simulate", "--users", "12", "--yes", *MODEL]) == 2
    told = capsys.readouterr().err
    assert "of 12 users were not answered" in told and "12 of 12" not in told
    (run,) = listing.list_runs(store)
    server.faults = (0.0, ())
    before = store.get_usage()["made"] - store.get_usage()["failed"]
    assert main(["simulate", "--resume", run["id"], "--yes", "--json", "--workers", "4"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["given"] == result["ratings"] == 120 and result["failed_users"] == 0
    used = store.get_usage()
    assert used["made"] - used["failed"] == len(set(answered(server))) > before > 0


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("way", ["503", "429:3600"])
def test_a_healthy_predictor_keeps_its_figures(server, store, capsys, way, form) -> None:
    server.always = way
    command = ["evaluate", "--predictors", "bias,simulator", "--users", "3", *MODEL, *form]
    assert main(command) == 2
    printed = capsys.readouterr()
    assert "simulator: 3 of 3 users were not answered. The first cause: " in printed.err
    if form:
        result = json.loads(printed.out)
        assert result["predictors"]["bias"]["rmse"] > 0.5 and "simulator" not in result["predictors"]
    else:
        (line,) = [x for x in printed.out.splitlines() if x.strip().startswith("bias ")]
        assert "nan" not in printed.out and float(line.split()[1]) > 0.5
    (run,) = listing.list_runs(store)
    assert run["status"] == "unfinished" and run["summary"]["predictors"]["bias"]["rmse"] > 0.5
    server.always = "ok"
    assert main(command) == 0
    assert [r["status"] for r in listing.list_runs(store)] == ["done", "unfinished"]


def test_a_comparison_answered_in_part_says_of_how_many(server, store, capsys) -> None:
    server.faults = (0.05, PASSING)
    assert main(["evaluate", "--predictors", "bias,simulator", "--users", "12", *MODEL, "--json"]) == 2
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert "of 12 users were not answered" in printed.err
    assert 0 < result["rows"] < 120 and {"bias", "simulator"} <= result["predictors"].keys()


@pytest.mark.parametrize(
    "command",
    [
        ["experiment", "order", "--users", "6", "--yes"],
        ["experiment", "loop", "--users", "4", "--option", "rounds=1", "--yes"],
        ["experiment", "contamination", "--users", "4", "--yes"],
        ["realism", "--users", "6", "--yes"],
    ],
    ids=lambda c: " ".join(c[:2]),
)
def test_no_half_sentences(server, store, capsys, command) -> None:
    server.faults = (0.3, PASSING)
    model = [*MODEL[:2], *([] if command[0] == "realism" else MODEL[2:])]
    assert main([*command, *model]) == 2
    printed = capsys.readouterr()
    (run,) = listing.list_runs(store)
    assert run["status"] in {"unfinished", "failed"} and not printed.out.strip()
    assert "were not answered" in printed.err or "Tried 1 times" in printed.err
    if command[0] == "experiment":
        server.faults = (0.0, ())
        assert main([*command, *model, "--resume", run["id"]]) == 0
        assert listing.get_run(store, run["id"])["status"] == "done"


@pytest.mark.parametrize("command", [["evolve", "--user", "405"], ["rate", "--user", "405", "--items", "50,172"]])
def test_a_single_user_is_told_the_cause(server, capsys, command) -> None:
    server.always = "503"
    assert main([*command, *MODEL[:2]]) == 2
    assert "503" in capsys.readouterr().err and len(server.requests) == 1, "nothing is asked after it"
