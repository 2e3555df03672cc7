"""What tests of pages share: fresh caches, a server behind the app, pressing and waiting."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st

from tests.servers.openai import KEY, OpenAIServer


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def server(
    data_dir: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> OpenAIServer:
    """A local server that the app asks as if it were OpenAI's, over a data folder of this test's own."""
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return openai_server
