"""Versions are never changed, labels move, files travel, and mistakes are found before anything is sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lusifer import prompts
from lusifer.errors import InvalidInputError
from lusifer.prompts import validation, versions
from lusifer.simulator.prompt_variables import variables_of


def test_a_version_is_its_content(store) -> None:
    versions.ensure_shipped_versions(store)
    shipped = {versions.get(store, r["number"]).name for r in store.list_prompts()}
    assert shipped == set(prompts.SHIPPED)
    own = replace(prompts.load(), temperature=0.5)
    made = versions.save(store, own, 1, " warmer ")
    assert (made.number, made.parent, made.note, made.name) == (5, 1, "warmer", "v5")
    assert versions.save(store, own, 2, "again") == made, "the same content is the same version"
    assert versions.resolve("v5", store) == own and versions.resolve(prompts.DEFAULT, store) == prompts.load()
    versions.ensure_shipped_versions(store)
    assert len(store.list_prompts()) == 5
    assert store.list_prompts()[0]["hash"] == own.hash and own.version.endswith(own.hash[:8])


def test_labels_move_and_roll_back(store) -> None:
    versions.ensure_shipped_versions(store)
    assert versions.resolve("active", store) == versions.resolve("baseline", store) == prompts.load()
    shipped = versions.save(store, prompts.load()).number
    own = versions.save(store, replace(prompts.load(), recent=3))
    with pytest.raises(InvalidInputError, match="no earlier version"):
        versions.rollback(store)
    assert versions.move_label(store, "active", own.number) == shipped
    assert versions.resolve("active", store).recent == 3
    assert versions.rollback(store) == shipped and versions.resolve("active", store) == prompts.load()
    assert versions.rollback(store) == own.number, "there and back again"
    versions.move_label(store, "for-the-board", 2)
    assert versions.list_names(store)[:3] == ["active", "baseline", "for-the-board"]
    assert "v5" in versions.list_names(store)
    for wrong in ("v3", "grounded", "Big", "", "a b", "-x"):
        with pytest.raises(InvalidInputError):
            versions.move_label(store, wrong, 1)
    with pytest.raises(InvalidInputError, match="no prompt version v99"):
        versions.move_label(store, "active", 99)
    with pytest.raises(InvalidInputError, match="no prompts named 'gone'"):
        versions.resolve("gone", store)
    assert versions.list_names(None) == list(prompts.SHIPPED) and versions.resolve("active", None) == prompts.load()


def test_differences_of_parameters_and_templates() -> None:
    one = prompts.load()
    other = replace(one, temperature=0.7, evidence=True, metadata=("genres",))
    other = other.with_template("update", dict(one.templates)["update"] + "\nBe brief.")
    found = {d.part: d for d in versions.diff(one, other)}
    assert set(found) == {"temperature", "evidence", "metadata", "update"}
    assert (found["evidence"].before, found["evidence"].after) == ("off", "on")
    assert found["metadata"].after == "genres"
    assert any(x.startswith("+") and "Be brief." in x for x in found["update"].lines)
    assert versions.diff(one, one) == []


def test_a_file_of_the_first_format_is_read() -> None:
    said = json.loads(prompts.to_json(prompts.load()))
    del said["templates"]["first"], said["metadata"], said["history"], said["batch_size"]
    old = prompts.from_json(json.dumps(said | {"format": 1}))
    texts = dict(old.templates)
    assert texts["first"] == texts["update"] and old.history == 40


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"history": 0}, "history can't be 0"),
        ({"metadata": ["plot"]}, "metadata can't be plot"),
        ({"name": "<b>"}, "can't be named"),
        ({"items_per_call": 51}, "Give 1 to 50"),
        ({"temperature": 2.5}, "temperature can't be"),
        ({"metadata": "genres"}, "metadata can't be"),
    ],
)
def test_parameters_have_bounds(change: dict, says: str) -> None:
    said = json.loads(prompts.to_json(prompts.load())) | change
    with pytest.raises(InvalidInputError, match=says):
        prompts.from_json(json.dumps(said))


def test_every_shipped_template_names_what_is_there() -> None:
    for name in prompts.SHIPPED:
        for template, text in prompts.load(name).templates:
            assert validation.check_syntax(template, text, variables_of(template)) == [], (name, template)


def test_a_mistake_is_at_its_line() -> None:
    known = variables_of("rate")
    (one,) = validation.check_syntax("rate", "fine\n{{ profle }}", known)
    assert one.line == 2 and "profle" in one.message and "profile" in one.message
    (two,) = validation.check_syntax("rate", "{% for x in items %}\n{{ x.id }}", known)
    assert "endfor" in two.message
    assert validation.check_syntax("rate", "{% for x in items %}{{ loop.index }}{{ x }}{% endfor %}", known) == []
    (three,) = validation.check_rendering("rate", "a\n\n{{ about.nothing }}", {"about": "x"})
    assert three.line == 3 and three.text.startswith("rate, line 3: ")


def test_drafts_of_two_tabs_lose_nothing(store) -> None:
    assert store.save_draft("d1", 1, "first", 0) == ("d1", 1)
    assert store.save_draft("d1", 1, "second", 1) == ("d1", 2)
    other, revision = store.save_draft("d1", 1, "from the other tab", 1)
    assert other != "d1" and revision == 1
    assert store.get_draft("d1")["data"] == "second" and store.get_draft(other)["data"] == "from the other tab"
    assert {d["id"] for d in store.list_drafts()} == {"d1", other}
    store.delete_draft("d1")
    assert store.get_draft("d1") is None
