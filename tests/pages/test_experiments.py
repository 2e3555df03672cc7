"""The Experiments page: priced, run, shown, gone on with; and the trust card on three pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lusifer.evaluation.experiments import EXPERIMENTS
from lusifer.jobs import Job
from lusifer.runs import tables
from lusifer.store import Store
from lusifer.ui.pages.experiments.gallery import COMPUTES, DONE, NOT_RUN, WAITS, describe_states
from tests.pages.test_pages import finish, open_page, press, texts

PAID = {"model": "openai:a"}


def runs_of(data_dir: Path) -> list[dict]:
    return Store(data_dir / "lusifer.db").list_runs("experiment")


def small(app, users: int = 12):
    """A small sample, so that a run takes a second."""
    next(n for n in app.number_input if n.label == "Users").set_value(users)
    return app.run()


def test_an_experiment_is_run_shown_and_linked(data_dir: Path) -> None:
    app = open_page("experiments", experiment="order")
    assert not app.exception and "only their number" in texts(app) and "has not been run" in texts(app)
    app = finish(press(small(app), "Run (costs nothing)"))
    assert not app.exception and not app.error
    assert "newest first" in texts(app) and "95 %" in texts(app)
    (run,) = runs_of(data_dir)
    assert run["status"] == "done" and run["params"]["name"] == "order" and run["params"]["users"] == 12
    assert len(tables.read_table(run["id"])) == 120
    table = next(d.value for d in app.dataframe if "series" in d.value)
    assert len(table) == sum(len(p["points"]) for p in run["summary"]["panels"])
    link = open_page("experiments", experiment="order", run=run["id"])
    assert not link.exception and run["summary"]["sentences"][0] in texts(link)
    other = open_page("experiments", experiment="loop", run=run["id"])
    assert not other.exception and "has not been run" in texts(other)
    assert "done" in texts(other) and texts(other).count("not run yet") == len(EXPERIMENTS) - 1

    store, job, names = Store(data_dir / "lusifer.db"), Job("all", "Experiments"), list(EXPERIMENTS)
    assert set(describe_states(store, {}, job).values()) == {WAITS}  # no worker has taken it up
    job.state = "running"
    for name in names[names.index("order") - 1 :]:
        job.report_part(name, {})
    job.follow_run(run["id"])
    states = describe_states(store, {"order": run}, job)  # the moment between two
    at = names.index("order")
    assert states == dict.fromkeys(names[:at], NOT_RUN) | {"order": DONE} | dict.fromkeys(names[at + 1 :], WAITS)
    store.finish_run(run["id"], "running", {})
    assert describe_states(store, {}, job, None) == states | {"order": COMPUTES}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_opens_with_nonsense_in_the_address(data_dir: Path, name: str) -> None:
    app = open_page("experiments", experiment=name, run="nonsense")
    assert not app.exception and EXPERIMENTS[name].question in texts(app)
    assert "Run (costs nothing)" in texts(app)


def test_an_unknown_experiment_is_the_first(data_dir: Path) -> None:
    app = open_page("experiments", experiment="nonsense")
    assert not app.exception and next(iter(EXPERIMENTS.values())).question in texts(app)


def test_too_few_users_say_so_and_offer_no_button(data_dir: Path) -> None:
    app = small(open_page("experiments", experiment="shift"), 3)
    assert not app.exception and any("are needed" in str(e.title) + str(e.value) for e in app.error)
    assert "Run (" not in texts(app)


def test_a_model_is_priced_before_it_is_asked(data_dir: Path, server) -> None:
    app = small(open_page("experiments", experiment="order", **PAID), 2)
    assert not app.exception and not server.requests
    button = next(b.label for b in app.button if b.label.startswith("Run ("))
    assert "calls" in button and "tokens" in button and "Run all" not in texts(app)
    app = finish(press(app, "Run ("))
    assert not app.exception and not app.error and server.requests
    (run,) = runs_of(data_dir)
    assert run["summary"]["usage"]["made"] == len(server.requests)
    assert run["model"] == "openai:a" and run["params"]["prompts"]
    again = small(open_page("experiments", experiment="order", **PAID), 2)
    assert "every answer is cached" in texts(again)


def test_a_stopped_run_is_gone_on_with(data_dir: Path, server) -> None:
    server.behave(*["ok"] * 6, *["401"] * 40)
    app = finish(press(small(open_page("experiments", experiment="order", **PAID), 2), "Run ("))
    assert not app.exception and "was stopped" in texts(app)
    (run,) = runs_of(data_dir)
    assert run["status"] == "failed"
    server.queue.clear()
    app = finish(press(app, "Resume ("))
    assert not app.exception and not app.error
    (run,) = runs_of(data_dir)
    assert run["status"] == "done" and "was stopped" not in texts(app)


def test_the_trust_card_says_what_is_measured_and_what_not(data_dir: Path) -> None:
    for page in ("errors", "fidelity", "playground"):
        app = open_page(page)
        assert not app.exception and "Trust card" in texts(app), page
        said = texts(app)
        assert said.count("Fit for") == 3 and "Not measured" in said
    finish(press(small(open_page("experiments", experiment="loop"), 24), "Run (costs nothing)"))
    app = open_page("fidelity")
    (run,) = runs_of(data_dir)
    table = next(d.value for d in app.dataframe if "Rule" in d.value)
    drift = table[table["Measure"].str.startswith("Drift")].iloc[0]
    value = run["summary"]["figures"]["mean"][0]
    assert run["id"] in drift["Run"] and f"{abs(value):.3f}" in drift["Value (95 % interval)"]
    assert json.loads(json.dumps(run["summary"]))["figures"]


def test_a_model_plays_on_the_playground_at_a_price(data_dir: Path, server) -> None:
    app = open_page("playground", **PAID)
    assert not app.exception and not server.requests
    app.segmented_control(key="play-who").set_value("model").run()
    assert not app.exception and not server.requests
    app.button_group(key="play-agents").set_value(["random"])
    app.number_input(key="play-steps-paid").set_value(10)
    app.number_input(key="play-users-paid").set_value(2).run()
    label = next(b.label for b in app.button if b.label.startswith("Run ("))
    assert "calls" in label and not server.requests
    most = int(label.split("(")[1].split(" calls")[0].replace(",", ""))
    app = finish(press(app, "Run ("))
    assert not app.exception and not app.error
    assert 0 < len(server.requests) <= most
    (run,) = Store(data_dir / "lusifer.db").list_runs("playground")
    assert run["model"] == "openai:a" and len(run["params"]["users"]) == 2
    assert run["status"] == "done" and set(tables.read_table(run["id"])["user_id"]) <= set(run["params"]["users"])


def test_a_population_is_simulated_and_offered_as_a_file(data_dir: Path) -> None:
    app = open_page("experiments")
    app.number_input(key="population-True").set_value(12).run()
    app = finish(press(app, "Simulate 12 users (costs nothing)"))
    assert not app.exception and not app.error
    (run,) = Store(data_dir / "lusifer.db").list_runs("population")
    assert run["id"] in texts(app) and len(tables.read_table(run["id"])) == run["summary"]["ratings"] == 120


def test_a_population_of_a_model_has_a_price_and_goes_on(data_dir: Path, server) -> None:
    app = open_page("experiments", **PAID)
    app.number_input(key="population-False").set_value(2).run()
    assert not server.requests and "Simulate 2 users (" in texts(app) and "calls" in texts(app)
    server.behave(*["ok"] * 4, *["401"] * 40)
    app = finish(press(app, "Simulate 2 users ("))
    (run,) = Store(data_dir / "lusifer.db").list_runs("population")
    assert run["status"] == "failed" and f"Resume run {run['id']}" in texts(app)
    server.queue.clear()
    app = finish(press(app, "Resume run"))
    assert not app.exception and not app.error
    (run,) = Store(data_dir / "lusifer.db").list_runs("population")
    assert run["status"] == "done" and run["summary"]["failed_users"] == 0
