"""Community evidence: of others alone, and never of the rating that it is asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lusifer import datasets, prompts
from lusifer.baselines import Bias, SideInformation
from lusifer.datasets import splits
from lusifer.datasets.dataset import RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import CancelledError, InvalidInputError
from lusifer.simulator import LLMUserModel, StatisticalUserModel, evolve, make_evolution_spec, rate_items
from lusifer.simulator import community as evidence
from lusifer.simulator.community import preparation
from tests.conftest import write_tiny
from tests.datasets.test_splits import Listener


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Sixty users with tastes, thirty movies, in GroupLens' layout."""
    rng = np.random.default_rng(4)
    taste, kind = rng.normal(size=60), rng.normal(size=30)
    rows = []
    for user in range(60):
        for at, item in enumerate(rng.choice(30, 22, replace=False)):
            value = 3 + taste[user] * kind[item] + 0.4 * rng.normal()
            rows.append((user + 1, int(item) + 1, int(np.clip(round(value), 1, 5)), 1000 + at))
    folder = tmp_path_factory.mktemp("small")
    return datasets.load(str(write_tiny(folder / "set", rows, 60, 30)), folder)


@pytest.fixture
def quick(monkeypatch):
    """Fewer rounds of sampling: what is tested here is what goes in, not how well it predicts."""
    monkeypatch.setattr(preparation, "FULL_FIT", (12, 8))
    monkeypatch.setattr(preparation, "FOLD_FIT", (8, 6))


def _with(split: Split, part: str, row: int, rating: float) -> Split:
    """The split with one rating changed."""
    table = getattr(split, part)
    ratings = table.rating.copy()
    ratings[row] = rating
    changed = RatingTable(table.user, table.item, ratings, table.timestamp)
    parts = {"train": split.train, "test": split.test, part: changed}
    return Split(split.name, parts["train"], parts["test"])


def _same(a: evidence.Columns, b: evidence.Columns) -> bool:
    return all(np.array_equal(a[k], b[k], equal_nan=True) for k in a) and set(a) == set(b)


def test_evidence_on_a_training_pair_does_not_know_its_rating(small, tmp_path, quick) -> None:
    split = splits.make(small, "last-5")
    rows = np.flatnonzero(split.train.user == 7)[-3:]
    whole = evidence.with_factorization(small, split, tmp_path)
    for row in rows.tolist():
        was = float(split.train.rating[row])
        other = evidence.with_factorization(small, _with(split, "train", row, 1.0 if was > 2 else 5.0), tmp_path)
        pair = split.train.user[row : row + 1], split.train.item[row : row + 1]
        assert other.id != whole.id
        assert _same(whole.evidence_for(*pair), other.evidence_for(*pair)), "it knows the rating it is asked about"
        later = split.test.of_user(7)
        assert not _same(whole.evidence_for(later.user, later.item), other.evidence_for(later.user, later.item))


def test_evidence_does_not_know_a_test_rating(small, tmp_path, quick) -> None:
    split = splits.make(small, "last-5")
    flipped = Split(
        split.name,
        split.train,
        RatingTable(split.test.user, split.test.item, 6 - split.test.rating, split.test.timestamp),
    )
    a, b = (evidence.with_factorization(small, s, tmp_path / str(n)) for n, s in enumerate((split, flipped)))
    assert _same(a.evidence_for(split.test.user, split.test.item), b.evidence_for(split.test.user, split.test.item))
    light = evidence.offsets_only(small, split), evidence.offsets_only(small, flipped)
    for part in (split.train, split.test):
        assert _same(*(c.evidence_for(part.user, part.item) for c in light))


def test_what_is_kept_is_what_was_computed(small, tmp_path, quick, monkeypatch) -> None:
    split = splits.make(small, "last-5")
    assert not evidence.is_cached(small, split, tmp_path)
    told: list[tuple[int, int]] = []
    first = evidence.with_factorization(small, split, tmp_path, on_progress=lambda *at: told.append(at))
    assert evidence.is_cached(small, split, tmp_path) and told[-1][1] == 200, "hundredths of each of two processes"

    def again(*_, **__):
        raise AssertionError("computed a second time")

    monkeypatch.setattr(preparation.subprocess_runner, "run", again)
    second = evidence.with_factorization(small, split, tmp_path)
    assert _same(first.evidence_for([1, 2, 3], [4, 5, 6]), second.evidence_for([1, 2, 3], [4, 5, 6]))
    (next(tmp_path.glob("*.npz"))).write_bytes(b"half a file")
    with pytest.raises(AssertionError, match="second time"):
        evidence.with_factorization(small, split, tmp_path)


