"""The prompt lab: edit, preview, scratch, save, compare, make active, roll back; two tabs; files; labels."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.testing.v1 import AppTest

from lusifer import datasets, prompts
from lusifer.datasets import splits
from lusifer.errors import InvalidInputError
from lusifer.prompts import versions
from lusifer.runs import prompt_comparison
from lusifer.simulator import RunContext, UserModelConfig
from lusifer.store import Store
from tests.llm.test_local_file import FILE
from tests.pages.test_pages import finish, open_page, press, texts

MODEL = "openai:small"


def labels(app: AppTest) -> str:
    return "\n".join(b.label for b in app.button)


def param(app: AppTest, name: str) -> str:
    value = app.query_params[name]
    return value[0] if isinstance(value, list) else value


class Editor:
    """The editor of a template on a page; the harness knows nothing of custom components."""

    def __init__(self, app: AppTest) -> None:
        self.app = app
        elements = [e.proto for e in app.get("bidi_component")]
        self.proto = next(p for p in elements if p.component_name == "lusifer.template_editor")
        self.data = json.loads(self.proto.json)
        self.value = self.data["text"]

    def type(self, text: object) -> AppTest:
        """Leave the field with this in it, as a browser tells it."""
        told = WidgetStates()
        told.widgets.add(id=self.proto.id, json_value=json.dumps({"edit": {"text": text}}))
        return self.app._run(told)  # noqa: SLF001

    @property
    def problems(self) -> str:
        return "\n".join(f"line {p['line']}: {p['message']}" for p in self.data["problems"])


def template(app: AppTest) -> Editor:
    return Editor(app)


def store_of(data_dir: Path) -> Store:
    return Store(data_dir / "lusifer.db")


def test_from_an_edit_to_an_active_version_and_back(data_dir: Path, server) -> None:
    app = open_page("prompts", user="405", model=MODEL)
    assert not app.exception and "Rendered prompt" in texts(app)
    field = template(app)
    field.type(field.value + "\nName at most {{ most }} movies.")
    assert "line 23: there is no variable most" in template(app).problems and "The prompt has errors" in texts(app)
    assert "Write this profile" not in labels(app) and not server.requests
    assert next(b for b in app.button if b.label.startswith("Save as")).disabled
    field = template(app)
    field.type(field.value.replace("{{ most }}", "two"))
    assert not app.error and any("Name at most two movies." in c.value for c in app.code)
    # scratch, against a server that misbehaves first
    server.behave("garbage", "503")
    press(app, "Write this profile")
    finish(app)
    assert not app.exception and "made the difference" in texts(app) and "New answer" in texts(app)
    assert not [m for m in app.markdown if "](http://e" in m.value], "a model's link is text"
    assert any("Name at most two movies." in str(r) for r in server.requests)
    app.checkbox(key="scratch-again").check().run()
    asked = len(server.requests)
    press(app, "Write this profile (1 call")
    finish(app)
    assert len(server.requests) == asked + 1 and "Previous answer" in texts(app), "a new draw asks anew"
    next(t for t in app.text_input if t.label == "Note").set_value("two movies").run()
    press(app, "Save as a version")
    assert not app.exception and store_of(data_dir).list_prompts()[0]["note"] == "two movies"
    assert app.selectbox(key="prompts").value == "v5"
    # compare on the same development users
    app.segmented_control(key="view").set_value("Compare").run()
    app.multiselect(key="trial-versions").set_value(["grounded", "v5"])
    app.number_input(key="trial-users").set_value(4)
    app.number_input(key="trial-movies").set_value(3).run()
    before = len(server.requests)
    go = next(b for b in app.button if b.label.startswith("Compare 2"))
    assert "calls" in go.label and "price unknown" in go.label
    server.faults = (0.1, ("garbage", "missing", "503", "off-scale"))
    go.click().run()
    finish(app)
    server.faults = (0.0, ())
    assert not app.exception and not app.error and len(server.requests) > before
    board = next(d.value for d in app.dataframe if "Measure" in d.value)
    assert list(board["Measure"])[:4] == ["RMSE", "MAE", "Pearson", "Mean error"]
    assert {"grounded", "v5"} <= set(board) and "at 80 % power" in texts(app)
    assert "4 development users" in texts(app) and "grounded on 4 users: " in texts(app)
    matrix = next(json.loads(e.proto.json) for e in app.get("bidi_component") if "matrix" in e.proto.component_name)
    assert [c["name"] for c in matrix["columns"]] == ["grounded", "v5"] and 0 < len(matrix["rows"]) <= 4
    deltas = [float(r["cells"][1]["delta"].replace("−", "-").replace("same", "0")) for r in matrix["rows"]]
    assert deltas == sorted(deltas, reverse=True), "regressions first"
    run = param(app, "trial")
    # a note with a thumb stays
    next(t for t in app.text_input if t.placeholder == "A note on this answer").set_value("sounds right").run()
    assert [n["note"] for n in store_of(data_dir).list_notes(run)] == ["sounds right"]
    # make it active
    app.selectbox(key=f"winner-{run}").set_value("v5").run()
    app.button(key="make-active").click().run()
    assert not app.exception and store_of(data_dir).list_prompt_labels()["active"] == 5
    other = open_page("evolution", user="405", model=MODEL)
    assert other.selectbox(key="prompts").value == "active" and "two movies" in texts(other)
    # and back, which is in sight everywhere
    app.segmented_control(key="view").set_value("Edit").run()
    app.button(key="roll-active").click().run()
    assert not app.exception and store_of(data_dir).list_prompt_labels()["active"] == 4
    link = open_page("prompts", model=MODEL, view="Compare", trial=run)
    assert not link.exception and link.selectbox(key="trial-run").value == run, "a comparison has a link"


def test_the_final_check_is_counted_and_dated(data_dir: Path, server) -> None:
    app = open_page("prompts", model=MODEL, view="Compare")
    app.multiselect(key="trial-versions").set_value(["grounded", "concise"])
    app.number_input(key="trial-users").set_value(2)
    app.number_input(key="trial-movies").set_value(2).run()
    press(app, "Compare 2")
    finish(app)
    press(app, "Check on held-out users")
    finish(app)
    assert not app.exception and "2 held-out users" in texts(app)
    (row,) = store_of(data_dir).list_runs("prompt-final")
    group = splits.held_out(datasets.load("ml-100k").user_ids)
    assert set(row["params"]["users"]) <= set(group.tolist()) and len(row["params"]["candidates"]) == 1
    assert any(row["created_at"][:10] in c.value for c in app.caption)


def test_a_grid_marks_its_best_front(data_dir: Path, server) -> None:
    app = open_page("prompts", model=MODEL, view="Compare")
    app.multiselect(key="trial-versions").set_value(["grounded", "concise"])
    app.multiselect(key="trial-temperatures").set_value(["0", "0.7"])
    app.multiselect(key="trial-models").set_value([MODEL, "builtin"])
    app.number_input(key="trial-users").set_value(2)
    app.number_input(key="trial-movies").set_value(2).run()
    press(app, "Compare 5")
    finish(app)
    assert not app.exception and not app.error
    board = next(d.value for d in app.dataframe if "Measure" in d.value)
    assert len(board.columns) == 6 and "Built-in (no LLM)" in board
    assert "Quality vs. cost" in texts(app) and len(app.get("plotly_chart")) == 1
    temperatures = {r["temperature"] for r in server.requests}
    assert temperatures == {0, 0.7}
    with pytest.raises(InvalidInputError, match="36 candidates are too many"):
        specs = ["openai:a", "openai:b", "openai:c"]
        prompt_comparison.expand_candidates(store_of(data_dir), list(prompts.SHIPPED), specs, ["0", "0.3", "0.7"])


def test_a_draft_survives_and_two_tabs_lose_nothing(data_dir: Path, server) -> None:
    one = open_page("prompts", user="405", model=MODEL)
    template(one).type("FIRST {{ facts }}")
    draft = param(one, "draft")
    two = open_page("prompts", user="405", model=MODEL, draft=draft)
    assert template(two).value == "FIRST {{ facts }}", "a reload goes on where it was"
    template(one).type("FIRST, FURTHER {{ facts }}")
    template(two).type("THE OTHER TAB {{ facts }}")
    kept = store_of(data_dir)
    said = [json.loads(kept.get_draft(d["id"])["data"])["templates"]["update"] for d in kept.list_drafts()]
    assert set(said) == {"FIRST, FURTHER {{ facts }}", "THE OTHER TAB {{ facts }}"}
    assert not one.exception and not two.exception
    press(one, "Save as a version")
    press(two, "Save as a version")
    assert {v["parent"] for v in kept.list_prompts()[:2]} == {4} and len(kept.list_prompts()) == 6
    gone = open_page("prompts", user="405", model=MODEL, draft="nothing")
    assert not gone.exception and "no longer exists" in texts(gone)


def test_a_half_written_template_and_a_hostile_one_break_nothing(data_dir: Path, server) -> None:
    app = open_page("prompts", user="405", model=MODEL, template="rate")
    for text, says in (
        ("{% for x in", "line 1"),
        ("{{ ''.__class__ }}", "unsafe"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "longer than 1 s"),
        ("{{ 'x' * 10**9 }}", "more than"),
    ):
        template(app).type(text)
        assert not app.exception and says in template(app).problems, text
        again = open_page("prompts", user="405", model=MODEL, template="rate", draft=param(app, "draft"))
        assert not again.exception and template(again).value == text, "a broken draft is kept too"
    for odd, kept in ((7, text), ("half \ud83d", "half \ufffd")):
        template(app).type(odd)
        assert not app.exception and template(app).value == kept, "what a browser sends is text, whole characters"
    assert not server.requests


def test_with_the_built_in_it_says_so(data_dir: Path) -> None:
    app = open_page("prompts", user="405")
    assert "ignores prompt wording" in texts(app) and "Write this profile" not in labels(app)
    app.segmented_control(key="template").set_value("rate").run()
    app.number_input(key="user").set_value(99999).run()
    assert not app.exception and "no user 99999" in texts(app)


def test_versions_are_labelled_compared_and_travel(data_dir: Path) -> None:
    app = open_page("prompts", view="Versions")
    assert not app.exception
    next(t for t in app.text_input if t.label.startswith("Label to create")).set_value("demo")
    next(b for b in app.button if b.label == "Set").click().run()
    store = store_of(data_dir)
    assert "demo" in store.list_prompt_labels()
    next(t for t in app.text_input if t.label.startswith("Label to create")).set_value("v7")
    next(b for b in app.button if b.label == "Set").click().run()
    assert "can't be named" in texts(app) and not app.exception
    said = json.loads(prompts.to_json(prompts.load("paper"))) | {"name": "mine", "recent": 4}
    app.get("file_uploader")[0].upload("mine.json", json.dumps(said).encode()).run()
    assert not app.exception and store.list_prompts()[0]["name"] == "mine"
    app.run()
    table = app.dataframe[0].value
    assert table["Version"].iloc[0] == "v5" and table["Note"].iloc[0] == "Imported from mine.json"
    shown = open_page("prompts", view="Versions", version="v5")
    assert "v5: mine" in texts(shown)
    shown.selectbox(key="diff-5").set_value(2).run()
    changes = next(d.value for d in shown.dataframe if "Parameter" in d.value)
    assert set(changes["Parameter"]) == {"name", "recent"}
    press(shown, "Edit a copy")
    assert not shown.exception and template(shown).value.startswith("Here is what is known")


def test_a_visitor_changes_no_label(data_dir: Path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    app = open_page("prompts", view="Versions")
    assert not app.exception and "Make active" not in labels(app) and not app.get("file_uploader")


@pytest.mark.skipif(not FILE.is_file(), reason="needs the small model that `make test` fetches")
def test_a_real_model_answers_a_scratch_run(data_dir: Path) -> None:
    """135M parameters on this machine: whatever they say is shown, or why it can't be used."""
    own = {
        "recent": 2,
        "rating_tokens": 20,
        "update_tokens": 60,
        "items_per_call": 2,
        "history": 2,
        "batch_size": 2,
    }
    said = json.loads(prompts.to_json(prompts.load("concise"))) | own | {"name": "tiny"}
    store = store_of(data_dir)
    versions.ensure_shipped_versions(store)
    made = versions.save(store, prompts.from_json(json.dumps(said)))
    app = open_page("prompts", user="405", model=f"file:{FILE}", prompts=made.name, template="first")
    press(app, "Write this profile")
    finish(app)
    assert not app.exception and ("New answer" in texts(app) or app.error)
    rows = sqlite3.connect(data_dir / "lusifer.db").execute("select status, prompt_version from calls").fetchall()
    assert rows and all(v.startswith("tiny-") for _, v in rows)


