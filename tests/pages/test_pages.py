"""Every page, run by Streamlit's own test harness on real MovieLens."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from lusifer import store as storing
from lusifer.runs import tables
from lusifer.ui import session_keys, state
from lusifer.ui.components import run_picker
from lusifer.ui.components.error_rows import describe_rows
from lusifer.ui.pages.home import worth
from tests.conftest import PATIENCE, ROOT, write_tiny
from tests.servers.openai import KEY

PAGES = [
    "home",
    "users",
    "evolution",
    "rate",
    "hands",
    "errors",
    "experiments",
    "fidelity",
    "prompts",
    "playground",
    "calls",
]
PATHS = {
    "home": "pages/start/home.py",
    "users": "pages/simulated_users/users.py",
    "evolution": "pages/simulated_users/evolution.py",
    "rate": "pages/simulated_users/rate.py",
    "errors": "pages/evaluation/accuracy.py",
    "calls": "pages/workshop/llm_calls.py",
    "hands": "pages/simulated_users/what_if_lab.py",
    "prompts": "pages/workshop/prompts.py",
    "fidelity": "pages/evaluation/realism.py",
    "experiments": "pages/evaluation/experiments.py",
    "playground": "pages/workshop/environment.py",
}


def open_page(page: str, *, fresh: bool = False, visitor: str = "", **query: str) -> AppTest:
    """A page by its address, with the built-in unless another model is named; ``fresh``: as a first visit opens it.

    ``visitor`` names the session.
    """
    query = query if fresh else {"model": "builtin", **query}
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE)
    for name, value in query.items():
        app.query_params[name] = value
    if visitor:
        app.session_state[session_keys.SESSION.key] = visitor
    if page != "home":
        # As a link to its address does. Before the first run the harness would take the script's name for the address.
        app._page_hash = calc_hash(page)  # noqa: SLF001
    return app.run()


def press(app: AppTest, label: str) -> AppTest:
    """Press the first button whose label begins so."""
    return next(b for b in app.button if b.label.replace("\\", "").startswith(label)).click().run()


def finish(app: AppTest) -> AppTest:
    """Wait for all background work, then run the page again."""
    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE), "the job ends"
    return app.run()


def texts(app: AppTest) -> str:
    kinds = ("title", "header", "subheader", "markdown", "caption", "error", "warning", "info")
    found = [str(x.value) for kind in kinds for x in getattr(app, kind)]
    found += [str(getattr(x, "title", "")) for k in ("error", "warning", "info") for x in getattr(app, k)]
    return "\n".join(found + [b.label for b in app.button]).replace("\\", "")


def shown_step(app: AppTest) -> dict[str, Any]:
    """The step that the linked view of the Evolution page shows, as it was sent to it; its statements beside it."""
    (view,) = app.get("bidi_component")
    data = json.loads(view.proto.json)
    step = data["steps"][data["step"] - 1]
    indices = [line[0] for section in step["sections"] for line in section["lines"]]
    return {**step, "statements": [data["statements"][at] for at in indices]}


@pytest.mark.parametrize("page", PAGES)
def test_opens_without_error(data_dir: Path, page: str) -> None:
    app = open_page(page, user="405")
    assert not app.exception and not app.error
    assert len(app.title) == 1


@pytest.mark.parametrize("page", PAGES)
def test_without_data_every_page_is_the_welcome_page(tmp_path: Path, monkeypatch, page: str) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path / "data"))
    app = open_page(page)
    assert not app.exception and "Welcome" in app.title[0].value
    assert [b.label for b in app.button] == ["Download MovieLens 100K"]


def test_damaged_data_offers_a_fresh_copy(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    write_tiny(tmp_path / "ml-100k", [(1, 1, 5, 9)], 1, 1)
    app = open_page("users")
    assert not app.exception and "can't be opened" in app.title[0].value
    assert "MovieLens 100K has 943" in texts(app)
    assert app.button[0].label == "Download MovieLens 100K again"


@pytest.mark.parametrize("page", ["users", "evolution", "rate"])
def test_an_unknown_user_is_named_and_the_page_stays_usable(data_dir: Path, page: str) -> None:
    app = open_page(page, user="99999")
    assert not app.exception and "no user 99999" in texts(app)
    app.number_input(key="user").set_value(13).run()
    assert not app.exception and not app.error


@pytest.mark.parametrize(
    "query",
    [
        {"user": "x"},
        {"user": "-3"},
        {"step": "99"},
        {"step": "x"},
        {"split": "u9"},
        {"dataset": "none"},
        {"model": "gpt"},
        {"history": "0"},
        {"batch": "-1"},
    ],
)
def test_a_link_may_hold_anything(data_dir: Path, query: dict[str, str]) -> None:
    app = open_page("evolution", **{"user": "405", **query})
    assert not app.exception
    assert app.title


def test_evolution_steps_and_their_bounds(data_dir: Path) -> None:
    app = open_page("evolution", user="405", step="3")
    assert app.slider(key="step").value == 3
    assert shown_step(app)["number"] == 3
    app.button(key="next").click().run()
    assert app.slider(key="step").value == 4 and app.button(key="next").disabled
    for _ in range(3):
        app.button(key="previous").click().run()
    assert app.slider(key="step").value == 1 and app.button(key="previous").disabled
    assert not app.exception


def test_another_user_starts_at_the_first_step(data_dir: Path) -> None:
    app = open_page("evolution", user="405", step="3")
    app.number_input(key="user").set_value(13).run()
    assert app.slider(key="step").value == 1 and not app.exception


def test_a_link_to_a_chapter_presents_it(data_dir: Path) -> None:
    app = open_page("evolution", user="405", view="present", chapter="99")
    assert not app.exception and "There are 10 chapters" in texts(app) and app.query_params["chapter"] == "10"
    assert "Forecast error over steps" not in texts(app)
    app = open_page("evolution", user="405", step="3", view="present")
    assert app.query_params["chapter"] == "5", "the one that tells the step"


def test_history_and_batch_size(data_dir: Path) -> None:
    app = open_page("evolution", user="405", history="20", batch="5")
    assert app.slider(key="step").max == 4 and not app.exception
    assert len(shown_step(app)["items"]) == 5


def test_rate_the_held_out_movies(data_dir: Path) -> None:
    app = open_page("rate", user="405")
    assert not app.exception and not app.error, "what costs nothing is there at once"
    table = next(d.value for d in app.dataframe if len(d.value) == 10)
    assert table["true"].notna().all() and table["expected"].between(1, 5).all()
    assert table["reason"].str.len().min() > 10


RECORDED = "recorded:last10-37users-plain"


@pytest.mark.parametrize("page", PAGES)
def test_a_first_visit_opens_on_a_recorded_model(data_dir: Path, page: str) -> None:
    app = open_page(page, fresh=True)
    assert not app.exception and not app.error
    assert app.selectbox(key="model").value == RECORDED and "Recorded, not live" in texts(app)
    said = texts(app)
    asks_anew = page in {"hands", "experiments", "playground"}
    assert ("a recording can't answer" in said) == asks_anew, "a page that asks new questions says who answers"
    if page in {"users", "evolution", "rate", "hands"}:
        assert app.number_input(key="user").value == 479
    if page == "users":
        assert "The profile after 40 ratings" in said and "Good Will Hunting" in said, "a real model speaks"
    if page == "rate":
        table = next(d.value for d in app.dataframe if "true" in d.value)
        assert len(table) == 10 and table["expected"].notna().all()


def test_a_user_who_is_not_recorded_can_be_seen_all_the_same(data_dir: Path) -> None:
    app = open_page("evolution", user="1", model=RECORDED)
    assert not app.exception and "User 1 is not in the recording" in texts(app)
    app = press(app, "Use the built-in for this user")
    assert not app.exception and app.selectbox(key="model").value == "builtin" and shown_step(app)["number"] == 1
    app = press(open_page("evolution", user="1", model=RECORDED), "Show user 14")
    assert app.number_input(key="user").value == 14 and shown_step(app)["number"] == 1


def test_a_link_to_a_user_who_is_in_no_recording_says_that_the_built_in_answers(data_dir: Path) -> None:
    app, said = open_page("evolution", fresh=True, user="405", step="2"), "User 405 is in no recording"
    assert not app.exception and app.selectbox(key="model").value == "builtin" and shown_step(app)["number"] == 2
    assert said in texts(app) and said in texts(app.run())
    app = press(app, "Show user 429, who is recorded")
    assert app.selectbox(key="model").value == RECORDED and app.number_input(key="user").value == 429
    assert said not in texts(app) and not app.exception
    app = open_page("errors", fresh=True, user="405")
    assert said in texts(app)
    app.selectbox(key="model").set_value(RECORDED).run()
    assert said not in texts(app) and app.query_params["user"] == "405" and not app.exception
    assert "User 405 is not in the recording" in texts(open_page("home", user="405", model=RECORDED))


def test_another_split_leaves_the_recording(data_dir: Path) -> None:
    app = open_page("evolution", fresh=True, split="random", model=RECORDED)
    assert not app.exception and "does not hold this dataset and split" in texts(app)
    assert app.selectbox(key="model").value == "builtin"


def test_a_recorded_model_is_compared_on_its_own_users(data_dir: Path) -> None:
    app = open_page("errors", fresh=True)
    app.pills(key="predictors").set_value(["simulator", "bias"]).run()
    app = press(app, "Compare")
    _wait()
    app.run(timeout=PATIENCE)
    assert not app.exception and not app.error and "370" in texts(app)
    (run,) = storing.Store(data_dir / "lusifer.db").list_runs("comparison")
    assert run["model"] == RECORDED and run["params"]["users"] == 37
    assert 1.0 < run["summary"]["predictors"]["simulator"]["rmse"] < 1.01


def test_opening_a_page_with_a_model_asks_nobody(data_dir: Path, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for page in PAGES:
        app = open_page(page, user="405", model="openai:small", prompts="paper")
        assert not app.exception and not app.error, page
        assert app.selectbox(key="prompts").value == "paper", "a link restores the prompts"
    assert not openai_server.requests


def test_a_model_computes_after_the_priced_button(data_dir: Path, openai_server, monkeypatch) -> None:
    from lusifer.ui import state

    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    app = open_page("evolution", user="405", model="openai:small")
    button = next(b for b in app.button if b.label.startswith("Compute 4 steps"))
    assert "8 calls" in button.label and "price unknown" in button.label
    button.click().run()
    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE), "the job ends"
    app.run()
    assert not app.exception and len(openai_server.requests) == 8
    step = shown_step(app)
    assert "made the difference" in "".join(text for text, _ in step["explanation"]["pieces"])
    assert any("![x](http" in s["text"] for s in step["statements"]), "the model's text is there, as it is"
    shown = "\n".join(m.value for m in app.markdown)
    assert "![x]" not in shown and "](http://e" not in shown


def test_a_wrong_key_is_said_on_the_page(data_dir: Path, openai_server, monkeypatch) -> None:
    from lusifer.ui import state

    wrong = "sk-wrong-0123456789abcdef"
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", wrong)
    app = open_page("evolution", user="405", model="openai:small")
    next(b for b in app.button if b.label.startswith("Compute")).click().run()
    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE)
    app.run()
    assert not app.exception and "did not accept the key" in texts(app)
    assert wrong not in texts(app)
    assert any(b.label.startswith("Compute") for b in app.button), "and can be tried again"


def test_an_unwritable_database_is_said_and_the_app_goes_on(data_dir: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LUSIFER_DB", str(tmp_path / "file" / "lusifer.db"))
    for page in PAGES:
        app = open_page(page, user="405")
        assert not app.exception and not app.error, page
        assert "Results are not being saved" in texts(app)
    app = open_page("evolution", user="405", model="openai:small")
    assert not app.exception and "need the database" in texts(app)


def test_a_locked_database_is_said_and_the_app_goes_on(data_dir: Path, monkeypatch) -> None:
    monkeypatch.setattr(storing.core, "BUSY_SECONDS", 0.1)
    assert not open_page("users").exception
    holder = sqlite3.connect(data_dir / "lusifer.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    app = open_page("evolution", user="13")
    assert not app.exception and "is locked" in texts(app)
    holder.close()
    app.run()
    assert not app.exception and not app.error and shown_step(app)["number"] == 1


def test_users_filter_and_surprise(data_dir: Path) -> None:
    app = open_page("users", user="405")
    assert "405" in texts(app)
    surprise = next(b for b in app.button if "Random" in b.label)
    surprise.click().run()
    assert not app.exception and app.number_input(key="user").value != 405
    app.number_input(key="f_least").set_value(700).run()
    everyone = app.dataframe[-1].value
    assert len(everyone) == 1 and everyone["ratings"].iloc[0] >= 700
    app.number_input(key="f_least").set_value(5000).run()
    assert "No user matches" in texts(app) and not app.exception


def test_compare_on_a_sample_is_recorded(data_dir: Path) -> None:
    from lusifer.ui import state

    app = open_page("errors")
    assert not app.exception
    go = next(b for b in app.button if b.label.startswith("Compare"))
    go.click().run()
    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE) and job.state == "done", job.error
    app.run()
    assert not app.exception and not app.error
    assert "simulator" in texts(app).lower()
    run = storing.Store(data_dir / "lusifer.db").list_runs("comparison")[0]
    assert run["status"] == "done" and run["summary"]["predictors"]["bias"]["rmse"]
    json.dumps(run["summary"])
    again = open_page("errors")
    assert not again.exception and len(again.dataframe) >= 1, "a recorded run is shown when reopened"

    figures, checked = run["summary"]["predictors"], run["summary"]["audit"]["simulator"]
    chart = worth.shown_rows(figures, "It")
    assert set(chart["rmse"]) <= {values["rmse"] for values in figures.values()} and len(chart) >= 4
    assert chart["simulator"].is_monotonic_increasing, "the simulators come last"
    drawn = describe_rows(chart)
    assert [r["rmse"] for r in drawn["rows"]] == chart["rmse"].tolist() and 2 <= len(drawn["ticks"]) <= 8
    inside = [v for r in drawn["rows"] for v in (r["low"], r["rmse"], r["high"])]
    assert all(drawn["from"] < v < drawn["to"] for v in (*inside, *drawn["ticks"]))
    said = texts(open_page("home"))
    assert "it predicts" in said and f"{run['summary']['rows']:,} held-out ratings" in said
    assert f"{checked['borne_out']:,} of" in said


def _wait() -> None:
    from lusifer.ui import state

    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE) and job.state == "done", job.error


def _compare(app: AppTest) -> AppTest:
    next(b for b in app.button if b.label.startswith("Compare")).click().run(timeout=PATIENCE)
    _wait()
    return app.run(timeout=PATIENCE)


def test_every_view_of_a_comparison(data_dir: Path, monkeypatch) -> None:
    """With the arm that is told what others gave (evidence is computed by the comparison that asks for it), every
    closer look, filters, a report; then the run is renamed and deleted."""
    from lusifer.simulator.community import preparation

    monkeypatch.setattr(preparation, "FULL_FIT", (4, 3))
    monkeypatch.setattr(preparation, "FOLD_FIT", (3, 2))
    app = open_page("errors", evidence="true")
    assert "simulator-evidence" in app.button_group(key="predictors").value, "as the link asks"
    assert not app.exception and "What others gave is computed first" in texts(app)
    app.button_group(key="predictors").set_value(["simulator-evidence", "bias", "item-mean"])
    app = _compare(app)
    assert not app.exception and not app.error, app.exception
    shown = app.dataframe[0].value
    assert {"Simulator, calibrated", "Simulator, with evidence in the prompt"} < set(shown["predictor"])
    assert shown["RMSE"].is_monotonic_increasing, "the best first"
    assert {"RMSE", "Within user", "Exact", "Faithful", "Answered"} <= set(shown)
    said = texts(app)
    assert "Gain from the model" in said and "Partial correlation" in said
    assert {m.label for m in app.metric} >= {
        "vs. user + item bias",
        "vs. factorization machine",
    }
    assert "development users" in said
    app.button_group(key="view").set_value("audit").run(timeout=PATIENCE)
    next(b for b in app.button if b.label.startswith("Measure predictive")).click().run()
    _wait()
    app.run(timeout=PATIENCE)
    assert not app.exception and "Reduction in squared error (stars²)" in texts(app)
    assert app.dataframe[1].value["Supported"].sum() > 500
    for view in ("groups", "calibration", "misses", "pairs", "cold", "runs"):
        app.button_group(key="view").set_value(view).run(timeout=PATIENCE)
        assert not app.exception and not app.error, view
    _look_behind_points(app, store=storing.Store(data_dir / "lusifer.db"))
    app.button_group(key="view").set_value("calibration").run(timeout=PATIENCE)
    assert "Calibration error" in texts(app)
    assert app.query_params["view"] == "calibration", "what is open stands in the address"
    app.multiselect(key="filter-genres").set_value(["Horror"]).run(timeout=PATIENCE)
    assert not app.exception and "match the filter" in texts(app)
    store = storing.Store(data_dir / "lusifer.db")
    run = store.list_runs("comparison")[0]
    app.text_input(key=f"title-{run['id']}").set_value("Before the change").run()
    next(b for b in app.button if b.label == "Rename").click().run()
    assert store.get_run(run["id"])["title"] == "Before the change"
    app.checkbox(key=f"sure-{run['id']}").check().run()
    next(b for b in app.button if b.label == "Delete").click().run()
    assert not app.exception and store.get_run(run["id"]) is None
    assert not tables.table_path(run["id"]).exists()


def _look_behind_points(app: AppTest, store: storing.Store) -> None:
    """From a slice and from a cell to the ratings behind it, the largest errors first, and on to person and movie."""
    rows = tables.read_table(store.list_runs("comparison")[0]["id"])
    assert rows is not None
    errors = (rows["bias"] - rows["rating"]).abs()
    app.button_group(key="view").set_value("groups").run(timeout=PATIENCE)
    app.selectbox(key="predictor").set_value("bias")
    app.selectbox(key="slice").set_value("rating:2").run(timeout=PATIENCE)
    listed, inside = app.dataframe[1].value, rows["rating"] == 2
    assert not app.exception and (listed["Actual"] == 2).all() and len(listed) == min(inside.sum(), 200)
    assert listed["Error"].abs().is_monotonic_decreasing
    assert abs(listed["Error"].iloc[0]) == pytest.approx(errors[inside].max())
    assert "fewer than 20 ratings" in texts(app) and app.query_params["slice"] == "rating:2"

    app.button_group(key="view").set_value("distribution").run(timeout=PATIENCE)
    assert app.selectbox(key="slice").value == "", "cells are other slices"
    cell = ((rows["rating"] == 5) & (np.floor(rows["bias"] + 0.5) == 4)).sum()
    app.selectbox(key="slice").set_value("cell:5:4").run(timeout=PATIENCE)
    listed = app.dataframe[1].value
    assert len(listed) == cell and (listed["Actual"] == 5).all() and listed["Bias"].between(3.5, 4.5).all()

    app.selectbox(key="slice").set_value("error:-1").run(timeout=PATIENCE)
    assert len(app.dataframe[1].value) == min((rows["bias"] - rows["rating"]).between(-1, -0.5, "left").sum(), 200)
    app.button_group(key="view").set_value("calibration").run(timeout=PATIENCE)
    app.selectbox(key="slice").set_value("chance:4").run(timeout=PATIENCE)
    chances = rows[f"{app.selectbox(key='predictor').value}:high"]
    listed = app.dataframe[1].value
    assert not app.exception and len(listed) == min(chances.between(0.4, 0.5, "left").sum(), 200)

    second = listed.iloc[1]
    next(s for s in app.selectbox if s.label == "Rating").set_value(1).run(timeout=PATIENCE)
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    evolution = next(query for label, query in links.items() if label.startswith(f"User {second['User']}: the profile"))
    there = open_page("evolution", **dict(parse_qsl(evolution)))
    assert not there.exception and there.number_input(key="user").value == int(second["User"])
    assert shown_step(there)["number"] == len(json.loads(there.get("bidi_component")[0].proto.json)["steps"])
    movie = open_page("rate", **dict(parse_qsl(links["Predict this movie"])))
    assert not movie.exception and not movie.error
    assert movie.dataframe[0].value["title"].tolist() == [second["Movie"].split(" · ")[0]]
    movie.multiselect(key="movies").set_value([1, 2]).run(timeout=PATIENCE)
    assert not movie.exception and "movie" not in movie.query_params, "the link no longer holds"
    assert "There is no movie 99999" in texts(open_page("rate", user="405", movie="99999"))


def test_the_report_is_one_file_that_asks_nobody(data_dir: Path) -> None:
    from lusifer.ui.pages.accuracy import html_report

    figure = __import__("plotly.graph_objects").graph_objects.Figure()
    evil = "<script>alert(1)</script>"

    made = html_report.render_report(evil, [evil], {evil: pd.DataFrame({evil: [evil]})}, {evil: figure})
    assert evil not in made and "&lt;script&gt;" in made
    outside = made.split("</script>")[-1]  # what is ours, behind the chart library
    assert "http" not in outside and "<link" not in made


def test_a_report_is_built_without_the_session(ml100k, last10, monkeypatch) -> None:
    """Where it is built there is none: its words are those of the dataset on the page all the same."""
    from lusifer.evaluation.comparison_metrics import leaderboard
    from lusifer.ui.pages.accuracy import accuracy_figures, accuracy_tables, html_report

    test = last10.test.of_users(range(1, 41))
    rows = pd.DataFrame({"user_id": test.user, "item_id": test.item, "rating": test.rating, "bias": 3.5, "fm": 3.6})
    rows = rows.assign(activity=50, popularity=60, age=1.0, position=1, reason="")
    run = {"id": "r", "seed": 0, "split": "last-10", "model": "builtin", "model_version": "4", "title": "T"}
    run["summary"] = {"predictors": {}}
    frame = accuracy_tables.leaderboard_table(run, leaderboard(rows, ["bias", "fm"], ml100k.scale, draws=20))
    ctx = state.PageContext(ml100k, last10, "builtin")
    monkeypatch.setattr(accuracy_figures, "with_item_noun", lambda text: text.replace("Movie", "Book"))
    build = html_report.report_builder(ctx, run, frame, rows, ["bias", "fm"])
    monkeypatch.setattr(accuracy_figures, "with_item_noun", None)
    assert "RMSE by book&#x27;s ratings in the training set" in build()


def test_the_page_says_why_a_method_is_missing(data_dir: Path, monkeypatch) -> None:
    """Where methods are chosen; what is left is compared."""
    monkeypatch.setitem(sys.modules, "surprise", None)
    app = open_page("errors")
    assert not app.exception and "scikit-surprise, which is not installed" in texts(app)
    app.button_group(key="predictors").set_value(["svdpp", "bias"])
    app = _compare(app)
    assert not app.exception and "svdpp is left out" in texts(app)


def test_the_cold_start_is_shown_where_errors_are(data_dir: Path, few_baselines) -> None:
    """What the experiment found, with a link to it; without one, the way there."""
    from lusifer.ui.components import predictor_titles

    assert predictor_titles.SELECTABLE  # read from all methods, before they are made few
    few_baselines("constant", "bias", fm="bias")  # the machine is told by its name; here it is one that takes no time
    app = open_page("errors")
    app.button_group(key="predictors").set_value(["bias", "constant"])
    app = _compare(app)
    app.button_group(key="view").set_value("cold").run()
    assert not app.exception and "has not been measured on this split yet" in texts(app)
    there = open_page("experiments", experiment="cold")
    there.number_input(key="experiment-users-development-True").set_value(40).run()
    finish(press(there, "Run (costs nothing"))
    app.run()
    run = storing.Store(data_dir / "lusifer.db").list_runs("experiment")[0]
    said = texts(app)
    assert not app.exception and f"run {run['id']}" in said
    assert run["summary"]["sentences"][0] in said.replace("\\", "")


def test_a_calibrated_rating_is_taken_apart(data_dir: Path) -> None:
    app = open_page("rate", user="405")
    _wait()
    app.run(timeout=PATIENCE)
    assert not app.exception and "Breakdown of a calibrated rating" in texts(app)
    assert "calibrated" in app.dataframe[0].value
    assert "The terms add up exactly" in texts(app)


def test_claims_are_marked_on_evolution(data_dir: Path) -> None:
    app = open_page("evolution", user="13", step="1")
    said = texts(app)
    assert not app.exception and "Checked against the ratings" in said
    verdicts = [s["verdict"] for s in shown_step(app)["statements"]]
    assert any(v["verdict"] == "supported" and v["why"] and v["evidence"] for v in verdicts)
    assert not app.dataframe, "the table is made where it is opened"


def test_calls_are_seen_whole_and_pruned(data_dir: Path, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    empty = open_page("calls", view="All calls")
    assert not empty.exception and "No LLM has been called yet" in texts(empty)
    app = open_page("evolution", user="405", model="openai:small")
    next(b for b in app.button if b.label.startswith("Compute 4 steps")).click().run()
    _wait()
    app = open_page("calls", view="All calls", call="8")
    assert not app.exception and not app.error
    table = app.dataframe[0].value
    assert len(table) == 8 and set(table["Purpose"]) == {"Forecast", "Profile"}
    codes = "\n".join(c.value for c in app.code)
    assert "PROFILE SO FAR" in codes, "the messages"
    assert '"explanation"' in codes and "json_schema" in codes, "the answer, and how to repeat it"
    assert "$OPENAI_API_KEY" in codes and KEY not in codes and openai_server.url in codes
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    stranger = open_page("calls", view="All calls", call="8")
    shown = "\n".join(c.value for c in stranger.code)
    assert not stranger.exception and openai_server.url not in shown + texts(stranger)
    assert not [b for b in stranger.button if "Delete" in b.label]
    monkeypatch.delenv("LUSIFER_PUBLIC")
    app.selectbox(key="call-purpose").set_value("forecast").run()
    assert len(app.dataframe[0].value) == 4
    app.text_input(key="call-search").set_value("no such words 100%").run()
    assert not app.exception and "No call matches" in texts(app)
    app.text_input(key="call-search").set_value("").run()
    for by in ("day", "prompt_version", "purpose", "error_kind"):
        app.button_group(key="call-totals").set_value(by).run()
        assert not app.exception, by
    store = storing.Store(data_dir / "lusifer.db")
    keys = [r["key"] for r in (store.get_call(n) for n in range(1, 9))]
    asked = len(openai_server.requests)
    app = open_page("calls", view="All calls", call="8")
    again = next(b for b in app.button if b.label.startswith("Ask again (1 call"))
    again.click().run()
    _wait()
    app.run()
    assert not app.exception and len(openai_server.requests) == asked + 1, "a new draw, not the stored answer"
    assert "The new answer" in texts(app)
    openai_server.requests.pop()
    app.selectbox(key="export-table").set_value("steps").run()
    assert not app.exception
    app.segmented_control(key="prune-by").set_value("Run").run()
    app.segmented_control(key="prune-by").set_value("Size").run()
    assert not app.exception and "MB of text" in texts(app)
    app.segmented_control(key="prune-by").set_value("Age").run()
    app.number_input(key="prune-days").set_value(0).run()
    app.button(key="prune-go").click().run()
    assert not app.exception and store.list_calls({})[1] == 0
    assert store.has_answers(keys) == set(keys), "answers are kept"
    again = open_page("evolution", user="405", model="openai:small")
    assert shown_step(again)["number"] == 1
    assert len(openai_server.requests) == 8


def _chart_names(app: AppTest) -> list[str]:
    """What the traces of the first chart are called."""
    return [trace.get("name", "") for trace in json.loads(app.get("plotly_chart")[0].proto.spec)["data"]]


def _pin_and_compare(
    app: AppTest, store: storing.Store, newest: str, oldest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``app`` shows the newest run. The oldest is pinned: a reference of the others, first in lists, until unpinned."""
    assert "Pinned run" not in _chart_names(app)
    app.selectbox(key="run").set_value(oldest).run()
    app = press(app, "Pin")
    assert store.list_pinned_runs() == [oldest] and "Pinned run" not in _chart_names(app), "none to itself"
    app = open_page("errors", view="runs", run=newest, other=oldest)
    assert not app.exception and "Pinned run" in _chart_names(app)
    assert app.selectbox(key="run").options[0].startswith("★") and app.selectbox(key="other").value == oldest
    with monkeypatch.context() as patch:
        newest_runs = run_picker.finished_runs
        patch.setattr(run_picker, "finished_runs", lambda *given: newest_runs(*given)[:1])
        assert "Pinned run" in _chart_names(open_page("errors")), "however old it is"
    said = texts(app)
    assert "Predictors of it alone" in str([t.value.to_dict() for t in app.dataframe]) and "both have" in said
    assert "Every predictor predicts the same in both runs" in said, "the constant is in both"
    app = press(app, "Swap")
    assert not app.exception and f"Run {oldest}" in texts(app) and app.selectbox(key="other").value == newest
    assert (app.query_params["run"], app.query_params["other"]) == (oldest, newest)

    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    stranger = press(open_page("errors", run=newest), "Pin")
    stranger.selectbox(key="run").set_value(oldest).run()
    assert "Pinned run" in _chart_names(stranger) and store.list_pinned_runs() == [oldest], "theirs alone"
    stranger = press(stranger, "Unpin")
    assert "Pinned run" in _chart_names(open_page("errors", run=newest)), "others keep the operator's"
    monkeypatch.delenv("LUSIFER_PUBLIC")
    assert "Pinned run" not in _chart_names(press(open_page("errors", run=oldest), "Unpin"))
    assert store.list_pinned_runs() == []


