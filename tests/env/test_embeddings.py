"""The profile as an embedding model sees it: stored, priced, of the usual length."""

from __future__ import annotations

import numpy as np
import pytest

from lusifer.env import MovieLensEnv
from lusifer.env.world import EMBEDDING_LENGTH, build_world
from lusifer.errors import InvalidInputError, ModelError
from lusifer.llm.embeddings import Embedder
from tests.servers.ollama import OllamaServer
from tests.servers.openai import KEY


@pytest.fixture(scope="module")
def world(ml100k, last10, warm):
    return build_world(ml100k, last10, folder=warm / ".prepared" / "kept")


@pytest.fixture
def embedder(store, openai_server, monkeypatch) -> Embedder:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    return Embedder("openai:embed", store, length=EMBEDDING_LENGTH, keys={"openai": KEY})


def test_texts_alike_are_near_and_are_asked_once(embedder, store, openai_server) -> None:
    one, near, far = (embedder(t) for t in ("likes crime films a lot", "likes crime films", "horror leaves them cold"))
    assert one.shape == (EMBEDDING_LENGTH,) and one.dtype == np.float32
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5) and one @ near > one @ far
    asked = len(openai_server.requests)
    again = Embedder("openai:embed", store, length=EMBEDDING_LENGTH, keys={"openai": KEY})
    assert np.array_equal(again("likes crime films"), near) and len(openai_server.requests) == asked
    assert not embedder("  ").any() and len(openai_server.requests) == asked
    calls, _ = store.list_calls({"purpose": "embed"})
    assert len(calls) == asked + 1 and calls[0]["status"] == "cached"


def test_ollama_embeds(store, monkeypatch) -> None:
    with OllamaServer() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        made = Embedder("ollama:qwen05", store, length=8)("crime films")
        assert made.shape == (8,) and np.isfinite(made).all() and server.requests[-1]["input"] == "crime films"


def test_a_server_that_fails_says_so_and_a_file_is_refused(embedder, store, openai_server) -> None:
    openai_server.behave("401")
    with pytest.raises(ModelError):
        embedder("x")
    openai_server.behave("empty")
    with pytest.raises(ModelError, match="no vector"):
        embedder("x")
    assert embedder("x").any(), "what failed is not kept"
    with pytest.raises(InvalidInputError):
        Embedder("file:/nowhere.gguf", store, length=8)


def test_the_environment_shows_it(world, embedder, store, openai_server) -> None:
    env = MovieLensEnv(world_=world, embedder=embedder, evolve_every=3, patience=float("inf"), length=12)
    cost = env.estimate(13, store)
    assert not openai_server.requests and cost.calls == 5
    observation, info = env.reset(seed=0, options={"user": 13})
    assert env.observation_space.contains(observation)
    assert np.array_equal(observation["profile"], embedder(info["profile"]))
    for action in range(12):
        observation, *_, info = env.step(int(np.flatnonzero(~env.known())[action]))
        assert np.array_equal(observation["profile"], embedder(info["profile"]))
    assert 0 < len(openai_server.requests) <= cost.calls
    with pytest.raises(InvalidInputError, match="length=32"):
        MovieLensEnv(world_=world, embedder=Embedder("openai:e", store, length=8, keys={"openai": KEY}))