def test_a_scratch_answer_stays_with_whom_it_was_asked_for(data_dir: Path, server) -> None:
    app = open_page("prompts", user="405", model=MODEL, template="rate")
    server.delay = 0.5
    press(app, "Rate 10 movies")
    app.number_input(key="user").set_value(13).run()
    finish(app)
    server.delay = 0.0
    assert not app.exception and "New answer" not in texts(app), "user 13 was not asked about"
    app.number_input(key="user").set_value(405).run()
    assert "New answer" in texts(app)


def test_an_odd_name_and_an_odd_link_break_no_draft(data_dir: Path, server) -> None:
    app = open_page("prompts", user="405", model=MODEL)
    next(t for t in app.text_input if t.label == "Name").set_value("mine (v2)").run()
    assert not app.exception
    again = open_page("prompts", user="405", model=MODEL, draft=param(app, "draft"))
    assert not again.exception and next(t for t in again.text_input if t.label == "Name").value == "mine (v2)"
    press(again, "Save as a version")
    assert not again.exception and "can't be named" in texts(again)
    for link in (
        {"view": "Versions", "version": "v²"},
        {"prompts": "v99"},
        {"view": "Compare", "trial": "nothing"},
    ):
        odd = open_page("prompts", user="405", model=MODEL, **link)
        assert not odd.exception, link


