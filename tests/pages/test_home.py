"""Home and the map of users: a real model's profile, what it is worth, and finding somebody."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from lusifer.ui import session_keys
from lusifer.ui.pages.users import map_view
from tests.pages.test_pages import finish, open_page, press, texts


def loop(app) -> dict:
    """What the loop was given."""
    (view,) = app.get("bidi_component")
    return json.loads(view.proto.json)


def test_home_shows_a_recorded_profile_with_nothing_to_choose(data_dir: Path) -> None:
    shown = loop(open_page("home", fresh=True))
    assert shown["who"].startswith("User 479 · ") and "Recorded" in shown["who"] and len(shown["steps"]) == 4
    third = shown["steps"][2]
    assert "Good Will Hunting" in third["explanation"]
    distances = [abs(m["forecast"] - m["rating"]) for m in third["movies"]]
    assert distances == sorted(distances, reverse=True) and any(m["cited"] for m in third["movies"])
    assert third["statements"] >= third["new"] > 0 and third["changes"]

    # An old link to the Users page, which was here: that user, by the model that can simulate them.
    app = open_page("home", fresh=True, user="405")
    assert loop(app)["who"].startswith("User 405 · Built-in") and not app.exception
    app = open_page("home", user="778", model="recorded:last10-37users-plain")
    assert loop(app)["who"].startswith("User 778 · Recorded")
    # A model that would have to be asked isn't: a recording stands in.
    app = open_page("home", model="openai:small")
    assert not app.exception and "Recorded" in loop(app)["who"]


def test_the_map_finds_and_opens_users(data_dir: Path) -> None:
    app = finish(press(open_page("users", user="452"), "Draw the map"))
    assert not app.exception and "People like user 452" in texts(app)
    app.text_input(key="find").set_value("likes noir, strict, blorp").run()
    said = texts(app)
    assert "33 of 943 users" in said and "likes Film-Noir" in said and "Not understood: blorp" in said
    found = next(b for b in app.button if (b.key or "").startswith("found-"))
    found.click().run()
    assert app.number_input(key="user").value == int(found.key.removeprefix("found-"))
    app.button_group(key="colour").set_value("genre").run()
    assert not app.exception and not app.error
    link = finish(open_page("users", user="452", find="generous", colour="activity"))
    assert "generous: mean rating at least" in texts(link) and link.button_group(key="colour").value == "activity"


@pytest.mark.parametrize("sent", [[], [{}], [{"customdata": ["x"]}], [{"customdata": [10**9]}], [{"customdata": None}]])
def test_a_point_that_is_no_user_opens_nobody(monkeypatch, sent: list) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(map_view.user_picker, "select_user", chosen.append)
    users = SimpleNamespace(row_of={7: 0}.get)
    for points, opened in ((sent, []), ([{"customdata": [7]}], [7])):
        event = SimpleNamespace(selection=SimpleNamespace(points=points))
        monkeypatch.setattr(map_view.st, "session_state", {session_keys.USER_MAP: event})
        map_view._open_point(users)  # noqa: SLF001
        assert chosen == opened
