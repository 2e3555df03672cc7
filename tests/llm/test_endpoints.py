"""Endpoints, specs and prices from the environment and files; keys stay where they are."""

from __future__ import annotations

import re

import pytest

from lusifer import settings
from lusifer.errors import InvalidInputError
from lusifer.llm import create_bare_llm, load_endpoints
from lusifer.llm.endpoints import OPENAI_URL, ollama_url, resolve
from lusifer.llm.prices import price
from tests.conftest import ROOT
from tests.servers.openai import KEY


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / ".streamlit").mkdir()
    monkeypatch.setattr(settings, "home_dir", lambda: tmp_path)
    return tmp_path


def test_three_are_there_from_the_start(project) -> None:
    found = load_endpoints()
    assert set(found) == {"openai", "ollama", "file", "recorded", "files"}
    assert found["openai"].url == OPENAI_URL and not found["openai"].usable


def test_named_ones_from_variables_and_secrets(project, monkeypatch) -> None:
    (project / ".streamlit" / "secrets.toml").write_text(
        '[endpoints.vllm]\nurl = "http://a:1/v1/"\nkey_env = "THE_KEY"\nworkers = 4\nrequests_a_minute = 60\n'
    )
    monkeypatch.setenv("THE_KEY", KEY)
    monkeypatch.setenv("LUSIFER_ENDPOINT_LM_STUDIO_URL", "http://localhost:1234/v1")
    found = load_endpoints()
    assert found["vllm"].url == "http://a:1/v1" and found["vllm"].key == KEY
    assert (found["vllm"].workers, found["vllm"].rpm, found["vllm"].tpm) == (4, 60, None)
    assert found["lm_studio"].usable and not found["lm_studio"].key
    assert KEY not in repr(found)
    model, endpoint = create_bare_llm("vllm:meta/llama:8b")
    assert model.spec == "vllm:meta/llama:8b" and model.identity == "http://a:1/v1|meta/llama:8b"
    assert endpoint.name == "vllm"


def test_a_sessions_key_goes_before_and_is_kept_nowhere(project, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-operator-1234567890")
    assert load_endpoints({"openai": KEY})["openai"].key == KEY
    assert load_endpoints()["openai"].key == "sk-planted-operator-1234567890"


def test_what_stands_around_a_key_is_no_part_of_it(project, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\r\n")
    monkeypatch.setenv("LUSIFER_ENDPOINT_BOX_URL", "http://a/v1 ")
    monkeypatch.setenv("LUSIFER_ENDPOINT_BOX_KEY", f"{KEY}\n")
    found = load_endpoints()
    assert found["openai"].key == found["box"].key == KEY and found["box"].url == "http://a/v1"


@pytest.mark.parametrize("file", ["docs/models.md", ".env.example"])
def test_every_variable_is_documented(file) -> None:
    told = (ROOT / file).read_text(encoding="utf-8")
    used = set()
    for source in (ROOT / "lusifer").rglob("*.py"):
        text = source.read_text(encoding="utf-8")
        used |= set(re.findall(r'environ(?:\.get\(|\[)"([A-Z_0-9]+)"', text))
    assert {"OPENAI_API_KEY", "LUSIFER_DB", "TMDB_API_KEY"} <= used
    missing = {name for name in used if name not in told} - {"PYTHONPATH"}
    assert not missing


@pytest.mark.parametrize(
    "text",
    [
        "[endpoints.x]\nworkers = 3\n",
        "[endpoints.x]\nurl = 'ftp://x'\n",
        "endpoints = {",
        "[endpoints]\n'A B' = 1\n",
        "[endpoints.x]\nurl = 'http://x'\nrequests_a_minute = '5oo'\n",
        "[endpoints.x]\nurl = 'http://x'\nworkers = 0\n",
        "[endpoints.x]\nurl = 'http://x:80o0/v1'\n",
        "[endpoints.x]\nurl = 'http://x:99999/v1'\n",
        "[endpoints.x]\nurl = 'http://[::1/v1'\n",
        "OPENAI_BASE_URL = 'http://me:secret@x:80o0/v1'\n",
    ],
)
def test_what_cant_be_meant_is_named(project, text) -> None:
    (project / ".streamlit" / "secrets.toml").write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        load_endpoints()
    assert "secret" not in str(caught.value).replace("secrets.toml", "")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("box", "http://box:11434"),
        ("box:99", "http://box:99"),
        ("https://o.example:1/", "https://o.example:1"),
    ],
)
def test_where_ollama_is(monkeypatch, host, url) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert ollama_url() == url


def test_specs(project) -> None:
    assert resolve("ollama:gemma3:4b")[1] == "gemma3:4b"
    for wrong in ("", "x", "openai:", "nowhere:m"):
        with pytest.raises(InvalidInputError, match="names no model"):
            resolve(wrong)
    with pytest.raises(InvalidInputError, match="no model file"):
        create_bare_llm("file:nothing.gguf")


def test_a_file_that_is_none(project, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    models = tmp_path / "models"
    models.mkdir()
    (models / "a.gguf").write_bytes(b"not a model")
    with pytest.raises(InvalidInputError, match="not a GGUF file"):
        create_bare_llm("file:a.gguf")
    outside = tmp_path / "b.gguf"
    outside.write_bytes(b"GGUF....")
    assert create_bare_llm(f"file:{outside}")[0].identity.startswith("file|b.gguf@8-")
    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    for path in (str(outside), "../b.gguf"):
        with pytest.raises(InvalidInputError, match="no model file") as refused:
            create_bare_llm(f"file:{path}")
        assert str(models) not in str(refused.value)


def test_own_prices_go_first(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    (tmp_path / "prices.toml").write_text('["my-model"]\ninput = 1.0\noutput = 2.0\ncached = 0.5\n')
    assert price("http://localhost:1/v1|my-model", 1_000_000, 400_000, 500_000) == pytest.approx(1.8)
    assert price("http://localhost:1/v1|other", 1, 0, 1) is None
    (tmp_path / "prices.toml").write_text('["my-model"]\ninput = "free"\n')
    with pytest.raises(InvalidInputError, match="prices.toml"):
        price("http://localhost:1/v1|my-model", 1, 0, 1)