def test_another_result_can_be_chosen(data_dir: Path, server) -> None:
    app = open_page("prompts", model=MODEL, view="Compare")
    app.multiselect(key="trial-versions").set_value(["grounded", "concise"])
    app.number_input(key="trial-users").set_value(2)
    app.number_input(key="trial-movies").set_value(2).run()
    press(app, "Compare 2")
    finish(app)
    app.number_input(key="trial-seed").set_value(5).run()
    press(app, "Compare 2")
    finish(app)
    new, old = (
        app.selectbox(key="trial-run").value,
        store_of(data_dir).list_runs("prompt-trial")[1]["id"],
    )
    assert new != old
    app.selectbox(key="trial-run").set_value(old).run()
    assert app.selectbox(key="trial-run").value == old and param(app, "trial") == old and "seed 0" in texts(app)


def test_two_tabs_keep_each_other_s_notes(data_dir: Path, server) -> None:
    one = open_page("prompts", model=MODEL, view="Compare")
    one.multiselect(key="trial-versions").set_value(["grounded", "concise"])
    one.number_input(key="trial-users").set_value(2)
    one.number_input(key="trial-movies").set_value(2).run()
    press(one, "Compare 2")
    finish(one)
    run = param(one, "trial")
    two = open_page("prompts", model=MODEL, view="Compare", trial=run)
    next(t for t in two.text_input if t.placeholder == "A note on this answer").set_value("kept?").run()
    one.run()
    assert [n["note"] for n in store_of(data_dir).list_notes(run)] == ["kept?"]