def test_a_link_to_a_run_opens_that_run(data_dir: Path, monkeypatch) -> None:
    """Also in a server whose newest job is another one; and a run that is gone is said to be."""
    app = open_page("errors")
    app.button_group(key="predictors").set_value(["bias", "constant"])
    app = _compare(app)
    app.button_group(key="predictors").set_value(["item-mean", "constant"])
    app = _compare(app)
    store = storing.Store(data_dir / "lusifer.db")
    newest, oldest = (r["id"] for r in store.list_runs("comparison"))
    assert newest in texts(app)
    there = open_page("errors", run=oldest)
    assert not there.exception and f"Run {oldest}" in texts(there)
    there.selectbox(key="run").set_value(newest).run()
    assert f"Run {newest}" in texts(there), "and another can be chosen from there"
    _pin_and_compare(there, store, newest, oldest, monkeypatch)
    gone = open_page("errors", run="261101-00000000")
    assert not gone.exception and "There is no comparison 261101-00000000" in texts(gone)


def test_a_file_of_an_older_version_leaves_the_summary(data_dir: Path) -> None:

    app = open_page("errors")
    app.button_group(key="predictors").set_value(["bias", "constant"])
    app = _compare(app)
    run = storing.Store(data_dir / "lusifer.db").list_runs("comparison")[0]["id"]

    old = pd.read_parquet(tables.table_path(run))[["user_id", "item_id", "rating", "timestamp", "bias"]]
    old.to_parquet(tables.table_path(run))
    st.cache_data.clear()
    again = open_page("errors", run=run)
    assert not again.exception and "only its summary is shown" in texts(again)


