"""What an earlier version stored, linked to and was called with still works.

``database.sql`` is a whole database of that version: evolutions of the built-in and of a language model on
`write_dataset`'s ratings, one run of each kind, a prompt version with labels and a draft, notes, a local user.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from lusifer import datasets
from lusifer.evaluation import trust
from lusifer.prompts import versions
from lusifer.runs import run_rows, tables
from lusifer.store import Store
from lusifer.ui import page_registry
from tests.conftest import write_tiny
from tests.pages.conftest import fresh_caches  # noqa: F401 - a job that another file's test left would be shown here
from tests.pages.test_pages import PATHS, open_page, shown_step, texts
from tests.servers.openai import KEY
from tests.test_cli import answer, run

DUMP = Path(__file__).parent / "database.sql"
USER, MODEL = 7, "openai:small"
NOWHERE = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": KEY}
KINDS = {
    "comparison": "errors",
    "experiment": "experiments",
    "fidelity": "fidelity",
    "playground": "playground",
    "prompt-trial": "prompts",
    "prompt-final": "prompts",
}
"""The kinds of runs that have a page of their own, and its address."""


def write_dataset(folder: Path) -> Path:
    """The data set that the stored database is of."""
    ratings = [
        (u, (u * 3 + n * 7) % 90 + 1, (u * u + n * n + u * n) % 5 + 1, 1000 * u + n)
        for u in range(1, 41)
        for n in range(24)
    ]
    return write_tiny(folder, ratings, 40, 90)


@pytest.fixture
def old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A data folder with the old database in it; the app and the command line use it."""
    folder = tmp_path / "data"
    write_dataset(folder / "tiny")
    with sqlite3.connect(folder / "lusifer.db") as db:
        db.executescript(DUMP.read_text(encoding="utf-8"))
    db.close()
    monkeypatch.setenv("LUSIFER_DATA", str(folder))
    datasets.load("tiny")  # the pages wait for a button before they read new files
    return Store(folder / "lusifer.db")


def rows(query: str, *values: object) -> list[sqlite3.Row]:
    """Rows of the old database, read by SQL alone."""
    with sqlite3.connect(":memory:") as db:
        db.row_factory = sqlite3.Row
        db.executescript(DUMP.read_text(encoding="utf-8"))
        found = db.execute(query, values).fetchall()
    db.close()
    return found


def test_every_table_is_read_back(old_store: Store) -> None:
    dataset = datasets.load("tiny")
    assert {r["dataset_hash"] for r in rows("select dataset_hash from evolutions")} == {dataset.hash}
    for row in rows("select * from runs"):
        stored = old_store.get_run(row["id"])
        assert stored is not None and stored["title"] == row["title"]
        assert stored["summary"] == json.loads(row["summary"]) and stored["params"] == json.loads(row["params"])
        assert row["id"] in {r["id"] for r in old_store.list_runs(row["kind"])}
    for row in rows("select * from evolutions"):
        assert (
            len(old_store.list_steps(row["id"]))
            == rows("select count(*) from steps where evolution_id = ?", row["id"])[0][0]
        )
    for row in rows("select * from ratings"):
        stored = old_store.get_ratings(row["evolution_id"], row["step"], [row["item_id"]])[row["item_id"]]
        assert (stored["rating"], stored["expected"], stored["reason"]) == tuple(
            row[k] for k in ("rating", "expected", "reason")
        )
    for row in rows("select * from calls"):
        call = old_store.get_call(row["id"])
        assert call is not None and call["purpose"] == row["purpose"]
        cached = old_store.get_answer(row["key"])
        assert cached is not None and call["text"] == cached["text"]
    version = next(r for r in old_store.list_prompts() if r["name"] == "mine")
    assert version["note"] == "An old note" and old_store.list_prompt_labels()["demo"] == version["number"]
    assert versions.resolve("demo", old_store).recent == 3
    assert len(old_store.list_drafts()) == 1
    trial = old_store.list_runs("prompt-trial")[0]["id"]
    assert [n["note"] for n in old_store.list_notes(trial)] == ["Too long"]
    (person,) = old_store.list_local_users(dataset.hash)
    assert person["name"] == "Ada" and person["ratings"] == 12
    assert old_store.list_local_ratings(person["id"])[1][3] == 3.5
    assert old_store.list_local_predictions(person["id"])[20][:2] == (4.25, "A reason.")


