"""A story to send: its data are the stored results, and its file is text, small and closed to the network."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pandas as pd
import pytest

from lusifer.baselines import Bias
from lusifer.errors import InvalidInputError
from lusifer.runs import tables
from lusifer.simulator import UserModelConfig, make_evolution_spec, rate_items, run_evolution
from lusifer.simulator.types import SECTIONS, Bullet, Change, Profile
from lusifer.simulator.whatif import alter_history
from lusifer.store import Store
from lusifer.ui.story.story_chapters import pick_steps, write_chapters
from lusifer.ui.story.story_data import build_story
from lusifer.ui.story.story_html import MAX_BYTES, render_story
from lusifer.ui.story.story_what_if import find_what_if
from lusifer.ui.story.story_worth import find_worth

RECORDED, USER = "recorded:last10-37users-plain", 452
DAY = datetime(2026, 1, 2, tzinfo=UTC)
HOSTILE = (
    "</script></style><script>alert(1)</script><img src=http://x.test/a onerror=alert(2)>\u202e&amp;\x00\"'{{ 1 }}"
)


class Reader(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data) -> None:
        self.text += data


@pytest.fixture(scope="module")
def real(ml100k, last10, tmp_path_factory):
    """User 452's evolution by the recorded model, with the store that holds it."""
    store = Store(tmp_path_factory.mktemp("story") / "lusifer.db")
    model = UserModelConfig(RECORDED).build(store)
    spec = make_evolution_spec(ml100k, last10, USER, model)
    return store, model, spec, list(run_evolution(ml100k, last10, model, spec, store))


def story_of(ml100k, last10, real, **changes):
    store, model, spec, steps = real
    return build_story(
        ml100k, last10, model, spec, changes.pop("steps", steps), store, total_steps=len(steps), **changes
    )


def test_the_predictions_are_the_models_and_the_bias_is_the_baselines(ml100k, last10, real) -> None:
    store, model, spec, steps = real
    story = story_of(ml100k, last10, real)
    rows = last10.test.of_user(USER)
    ratings = rate_items(ml100k, last10, model, spec, steps, ml100k.items_of(rows.item), store)
    bias = ml100k.scale.clip(Bias().fit(last10.train, ml100k.scale).predict(rows.user, rows.item))
    assert [(p.rating, p.expected, p.bias) for p in story.predictions] == [
        (true, r.expected, b) for true, r, b in zip(rows.rating.tolist(), ratings, bias.tolist(), strict=True)
    ]
    errors = [(p.expected - p.rating) ** 2 for p in story.predictions]
    assert story.errors[0] == pytest.approx((sum(errors) / len(errors)) ** 0.5)
    assert story.person.description == ml100k.user(USER).description
    assert story.supported <= story.checkable
    facts = dict(story.provenance)
    assert ml100k.hash in facts["Dataset"] and model.prompts.hash in facts["Prompts"] and "Konstan" in facts["Cite"]
    assert facts["SHA-256 of the recording"] == model.recording.hash


def test_a_story_of_nothing_says_so_and_one_of_some_steps_predicts_nothing(ml100k, last10, real) -> None:
    with pytest.raises(InvalidInputError, match="no step is stored"):
        story_of(ml100k, last10, real, steps=[])
    part = story_of(ml100k, last10, real, steps=real[3][:2])
    assert part.predictions == () and part.what_if is None and len(part.evolution["steps"]) == 2


