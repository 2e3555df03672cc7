"""Calls as a tree: of a recording with an empty database, and of stored calls with repairs, retries and the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lusifer.llm.recordings import find_recording
from lusifer.simulator import Step, UserModelConfig, evolve, make_evolution_spec
from lusifer.simulator.recorded_questions import render_recorded_question
from lusifer.store import FIRST_LOCAL, Store
from lusifer.ui.pages.llm_calls import traced_calls, tree_data
from lusifer.ui.pages.llm_calls.trace_sources import RecordingTrace, StoredTrace, list_titles, open_trace
from lusifer.ui.pages.llm_calls.traced_calls import AnswerKey, read_answer_key
from tests.pages.test_pages import open_page, texts

NAMES = ("last10-37users-plain", "last10-37users-anonymous")
ASKED = [{"role": "system", "content": "You are a user."}, {"role": "user", "content": "Rate these."}]
CALL: dict[str, Any] = {
    "key": "k",
    "run_id": "r1",
    "purpose": "forecast",
    "user_id": 7,
    "step": 1,
    "model": "openai:small",
    "status": "ok",
    "input_tokens": 100,
    "cached_tokens": 0,
    "output_tokens": 20,
    "latency_ms": 1500.0,
    "price": 0.001,
    "attempts": 1,
    "messages": json.dumps(ASKED),
    "text": "{}",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run with a repair of each kind, retries, an answer from the cache, and calls about others."""
    store = Store(tmp_path / "lusifer.db")
    longer = [*ASKED, {"role": "assistant", "content": "7 stars"}, {"role": "user", "content": "On the scale."}]
    with_note = [ASKED[0], {"role": "user", "content": "Rate these.\n\nThe answer was empty."}]
    other = [ASKED[0], {"role": "user", "content": "Describe this user."}]
    for change in (
        {"status": "invalid"},  # 1
        {"messages": json.dumps(longer)},  # 2 repairs 1
        {"purpose": "update", "status": "invalid", "text": "", "price": None},  # 3
        {"purpose": "update", "messages": json.dumps(with_note), "attempts": 3},  # 4 repairs 3
        {"purpose": "rate", "step": 2, "status": "invalid"},  # 5
        {"purpose": "rate", "step": 2, "messages": json.dumps(other)},  # 6 follows 5, and is another question
        {"purpose": "rate", "step": 2, "status": "cached", "messages": None, "latency_ms": None},  # 7
        {"user_id": 9},  # 8
        {"user_id": FIRST_LOCAL},  # 9
        {"user_id": None, "purpose": "test", "step": None},  # 10
        {"run_id": "r2", "user_id": 7},  # 11
    ):
        store.save_call({**CALL, **change})
    return store


@pytest.mark.parametrize("name", NAMES)
def test_a_recordings_questions_are_those_that_its_evolution_asks(ml100k, last10, tmp_path: Path, name: str) -> None:
    recording, store = find_recording(name), Store(tmp_path / "lusifer.db")
    model = UserModelConfig(recording.spec).build(store)
    spec = make_evolution_spec(ml100k, last10, 452, model)
    steps: list[Step] = list(evolve(ml100k, last10, model.recorded_as(spec.id), spec))
    asked = {(c["step"], c["purpose"]): store.get_call(c["id"]) for c in store.list_calls({})[0]}
    assert len(asked) == 2 * len(steps)
    for (step, purpose), call in asked.items():
        (answer,) = recording.find(452, step, purpose)
        messages = render_recorded_question(ml100k, last10, recording, answer)
        assert [m.to_json() for m in messages] == json.loads(call["messages"])
    (rated,) = recording.find(452, len(steps) + 1, "rate")
    question = render_recorded_question(ml100k, last10, recording, rated)[-1].content
    assert all(b.text in question for b in steps[-1].profile.bullets[:3]), "from the profile after the last step"


def test_repairs_retries_and_the_cache_are_told_of_the_calls_that_they_are(store: Store) -> None:
    trace = StoredTrace(store, "run", "r1", "Run r1", None, True)
    users = trace.users(None)
    assert list(users) == [None, 7, 9, FIRST_LOCAL]
    calls = trace.calls(7)
    assert {c.key: c.repairs for c in calls if c.repairs} == {"2": 1, "4": 3}
    assert store.find_repairs(store.get_call(4))[0] == 3 and store.find_repairs(store.get_call(3))[1] == 4
    assert store.find_repairs(store.get_call(6))[0] is None and store.find_repairs(store.get_call(5))[1] is None
    steps = traced_calls.group_steps(calls)
    assert [(s.title, [c.key for c in s.calls]) for s in steps] == [
        ("Step 1", ["1", "2", "3", "4"]),
        ("Ratings after step 1", ["5", "6", "7"]),
    ]
    summed, kept = traced_calls.sum_calls(calls), users[7]
    assert (summed.repairs, summed.retries, summed.cached, summed.failed) == (2, 2, 1, 3)
    for name in ("calls", "cached", "failed", "tokens", "seconds", "unpriced"):
        assert getattr(summed, name) == getattr(kept, name), name
    assert summed.price == pytest.approx(0.005) == pytest.approx(kept.price) and summed.tokens == 6 * 120
    assert traced_calls.add(users.values()).calls == trace.total().calls == 10
    assert list(trace.users(8)) == [9, FIRST_LOCAL]
    drawn = tree_data.describe_tree(
        trace.name, trace.title, trace.total(), users, trace.label, open_user=7, steps=steps, selected="4"
    )
    assert drawn["columns"] == ["Tokens", "Time", "Price"] and json.loads(json.dumps(drawn)) == drawn
    rows = {c["key"]: c for s in drawn["steps"] for c in s["calls"]}
    assert ["problem", "repair of 3"] in rows["4"]["marks"] and ["problem", "2 retries"] in rows["4"]["marks"]
    assert rows["4"]["figures"] == ["120", "1.5 s", "$0.0010"] and rows["7"]["note"] == "call 7, from cache"


