"""Splits: what is in them, and that a test rating never reaches a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lusifer import datasets, prompts
from lusifer.baselines import METHODS, create
from lusifer.datasets import splits
from lusifer.datasets.model import RatingTable
from lusifer.errors import BadRequest, DatasetError
from lusifer.simulator import plan
from lusifer.simulator.evolution import evolve, history_of
from tests.conftest import write_tiny


def test_last10_is_each_users_newest(ml100k, last10):
    assert len(last10.test) == 9430 and len(last10.train) == 90_570
    for user in (1, 405, 943):
        everything = ml100k.ratings.of_user(user)
        assert last10.test.of_user(user).item.tolist() == everything.item.tolist()[-10:]
        assert last10.train.of_user(user).item.tolist() == everything.item.tolist()[:-10]


def test_u1_is_grouplens_own(grouplens: Path, ml100k):
    assert splits.names(ml100k) == ["last-10", "u1", "u2", "u3", "u4", "u5"]
    u1 = splits.make(ml100k, "u1")
    assert (len(u1.train), len(u1.test)) == (80_000, 20_000)


def test_fixed_splits_need_their_files(recbole: Path, tmp_path: Path):
    (tmp_path / "ml-100k").symlink_to(recbole)
    data = datasets.load("ml-100k", tmp_path)
    assert splits.names(data) == ["last-10"]
    with pytest.raises(BadRequest, match="no split u1: its files come only"):
        splits.make(data, "u1")
    with pytest.raises(BadRequest, match="no split 'later'"):
        splits.make(data, "later")


@pytest.fixture
def tiny(tmp_path: Path):
    rows = [(1, i, 1 + i % 5, 100 + i) for i in range(1, 14)] + [(2, i, 3, i) for i in (1, 2, 3)]
    return datasets.load(str(write_tiny(tmp_path / "tiny", rows, 3, 13)), tmp_path)


def _csv(path: Path, rows) -> Path:
    path.write_text(
        "user_id,item_id,rating,timestamp\n" + "\n".join(",".join(map(str, r)) for r in rows)
    )
    return path


def test_two_files(tiny, tmp_path: Path):
    train = _csv(tmp_path / "a.csv", [(1, 1, 5, 1), (1, 2, 4, 2)])
    test = _csv(tmp_path / "b.csv", [(2, 1, 3, 3)])
    split = splits.from_files(tiny, train, test)
    assert len(split.train) == 2 and len(split.test) == 1 and split.name == "a.csv/b.csv"


@pytest.mark.parametrize(
    ("test_rows", "says"),
    [
        ([(1, 1, 5, 1)], "stands in both a.csv and b.csv"),
        ([(9, 1, 5, 1)], "rates user 9"),
        ([(1, 99, 5, 1)], "rates movie 99"),
        ([(1, 3, 4.5, 1)], "rating of 4.5, which is not on the scale"),
        ([], "no rating"),
    ],
)
def test_bad_files_are_refused(tiny, tmp_path: Path, test_rows, says: str):
    train = _csv(tmp_path / "a.csv", [(1, 1, 5, 1)])
    with pytest.raises(DatasetError, match=says):
        splits.from_files(tiny, train, _csv(tmp_path / "b.csv", test_rows))
    with pytest.raises(DatasetError, match="is not there"):
        splits.from_files(tiny, train, tmp_path / "none.csv")


def test_a_wrong_header_is_named(tiny, tmp_path: Path):
    bad = tmp_path / "bad.csv"
    bad.write_text("user,item,rating\n1,1,5\n")
    with pytest.raises(DatasetError, match="no column user_id, item_id, timestamp"):
        splits.from_files(tiny, bad, bad)


class Listener:
    """A user model's language model that notes every word it is told."""

    spec, identity = "openai:listener", "listener"

    def __init__(self) -> None:
        self.heard: list[str] = []

    def complete(self, messages, *, schema=None, **_):
        from lusifer.llm import Completion
        from tests.servers.openai import OpenAIServer

        self.heard.extend(m.content for m in messages)
        body = {"response_format": {"json_schema": {"schema": schema}}}
        return Completion(OpenAIServer.content(body, "ok"))


def _swap_test(split, ratings):
    """The same split with other ratings in its test part."""
    t = split.test
    return splits.Split(split.name, split.train, RatingTable(t.user, t.item, ratings, t.timestamp))


@pytest.mark.parametrize("user", [1, 405, 600])
def test_no_test_rating_reaches_a_prompt_or_the_builtin(ml100k, last10, user: int):
    """The marked movies are in the test part alone: their titles may be in no prompt but the one that
    asks for a rating, and changing their ratings may change no word that any model is told."""
    from lusifer.simulator.llm_model import LLMUserModel
    from lusifer.simulator.statistical import StatisticalUserModel

    marked = [ml100k.item(i).title for i in last10.test.of_user(user).item.tolist()]
    flipped = _swap_test(last10, 6 - last10.test.rating)
    told, built = [], []
    for split in (last10, flipped):
        listener = Listener()
        model = LLMUserModel(listener, prompts.load())
        list(evolve(ml100k, split, model, plan(ml100k, split, user, model)))
        told.append(listener.heard)
        builtin = StatisticalUserModel()
        steps = evolve(ml100k, split, builtin, plan(ml100k, split, user, builtin))
        built.append([s.to_json() for s in steps])
    assert told[0] == told[1] and built[0] == built[1]
    said = "\n".join(told[0])
    assert len(said) > 5000
    assert not [t for t in marked if f"| {t} |" in said]


@pytest.mark.parametrize("name", [m for m in METHODS if m != "svdpp"])
def test_no_test_rating_reaches_a_baseline(ml100k, last10, name: str):
    flipped = _swap_test(last10, 6 - last10.test.rating)
    numbers = [
        create(name).fit(s.train, ml100k.scale).predict(s.test.user, s.test.item)
        for s in (last10, flipped)
    ]
    assert np.array_equal(*numbers)


def test_history_is_the_newest_training_part_oldest_first(ml100k, last10):
    rated = history_of(ml100k, last10, 405, 40)
    assert [r.item.id for r in rated] == last10.train.of_user(405).item.tolist()[-40:]
