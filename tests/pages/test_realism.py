"""The fidelity page: measured at the press of a button, recorded, linked."""

from __future__ import annotations

from pathlib import Path

from lusifer.store import Store
from lusifer.ui import state
from tests.conftest import PATIENCE
from tests.pages.test_pages import open_page, texts
from tests.servers.openai import KEY


def test_the_built_in_is_measured_beside_naive_simulators(data_dir: Path) -> None:
    app = open_page("fidelity")
    assert not app.exception and "Not measured on this split yet" in texts(app)
    app.number_input(key="fidelity-users-development-True").set_value(30).run()
    next(b for b in app.button if b.label.startswith("Simulate and measure (costs nothing")).click().run()
    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE) and job.state == "done", job.error
    app.run()
    assert not app.exception and "The calibrated simulator is" in texts(app)
    table = next(d.value for d in app.dataframe if "Measure" in d.value)
    assert len(table) == 11 and len(table.columns) == 6 and table.iloc[:, 1:].map(lambda v: "★" in v).sum().sum() >= 10
    (run,) = Store(data_dir / "lusifer.db").list_runs("fidelity")
    link = open_page("fidelity", run=run["id"])
    assert not link.exception and link.selectbox(key="fidelity-run").value == run["id"]


def test_a_model_is_measured_after_its_price_was_named(data_dir: Path, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    app = open_page("fidelity", model="openai:small")
    app.number_input(key="fidelity-users-development-False").set_value(12).run()
    assert not openai_server.requests
    next(b for b in app.button if "price unknown" in b.label and b.label.startswith("Simulate")).click().run()
    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE) and job.state == "done", job.error
    app.run()
    assert not app.exception and openai_server.requests and "12 users" in texts(app)