def test_the_audit_is_of_the_run_s_own_model(data_dir: Path, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    app = open_page("errors")
    app.button_group(key="predictors").set_value(["simulator", "constant"])
    app.number_input(key="sample").set_value(5)
    app = _compare(app)
    run = storing.Store(data_dir / "lusifer.db").list_runs("comparison")[0]["id"]
    other = open_page("errors", run=run, model="openai:small")
    other.button_group(key="view").set_value("audit").run(timeout=PATIENCE)
    assert not other.exception and "Choose that model and its prompts" in texts(other)
    assert not openai_server.requests
    own = open_page("errors", run=run, model="builtin")
    own.button_group(key="view").set_value("audit").run(timeout=PATIENCE)
    assert "No language model is connected" in texts(own) and not [b for b in own.button if b.label.startswith("Ask")]
    own.session_state["_models"] = ["openai:small"]  # as connecting one does
    own.run(timeout=PATIENCE)
    openai_server.always = "doubtful"
    next(b for b in own.button if b.label.startswith("Ask small")).click().run(timeout=PATIENCE)
    _wait()
    own.run(timeout=PATIENCE)
    assert not own.exception and "agrees with the audit on" in texts(own), own.exception
    assert 5 <= len(openai_server.requests) <= 20 and "Judge: not supported. Row" in texts(own)


def test_a_movie_under_two_ids_is_offered_once(data_dir: Path, ml100k) -> None:
    titles = ml100k.items["title"]
    twins = titles[titles == titles[titles.duplicated()].iloc[0]].index.tolist()
    assert len(twins) == 2
    app = open_page("rate", user="405")
    app.text_input(key="movie_search").set_value(ml100k.item(twins[1]).name).run()
    label = f"{ml100k.item(twins[0]).title}"
    assert sum(option.startswith(label) for option in app.multiselect(key="movies").options) == 1