def test_strangers_trace_nothing_of_local_users(store: Store, ml100k) -> None:
    trace = open_trace("run:r1", store, ml100k, local=False)
    assert FIRST_LOCAL not in trace.users(None) and not trace.calls(FIRST_LOCAL)
    assert trace.find_user(str(FIRST_LOCAL)) is None and trace.total().calls == 9
    store.save_call({**CALL, "run_id": "mine", "user_id": FIRST_LOCAL})
    assert open_trace("run:mine", store, ml100k, local=False) is None
    assert "run:mine" in list_titles(store, local=True) and "run:mine" not in list_titles(store, local=False)
    for name in ("run:none", "run:", "evolution:none", "nonsense", "recorded:none"):
        assert open_trace(name, store, ml100k, local=True) is None, name


def test_a_text_leads_to_the_answer_that_it_stands_in(store: Store) -> None:
    for key in (AnswerKey("7", 1, "update"), AnswerKey("a/1/rate", 5, "rate", 2)):
        assert read_answer_key(str(key)) == key, "ids of a file may hold anything"
    for text in ("7", "7/0/rate", "7/1/other", "/1/rate", "7/1/rate/0", "7/1/rate/x"):
        assert read_answer_key(text) is None, text
    calls = StoredTrace(store, "run", "r1", "", None, True).calls(7)
    assert traced_calls.find_key(calls, "7/1/update") == "4", "the repaired answer, not the invalid one"
    assert traced_calls.find_key(calls, "7/2/rate") == "7" and traced_calls.find_key(calls, "3") == "3"
    assert traced_calls.find_key(calls, "7/3/update") is None and traced_calls.find_key(calls, "99") is None


def test_the_recordings_calls_are_there_at_once(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = f"recorded:{NAMES[0]}"
    app = open_page("calls", model=spec, call="452/2/update")
    said = texts(app)
    assert not app.exception and not app.error
    assert "295 answers about 37 users" in said.replace("\\", "") and "Recorded" in said
    (recorded,) = find_recording(NAMES[0]).find(452, 2, "update")
    assert recorded.answer["explanation"].split(",")[0] in said.replace("\\", "")
    questions = [c.value for c in app.code if "PROFILE" in c.value]
    assert questions, "what was asked is shown"
    assert Store(data_dir / "lusifer.db").list_calls({})[1] == 0, "nothing is asked or stored by looking"
    for asked, opened in ({}, "479"), ({"user": "452"}, "452"), ({"user": "1"}, "14"):
        app = open_page("calls", fresh=not asked, trace=spec, **asked)
        assert shown_tree(app)["open"] == opened, "whom the other pages show"
    assert "about user 1; user 14" in texts(app)
    app = open_page("calls", model=spec, trace="run:gone", call="452/99/update")
    assert not app.exception and "There are no calls of run:gone" in texts(app).replace("\\", "")
    Store(data_dir / "lusifer.db").save_call({**CALL, "text": "somebody's answer"})
    owner = open_page("calls", model=spec, trace="run:r1", call="1")
    assert [c for c in owner.code if "somebody's answer" in c.value]
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    stranger = open_page("calls", model=spec, trace="run:r1", call="1")
    assert not stranger.exception and "There are no calls of run:r1" in texts(stranger).replace("\\", "")
    assert not [c for c in stranger.code if "somebody's answer" in c.value], "calls of other visitors"


def shown_tree(app: AppTest) -> dict[str, Any]:
    """The tree as it was sent to the browser."""
    (tree,) = (json.loads(c.proto.json) for c in app.get("bidi_component"))
    return tree


def test_a_user_beyond_those_listed_is_found(data_dir: Path) -> None:
    stored = Store(data_dir / "lusifer.db")
    for user in range(1, 251):
        stored.save_call({**CALL, "user_id": user, "text": f"of user {user}"})
    app = open_page("calls", model="openai:small", trace="run:r1", call="3")
    assert [c for c in app.code if "of user 3" in c.value]
    app.text_input(key="trace-from").set_value("240").run()
    tree = shown_tree(app)
    assert [u["key"] for u in tree["users"]] == [str(n) for n in range(240, 251)] and not app.exception
    assert [c for c in app.code if "of user 240" in c.value], "the call that was looked at is none of them"
    app.text_input(key="trace-from").set_value("nobody").run()
    assert "about user nobody" in texts(app) and len(shown_tree(app)["users"]) == 200
    assert app.query_params.get("from") is None


def test_a_recording_lists_users_from_one_on(ml100k) -> None:
    recording = find_recording(NAMES[0])
    trace = RecordingTrace(recording, ml100k)
    assert list(trace.users(None)) == list(recording.users)
    assert list(trace.users(100)) == [u for u in recording.users if u >= 100]
    assert sum(len(trace.calls(u)) for u in recording.users) == recording.count == trace.total().calls == 295
    assert trace.total().tokens == sum(traced_calls.sum_calls(trace.calls(u)).tokens for u in recording.users)
