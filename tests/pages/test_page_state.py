"""The state of the pages: read from the address, checked, written to it, and kept over pages."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from lusifer.ui import page_fields
from lusifer.ui.page_fields import DEFAULTS, RULES, PageState
from tests.pages.test_pages import PAGES, PATHS, open_page, press, texts

OTHER = {
    "evidence": True,
    "evolution_view": page_fields.PRESENT,
    "chapter": 4,
    "side_by_side": True,
    "history": 100,
    "batch_size": 5,
    "step": 3,
    "profile_step": 2,
    "lab_view": page_fields.WHAT_IF,
    "details": "calibration",
    "calls_view": page_fields.ALL_CALLS,
    "map_colour": "genre",
    "prompts_view": page_fields.PROMPT_VERSIONS,
    "template": "rate",
    "user": "Ü 4 & 5?",
}
ADDRESSES = {"home": "", **{page: page for page in PAGES if page != "home"}}


def go(app: AppTest, page: str) -> AppTest:
    """To another page by the navigation, which says nothing but where to."""
    app.query_params.clear()
    app._page_hash = calc_hash(page) if page != "home" else ""  # noqa: SLF001
    return app.run()


@pytest.mark.parametrize("page", ADDRESSES.values())
def test_an_address_brings_back_what_it_was_written_from(page: str) -> None:
    state = PageState()
    for attribute in page_fields.of_page(page):
        setattr(state, attribute, OTHER.get(attribute, f"a {attribute}"))
    parameters = page_fields.write_address(state, page)
    assert set(parameters) == {rule.name for rule in page_fields.of_page(page).values()}
    back = PageState()
    assert not page_fields.read_address(back, page, urlencode(parameters), complete=True)
    assert back == state
    assert not page_fields.write_address(PageState(), page), "what nobody chose is not in the address"
    assert not page_fields.read_address(back, page, "", complete=True) and back == PageState()


def test_the_fields_of_a_page_have_names_of_their_own() -> None:
    for page in ADDRESSES.values():
        names = [rule.name for rule in page_fields.of_page(page).values()]
        assert len(set(names)) == len(names), page
    assert {rule.page for rule in RULES.values()} - {None} <= set(ADDRESSES.values())
    assert set(ADDRESSES) == set(PATHS)


@pytest.mark.parametrize(
    ("query", "attribute", "value"),
    [
        ("history=0", "history", 1),
        ("history=-7", "history", 1),
        ("history=501", "history", 500),
        ("history=many", "history", None),
        ("history=1e2", "history", None),
        ("history=99999999999999999999", "history", None),
        ("batch=101", "batch_size", 100),
        ("step=0", "step", 1),
        ("step=x", "step", 1),
        ("step=２", "step", 1),
        ("beside=yes", "side_by_side", False),
        ("view=presnt", "evolution_view", page_fields.PRESENT),
        ("chapter=0", "chapter", 1),
    ],
)
def test_a_wrong_value_is_said_and_the_nearest_is_used(query: str, attribute: str, value: object) -> None:
    state = PageState()
    wrong = page_fields.read_address(state, "evolution", query, complete=True)
    assert getattr(state, attribute) == value and list(wrong) == [attribute]
    assert query.partition("=")[2] in wrong[attribute] and "is used" in wrong[attribute]


def test_views_are_found_by_what_they_are_written_like() -> None:
    state = PageState()
    assert (
        "Versions is used" in page_fields.read_address(state, "prompts", "view=version", complete=True)["prompts_view"]
    )
    assert state.prompts_view == "Versions"
    assert page_fields.read_address(state, "errors", "view=Callibration", complete=True)
    assert state.details == "calibration" and state.prompts_view == "Versions", "another page's view is its own"
    assert page_fields.read_address(state, "prompts", "view=zzz", complete=True) and state.prompts_view == "Edit"


def test_an_empty_value_is_none() -> None:
    state = PageState(user="5", step=3)
    assert not page_fields.read_address(state, "evolution", "user=&step=&history=", complete=True)
    assert state == PageState()


def test_a_link_changes_what_it_says_and_a_page_passed_through_keeps_its_own() -> None:
    state = PageState(user="5", step=3, history=100, details="audit", experiment="loop", experiment_run="b")
    page_fields.read_address(state, "evolution", "user=6&step=1", complete=False)
    assert (state.user, state.step, state.history) == ("6", 1, 100)
    page_fields.read_address(state, "evolution", "user=7", complete=True)
    assert (state.user, state.step, state.history) == ("7", 1, None), "Back and Forward bring the whole entry"
    assert (state.details, state.experiment_run) == ("audit", "b")


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ("user", {"dataset", "history", "comparison", "experiment_run"}),
        ("dataset", {"dataset", "history", "split"}),
        ("split", {"user", "step", "history", "dataset"}),
        ("experiment", {"user", "step", "comparison"}),
        ("history", {"user", "step", "comparison", "experiment_run"}),
    ],
)
def test_what_belonged_to_another_value_goes_with_it(changed: str, kept: set[str]) -> None:
    state = PageState("d", "s", "m", user="5", step=3, history=100, profile_step=2, comparison="a", experiment_run="b")
    before = PageState(**vars(state))
    page_fields.reset_dependents(state, {changed})
    same = {a for a in DEFAULTS if getattr(state, a) == getattr(before, a)}
    assert kept <= same
    gone = {
        "user": {"step", "profile_step"},
        "dataset": {"user", "step", "profile_step", "comparison", "experiment_run"},
        "split": {"comparison", "experiment_run"},
        "experiment": {"experiment_run"},
        "history": {"profile_step"},
    }
    assert {a for a in DEFAULTS if a not in same} == gone[changed]
    assert all(getattr(state, a) == DEFAULTS[a] for a in gone[changed])


def test_a_history_holds_on_every_page_and_in_every_link(data_dir: Path) -> None:
    app = open_page("evolution", user="405", step="2")
    app.number_input(key="history").set_value(100).run()
    assert app.slider(key="step").max == 10 and app.query_params["history"] == "100"
    app.button(key="next").click().run()
    app = go(app, "rate")
    assert not app.exception and app.selectbox(key="from_step").options == [str(n) for n in range(10, 0, -1)]
    assert app.query_params["history"] == "100" and app.query_params["step"] == "3"
    app.selectbox(key="from_step").set_value(4).run()
    assert app.query_params["profile-step"] == "4"
    app = go(app, "evolution")
    assert app.slider(key="step").value == 3 and app.number_input(key="history").value == 100
    assert "profile-step" not in app.query_params, "a page's own fields stand in its address alone"
    app.number_input(key="user").set_value(13).run()
    assert app.slider(key="step").value == 1 and "step" not in app.query_params
    assert app.query_params["user"] == "13" and app.query_params["history"] == "100"


def test_another_user_in_the_place_of_one_that_there_is_not(data_dir: Path) -> None:
    app = open_page("evolution", user="944")
    assert app.number_input(key="user").value == 943 and "no user 944" in texts(app) and "User 943 is" in texts(app)
    app.number_input(key="user").set_value(12).run()
    assert not app.error and app.query_params["user"] == "12"
    app.number_input(key="user").set_value(0).run()
    assert app.number_input(key="user").value == 1 and "no user 0" in texts(app)
    assert "no user 0" in texts(app.run()), "it is said until somebody else is chosen"
    sent = app.number_input(key="user").proto
    assert (sent.value if sent.set_value else sent.default) == 1, "also where the browser never saw the run before"
    assert not go(app, "rate").error


def test_names_that_there_are_not(data_dir: Path) -> None:
    app = open_page("users", dataset="ml-10k", split="last_10", model="bultin", user="405")
    said = texts(app)
    assert "no dataset ml-10k" in said and "ml-100k is used" in said
    assert "no split last_10; last-10 is used" in said
    assert "'bultin' names no model" in said and app.selectbox(key="model").value == "builtin"
    app = open_page("experiments", experiment="cld", run="gone")
    assert "no experiment cld; cold is used" in texts(app) and "no result gone" in texts(app)
    assert app.query_params["experiment"] == "cold" and "run" not in app.query_params
    app.pills(key="experiment").set_value("loop").run()
    assert app.query_params["experiment"] == "loop"
    app = open_page("rate", user="405", **{"profile-step": "9"})
    assert "no profile after step 9" in texts(app) and app.selectbox(key="from_step").value == 4


def test_playing_ends_where_the_page_is_left(data_dir: Path) -> None:
    app = press(open_page("evolution", user="405", beside="true", **{"other-user": "13"}), "Play")
    assert any(b.label == "Pause" for b in app.button)
    go(app, "rate")
    app = go(app, "evolution")
    assert any(b.label == "Play" for b in app.button) and not any(b.label == "Pause" for b in app.button)


def test_a_recording_says_which_history_it_holds(data_dir: Path) -> None:
    app = open_page("rate", fresh=True, user="452", history="100")
    assert "holds histories of 40 ratings" in texts(app) and not app.error and "history" not in app.query_params
