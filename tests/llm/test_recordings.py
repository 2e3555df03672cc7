"""Recordings: answers found by what was asked, never for what was not, and files that may be anybody's."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from lusifer.datasets import splits
from lusifer.errors import InvalidInputError, ModelError
from lusifer.llm import recordings
from lusifer.llm.recordings import (
    RecordedAnswer,
    RecordingHeader,
    add_recording,
    find_recording,
    list_recordings,
    open_recording,
    write_recording,
)
from lusifer.runs.comparison import ComparisonSpec, run_comparison
from lusifer.runs.recording_export import make_recording
from lusifer.simulator import (
    RunContext,
    UserModelConfig,
    label,
    make_evolution_spec,
    rate_items,
    run_evolution,
)
from lusifer.simulator.evolution import context_after
from lusifer.simulator.types import Bullet
from tests.servers.openai import KEY

SHIPPED = "last10-37users-plain"
ALL_SHIPPED = ["last10-37users-anonymous", SHIPPED]


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def recorded(store):
    return UserModelConfig(f"recorded:{SHIPPED}").build(store)


def header(**more) -> RecordingHeader:
    fields = {
        "recording": "mine",
        "dataset": "d",
        "dataset_hash": "h",
        "split": "last-10",
        "history": 40,
        "batch_size": 10,
        "prompt_set": "grounded",
        "prompt_version": "grounded-89b8344d",
        "users": (1,),
    }
    return RecordingHeader(**{**fields, **more})


def test_the_shipped_recording_evolves_and_rates(ml100k, last10, store, recorded) -> None:
    users = find_recording(SHIPPED).users
    assert len(users) == 37 and recorded.recording is not None
    spec = make_evolution_spec(ml100k, last10, 452, recorded)
    steps = list(run_evolution(ml100k, last10, recorded, spec, store))
    assert len(steps) == 4 and all(s.profile.bullets and s.explanation for s in steps)
    assert all(f.expected is not None for s in steps for f in s.forecast)
    items = ml100k.items_of(last10.test.of_user(452).item)
    ratings = rate_items(ml100k, last10, recorded, spec, steps, items, store)
    assert all(r.expected is not None and r.reason for r in ratings)
    fewer = rate_items(ml100k, last10, recorded, spec, steps, items[:3], None)
    assert [r.expected for r in fewer] == [r.expected for r in ratings[:3]], "a subset of the items is served"
    calls, _ = store.list_calls({"model": f"recorded:{SHIPPED}"}, limit=100)
    assert {c["purpose"] for c in calls} == {"forecast", "update", "rate"}
    assert all(c["price"] == 0.0 for c in calls if c["status"] == "ok"), "nobody is paid"
    assert label(recorded.spec) == f"Recorded LLM: {SHIPPED}"


def test_it_works_without_a_database(ml100k, last10) -> None:
    model = UserModelConfig(f"recorded:{SHIPPED}").build(None)
    spec = make_evolution_spec(ml100k, last10, 452, model)
    assert len(list(run_evolution(ml100k, last10, model, spec, None))) == 4


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("User 1 is not in", {"user": 1}),
        ("histories of 40", {"history": 30}),
        ("batches of 10", {"batch_size": 20}),
    ],
)
def test_what_it_does_not_hold_is_said_before_anything_is_asked(ml100k, last10, recorded, what, change) -> None:
    asked = {"user": 452, **change}
    with pytest.raises(InvalidInputError, match=what) as error:
        make_evolution_spec(ml100k, last10, asked.pop("user"), recorded, **asked)
    assert "connect a model" in error.value.fix


def test_another_split_or_dataset_is_refused(ml100k, last10, recorded) -> None:
    with pytest.raises(InvalidInputError, match="made on the split last-10 of ml-100k"):
        make_evolution_spec(ml100k, splits.make(ml100k, "random"), 452, recorded)
    with pytest.raises(InvalidInputError, match="made on the split"):
        make_evolution_spec(replace(ml100k, hash="of other ratings"), last10, 452, recorded)


def test_other_items_profiles_and_draws_are_not_answered(ml100k, last10, store, recorded) -> None:
    spec = make_evolution_spec(ml100k, last10, 452, recorded)
    steps = list(run_evolution(ml100k, last10, recorded, spec, store))
    train = set(last10.train.of_user(452).item.tolist()) | set(last10.test.of_user(452).item.tolist())
    other = next(i for i in range(1, 1683) if i not in train)
    given = ml100k.items_of([int(last10.test.of_user(452).item[0]), other])
    ratings = rate_items(ml100k, last10, recorded, spec, steps, given, None)
    assert ratings[0].expected is not None
    assert ratings[1].expected is None and ratings[1].failure, "the other one is missing, and says why"
    alone = rate_items(ml100k, last10, recorded, spec, steps, given[1:], None)
    assert "Not in the recording" in alone[0].failure
    context = context_after(ml100k, last10, 452, steps)
    edited = replace(context.profile, likes=(Bullet("Loves westerns."),))
    with pytest.raises(ModelError, match="another profile") as error:
        recorded.rate(replace(context, profile=edited), tuple(given[:1]))
    assert error.value.kind == "not-recorded"
    again = recorded.redrawn(1).rate(context, tuple(given[:1]))
    assert again[0].expected is None, "one draw was recorded"


def test_evidence_can_not_be_told_to_a_recording(store) -> None:
    with pytest.raises(InvalidInputError, match="asked without"):
        UserModelConfig(f"recorded:{SHIPPED}", evidence=True).build(store)


def test_a_run_becomes_a_recording_that_answers_the_same(
    ml100k, last10, store, openai_server, data_dir, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    ctx = RunContext(ml100k, last10, store)
    config = UserModelConfig("openai:a", keys={"openai": KEY})
    run = run_comparison(ctx, config, ComparisonSpec(["simulator", "bias"], [7, 13], calibration=False), "two users")
    *_, last = store.list_evolutions(
        ml100k.hash, last10.id, "openai:a", run.row["model_version"], "", forecasts=False
    )  # of one of the users, and evolved elsewhere with a shorter history
    fields = {name: value for name, value in last.items() if name not in {"id", "steps", "created_at"}}
    store.save_evolution("elsewhere", {**fields, "history": 20, "forecasts": 1})
    store.save_steps("elsewhere", store.list_steps(last["id"])[:2])
    made = make_recording(store, run.id, data_dir / "mine.jsonl.gz", note="by the test")
    assert made.users == (7, 13) and made.header.answered_by == "openai:a" and made.header.note == "by the test"
    assert add_recording(data_dir / "mine.jsonl.gz").name == "mine"
    assert add_recording(data_dir / "mine.jsonl.gz").hash == made.hash, "adding it again changes nothing"
    assert {r.name for r in list_recordings()} == {"mine", *ALL_SHIPPED}
    asked = len(openai_server.requests)
    again = run_comparison(
        ctx,
        UserModelConfig("recorded:mine"),
        ComparisonSpec(["simulator", "bias"], [7, 13], calibration=False),
        "again",
    )
    assert len(openai_server.requests) == asked, "nobody was asked"
    first, second = (r.summary["predictors"]["simulator"] for r in (run, again))
    assert first["rmse"] == pytest.approx(second["rmse"])
    with pytest.raises(InvalidInputError, match="holds no answers of a language model"):
        make_recording(store, again.id, data_dir / "third.jsonl.gz")
    with pytest.raises(InvalidInputError, match="is there"):
        make_recording(store, run.id, data_dir / "mine.jsonl.gz")


def test_another_file_of_the_same_name_replaces_nothing(data_dir) -> None:
    answer = RecordedAnswer(user=1, step=1, purpose="update", answer={"profile": {}})
    write_recording(data_dir / "a" / "mine.jsonl.gz", header(), [answer])
    write_recording(data_dir / "b" / "mine.jsonl.gz", header(note="other"), [answer])
    add_recording(data_dir / "a" / "mine.jsonl.gz")
    with pytest.raises(InvalidInputError, match="another recording named mine"):
        add_recording(data_dir / "b" / "mine.jsonl.gz")
    assert find_recording("mine").header.note == ""


GOOD = json.dumps({"user": 1, "step": 1, "purpose": "update", "answer": {}})


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "line 1"),
        (["not json"], "line 1"),
        (["[" * 100_000], "line 1"),
        ([header(recording="../../x").model_dump_json()], "names itself"),
        ([header(recording="a/b").model_dump_json()], "names itself"),
        ([header().model_dump_json(), '{"user": 1}'], "line 2"),
        ([header().model_dump_json(), GOOD, GOOD], "second update"),
        ([header().model_dump_json(), GOOD.replace('"user": 1', '"user": 2')], "user 2 is not among"),
        ([header().model_dump_json(), GOOD.replace('"step": 1', '"step": 0')], "line 2"),
        ([header().model_dump_json(), GOOD.replace("update", "confess")], "line 2"),
        ([header().model_dump_json(), GOOD.replace("{}", '{"profile": ["x"]}')], "line 2.*no table of lists"),
        ([header().model_dump_json(), GOOD.replace("{}", '{"profile": {"likes": "x"}}')], "line 2.*no table of lists"),
        ([header().model_dump_json(), GOOD.replace("update", "rate")], "line 2.*no list of ratings"),
        ([header().model_dump_json(), GOOD.replace("update", "rate").replace("{}", '{"ratings": [1]}')], "no list"),
    ],
)
def test_a_file_that_is_none_says_which_line_is_wrong(data_dir, lines, problem) -> None:
    path = data_dir / "x.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(InvalidInputError, match=problem):
        add_recording(path)
    assert not (data_dir / "recordings").exists(), "nothing was written"


def test_damaged_and_oversized_files_are_named_and_break_nothing(data_dir, monkeypatch) -> None:
    folder = data_dir / "recordings"
    folder.mkdir()
    whole = gzip.compress(f"{header().model_dump_json()}\n{GOOD}\n".encode())
    (folder / "mine.jsonl.gz").write_bytes(whole[:-9])
    assert [r.name for r in list_recordings()] == ALL_SHIPPED
    with pytest.raises(InvalidInputError, match="can't be read"):
        find_recording("mine")
    monkeypatch.setattr(recordings, "MAX_BYTES", 100)
    (data_dir / "big.jsonl.gz").write_bytes(whole)
    with pytest.raises(InvalidInputError, match="more than"):
        open_recording(data_dir / "big.jsonl.gz")
    with pytest.raises(InvalidInputError, match="no recording named"):
        find_recording("../lusifer")
    with pytest.raises(InvalidInputError):
        open_recording(data_dir)


def test_a_recording_without_prompts_needs_shipped_ones(data_dir, store) -> None:
    answer = RecordedAnswer(user=1, step=1, purpose="update", answer={})
    write_recording(data_dir / "recordings" / "mine.jsonl.gz", header(), [answer])
    assert UserModelConfig("recorded:mine").build(store).version == "grounded-89b8344d"
    write_recording(
        data_dir / "recordings" / "other.jsonl.gz", header(recording="other", prompt_version="x-1"), [answer]
    )
    with pytest.raises(InvalidInputError, match="x-1, which it does not bring along"):
        UserModelConfig("recorded:other").build(store)