def test_prompts_that_want_evidence_are_not_asked_without(data_dir: Path, server) -> None:
    store = store_of(data_dir)
    made = versions.save(store, replace(prompts.load(), evidence=True, name="told"))
    app = open_page("evolution", user="405", model=MODEL, prompts=made.name)
    assert not app.exception and "not prepared" in texts(app) and "Compute" not in labels(app)


def test_edits_are_suggested_saved_and_tested_by_a_person(data_dir: Path, server, monkeypatch) -> None:
    first = open_page("prompts", view="Suggest")
    assert not first.exception and "Connect a model" in labels(first) and "Suggest three" not in labels(first)
    first.button(key="open-connection").click().run()
    assert not first.exception and first.selectbox(key="_endpoint").value == "openai"
    press(first, "List models")
    first.button(key="_use_listed").click().run()
    assert not first.exception and "No answers to learn from yet" in texts(first), "the connected model is used"
    store = store_of(data_dir)
    app = open_page("prompts", model=MODEL, view="Suggest")
    short = [replace(prompts.load(name), name=f"short {name}", history=10) for name in ("grounded", "concise")]
    numbers = [versions.save(store, p).number for p in short]
    for label, number in zip(versions.LABELS, numbers, strict=True):
        versions.move_label(store, label, number)
    app.run()
    assert "v5 · short grounded with v6 · short concise on 20" in texts(app)
    assert "Compare 2 candidates" in labels(app)
    data = datasets.load("ml-100k")
    ctx = RunContext(data, splits.make(data, "last-10"), store, workers=4)
    candidates = prompt_comparison.expand_candidates(store, ["v5", "v6"], [MODEL])
    sample = prompt_comparison.draw_sample(ctx, 4, 3)
    prompt_comparison.run_prompt_comparison(ctx, UserModelConfig(MODEL), candidates, sample)
    app.run()
    assert "v5 · short grounded · small · 4 users" in app.selectbox(key="suggest-from").options[0]
    server.behave("broken-change")
    press(app, "Suggest three changes (1 call")
    finish(app)
    assert not app.exception and "3 suggested changes of v5" in texts(app) and "for is not closed" in texts(app)
    assert "Can't be used as it is" in texts(app) and "Mind a strict rater." in "".join(c.value for c in app.code)
    assert len(store.list_prompts()) == 6, "nothing is saved by itself"
    assert [b.label for b in app.button].count("Save as a draft version") == 2
    press(app, "Save all 2")
    assert not app.exception and "Saved as v7" in texts(app) and store.list_prompt_labels()["active"] == numbers[0]
    press(app, "Test 2 drafts against v5 (")
    finish(app)
    app.run()
    assert not app.exception and app.segmented_control(key="view").value == "Compare"
    assert [c["name"] for c in store.list_runs("prompt-trial")[0]["params"]["candidates"]] == ["v5", "v7", "v8"]
    assert "version is the best for any of 4 users" in texts(app) and store.list_prompt_labels()["active"] == 5
    app.segmented_control(key="view").set_value("Suggest").run()
    assert "Tested:" in texts(app) and "Test 2" not in labels(app), "nothing is asked twice"
    next(b for b in app.button if b.key and b.key.startswith("edit-") and b.key.endswith("-1")).click().run()
    assert not app.exception and "{% for x in batch %}" in template(app).value and len(store.list_prompts()) == 8
    assert "(suggested by small)" in next(t.value for t in app.text_input if t.label == "Note")
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    visitor = open_page("prompts", model=MODEL, view="Suggest")
    assert not visitor.exception and "Suggest three" in labels(visitor) and "Save" not in labels(visitor)
