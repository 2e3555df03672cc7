"""Connecting a model in the sidebar: offers, keys, tests, limits, and what a visitor may not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from lusifer import settings
from lusifer.store import Store
from lusifer.ui import state
from tests.conftest import PATIENCE
from tests.pages.test_pages import open_page, texts
from tests.servers.ollama import OllamaServer
from tests.servers.openai import KEY


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path) -> None:
    """No model of this machine, no secrets of this checkout, no caches."""
    st.cache_data.clear()
    st.cache_resource.clear()
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(settings, "home_dir", lambda: tmp_path)


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


def press(app: AppTest, label: str) -> AppTest:
    found = (b for b in app.button if b.label.replace("\\", "").startswith(label))
    return next(found).click().run()


def said(app: AppTest) -> str:
    return "\n".join([texts(app), *(s.value for s in app.success)]).replace("\\", "")


def calls(data_dir: Path) -> list[tuple]:
    db = sqlite3.connect(data_dir / "lusifer.db")
    return db.execute("select purpose, status from calls").fetchall()


def test_a_fresh_start_is_on_the_built_in_and_offers_what_answers(data_dir, ollama, monkeypatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.url)
    app = open_page("users", user="405")
    assert app.selectbox(key="model").value == "builtin"
    press(app, "Ollama with qwen05:latest is running")
    assert app.selectbox(key="model").value == "ollama:qwen05:latest"
    assert not app.exception and not ollama.requests, "and it has not been asked anything"


def test_ollama_that_is_not_running_says_how_to_start_it(data_dir) -> None:
    app = open_page("users", user="405")
    app.selectbox(key="_endpoint").select("ollama").run()
    press(app, "List models")
    assert not app.exception and "ollama serve" in said(app)


def test_a_model_is_pulled(data_dir, ollama, monkeypatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama.url)
    app = open_page("users", user="405")
    app.selectbox(key="_endpoint").select("ollama").run()
    app.text_input(key="_pull_name").set_value("gemma3").run()
    press(app, "Pull")
    for _, job in state.get_jobs().list_jobs():
        assert job.wait(PATIENCE) and job.state == "done"
    app.run()
    assert "gemma3 is installed" in said(app) and "gemma3" in ollama.models_there


def test_a_key_for_this_session_is_in_its_memory_alone(data_dir, openai_server, monkeypatch, caplog) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    app = open_page("users", user="405", model="openai:small")
    app.text_input(key="_key_openai").set_value(KEY).run()
    press(app, "Test connection")
    assert "openai:small answers in" in said(app) and KEY not in said(app)
    assert calls(data_dir) == [("test", "ok")]
    press(app, "Test connection")
    assert len(openai_server.requests) == 2, "a stored answer would tell nothing"
    other = open_page("users", user="405", model="openai:small")
    assert other.text_input(key="_key_openai").placeholder == "none", "another session has none"
    assert app.text_input(key="_key_openai").placeholder == "in use"
    for file in data_dir.glob("lusifer.db*"):
        assert KEY.encode() not in file.read_bytes()
    assert KEY not in caplog.text


def test_without_a_model_the_test_is_free(data_dir, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    app = open_page("users", user="405")
    press(app, "Test connection")
    assert "offers 2 models" in said(app) and not openai_server.requests
    press(app, "List models")
    assert {"openai:a", "openai:b"} <= set(app.selectbox(key="model").options)


def test_an_own_server_is_connected_by_its_address(data_dir, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_ENDPOINT_SERVER_URL", "")  # what the field sets goes with the test
    monkeypatch.delenv("LUSIFER_ENDPOINT_SERVER_URL")
    app = open_page("users", user="405")
    app.selectbox(key="_endpoint").select("server").run()
    for wrong in ("localhost:8000", "http://", "http://host:port/v1", "file:///etc/hostname"):
        app.text_input(key="_own_server").set_value(wrong).run()
        assert not app.exception and any("no address of a server" in w.value for w in app.warning), wrong
    app.text_input(key="_own_server").set_value(f"{openai_server.url}/chat/completions").run()
    app.text_input(key="_key_server").set_value(KEY).run()
    press(app, "List models")
    assert {"server:a", "server:b"} <= set(app.selectbox(key="model").options)
    app.text_input(key="_own_server").set_value("http://127.0.0.1:9/v1").run()
    assert app.text_input(key="_key_server").placeholder == "none", "a key goes to no other server"


def test_what_a_server_refused_is_shown_and_forgotten(data_dir, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LUSIFER_ENDPOINT_OPENAI_ADAPT", "no-seed")
    store = Store(data_dir / "lusifer.db")
    store.save_adaptation(openai_server.url, "small", "no-logprobs", "2026-11-20T10:00:00.000+00:00")
    store.save_adaptation(openai_server.url, "other", "no-system")
    app = open_page("users", user="405", model="openai:small")
    assert "no log probabilities are asked for (since 2026-11-20)" in said(app)
    assert "Set by hand for this endpoint: no seed is sent" in said(app) and "system message" not in said(app)
    press(app, "Forget these")
    assert not app.exception and "log probabilities" not in said(app) and "Forgotten" in said(app)
    assert [row["model"] for row in store.list_adaptations()] == ["other"]
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    store.save_adaptation(openai_server.url, "small", "no-logprobs")
    visitor = open_page("users", user="405", model="openai:small")
    assert "log probabilities" in said(visitor) and "Forget these" not in [b.label for b in visitor.button]


def test_the_test_keeps_to_the_budget(data_dir, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LUSIFER_BUDGET_DAY_TOKENS", "10")
    app = open_page("users", user="405", model="openai:small")
    press(app, "Test connection")
    assert "The budget of this day would be exceeded" in said(app) and not openai_server.requests


def test_a_password_in_an_address_is_not_shown(data_dir, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_ENDPOINT_BOX_URL", "http://me:planted-password@127.0.0.1:9/v1")
    app = open_page("users", user="405", model="box:small")
    press(app, "Test connection")
    assert "can't be reached" in said(app) and "planted-password" not in said(app)


@pytest.mark.parametrize(("limit", "most"), [("", state.SESSION_DOLLARS), ("0.5", 0.5)])
def test_a_visitor(data_dir, openai_server, monkeypatch, limit, most) -> None:
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LUSIFER_BUDGET_SESSION", limit)
    app = open_page("users", user="405", model="openai:small")
    assert not app.exception and not app.error
    assert openai_server.url not in said(app), "sees no address"
    assert app.number_input(key="_session_dollars").max == most
    assert not [t for t in app.text_input if "pull" in (t.key or "")]
    assert not app.get("file_uploader")
    refused = open_page("evolution", user="405", model="file:/etc/hostname")
    assert not refused.exception and "no model file" in said(refused)
    refused = open_page("evolution", user="405", model="http://127.0.0.1:9/v1:small")
    assert not refused.exception and "names no model" in said(refused)
