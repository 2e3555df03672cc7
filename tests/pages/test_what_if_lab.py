"""Hands on: an edited profile, a changed history, oneself; two evolutions side by side; the clean start."""

from __future__ import annotations

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from lusifer.store import Store
from tests.pages.test_pages import finish, open_page, press, shown_step, texts


def table(app: AppTest, column: str):
    return next(d.value for d in app.dataframe if column in d.value)


def test_an_edited_profile_is_rated_from(data_dir: Path) -> None:
    app = open_page("hands", user="13")
    assert not app.exception and "No changes yet" in texts(app)
    app.text_input(key="add-13-0").set_value("Loves horror films.").run()
    app.multiselect(key="edit-movies-13").set_value([200, 219]).run()  # two horror films
    assert not app.exception and "2 of 2 ratings changed" in texts(app)
    found = table(app, "After")
    assert (found["Moved"] > 0).all() and found["Reason now"].str.contains("Edited").all()
    press(app, "Start over")
    assert "No changes yet" in texts(app)


def test_a_language_model_rates_from_the_edited_words(data_dir: Path, server) -> None:
    app = open_page("hands", user="405", model="openai:small")
    assert "Compute the profile first" in texts(app) and not server.requests
    press(app, "Compute 4 steps")
    finish(app)
    app.text_input(key="add-405-0").set_value("Planted liking.").run()
    asked = len(server.requests)
    press(app, "Rate 10 movies again (2 calls")
    finish(app)
    assert not app.exception and len(server.requests) == asked + 2
    assert "Planted liking." in json.dumps(server.requests[-1]) and "ratings changed" in texts(app)


def test_what_if_says_what_rests_on_a_rating(data_dir: Path) -> None:
    app = open_page("hands", user="13", hands="What if")
    said = texts(app)
    assert not app.exception and "It was cited as a reason for" in said and "others changed" in said
    app.segmented_control(key="whatif-kind").set_value("a batch were removed").run()
    assert not app.exception and "of 10 ratings changed" in texts(app)
    assert len(table(app, "After")) == 10 and {"Step", "Change", "Where"} <= set(table(app, "Where"))
    assert "5 ratings" not in texts(open_page("evolution", user="13")), "the real one is as it was"
    assert not open_page("hands", user="99999", hands="What if").exception


def test_a_person_rates_watches_predicts_exports_and_erases(data_dir: Path) -> None:
    app = open_page("hands", hands="You")
    assert not app.exception and "New user" in texts(app)
    next(t for t in app.text_input if t.label.startswith("Name")).set_value("Ada")
    next(b for b in app.button if b.label == "Start").click().run()
    store = Store(data_dir / "lusifer.db")
    from lusifer import datasets

    (person,) = store.list_local_users(datasets.load("ml-100k").hash)
    user = person["id"]
    for n in range(12):
        fields = [c for c in app.segmented_control if (c.key or "").startswith(f"you-{user}-offer-")]
        fields[0].set_value(float(1 + n % 5)).run()
        assert not app.exception
    assert len(store.list_local_ratings(user)) == 12 and "How your profile evolved" in texts(app)
    predicted = {i: p for i, (p, *_) in store.list_local_predictions(user).items()}
    assert len(predicted) == 10 and all(1 <= p <= 5 for p in predicted.values())
    shown = [d.value for d in app.dataframe if "Predicted" in d.value]
    assert not shown, "what was predicted would pull the rating towards it"
    nxt = [c for c in app.segmented_control if (c.key or "").startswith(f"you-{user}-next-")]
    assert len(nxt) == 10
    for _ in range(2):
        field = next(c for c in app.segmented_control if (c.key or "").startswith(f"you-{user}-next-"))
        field.set_value(4.0).run()
    answered = table(app, "You gave")
    assert list(answered["You gave"]) == [4.0, 4.0] and answered["Predicted"].notna().all()
    assert "mean of all ratings" in texts(app)
    again = open_page("hands", hands="You")
    assert not again.exception and "Ada (14 ratings)" in again.selectbox(key="you").options[0]
    mine = next(
        c for c in again.segmented_control if c.key == f"you-{user}-given-{store.list_local_ratings(user)[0][0]}"
    )
    assert mine.value == store.list_local_ratings(user)[0][1]
    mine.set_value(None).run()
    assert len(store.list_local_ratings(user)) == 13, "a rating is taken back"
    made = json.dumps(
        {
            "format": 1,
            "name": "Bob",
            "dataset": "ml-100k",
            "ratings": [{"item_id": 50, "rating": 5, "timestamp": 1, "predicted": None}],
        }
    )
    again.get("file_uploader")[0].upload("bob.json", made.encode()).run()
    assert {p["name"] for p in store.list_local_users(person["dataset_hash"])} == {"Ada", "Bob"}
    broken = made.replace("50", "999999")
    again.get("file_uploader")[0].upload("bob2.json", broken.encode()).run()
    assert not again.exception and "can't be imported" in texts(again)
    again.selectbox(key="you").set_value(user).run()
    again.button(key=f"erase-{user}").click().run()
    assert not again.exception and [p["name"] for p in store.list_local_users(person["dataset_hash"])] == ["Bob"]


