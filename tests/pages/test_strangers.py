"""Two visitors of a public server: what one asks and starts is nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lusifer.llm import Budget, CachedLLM, Message, create_llm
from lusifer.store import Store
from lusifer.ui import state
from tests.conftest import PATIENCE
from tests.pages.test_pages import open_page, texts
from tests.servers.openai import KEY


@pytest.fixture
def public(monkeypatch, openai_server) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")


def visit(page: str, session: str, **parameters: str) -> AppTest:
    """A page as a visitor's session sees it."""
    return open_page(page, visitor=session, **parameters)


def _shown(app: AppTest) -> str:
    assert not app.exception
    return texts(app) + "\n".join(c.value for c in app.code) + "".join(str(d.value) for d in app.dataframe)


def test_calls_are_seen_by_the_session_that_made_them(data_dir: Path, public) -> None:
    store = state.open_store()
    assert store is not None

    def ask(session: str, text: str) -> None:
        llm: CachedLLM = create_llm("openai:small", store, budget=Budget(session_id=session))
        llm.complete([Message("user", text)], max_tokens=9)

    ask("a", "What only A asked")
    ask("b", "What only B asked")
    ask("a", "What both asked")
    ask("b", "What both asked")  # from the cache: B asked the same
    ask("", "What the owner asked")
    for session, own, foreign in (("a", [1, 3], [2, 4, 5]), ("b", [2, 4], [1, 3, 5]), ("c", [], [1, 2, 3, 4, 5])):
        for number in foreign:
            shown = _shown(visit("calls", session, call=str(number)))
            assert "asked" not in shown and f"**Call {number}**" not in shown
        for number in own:
            app = visit("calls", session, call=str(number))
            assert f"**Call {number}**" in _shown(app) and "asked" in _shown(app)
            assert list(app.dataframe[0].value.index) == own[::-1]
    app = visit("calls", "b", **{"call-search": "asked"})
    assert list(app.dataframe[0].value.index) == [2], "a search finds no more"
    assert int(app.dataframe[1].value["Calls made"].sum()) == 1, "and nothing else is counted"


def test_a_job_is_seen_and_cancelled_by_the_session_that_started_it(data_dir: Path, public, openai_server) -> None:
    """Both look at the same user and model."""
    openai_server.delay = 0.4
    one = visit("evolution", "a", user="405", model="openai:small")
    next(b for b in one.button if b.label.startswith("Compute 4 steps")).click().run()
    jobs = state._all_jobs()  # noqa: SLF001 - the server's, not a session's
    ((_, job),) = jobs.list_jobs()
    other = visit("evolution", "b", user="405", model="openai:small")
    assert job.active, "it was under way all the time"
    assert not other.exception and not [b for b in other.button if b.label == "Cancel"]
    assert job.wait(PATIENCE) and job.state == "done", job.error
    assert not Store(data_dir / "lusifer.db").list_calls({}, session="b")[1]
