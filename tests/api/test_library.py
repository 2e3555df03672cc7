"""The library's face: lazy, typed, with examples that run, on real MovieLens and a real SQLite file."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lusifer
from lusifer import api
from tests.conftest import ROOT
from tests.servers.openai import KEY, OpenAIServer


@pytest.fixture(scope="module")
def evolution(ml100k, last10) -> api.Evolution:
    return lusifer.evolve(ml100k, last10, 405)


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, lusifer; print([m for m in ('numpy', 'pandas', 'streamlit', 'lusifer.api') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    for name in lusifer.__all__:
        assert getattr(lusifer, name) is not None
        assert name in dir(lusifer)
    assert set(lusifer.__all__) == {*api.__all__, "LusiferError", "__version__"}
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lusifer.no_such_name


def test_type_checkers_see_the_public_names(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import lusifer\nreveal_type(lusifer.evolve)\nreveal_type(lusifer.LusiferError)\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", "--ignore-missing-imports", str(script)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert "lusifer.api.Evolution" in done.stdout and "lusifer.errors.LusiferError" in done.stdout, done.stdout


def test_the_examples_of_docstrings_hold(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    functions = [name for name in api.__all__ if inspect.isfunction(getattr(api, name))]
    for name in functions:
        (example,) = finder.find(getattr(api, name), name, globs={"lusifer": lusifer})
        assert example.examples, f"{name} has no example"
        printed: list[str] = []
        runner.run(example, out=printed.append)
        assert not printed, "".join(printed)
    assert runner.summarize(verbose=False).failed == 0


def test_the_example_script_runs(data_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "library.py")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for part in ("Likes", "Forecast error", "actual", "simulator-calibrated"):
        assert part in done.stdout


def test_the_example_script_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    done = subprocess.run([sys.executable, str(ROOT / "examples" / "library.py")], capture_output=True, text=True)
    assert done.returncode == 2 and "data fetch ml-100k" in done.stderr and not done.stdout


def test_an_evolution_as_tables(evolution: api.Evolution) -> None:
    forecasts = evolution.to_pandas()
    assert list(forecasts.columns) == ["step", "item_id", "title", "rating", "expected"] and len(forecasts) == 40
    assert forecasts.step.tolist() == sorted(forecasts.step) and forecasts.expected.between(1, 5).all()
    changes = evolution.to_pandas("changes")
    assert len(changes) == sum(len(s.changes) for s in evolution.steps) > 0
    assert "Rating habits" in evolution.profile
    with pytest.raises(lusifer.LusiferError, match="forecasts or changes"):
        evolution.to_pandas("profiles")  # type: ignore[arg-type]


def test_settings_reach_the_evolution(ml100k, last10) -> None:
    evolution = lusifer.evolve(ml100k, last10, 405, "builtin", history=12, batch_size=5)
    assert [len(s.batch) for s in evolution.steps] == [5, 5, 2]


def test_ratings_as_a_table(evolution: api.Evolution, last10) -> None:
    ids = last10.test.of_user(405).item.tolist()
    table = lusifer.rate(evolution, ids).to_pandas()
    assert table.item_id.tolist() == ids and table.expected.notna().all()
    assert table.actual.tolist() == last10.test.of_user(405).rating.tolist()
    unrated = next(i for i in evolution.dataset.items.index if i not in evolution.dataset.ratings.of_user(405).item)
    assert np.isnan(lusifer.rate(evolution, [int(unrated)]).to_pandas().actual[0])


def test_an_evaluation_as_tables(ml100k, last10, data_dir: Path) -> None:
    result = lusifer.evaluate(ml100k, last10, ["bias", "simulator"], users=30)
    table = result.to_pandas()
    assert set(table.predictor) == {"bias", "simulator", "simulator-calibrated"}
    rmse = table[table.metric == "rmse"]
    assert (rmse.low < rmse.value).all() and (rmse.value < rmse.high).all()
    rows = result.predictions_to_pandas()
    assert len(rows) == result.rows == 300 and rows.user_id.nunique() == 30
    value = result.metrics["bias"]["rmse"].value
    assert value == pytest.approx(np.sqrt(((rows.bias - rows.rating) ** 2).mean()))
    for users in (last10.test.user_ids[:3], np.int64(3)):  # as arrays give them
        assert lusifer.evaluate(ml100k, last10, ["constant"], users=users).rows == 30
    with pytest.raises(lusifer.LusiferError, match="No user"):  # nobody is not everybody
        lusifer.evaluate(ml100k, last10, ["constant"], users=[])


def test_a_split_by_a_seed(ml100k) -> None:
    first, second = (lusifer.make_split(ml100k, "random", seed) for seed in (0, 7))
    assert second.name == "random-7" and first.test.hash != second.test.hash


def test_errors_name_the_way_out(ml100k, last10, evolution: api.Evolution, tmp_path: Path) -> None:
    for call, words in (
        (lambda: lusifer.load_dataset("ml-100k", tmp_path), "data fetch ml-100k"),
        (lambda: lusifer.load_dataset("nothing", tmp_path), "There is no dataset"),
        (lambda: lusifer.make_split(ml100k, "last"), "There is no split"),
        (lambda: lusifer.make_split(ml100k, "last-10", seed=3), "takes no seed"),
        (lambda: lusifer.user_model("openai:some"), "database"),
        (lambda: lusifer.user_model("openai:some", budget=-1), "not an amount"),
        (lambda: lusifer.evolve(ml100k, last10, 4050), "no user 4050"),
        (lambda: lusifer.evolve(ml100k, last10, 405, history=0), "at least 1"),
        (lambda: lusifer.rate(evolution, []), "No item"),
        (lambda: lusifer.rate(evolution, [99_999]), "no movie 99999"),
        (lambda: lusifer.rate(evolution, [50, 50]), "twice"),
        (lambda: lusifer.evaluate(ml100k, last10, ["oracle"]), "no predictor"),
        (lambda: lusifer.evaluate(ml100k, last10, ["bias"], users=0), "at least one user"),
    ):
        with pytest.raises(lusifer.LusiferError, match=words):
            call()


def test_a_language_model_answers_once(
    ml100k, last10, openai_server: OpenAIServer, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    store = lusifer.open_store(tmp_path / "notebook.db")
    model = lusifer.user_model("openai:small", store=store, keys={"openai": KEY}, prompts="concise", budget=1.0)
    evolution = lusifer.evolve(ml100k, last10, 405, model, history=10, store=store)
    ratings = lusifer.rate(evolution, [50, 172], store=store).to_pandas()
    assert evolution.profile and ratings.expected.notna().all()
    calls = len(openai_server.requests)
    again = lusifer.evolve(ml100k, last10, 405, model, history=10, store=store)
    pd.testing.assert_frame_equal(lusifer.rate(again, [50, 172], store=store).to_pandas(), ratings)
    assert len(openai_server.requests) == calls > 0


def test_a_text_is_the_id_in_the_files(tmp_path: Path) -> None:
    from lusifer.datasets import custom_tables
    from tests.test_cli import shop

    folder = shop(tmp_path / "shop")
    custom_tables.accept_mapping(folder, custom_tables.propose_mapping(folder))
    dataset = lusifer.load_dataset("shop", tmp_path)
    evolution = lusifer.evolve(dataset, lusifer.make_split(dataset, "last-2"), user="A3")
    assert evolution.to_pandas()["item_id"].tolist()[:2] == ["0000000001", "0000000002"]
    rated = lusifer.rate(evolution, ["0000000009"]).to_pandas()
    assert rated["item_id"].tolist() == ["0000000009"] and rated["title"].tolist() == ["Thing 0000000009"]
    with pytest.raises(lusifer.LusiferError, match="no user A9 .*A"):
        lusifer.evolve(dataset, evolution.split, user="A9")
