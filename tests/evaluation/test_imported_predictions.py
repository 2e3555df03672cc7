"""Predictions of other programs: on the same rows, with nothing filled in unasked."""

from __future__ import annotations

import codecs

import numpy as np
import pytest

from lusifer.baselines import Bias
from lusifer.errors import InvalidInputError
from lusifer.evaluation.imported_predictions import read_predictions
from lusifer.runs import tables
from lusifer.runs.comparison import ComparisonSpec, run_comparison
from lusifer.simulator import RunContext, UserModelConfig


@pytest.fixture(scope="session")
def bias_rows(ml100k, last10):
    """What the user and item bias predicts for some users, as a file's rows."""
    test = last10.test.of_users([1, 2, 3])
    values = Bias().fit(last10.train, ml100k.scale).predict(test.user, test.item)
    return [f"{u},{i},{v!r}" for u, i, v in zip(test.user.tolist(), test.item.tolist(), values.tolist(), strict=True)]


def file_of(rows, heading: str = "user,item,prediction") -> bytes:
    return "\n".join([heading, *rows]).encode()


def test_a_file_of_a_method_of_ours_scores_as_it_does(ml100k, last10, store, tmp_path, monkeypatch, bias_rows) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    imported = read_predictions(ml100k, "Theirs", file_of(bias_rows))
    spec = ComparisonSpec(["bias"], [1, 2, 3], imported=[imported])
    run = run_comparison(RunContext(ml100k, last10, store), UserModelConfig("builtin"), spec, "imported")
    ours, theirs = (run.summary["predictors"][name] for name in ("bias", "Theirs"))
    assert theirs["rmse"] == pytest.approx(ours["rmse"]) and run.summary["rows"] == 30
    assert "Theirs" in tables.read_table(run.id) and store.get_run(run.id)["params"]["imported"] == ["Theirs"]


def test_missing_rows_are_refused_or_imputed_on_request(ml100k, last10, bias_rows) -> None:
    test = last10.test.of_users([1, 2, 3])
    imported = read_predictions(ml100k, "Theirs", file_of(bias_rows[2:]))
    with pytest.raises(InvalidInputError, match="lacks 2 of 30 test ratings, the first of user 1") as error:
        imported.on_rows(ml100k, last10, test)
    assert "imputed by the bias" in error.value.fix
    values, note = imported.on_rows(ml100k, last10, test, "bias")
    whole, nothing = read_predictions(ml100k, "Theirs", file_of(bias_rows)).on_rows(ml100k, last10, test)
    assert np.allclose(values, whole) and "lacks 2 of 30" in note and nothing == ""
    with pytest.raises(InvalidInputError, match="lacks 30 of 30") as error:
        read_predictions(ml100k, "T", file_of(["943,1,3"])).on_rows(ml100k, last10, test, "bias")
    assert "imputed" not in error.value.fix, "what would not help is not advised"


@pytest.mark.parametrize(
    "content",
    [
        b"User_ID,movieId,timestamp,SCORE\n1,2,99,4.25\n",
        codecs.BOM_UTF8 + b"prediction,item,user\n4.25,2,1\n",
        b"user, item, prediction\r\n1.0, 2.0, 4.25\r\n\r\n",
        b'user,item,prediction\n"1","2","4.25"\n1,2,4.25\n',
    ],
)
def test_headings_and_ids_are_read_as_tables_write_them(ml100k, content) -> None:
    assert read_predictions(ml100k, "T", content).values == {(1, 2): 4.25}


def test_numbers_beyond_the_scale_are_clipped(ml100k) -> None:
    found = read_predictions(ml100k, "T", file_of(["1,2,9", "1,3,-2"])).values
    assert found == {(1, 2): 5.0, (1, 3): 1.0}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no column user"),
        (b"user,item,prediction\n", "are empty"),
        (b"user,item,rating\n1,2,3\n", "no column prediction"),
        (b"user,item,prediction\n1,2\n", "Line 2 has 2 cells"),
        (b"user,item,prediction\n1,2,good\n", "Line 2: the prediction is 'good'"),
        (b"user,item,prediction\n1,2,nan\n", "Line 2: the prediction is 'nan'"),
        (b"user,item,prediction\n1,2,3\n99999,2,3\n", "Line 3: .* has no user '99999'"),
        (b"user,item,prediction\n1,0,3\n", "Line 2: .* has no item '0'"),
        (b"user,item,prediction\n1,2,3\n1,2,4\n", "Line 3 predicts user 1 and item 2 again"),
        (b"user,item,prediction\n1,2,\xff\n", "not UTF-8"),
    ],
)
def test_a_file_that_can_not_be_read_names_the_line(ml100k, content, problem) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        read_predictions(ml100k, "T", content)


@pytest.mark.parametrize("name", ["bias", "simulator", "simulator-combined", "builtin", "", "x" * 41, "a\nb"])
def test_names_of_ours_are_kept(ml100k, name) -> None:
    with pytest.raises(InvalidInputError):
        read_predictions(ml100k, name, b"user,item,prediction\n1,2,3\n")


def test_a_missing_file_is_named(ml100k, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="There is no file"):
        read_predictions(ml100k, "T", tmp_path / "none.csv")