def test_two_side_by_side_share_their_step(data_dir: Path, server) -> None:
    app = open_page("evolution", user="452", model="recorded:last10-37users-plain", beside="true")
    assert not app.exception and "User 452, Recorded" in texts(app) and "User 452, Built-in" in texts(app)
    app.selectbox(key="other-model").set_value("recorded:last10-37users-plain").run()
    assert not app.exception and "Both sides are the same" in texts(app)
    app.number_input(key="other-user").set_value(453).run()
    app = press(app, "Show user 452, who is recorded")
    assert app.number_input(key="other-user").value == app.number_input(key="user").value == 452
    app.number_input(key="other-user").set_value(479).run()
    assert not app.exception and not app.error and "User 479, Recorded" in texts(app)
    both = {"other-model": "recorded:last10-37users-plain", "other-user": "1"}
    app = open_page(
        "evolution", fresh=True, user="1", beside="true", **both
    )  # one offer above the page, one for a side
    assert not app.exception and len([b for b in app.button if b.label.startswith("Show user 14")]) == 2
    gone = open_page("evolution", user="452", beside="true", **{"other-model": "recorded:gone"})
    assert not gone.exception and "gone" in texts(gone)
    app = open_page("evolution", user="13", beside="true")
    assert not app.exception and "Both sides are the same" not in texts(app)
    app.number_input(key="other-user").set_value(405).run()
    assert not app.exception and "User 405" in texts(app) and app.slider(key="step").max >= 3
    app.button(key="next").click().run()
    assert app.slider(key="step").value == 2
    link = open_page(
        "evolution",
        user="405",
        beside="true",
        **{"other-model": "openai:small", "other-user": "405"},
    )
    press(link, "Compute 4 steps")
    finish(link)
    assert not link.exception and "made the difference" in texts(link) and len(server.requests) == 8
    app.number_input(key="other-user").set_value(99999).run()
    assert not app.exception and "no user 99999" in texts(app)


def test_the_demonstration_is_reset_without_losing_runs(data_dir: Path, server) -> None:
    app = open_page("evolution", user="405", model="openai:small")
    press(app, "Compute 4 steps")
    finish(app)
    session = app.session_state["_session"]
    next(b for b in app.button if b.label == "Reset this session").click().run()
    assert app.session_state["_session"] == session, "what it has spent counts on"
    assert not app.exception and app.selectbox(key="model").value == "builtin"
    assert app.number_input(key="user").value == 1 and shown_step(app)["number"] == 1
    assert len(Store(data_dir / "lusifer.db").list_calls({})[0]) == 8


def test_predictions_wait_while_the_profile_changes(data_dir: Path, server) -> None:
    """With a language model each answer makes the profile old; the predictions made before it stay."""
    store = Store(data_dir / "lusifer.db")
    from lusifer import datasets

    user = store.add_local_user(datasets.load("ml-100k").hash, "Ada")
    for n, item in enumerate([50, 181, 100, 258, 294, 286, 288, 1, 300, 121]):
        store.save_local_rating(user, item, float(1 + n % 5), 1_700_000_000 + n)
    app = open_page("hands", hands="You", model="openai:small")
    press(app, "Compute 1 step")
    finish(app)
    press(app, "Predict my next ten")
    finish(app)
    assert not app.exception and len(store.list_local_predictions(user)) == 10
    for _ in range(3):
        field = next(c for c in app.segmented_control if (c.key or "").startswith(f"you-{user}-next-"))
        field.set_value(4.0).run()
    assert not app.exception and list(table(app, "You gave")["You gave"]) == [4.0] * 3
    assert len([c for c in app.segmented_control if (c.key or "").startswith(f"you-{user}-next-")]) == 7


def test_strangers_see_nobody_but_themselves(data_dir: Path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    store = Store(data_dir / "lusifer.db")
    from lusifer import datasets

    store.add_local_user(datasets.load("ml-100k").hash, "Ada")
    app = open_page("hands", hands="You")
    assert not app.exception and "Ada" not in texts(app) and "Delete" not in texts(app)
    next(t for t in app.text_input if t.label.startswith("Name")).set_value("Bob")
    next(b for b in app.button if b.label == "Start").click().run()
    assert app.selectbox(key="you").options == ["Bob (0 ratings)"]