def test_cancel_keeps_nothing_half_made(small, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(preparation, "FULL_FIT", (5000, 8))
    asked = []
    with pytest.raises(CancelledError):
        evidence.with_factorization(
            small,
            splits.make(small, "last-5"),
            tmp_path,
            cancelled=lambda: asked.append(1) or len(asked) > 4,
        )
    assert not list(tmp_path.iterdir())


def test_neighbours_against_the_definition(small) -> None:
    split = splits.make(small, "last-5")
    side = SideInformation.from_dataset(small)
    bias = Bias().fit(split.train, small.scale)
    rest = split.train.rating - bias.predict(split.train.user, split.train.item)
    near = evidence.UserNeighbors(side, split.train, rest)
    dense = near.x.toarray()
    met = near.met.toarray()
    likeness = near.similarity(3)
    for other in (0, 10, 40):
        common = (met[3] * met[other]).astype(bool)
        a, b = dense[3][common], dense[other][common]
        expected = max(a @ b / (np.sqrt((a @ a) * (b @ b)) + near.doubt), 0)
        assert likeness[other] == pytest.approx(expected)
    item = int(split.test.of_user(4).item[0])
    made = near.deviations_for(np.array([4]), np.array([item]))
    raters = np.flatnonzero(met[:, item - 1])
    top = [u for u in raters[np.argsort(-likeness[raters], kind="stable")][:20] if likeness[u] > 0]
    w = likeness[top]
    assert made["near"][0] == pytest.approx(w @ dense[top, item - 1] / (w.sum() + 1))
    assert made["near_count"][0] == len(top)


def test_folds_lie_in_time_as_the_test_part_does(ml100k, last10) -> None:
    fold = evidence.assign_folds(last10, 40, 0)
    for user in (1, 405, 943):
        mine = fold[last10.train.user == user][::-1][:40]
        assert (fold[last10.train.user == user][::-1][40:] == -1).all()
        batches = [set(mine[at : at + 10].tolist()) for at in range(0, len(mine), 10)]
        assert all(len(b) == 1 for b in batches) and len({*map(tuple, batches)}) == len(batches)
    strewn = splits.make(ml100k, "random")
    assert last10.forward and not strewn.forward
    assert len(set(evidence.assign_folds(strewn, 40, 0)[-10:].tolist())) > 1


def test_a_model_is_told_the_crowd_and_says_so(small, tmp_path, quick) -> None:
    split = splits.make(small, "last-5")
    told = evidence.with_factorization(small, split, tmp_path)
    listener = Listener()
    model = LLMUserModel(listener, replace(prompts.load(), evidence=True))
    what = make_evolution_spec(small, split, 9, model, community=told)
    list(evolve(small, split, model, what, community=told))
    asked = [t for t in listener.heard if "MOVIES TO RATE" in t]
    assert asked and all("estimate for this user" in t and "| others" in t for t in asked)
    alone = Listener()
    bare = LLMUserModel(alone, prompts.load())
    list(evolve(small, split, bare, make_evolution_spec(small, split, 9, bare)))
    assert not [t for t in alone.heard if "others" in t and "MOVIES TO RATE" in t]
    assert model.version != bare.version
    builtin = StatisticalUserModel(evidence=True)
    what = make_evolution_spec(small, split, 9, builtin, community=told)
    assert what.id != make_evolution_spec(small, split, 9, StatisticalUserModel()).id
    steps = list(evolve(small, split, builtin, what, community=told))
    reasons = [f.reason for s in steps for f in s.forecast]
    assert all("crowd" in r or "Nobody else" in r for r in reasons)


def test_evidence_that_is_not_there_is_asked_for(small, tmp_path) -> None:
    split = splits.make(small, "last-5")
    model = StatisticalUserModel(evidence=True)
    with pytest.raises(InvalidInputError, match="has not been computed"):
        make_evolution_spec(small, split, 9, model)
    light = evidence.offsets_only(small, split)
    with pytest.raises(InvalidInputError, match="histories of 40"):
        make_evolution_spec(small, split, 9, model, history=80, community=light)


def test_the_crowd_of_one_movie(ml100k, last10) -> None:
    light = evidence.offsets_only(ml100k, last10)
    item = int(last10.test.of_user(405).item[0])
    crowd = light.item_evidence(405, [item])[item]
    ratings = last10.train.rating[last10.train.item == item].astype(float)
    assert crowd.count == len(ratings) and crowd.fm_estimate is None and crowd.near_mean is None
    damped = (ratings.sum() + 5 * last10.train.mean) / (len(ratings) + 5)
    assert crowd.mean == pytest.approx(damped)


def test_a_folder_that_cant_be_written(small, quick, tmp_path) -> None:
    (tmp_path / "a file").touch()
    made = evidence.with_factorization(small, splits.make(small, "last-5"), tmp_path / "a file" / "below it")
    assert made.has_factorization


def test_there_is_no_crowd_for_an_old_rating_of_the_users_own(small, tmp_path, quick) -> None:
    """What was rated before any history that is read is in everything that is fitted."""
    split = splits.make(small, "last-5")
    told = evidence.with_factorization(small, split, tmp_path, history=5)
    mine = split.train.of_user(9).item.tolist()
    old, read = mine[:-5], mine[-5:]
    crowd = told.item_evidence(9, [*old, *read, int(split.test.of_user(9).item[0])])
    assert not set(crowd) & set(old) and set(read) < set(crowd) and len(crowd) == len(read) + 1
    assert told.item_evidence(9, old) == {}
    builtin = StatisticalUserModel(evidence=True)
    what = make_evolution_spec(small, split, 9, builtin, history=5, community=told)
    steps = list(evolve(small, split, builtin, what, community=told))
    rated = rate_items(small, split, builtin, what, steps, small.items_of(old[:2]), None, told)
    assert not [r for r in rated if "crowd" in r.reason]


def test_half_a_file_is_not_taken_for_prepared(small, tmp_path, quick) -> None:
    split = splits.make(small, "last-5")
    evidence.with_factorization(small, split, tmp_path)
    file = next(tmp_path.glob("*.npz"))
    file.write_bytes(file.read_bytes()[:5000])
    assert not evidence.is_cached(small, split, tmp_path)