def test_an_old_evolution_goes_on_without_a_call(old_store: Store) -> None:
    """Its steps are found by the same name, hash of the prompts and model version."""
    plan = ("evolve", "--dataset", "tiny", "--user", str(USER), "--history", "12", "--batch-size", "6")
    made = answer(*plan, "--model", MODEL, **NOWHERE)
    (row,) = rows("select id from evolutions where model = ? and history = 12", MODEL)
    stored = [
        json.loads(r["data"]) for r in rows("select data from steps where evolution_id = ? order by number", row["id"])
    ]
    assert [s["explanation"] for s in made["steps"]] == [s["explanation"] for s in stored]
    assert [s["step"] for s in made["steps"]] == [1, 2]
    rated = answer("rate", *plan[1:], "--items", "1,2", "--model", MODEL, **NOWHERE)
    assert [r["reason"] for r in rated["ratings"]] == ["Reason for movie 1.", "Reason for movie 2."]


def test_an_older_built_in_is_another_evolution(old_store: Store) -> None:
    """Its sentences changed with its version: old steps stay as they are, and new ones are not mixed with them."""
    plan = ("evolve", "--dataset", "tiny", "--user", str(USER), "--history", "12", "--batch-size", "6")
    (old,) = rows("select id from evolutions where model = 'builtin' and history = 12")
    assert [s["step"] for s in answer(*plan, "--model", "builtin", **NOWHERE)["steps"]] == [1, 2]
    with sqlite3.connect(old_store.path) as db:
        kept = db.execute(
            "select id, model_version from evolutions where model = 'builtin' and history = 12"
        ).fetchall()
        (steps,) = db.execute("select count(*) from steps where evolution_id = ?", [old["id"]]).fetchone()
    db.close()
    assert len(kept) == len({version for _, version in kept}) == 2 and old["id"] in dict(kept) and steps == 2


def test_the_trust_card_reads_old_runs(old_store: Store) -> None:
    dataset = datasets.load("tiny")
    stored = old_store.list_runs("fidelity")[0]
    card = trust.build_trust_card(
        old_store, "tiny", dataset.hash, "last-10", "builtin", stored["model_version"]
    ).to_json()
    assert stored["id"] in {x["run"] for x in card["lines"]}
    assert next(x for x in card["lines"] if x["key"] == "histogram")["run"] == old_store.list_runs("fidelity")[0]["id"]


SAMPLE = ("--dataset", "tiny", "--users", "5")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            ("evaluate", *SAMPLE, "--predictors", "bias,constant", "--among", "held-out", "--measures", "all"),
            ("evaluate", *SAMPLE, "--predictors", "bias,constant", "--user-group", "held-out", "--metrics", "all"),
        ),
        (
            ("evaluate", *SAMPLE, "--predictors", "simulator", "--calibrate", "off", "--split", "last-5"),
            ("evaluate", *SAMPLE, "--predictors", "simulator", "--calibrate", "off", "--split", "last-5"),
        ),
        (
            ("evaluate", *SAMPLE, "--predictors", "simulator,bias", "--evidence", "off", "--split", "cold-3"),
            ("evaluate", *SAMPLE, "--predictors", "simulator,bias", "--evidence", "off", "--split", "cold-3"),
        ),
        (
            ("simulate", *SAMPLE, "--pause", "1"),
            ("simulate", *SAMPLE, "--poll-interval", "1"),
        ),
        *(
            (
                ("experiment", old, "--dataset", "tiny", "--users", "30", "--among", "all", "--estimate"),
                ("experiment", new, "--dataset", "tiny", "--users", "30", "--user-group", "all", "--estimate"),
            )
            for old, new in (
                ("batches", "batch-size"),
                ("cold", "cold-start"),
                ("shift", "taste-shift"),
                ("order", "rating-order"),
                ("repeat", "repeatability"),
                ("ablation", "ablation"),
                ("contamination", "contamination"),
                ("loop", "closed-loop"),
            )
        ),
    ],
)
def test_an_old_command_line_does_what_the_new_one_does(old_store: Store, old: tuple, new: tuple) -> None:
    results = []
    for arguments in (old, new):
        done = run(*arguments, "--json")
        made = json.loads(done.stdout) if done.stdout else done.stderr.splitlines()[-1]
        if isinstance(made, dict):
            made = {k: v for k, v in made.items() if k not in {"run", "file", "seconds"}}
            for scores in made.get("predictors", {}).values():
                scores.pop("seconds")
        results.append((done.returncode, made))
    assert results[0] == results[1]
    assert "invalid choice" not in str(results) and "unrecognized" not in str(results)


