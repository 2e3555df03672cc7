"""What costs nothing is computed by itself, once, and says so meanwhile; what costs is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lusifer.evaluation.trust import RULES
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components.trust_card import MEASURED_ON
from lusifer.ui.page_registry import page_specs
from lusifer.ui.pages.accuracy import comparison_form
from tests.conftest import PATIENCE
from tests.pages.test_pages import open_page, texts
from tests.servers.openai import KEY


@pytest.fixture
def automatic(monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_AUTOMATIC", "1")
    monkeypatch.setattr(comparison_form, "USUAL", ("simulator", "bias", "item-mean"))


def _wait() -> None:
    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE) and job.state == "done", job.error


@pytest.mark.parametrize(
    ("page", "kind", "never", "result"),
    [
        (
            "fidelity",
            "fidelity",
            "Not measured on this split yet",
            "calibrated simulator is",
        ),
        ("errors", "comparison", "No comparison has been run", "The simulator, calibrated, has"),
    ],
)
def test_a_page_computes_what_it_lacks_once(
    data_dir: Path, automatic, page: str, kind: str, never: str, result: str
) -> None:
    app = open_page(page, fresh=True)
    jobs = len(state.get_jobs().list_jobs())
    assert not app.exception and never not in texts(app)
    _wait()
    for _ in range(2):
        app = open_page(page, fresh=True)
        assert not app.exception and result in texts(app) and never not in texts(app)
    assert len(state.get_jobs().list_jobs()) == jobs
    (run,) = Store(data_dir / "lusifer.db").list_runs(kind)
    assert run["model"].startswith("recorded:") and run["status"] == "done"


def test_a_model_that_costs_is_never_asked_by_itself(data_dir: Path, automatic, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for page in ("fidelity", "errors"):
        app = open_page(page, model="openai:small")
        assert not app.exception
    store = Store(data_dir / "lusifer.db")
    assert not openai_server.requests and not store.list_runs("fidelity") and not store.list_runs("comparison")


def test_every_line_of_the_trust_card_names_the_page_that_measures_it() -> None:
    assert {rule.key for rule in RULES} <= MEASURED_ON.keys()
    assert set(MEASURED_ON.values()) <= page_specs().keys()
