"""The registry: a method is one module, cache files keep their names, a missing library costs only its methods."""

from __future__ import annotations

import sys

import pytest

from lusifer import baselines
from lusifer.baselines import predictor_registry
from lusifer.datasets import RatingScale
from lusifer.errors import InvalidInputError, MissingLibraryError
from lusifer.evaluation import evaluate
from lusifer.simulator.run_context import RunContext
from lusifer.ui.components import predictor_titles
from tests.conftest import ROOT

WITH_SURPRISE = {"svdpp"}


@pytest.fixture
def without_surprise(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "surprise", None)  # any import of it fails


def test_settings_that_name_cache_files_stay() -> None:
    """What is cached under these is not computed again."""
    settings = {n: baselines.hyperparameters_of(baselines.create(n, object())) for n in baselines.BASELINES}
    assert settings == {
        "constant": {},
        "user-mean": {},
        "item-mean": {},
        "bias": {"item_damping": 5.0, "user_damping": 5.0},
        "item-knn": {"damping": 0.1, "neighbours": 40, "shrinkage": 30.0},
        "rnn4rec": {
            "average": 50,
            "batch": 64,
            "dropout": 0.6,
            "epochs": 15,
            "factors": 5,
            "hidden": 32,
            "rate": 0.01,
            "window": 50,
        },
        "ncf": {"alpha": 0.07, "batch": 256, "epochs": 10, "hidden": 64, "rate": 0.001},
        "als": {"factors": 10, "iterations": 10, "regularisation": 10.0},
        "svdpp": {"epochs": 25, "factors": 10, "rate": 0.015, "regularisation": 0.1},
        "fm": {"iterations": 200, "kept": 160, "ordinal": False, "rank": 10},
        "fm-time": {
            "fold_iterations": 30,
            "fold_kept": 18,
            "folds": 3,
            "iterations": 200,
            "kept": 160,
            "rank": 10,
        },
    }


def test_a_new_method_is_one_module(tmp_path, monkeypatch) -> None:
    """A module put beside the others is found, and everything that lists methods has it."""
    (tmp_path / "always_three.py").write_text(
        "import numpy as np\n"
        "from lusifer.baselines.predictor import PredictorSpec\n"
        "class AlwaysThree:\n"
        "    def fit(self, train, scale, *, seed=0, on_progress=None):\n"
        "        return self\n"
        "    def predict(self, users, items):\n"
        "        return np.full(len(users), 3.0)\n"
        "SPECS = (PredictorSpec('three', 'Always three', 'a constant', order=-1, create=AlwaysThree),)\n"
    )
    monkeypatch.setattr(baselines, "__path__", [*baselines.__path__, str(tmp_path)])
    found = predictor_registry.discover()
    assert list(found) == ["three", *baselines.BASELINES]
    assert found["three"].create().fit(None, RatingScale(1, 5, 1)).predict([1], [2]).tolist() == [3.0]
    monkeypatch.delitem(sys.modules, "lusifer.baselines.always_three")


def test_pages_list_every_method_the_most_capable_first() -> None:
    assert predictor_titles.ORDER[-len(baselines.BASELINES) :] == list(baselines.BASELINES)[::-1]
    assert {spec.group for spec in baselines.BASELINES.values()} == {"Naive baselines", "Collaborative filtering"}
    assert predictor_titles.short_title("bias") == "Bias"
    assert predictor_titles.short_title("ncf") == "NCF"
    assert predictor_titles.short_title("simulator") == "Model alone"


@pytest.mark.usefixtures("without_surprise")
def test_methods_say_why_they_are_missing(ml100k, last10) -> None:
    assert set(baselines.BASELINES) - set(baselines.list_available()) == WITH_SURPRISE
    reason = baselines.missing_library("svdpp")
    assert "scikit-surprise, which is not installed" in reason and "Intel" in reason
    for name in WITH_SURPRISE:
        with pytest.raises(MissingLibraryError, match="pip install"):
            baselines.create(name).fit(last10.train.slice(0, 100), ml100k.scale)


@pytest.mark.usefixtures("without_surprise")
def test_an_evaluation_leaves_them_out_with_a_note(ml100k, last10) -> None:
    comparison = evaluate(RunContext(ml100k, last10), ["svdpp", "bias", "constant"])
    assert list(comparison.scores()) == ["bias", "constant"]
    assert any(note.startswith("svdpp is left out. Fits of SVD++ need") for note in comparison.notes)
    with pytest.raises(InvalidInputError, match="svdpp is left out"):
        evaluate(RunContext(ml100k, last10), ["svdpp"])


def test_the_documentation_lists_every_method() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text()
    assert all(f"| `{name}` |" in text for name in baselines.BASELINES)