def test_what_it_is_worth_is_the_recorded_comparison_of_this_model(ml100k, last10, real, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    store, spec = Store(tmp_path / "lusifer.db"), real[2]
    assert find_worth(store, spec, "M") is None
    fields = {"dataset_hash": spec.dataset_hash, "split": spec.split, "seed": 3, "dataset": spec.dataset}
    mine = fields | {"model": spec.model, "model_version": spec.model_version}
    figures = {n: {"rmse": v, "rmse_low": v - 0.1, "rmse_high": None} for n, v in (("user-mean", 1.2), ("fm", 1.0))}

    def record(users: int, **of) -> str:
        run = store.start_run("comparison", "A", params={"users": users}, **of)
        simulator = {"rmse": 0.5, "rmse_low": 0.4, "rmse_high": 0.6}
        store.finish_run(run, "done", {"rows": 60, "predictors": {**figures, "simulator": simulator}})
        return run

    run = record(30, **mine)
    record(2, **mine)  # newer, on next to nobody
    record(30, **(mine | {"model_version": "another"}))
    users = [u for u in range(30) for _ in range(2)]
    truth = [float(1 + (i * 7) % 5) for i in range(60)]
    columns = {"simulator": [t + 0.5 for t in truth], "fm": [t - 1 for t in truth], "user-mean": [3.0] * 60}
    tables.save_table(run, pd.DataFrame({"user_id": users, "item_id": 1, "rating": truth, **columns}))
    worth = find_worth(store, spec, "M")
    assert (worth.run, worth.users, worth.rows, worth.seed) == (run, 30, 60, 3)
    assert [(e.title.partition(" (")[0], e.kind) for e in worth.errors] == [
        ("Simulator, model alone", "Simulator"),
        ("Factorization machine", "Collaborative filtering"),
        ("User mean", "Naive baselines"),
    ]
    assert worth.sentence.count("more accurate than") == 2 and "-0.500 stars RMSE" in worth.sentence
    story = replace(story_of(ml100k, last10, real), worth=worth)
    assert "nan" not in Reader(render_story(story, DAY)).text.lower().split()


def test_a_what_if_is_told_only_where_it_is_stored_whole(ml100k, last10, real) -> None:
    store, model, spec, steps = real
    assert find_what_if(ml100k, last10, model, spec, steps, store) is None
    left_out = steps[0].batch[0].item.id
    altered = alter_history(ml100k, last10, USER, history=spec.history, without={left_out})
    other = replace(spec, split=altered.id)
    fields = {
        "user_id": USER,
        "forecasts": 1,
        **{k: v for k, v in vars(other).items() if k not in ("user", "forecasts")},
    }
    store.save_evolution(other.id, fields)
    stored = [s.to_json() for s in steps]
    stored[0]["batch"] = stored[0]["batch"][1:]
    store.save_steps(other.id, stored[:2])
    assert find_what_if(ml100k, last10, model, spec, steps, store) is None, "it stopped half way"
    stored[3]["profile"]["likes"] = []
    store.save_steps(other.id, stored)
    what_if = find_what_if(ml100k, last10, model, spec, steps, store)
    assert what_if.altered == ((steps[0].batch[0].item.name, steps[0].batch[0].rating, None),)
    assert {line.status for line in what_if.effect.lines if line.section == "likes"} == {"removed"}
    store.delete_steps(other.id)


def test_the_built_in_tells_a_what_if_for_nothing(ml100k, last10, tmp_path) -> None:
    model = UserModelConfig("builtin").build(None)
    spec = make_evolution_spec(ml100k, last10, 405, model)
    steps = list(run_evolution(ml100k, last10, model, spec, None))
    story = build_story(ml100k, last10, model, spec, steps, None, total_steps=len(steps))
    ((title, old, new),) = story.what_if.altered
    assert old != new and title in [r.item.name for s in steps for r in s.batch]
    assert [c.name for c in write_chapters(story, 12)][-3:] == ["Predictions", "What if", "Provenance"]


def test_hostile_texts_stay_texts_and_the_file_stays_small(ml100k, last10, real) -> None:
    steps = real[3]
    flood = tuple(Bullet(f"{HOSTILE} {i} {'<b>&' * 300}") for i in range(4))
    ids = tuple(r.item.id for r in steps[0].batch)
    wild = [
        replace(
            step,
            number=number,
            profile=Profile(HOSTILE, **dict.fromkeys(SECTIONS, flood)),
            explanation=HOSTILE * 50,
            changes=tuple(Change(f"{HOSTILE} {i}", "gained", ids) for i in range(4)),
        )
        for number, step in enumerate(steps, 1)
    ]
    story = replace(story_of(ml100k, last10, real), model=HOSTILE, provenance=((HOSTILE, HOSTILE),))
    plain = Reader(render_story(story, DAY))
    many = [{**s, "number": n} for n, s in enumerate(story.evolution["steps"] * 5, 1)]
    assert [s["number"] for s in pick_steps(many, 6)][::5] == [1, 20] and len(pick_steps(many, 6)) == 6
    hostile = build_story(ml100k, last10, real[1], real[2], wild, None, total_steps=4, checked=_no_audit())
    page = render_story(replace(hostile, model=HOSTILE, provenance=((HOSTILE, HOSTILE),)), DAY)
    assert len(page.encode()) < MAX_BYTES and "\x00" not in page
    read = Reader(page)
    assert "alert(1)" in read.text and read.text.count("{{ 1 }}") > 10
    assert read.tags.count("script") == plain.tags.count("script") == 1 and "img" not in read.tags
    for name, value in read.attributes:
        assert not name.startswith("on") and "x.test" not in value
        assert name not in {"src", "href"} or value == "data:," or re.fullmatch(r"#chapter-\d+", value), value


def _no_audit():
    from lusifer.evaluation.audit import Audit

    return Audit()
