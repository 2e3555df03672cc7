"""Splits: what is in them, and that a test rating never reaches a model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lusifer import datasets, prompts
from lusifer.baselines import BASELINES, create
from lusifer.datasets import splits
from lusifer.datasets.dataset import RatingTable
from lusifer.errors import DatasetError, InvalidInputError
from lusifer.simulator import RunContext, make_evolution_spec
from lusifer.simulator.evolution import evolve, history_of
from tests.conftest import link, write_tiny


def test_last10_is_each_users_newest(ml100k, last10):
    assert (len(last10.test), len(last10.known), len(last10.train)) == (9430 - 38, 38, 90_570)
    for user in (1, 405, 943):
        everything = ml100k.ratings.of_user(user)
        assert last10.test.of_user(user).item.tolist() == everything.item.tolist()[-10:]
        assert last10.train.of_user(user).item.tolist() == everything.item.tolist()[:-10]


def test_u1_is_grouplens_own(grouplens: Path, ml100k):
    assert splits.names(ml100k)[:6] == ["last-10", "u1", "u2", "u3", "u4", "u5"]
    u1 = splits.make(ml100k, "u1")
    assert (len(u1.train), len(u1.test), len(u1.known)) == (80_000, 20_000 - 70, 70)


@pytest.mark.parametrize("name", ["last-10", "random", "global-time", "cold-5"])
def test_what_is_known_under_another_id_is_not_tested(ml100k, name: str):
    """MovieLens 100K has 18 movies under two ids; a rating under one is known under the other."""
    split = splits.make(ml100k, name)
    train, test, known, everything = (
        Counter(zip(t.user.tolist(), ml100k.items.title[t.item], strict=True))
        for t in (split.train, split.test, split.known, ml100k.ratings)
    )
    assert not train.keys() & test.keys() and all(everything[pair] > n for pair, n in known.items())
    count = len(split.known)
    assert split.describe_known(ml100k.user_ids).startswith(f"{count} test ratings are left out" if count else "")


def test_fixed_splits_need_their_files(recbole: Path, tmp_path: Path):
    link(tmp_path / "ml-100k", recbole)
    data = datasets.load("ml-100k", tmp_path)
    assert not [n for n in splits.names(data) if n.startswith("u")]
    with pytest.raises(InvalidInputError, match="no split u1: its files come only"):
        splits.make(data, "u1")
    with pytest.raises(InvalidInputError, match="no split 'later'"):
        splits.make(data, "later")


@pytest.fixture
def tiny(tmp_path: Path):
    rows = [(1, i, 1 + i % 5, 100 + i) for i in range(1, 14)] + [(2, i, 3, i) for i in (1, 2, 3)]
    return datasets.load(str(write_tiny(tmp_path / "tiny", rows, 3, 13)), tmp_path)


def _csv(path: Path, rows) -> Path:
    path.write_text(
        "user_id,item_id,rating,timestamp\n" + "\n".join(",".join(map(str, r)) for r in rows), encoding="utf-8"
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
        ([(1, 1, 5, 1)], "is in both a.csv and b.csv"),
        ([(9, 1, 5, 1)], "rates user 9"),
        ([(1, 99, 5, 1)], "rates movie 99"),
        ([(1, 3, 4.5, 1)], "rating of 4.5, which is not on the scale"),
        ([], "no rating"),
        ([(2, 1, 5, 1), (2, 1, 4, 2)], "rates movie 1 by user 2 more than once"),
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
    from lusifer.simulator.builtin import StatisticalUserModel
    from lusifer.simulator.llm_model import LLMUserModel

    marked = [ml100k.item(i).title for i in last10.test.of_user(user).item.tolist()]
    flipped = _swap_test(last10, 6 - last10.test.rating)
    told, built = [], []
    for split in (last10, flipped):
        listener = Listener()
        model = LLMUserModel(listener, prompts.load())
        list(evolve(ml100k, split, model, make_evolution_spec(ml100k, split, user, model)))
        told.append(listener.heard)
        builtin = StatisticalUserModel()
        steps = evolve(ml100k, split, builtin, make_evolution_spec(ml100k, split, user, builtin))
        built.append([s.to_json() for s in steps])
    assert told[0] == told[1] and built[0] == built[1]
    said = "\n".join(told[0])
    assert len(said) > 5000
    assert not [t for t in marked if f"| {t} |" in said]


@pytest.mark.parametrize("name", [m for m in BASELINES if m not in {"svdpp", "fm", "fm-time"}])
def test_no_test_rating_reaches_a_baseline(ml100k, last10, name: str):
    """On some of the users: what is looked for does not hang on how many."""
    some = last10.train.user_ids[::4].tolist()
    few = splits.Split(last10.name, last10.train.of_users(some), last10.test.of_users(some))
    flipped = _swap_test(few, 6 - few.test.rating)
    numbers = [create(name).fit(s.train, ml100k.scale).predict(s.test.user, s.test.item) for s in (few, flipped)]
    assert np.array_equal(*numbers)


RULED = ["last-10", "last-3", "global-time", "random", "random-7", "cold-0", "cold-3", "cold-10"]


@pytest.mark.parametrize("name", [*RULED, "u1", "u4"])
def test_no_test_rating_reaches_evidence_or_calibration(ml100k, name: str, monkeypatch):
    """With other test ratings every offset, every fold and every calibrated rating is the same."""
    from lusifer.evaluation import evaluate
    from lusifer.simulator import StatisticalUserModel, community
    from lusifer.simulator.calibration import forecasts

    monkeypatch.setattr(forecasts, "MAX_TEACHERS", 60)  # enough to learn from, and quick

    if name.startswith("u") and name not in ml100k.fixed_splits:
        pytest.skip("needs GroupLens' own ml-100k files (set LUSIFER_TEST_DATA)")
    split = splits.make(ml100k, name)
    flipped = _swap_test(split, 6 - split.test.rating)
    users = split.test.user_ids[::40].tolist()
    found = []
    for s in (split, flipped):
        told = community.offsets_only(ml100k, s)
        made = evaluate(
            RunContext(ml100k, s), ["simulator", "bias"], users=users, model=StatisticalUserModel(), community=told
        )
        found.append((made, told))
    for label in ("simulator", "simulator-calibrated", "bias"):
        values = [f.predictions[label].values for f, _ in found]
        assert np.isfinite(values[0]).all() and np.array_equal(*values), label
    assert found[0][1].id == found[1][1].id


@pytest.mark.parametrize("name", RULED)
def test_every_rule_divides_all_ratings(ml100k, name: str):
    """No rating in both parts, none made up; what is left out is only what a cold start does not know."""
    split = splits.make(ml100k, name)
    parts = (split.train, split.test, split.known)
    keys = [set(zip(p.user.tolist(), p.item.tolist(), strict=True)) for p in parts]
    everything = set(zip(ml100k.ratings.user.tolist(), ml100k.ratings.item.tolist(), strict=True))
    together = keys[0] | keys[1] | keys[2]
    assert len(together) == sum(map(len, keys)) and together <= everything
    assert name.startswith("cold") or together == everything
    again = splits.make(ml100k, name)
    assert again.train.hash == split.train.hash and again.test.hash == split.test.hash
    assert splits.describe(name) != "Two custom files." and "{n}" not in splits.describe(name)


def test_rules_by_time_and_chance(ml100k):
    timed = splits.make(ml100k, "global-time")
    assert timed.train.timestamp.max() <= timed.test.timestamp.min() and len(timed.test) == 20_000 - 5
    one, other = splits.make(ml100k, "random"), splits.make(ml100k, "random-7")
    assert one.test.hash != other.test.hash and abs(len(one.test) - 20_000) < 500


def test_cold_starts_share_their_test_rows(ml100k):
    cut = {k: splits.make(ml100k, f"cold-{k}") for k in splits.COLD}
    assert len({s.test.hash for s in cut.values()}) == 1
    cold = cut[0].test.user_ids
    assert len(cold) == 188
    for k, split in cut.items():
        for user in cold[::17].tolist():
            mine, whole = split.train.of_user(user), ml100k.ratings.of_user(user)
            assert mine.item.tolist() == whole.item.tolist()[:-10][-k:][: k or None][: len(mine)]
            assert len(mine) == min(k, len(whole) - 10)
        other = int(np.setdiff1d(ml100k.user_ids, cold)[0])
        assert len(split.train.of_user(other)) == len(ml100k.ratings.of_user(other))


def test_development_and_held_out_users(ml100k):
    dev, held = splits.development(ml100k.user_ids), splits.held_out(ml100k.user_ids)
    assert len(dev) == 472 and len(held) == 471 and not set(dev) & set(held)
    assert np.array_equal(dev, splits.development(ml100k.user_ids))
    assert not np.array_equal(dev, splits.development(ml100k.user_ids, seed=1))


def test_files_of_one_name_are_not_one_split(tiny, tmp_path: Path):
    found = []
    for n in (4, 5):
        folder = tmp_path / str(n)
        folder.mkdir()
        train = _csv(folder / "a.csv", [(1, 1, n, 1), (1, 2, 4, 2)])
        found.append(splits.from_files(tiny, train, _csv(folder / "b.csv", [(2, 1, 3, 3)])))
    assert found[0].name == found[1].name and found[0].id != found[1].id
    assert splits.make(tiny, "last-2").id == "last-2"


def test_history_is_the_newest_training_part_oldest_first(ml100k, last10):
    rated = history_of(ml100k, last10, 405, 40)
    assert [r.item.id for r in rated] == last10.train.of_user(405).item.tolist()[-40:]


@pytest.mark.parametrize("name", ["last-1000", "cold-1000"])
def test_a_part_without_a_rating_is_said(ml100k, name: str):
    if name == "last-1000":
        with pytest.raises(InvalidInputError, match="no rating is left for the training set"):
            splits.make(ml100k, name)
    else:
        assert len(splits.make(ml100k, name).test) == 1880 - 8


def test_two_files_rate_by_the_ids_in_the_datasets_files(tmp_path: Path) -> None:
    from tests.datasets.tables import RATINGS, accept, lines, ratings, write

    data = accept(write(tmp_path / "x", r__csv=ratings(lambda u: f"A{u}", lambda i: f"{i:05d}")))
    rows = [(f"A{u}", f"{i:05d}", r, t) for u, i, r, t in RATINGS]
    header = ("user_id", "item_id", "rating", "timestamp")
    parts = write(tmp_path / "parts", train__csv=lines(header, rows[:60]), test__csv=lines(header, rows[60:]))
    split = splits.from_files(data, parts / "train.csv", parts / "test.csv")
    assert (len(split.train), len(split.test)) == (60, 12)
    assert {data.user_label(int(u)) for u in split.test.user} == {"A6"}
    for line in ("7,00001,3,5", "A1,1,3,5", "A1,00001,six,5"):
        (parts / "bad.csv").write_text(lines(header, rows[60:]) + line + "\n")
        with pytest.raises(DatasetError, match="bad.csv"):
            splits.from_files(data, parts / "train.csv", parts / "bad.csv")
