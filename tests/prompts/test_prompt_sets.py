"""Prompt sets: the shipped ones say what they should, files survive, mistakes are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lusifer import prompts
from lusifer.errors import InvalidInputError
from lusifer.simulator import LLMUserModel, evolve, make_evolution_spec, rate_items
from tests.datasets.test_splits import Listener


def _heard(ml100k, split, name: str) -> list[str]:
    listener = Listener()
    model = LLMUserModel(listener, prompts.load(name))
    what = make_evolution_spec(ml100k, split, 13, model)
    steps = list(evolve(ml100k, split, model, what))
    items = ml100k.items_of(split.test.of_user(13).item)
    rate_items(ml100k, split, model, what, steps, items, None)
    return listener.heard


def test_the_shipped_sets_differ_as_they_say(ml100k, last10) -> None:
    heard = {name: _heard(ml100k, last10, name) for name in prompts.SHIPPED}
    grounded, paper, concise = (heard[n] for n in ("grounded", "paper", "concise"))
    users = {n: [t for t in h if "|" in t] for n, h in heard.items()}
    # one movie a call: forecasts of 40, four updates, ratings of 10
    assert len(users["paper"]) == 40 + 4 + 10 and len(users["grounded"]) == 4 + 4 + 1
    assert not [t for t in paper if "mean rating" in t or "FACTS" in t]
    assert [t for t in grounded if "mean rating" in t] and [t for t in concise if "mean rating" in t]
    size = {n: sum(map(len, h)) for n, h in heard.items()}
    assert size["concise"] < 0.6 * size["grounded"] < size["paper"]
    assert len({prompts.load(n).version for n in prompts.SHIPPED}) == len(prompts.SHIPPED)


def test_a_set_survives_a_file(tmp_path: Path) -> None:
    own = replace(prompts.load("concise"), name="mine", temperature=0.3, samples=2)
    path = tmp_path / "mine.json"
    path.write_text(prompts.to_json(own), encoding="utf-8")
    assert prompts.find(str(path)) == own and prompts.find("paper") == prompts.load("paper")
    assert own.version != prompts.load("concise").version


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 9}, "format number"),
        ({"templates": {}}, "lacks templates"),
        ({"items_per_call": 0}, "items_per_call can't be 0"),
        ({"items_per_call": "ten"}, "items_per_call can't be 'ten'"),
        ({"evidence": 1}, "evidence can't be 1"),
        ({"samples": True}, "samples can't be True"),
        ({"colour": "red"}, "colour can't be"),
    ],
)
def test_mistakes_in_a_file_are_named(change: dict, says: str) -> None:
    said = json.loads(prompts.to_json(prompts.load())) | change
    with pytest.raises(InvalidInputError, match=says):
        prompts.from_json(json.dumps(said))


def test_mistakes_in_a_template_are_named() -> None:
    said = json.loads(prompts.to_json(prompts.load()))
    said["templates"]["rate"] = "one\n{% for x in %}"
    with pytest.raises(InvalidInputError, match="Template rate, line 2"):
        prompts.from_json(json.dumps(said))
    for text, says in (
        ("{{ nobody }}", "'nobody' is undefined"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ):
        said["templates"]["rate"] = text
        with pytest.raises(InvalidInputError, match=says):
            prompts.from_json(json.dumps(said)).render("rate")
    for text in ("no json", "[]", "{}"):
        with pytest.raises(InvalidInputError):
            prompts.from_json(text)
    with pytest.raises(InvalidInputError, match="neither a prompt set nor a readable file"):
        prompts.find("nowhere.json")
