"""Other data in the browser: a release is read with progress, own tables are mapped, words follow the domain."""

from __future__ import annotations

import re
from pathlib import Path

from lusifer import datasets
from lusifer.datasets import custom_tables
from tests.datasets.test_releases import big, write_albums
from tests.pages.test_pages import finish, open_page, press, texts

MANY = [(u, 10 * (1 + i % 3) if i < 3 else 100 + i, 1 + (u * i) % 5, 100 * i) for u in range(1, 6) for i in range(14)]


def test_a_dropped_in_release_is_read_once_and_shown(data_dir: Path) -> None:
    big(data_dir / "mine", MANY)
    app = open_page("users", dataset="mine")
    assert not app.exception and "has not been imported yet" in texts(app)
    app = finish(press(app, "Import"))
    assert not app.exception and "5 users gave 70 ratings" in texts(app).replace("\\", "")
    assert app.selectbox(key="dataset").options == ["ml-100k", "mine"]
    assert any("no description" in m.value for m in app.markdown), "the report is there"
    other = open_page("evolution", dataset="mine", user="2")
    assert not other.exception and not other.error
    broken = open_page("users", dataset="nonsense")
    assert not broken.exception


def test_own_tables_are_mapped_and_their_words_used(data_dir: Path) -> None:
    write_albums(data_dir / "music", "csv")
    app = open_page("users")
    assert not app.exception and app.text_input(key="map-music-one").value == "album"
    assert app.selectbox(key="map-music-ratings-user").value == "listener"
    app.selectbox(key="map-music-ratings-rating").set_value("").run()
    app.button(key="map-music-accept").click().run()
    assert any("no column for rating" in str(e.title) for e in app.error)
    app.selectbox(key="map-music-ratings-rating").set_value("stars").run()
    app.button(key="map-music-accept").click().run()
    assert not app.exception and datasets.detect_kind(data_dir / "music") == "own"
    app = finish(press(app, "Import"))
    assert not app.exception and "albums" in texts(app)
    for page in ("evolution", "rate", "errors", "experiments", "fidelity", "playground"):
        opened = open_page(page, dataset="music", user="1")
        assert not opened.exception, page
        said = texts(opened) + "".join(
            str(w.label) for k in ("selectbox", "multiselect", "metric", "number_input") for w in getattr(opened, k)
        )
        assert not re.search(r"(?i)\b(movies?|films?|viewers?)\b", said.replace("MovieLens", "")), page


def test_items_without_years_are_rated_too(data_dir: Path) -> None:
    folder = data_dir / "shop"
    folder.mkdir()
    rows = [(u, i, 1 + (u * i) % 5, 1_600_000_000 + 60 * i) for u in range(1, 6) for i in range(1, 31)]
    (folder / "ratings.csv").write_text(
        "user_id,product_id,rating,timestamp\n" + "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in rows)
    )
    (folder / "products.csv").write_text("product_id,title\n" + "".join(f"{i},Thing {i}\n" for i in range(1, 31)))
    custom_tables.save_mapping(folder, custom_tables.propose_mapping(folder))
    datasets.load("shop", data_dir)
    for page in ("users", "evolution", "rate", "hands"):
        app = open_page(page, dataset="shop", user="1")
        assert not app.exception and not app.error, page


def test_strangers_on_a_public_server_add_no_data(data_dir: Path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    write_albums(data_dir / "music", "csv")
    app = open_page("users")
    assert not app.exception and not [t for t in app.text_input if t.key == "map-music-one"]


def test_strangers_simulate_few_and_read_nothing_new(data_dir: Path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    big(data_dir / "mine", MANY)
    app = open_page("users", dataset="mine")
    assert not app.exception and "not imported it yet" in texts(app) and "Import" not in [b.label for b in app.button]
    page = open_page("experiments")
    assert page.number_input(key="population-True").max == 50


def test_users_are_chosen_and_shown_by_their_ids_in_the_files(data_dir: Path) -> None:
    from tests.test_cli import shop

    folder = shop(data_dir / "shop")
    custom_tables.accept_mapping(folder, custom_tables.propose_mapping(folder))
    datasets.load("shop", data_dir)
    app = open_page("users", dataset="shop", user="A3")
    assert not app.exception and not app.error and app.text_input(key="user").value == "A3"
    assert "User A3" in "".join(str(s.value) for s in app.subheader)
    assert app.dataframe[0].value["user_id"].tolist() == [f"A{u}" for u in range(1, 7)]
    app.text_input(key="user").set_value("a4").run()
    assert any("no user a4" in str(e.title) and "A4" in e.value for e in app.error)
    for page in ("evolution", "rate", "hands"):
        opened = open_page(page, dataset="shop", user="A3")
        assert not opened.exception and not opened.error and opened.text_input(key="user").value == "A3", page
    switched = open_page("users", dataset="ml-100k", user="A3")
    assert not switched.exception


def test_a_mapping_shows_what_it_gives_before_it_is_accepted(data_dir: Path) -> None:
    from tests.datasets.tables import ITEMS, lines, ratings, write

    items = lines(("item_id", "title"), [(500 + i, f"Thing {i}") for i in ITEMS])
    folder = write(data_dir / "far", ratings__csv=ratings(), items__csv=items)
    app = open_page("users")
    shown = texts(app) + "".join(c.value for c in app.caption)
    assert not app.exception and "find their item by" in shown.replace("\\", "") and "scale 1 to 5 by 1" in shown
    assert any("only 0 of 72 ratings" in w.value for w in app.warning)
    app.button(key="map-far-accept").click().run()
    assert any("not accepted" in str(e.title) for e in app.error) and not (folder / "mapping.json").exists()
    app.checkbox(key="map-far-despite").check().run()
    app.button(key="map-far-accept").click().run()
    assert not app.exception and datasets.detect_kind(folder) == "own"
