"""The playground: a run is priced in time, recorded, linked; one episode is read as a talk."""

from __future__ import annotations

from pathlib import Path

from lusifer.runs import tables
from lusifer.store import Store
from lusifer.ui import state
from tests.conftest import PATIENCE
from tests.pages.test_pages import open_page, texts


def test_agents_play_and_an_episode_is_a_talk(data_dir: Path) -> None:
    app = open_page("playground")
    assert not app.exception and "No run on this split yet" in texts(app)
    app.number_input(key="play-steps").set_value(200)
    app.number_input(key="play-seeds").set_value(2).run()
    next(b for b in app.button if b.label.startswith("Run (costs nothing")).click().run()
    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE)
    app.run()
    assert not app.exception and "is best" in texts(app)
    board = next(d.value for d in app.dataframe if "Agent" in d.value)
    assert set(board["Agent"]) == {"Random", "Popularity", "User + item bias", "LinUCB"}
    (run,) = Store(data_dir / "lusifer.db").list_runs("playground")
    assert run["params"]["seeds"] == [0, 1] and len(tables.read_table(run["id"])) == 4 * 2 * 200
    link = open_page("playground", run=run["id"])
    assert not link.exception and link.selectbox(key="play-run").value == run["id"]
    app.number_input(key="talk-user").set_value(13)
    next(b for b in app.button if b.label == "Play this episode").click().run()
    assert not app.exception and "User 13" in texts(app) and len(app.chat_message) >= 4
    app.number_input(key="talk-user").set_value(99999)
    next(b for b in app.button if b.label == "Play this episode").click().run()
    assert not app.exception and "no user 99999" in texts(app)


def test_a_language_model_is_not_played_by_a_click(data_dir: Path, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    app = open_page("playground", model="openai:small")
    assert not app.exception and "costs nothing)" in texts(app) and not openai_server.requests