@pytest.mark.parametrize("command", ["cache", "runs"])
def test_a_run_is_exported_and_imported(old_store: Store, tmp_path: Path, command: str) -> None:
    stored = old_store.list_runs("comparison")[0]["id"]
    made = answer(command, "export", stored, str(tmp_path / "run.db"))
    assert made["run"] == stored
    there = answer(command, "import", str(tmp_path / "run.db"), LUSIFER_DB=str(tmp_path / "there.db"))
    assert there["run"] == stored


def test_help_shows_the_new_spellings_alone() -> None:
    for command in ("evaluate", "experiment", "simulate", ""):
        said = run(*filter(None, (command, "--help"))).stdout
        assert "usage" in said
        for old in ("--among", "--measures", "--pause", "{cache", " cache ", ", loop"):
            assert old not in said, (command, old)


def link(page: str, **query: str):
    app = open_page(page, **{"dataset": "tiny", **query})
    assert not app.exception and not app.error, (page, query)
    return app


def test_old_addresses_are_those_of_today() -> None:
    assert {spec.url_path or "home" for spec in page_registry.page_specs().values()} == set(PATHS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_old_link_to_a_run_opens_it(old_store: Store, kind: str) -> None:
    stored = old_store.list_runs(kind)[0]
    # Rows that an earlier version took in, whoever wrote them: a page that can't use them says so.
    tables.save_table(stored["id"], pd.DataFrame({"user_id": [["x"]], "rating": ["x"], "reward": [None]}))
    if kind.startswith("prompt-"):
        app = link("prompts", view="Compare", trial=stored["id"], model=MODEL)
        assert app.selectbox(key="trial-run").value == stored["id"] and run_rows.NO_ROWS in texts(app)
        return
    query = {"experiment": "loop"} if kind == "experiment" else {}
    app = link(KINDS[kind], run=stored["id"], **query)
    assert stored["id"] in texts(app) or stored["id"] in {s.value for s in app.selectbox}
    assert run_rows.NO_ROWS in texts(app) or kind in {"fidelity", "experiment"}


def test_old_links_to_a_user_land(old_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    choices = {"split": "last-10", "user": str(USER), "model": MODEL}
    app = link("evolution", step="2", history="12", batch="6", **choices)
    assert app.number_input(key="user").value == USER and app.slider(key="step").value == 2
    assert app.number_input(key="history").value == 12 and app.number_input(key="batch").value == 6
    assert app.selectbox(key="model").value == MODEL and shown_step(app)["number"] == 2
    app = link("evolution", present="true", step="2", **choices)
    assert app.query_params["view"] == "present" and app.query_params["chapter"] == "4", "the chapter of that step"
    both = {"beside": "true", "other-user": "9", "other-model": "builtin"}
    app = link("evolution", **both, **choices)
    assert app.toggle(key="beside").value is True and app.number_input(key="other-user").value == 9
    assert app.selectbox(key="other-model").value == "builtin"
    errors = link("errors", evidence="true", **choices)
    assert "simulator-evidence" in errors.button_group(key="predictors").value
    assert link("rate", prompts="demo", **choices).selectbox(key="prompts").value == "demo"
    for tab in ("What if", "You"):
        assert link("hands", hands=tab, **choices).button_group(key="hands").value == tab


def test_old_links_to_prompts_and_calls_land(old_store: Store) -> None:
    draft = old_store.list_drafts()[0]["id"]
    app = link("prompts", user=str(USER), model=MODEL, draft=draft, template="update")
    assert any(draft in e.proto.json and "An old draft." in e.proto.json for e in app.get("bidi_component"))
    app = link("prompts", view="Versions", version="v4")
    assert app.button_group(key="view").value == "Versions" and "mine" in texts(app)
    assert not link("calls", call="1").exception
    found = {"call-search": "PROFILE"}
    assert link("calls", **found).text_input(key="call-search").value == "PROFILE"
