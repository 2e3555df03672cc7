"""The time-aware factorization machine: what its residuals have seen, what drift it finds, what it falls back to."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lusifer import baselines
from lusifer.baselines import SideInformation, TimeAwareFM, fm_time, history_batches
from lusifer.baselines.fm import FactorizationMachine
from lusifer.baselines.residual_features import NAMES, ResidualHistory
from lusifer.datasets import RatingScale, RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation import predict_baseline
from lusifer.simulator import RunContext

SMALL: dict[str, Any] = {"rank": 3, "iterations": 20, "kept": 12, "folds": 3, "fold_iterations": 8, "fold_kept": 5}
SCALE = RatingScale(1, 5, 1)


@pytest.fixture(scope="module")
def side(ml100k) -> SideInformation:
    return SideInformation.from_dataset(ml100k)


@pytest.fixture(scope="module")
def rows(last10) -> RatingTable:
    return last10.train.of_users(last10.train.user_ids[::12].tolist())


@pytest.fixture(scope="module")
def fitted(side, rows) -> TimeAwareFM:
    return TimeAwareFM(side, **SMALL).fit(rows, SCALE, seed=3)


def keys(users, items) -> set[tuple[int, int]]:
    return set(zip(np.asarray(users).tolist(), np.asarray(items).tolist(), strict=True))


class Watched(FactorizationMachine):
    """A machine that writes down which ratings it was fitted on and asked about."""

    log: list[tuple[set[tuple[int, int]], list[set[tuple[int, int]]]]]

    def fit(self, train, scale, **options):
        self.asked: list[set[tuple[int, int]]] = []
        self.log.append((keys(train.user, train.item), self.asked))
        return super().fit(train, scale, **options)

    def predict(self, users, items):
        self.asked.append(keys(users, items))
        return super().predict(users, items)


@pytest.fixture
def log(monkeypatch) -> list[tuple[set[tuple[int, int]], list[set[tuple[int, int]]]]]:
    monkeypatch.setattr(Watched, "log", [], raising=False)
    monkeypatch.setattr(fm_time, "FactorizationMachine", Watched)
    return Watched.log


def test_no_machine_behind_a_residual_saw_what_it_is_asked_about(side, rows, log) -> None:
    TimeAwareFM(side, **SMALL).fit(rows, SCALE)
    every, folds = keys(rows.user, rows.item), SMALL["folds"]
    assert len(log) == 3 * folds + 3
    assert all(len(asked) == 1 and not seen & asked[0] for seen, asked in log[:-1])
    for start in (0, folds + 1):  # the rehearsals: first the held-out ratings, then folds of the others
        (rest, (held_out,)), parts = log[start], log[start + 1 : start + folds + 1]
        assert rest | held_out == every and not rest & held_out
        assert set.union(*(asked[0] for _, asked in parts)) == rest
        assert not any(held_out & seen for seen, _ in parts), "a residual's machine saw what is to be predicted"
    newest = {u: rows.of_user(u) for u in rows.user_ids.tolist()}
    assert log[0][1][0] == {
        pair
        for part in newest.values()
        for n in [min(10, len(part) // 2)]
        for pair in keys(part.user[len(part) - n :], part.item[len(part) - n :])
    }
    assert log[-1] == (every, []), "the whole machine comes last, and is asked nothing yet"


def test_an_estimate_ahead_knows_nothing_from_its_batch_on(side, rows, fitted, log) -> None:
    users = rows.user_ids[:5].tolist()
    at, batches = history_batches(rows, users, history=40, batch_size=10)
    found = fitted.predict_ahead(at, batches)
    assert np.isfinite(found).all()
    for number, (seen, asked) in enumerate(log):
        pass_of = log[number - number % (SMALL["folds"] + 1)]  # its first machine is asked about the batches
        for user in users:
            part = rows.of_user(user)
            in_time = list(zip(part.user.tolist(), part.item.tolist(), strict=True))
            known = [in_time.index(pair) for pair in seen if pair[0] == user]
            targets = [in_time.index(pair) for pair in pass_of[1][0] if pair[0] == user]
            assert not targets or max(known, default=-1) < min(targets)
        assert not seen & asked[0]


def test_later_ratings_change_no_estimate_ahead(side, rows, fitted) -> None:
    """The newest batch of one user marked: all that is said of this user's history is the same, to the last bit."""
    user = int(rows.user_ids[rows.counts.argmax()])
    at, batches = history_batches(rows, [user], history=40, batch_size=10)
    marked = rows.rating.copy()
    marked[at[batches == 0]] = 6 - marked[at[batches == 0]]
    other = TimeAwareFM(side, **SMALL).fit(replace(rows, rating=marked), SCALE, seed=3)
    np.testing.assert_array_equal(other.predict_ahead(at, batches), fitted.predict_ahead(at, batches))


def test_batches_of_a_history() -> None:
    table = RatingTable.from_arrays([1] * 7 + [2] * 2 + [3], range(10), [3.0] * 10, range(10))
    at, batches = history_batches(table, [1, 2, 9], history=5, batch_size=2)
    assert at.tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert batches.tolist() == [2, 2, 1, 1, 0, 0, 0]  # oldest first, so the newest batch is the shorter one


def test_features_by_hand() -> None:
    table = RatingTable.from_arrays([7, 7, 7, 8], [1, 2, 3, 1], [5, 4, 1, 3], [100, 100, 5000, 0])
    history = ResidualHistory(table, np.array([1.0, 0.5, -2.0, 9.0]))
    arguments = np.array([7, 7, 9]), np.array([4, 3, 4]), np.array([101, 5000, 5000]), np.array([3.5, 3.0, 2.0])
    asked, own, unknown = history.features(*arguments)
    of = dict(zip(NAMES, asked, strict=True))
    assert of["within 1 s"] == pytest.approx(1.5 / 7) and of["within 43200 s"] == pytest.approx(-0.5 / 8)
    assert of["before"] == pytest.approx(1.5 / 7) and of["after"] == pytest.approx(-2 / 6)
    assert of["nearest 3"] == of["nearest 40"] == of["all"] == pytest.approx(-0.5 / 8)
    assert of["log gap"] == pytest.approx(np.log(2)) and of["log ratings"] == pytest.approx(np.log(4))
    products = (1 * 0.5 + 0.5 * -2) + 1 * -2
    assert of["autocorrelation"] == pytest.approx(products / 4 / (1 + 0.25 + 4 + 5))
    assert of["predictor"] == 3.5
    assert dict(zip(NAMES, own, strict=True))["all"] == pytest.approx(1.5 / 7), "a rating is not told of itself"
    assert unknown[:-1].tolist() == [0.0] * (len(NAMES) - 1) and unknown[-1] == 2.0
    assert history.newest_times(np.array([8, 7, 9])).tolist() == [0, 5000, -1]


def test_a_rating_s_own_residual_never_reaches_its_features(rows) -> None:
    residuals = np.random.default_rng(0).normal(size=len(rows))
    base = np.zeros(len(rows))
    for row in (0, 57, len(rows) - 1):
        marked = residuals.copy()
        marked[row] = 99.0
        pair = rows.user[[row]], rows.item[[row]], rows.timestamp[[row]], base[[row]]
        first, second = (ResidualHistory(rows, r).features(*pair) for r in (residuals, marked))
        np.testing.assert_array_equal(first, second)


def test_what_is_asked_beside_a_pair_changes_nothing(fitted, rows, last10) -> None:
    test = last10.test.of_users(rows.user_ids[:20].tolist())
    whole = fitted.predict(test.user, test.item, test.timestamp)
    part = np.arange(len(test)) % 3 == 1
    np.testing.assert_allclose(fitted.predict(test.user[part], test.item[part], test.timestamp[part]), whole[part])


def test_unknown_users_and_times(side, rows, fitted, ml100k) -> None:
    known, stranger = int(rows.user_ids[0]), 943
    assert stranger not in rows.user_ids
    users, items = np.array([known, known, stranger, stranger]), np.array([1, 1682, 1, 1682])
    alone = FactorizationMachine(side, rank=3, iterations=20, kept=12).fit(rows, SCALE, seed=3).predict(users, items)
    for times in (None, np.zeros(4, np.int64), np.full(4, 10**12)):
        found = fitted.predict(users, items, times)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found[2:], alone[2:], err_msg="of a stranger the machine alone speaks")
        assert np.abs(found - alone).max() < 2
    assert len(fitted.predict(users[:0], items[:0], None)) == 0


def test_too_few_ratings_leave_the_machine_alone(side, rows) -> None:
    few = rows.slice(0, 120)
    users, items = few.user[:5], np.array([1, 2, 3, 4, 5], np.int32)
    found = TimeAwareFM(side, **SMALL).fit(few, SCALE, seed=3).predict(users, items, few.timestamp[:5])
    alone = FactorizationMachine(side, rank=3, iterations=20, kept=12).fit(few, SCALE, seed=3).predict(users, items)
    np.testing.assert_array_equal(found, alone)


@pytest.fixture
def small_method(monkeypatch) -> None:
    spec = baselines.BASELINES["fm-time"]
    monkeypatch.setitem(baselines.BASELINES, "fm-time", replace(spec, create=partial(TimeAwareFM, **SMALL)))


@pytest.mark.usefixtures("small_method")
def test_the_registry_passes_times_to_those_alone_that_declare_it(side, rows, last10) -> None:
    test = last10.test.of_users(rows.user_ids.tolist())
    assert [name for name, spec in baselines.BASELINES.items() if spec.needs_timestamps] == ["fm-time"]
    pairs = (test.user, test.item, test.timestamp)
    for name in ("bias", "fm-time"):
        made, _ = baselines.fit_and_predict(name, side, rows, SCALE, 3, pairs)
        later, _ = baselines.fit_and_predict(name, side, rows, SCALE, 3, (*pairs[:2], pairs[2] + 86_400 * 30))
        assert np.array_equal(made, later) == (name == "bias")


@pytest.mark.usefixtures("small_method")
def test_no_test_rating_reaches_it(ml100k, rows, last10) -> None:
    """Marked test ratings change no prediction; a comparison passes the times of the test part."""
    test = last10.test.of_users(rows.user_ids.tolist())
    made = [
        predict_baseline(RunContext(ml100k, Split("last-10", rows, part)), "fm-time", part).values
        for part in (test, replace(test, rating=6 - test.rating), replace(test, timestamp=test.timestamp + 10**7))
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_a_correction_of_a_machine_that_is_there_is_the_same(side, rows, fitted, last10) -> None:
    """All pairs ahead, and some between: what is fitted on top of the machine's numbers gives what the whole gives."""
    test = last10.test.of_users(rows.user_ids[:20].tolist())
    machine = FactorizationMachine(side, rank=3, iterations=20, kept=12).fit(rows, SCALE, seed=3)
    for times in (test.timestamp, np.where(np.arange(len(test)) % 3, test.timestamp, rows.timestamp.min())):
        pairs = test.user, test.item, times
        base = machine.predict(test.user, test.item)
        made = TimeAwareFM(side, **SMALL).fit_correction(rows, SCALE, pairs, seed=3)
        np.testing.assert_array_equal(made.correct(base, *pairs), fitted.predict(*pairs))
    ahead = TimeAwareFM(side, **SMALL).fit_correction(rows, SCALE, (test.user, test.item, test.timestamp), seed=3)
    for unknown in (None, times):
        with pytest.raises(InvalidInputError, match="other times"):
            ahead.correct(base, test.user, test.item, unknown)


def test_bad_arguments(side, rows, fitted) -> None:
    with pytest.raises(InvalidInputError, match="with 1 fold"):
        TimeAwareFM(side, folds=1)
    for at, batches in ((np.arange(3), np.arange(2)), (np.array([len(rows)]), np.array([0]))):
        with pytest.raises(InvalidInputError, match="history_batches"):
            fitted.predict_ahead(at, batches)
    nothing = np.array([], dtype=np.int64)
    assert len(fitted.predict_ahead(nothing, nothing)) == 0


def drifting(
    share: float, users: int = 300, ratings: int = 60, items: int = 120
) -> tuple[SideInformation, RatingTable]:
    """Sessions of ten ratings; the first ``share`` of the users come to each in another mood."""
    rng = np.random.default_rng(5)
    people = pd.DataFrame({"age": 30, "gender": "", "occupation": "", "zip_code": ""}, index=range(1, users + 1))
    things = pd.DataFrame({"title": "", "year": 1990, "genres": [()] * items}, index=range(1, items + 1))
    user = np.repeat(np.arange(users), ratings)
    item = np.concatenate([rng.permutation(items)[:ratings] for _ in range(users)])
    session = np.tile(np.arange(ratings) // 10, users)
    mood = rng.normal(0, 0.8, (users, ratings // 10)) * (np.arange(users) < share * users)[:, None]
    rating = 3.3 + rng.normal(0, 0.4, users)[user] + rng.normal(0, 0.5, items)[item] + mood[user, session]
    rating = np.clip(np.rint(rating + rng.normal(0, 0.7, len(user))), 1, 5)
    time = session * 1_000_000 + np.tile(np.arange(ratings) % 10, users) * 30
    return SideInformation(people, things), RatingTable.from_arrays(user + 1, item + 1, rating, time)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_planted_drift_is_found_and_none_is_made_up(share: float) -> None:
    side, table = drifting(share)
    tested = np.random.default_rng(1).random(len(table)) < 0.2
    train, test = table.select(~tested), table.select(tested)
    size = {"rank": 4, "iterations": 60, "kept": 40}
    timed = TimeAwareFM(side, **size, fold_iterations=20, fold_kept=12).fit(train, SCALE)
    found = timed.predict(test.user, test.item, test.timestamp)
    alone = FactorizationMachine(side, **size).fit(train, SCALE).predict(test.user, test.item)

    def rmse(values, rows) -> float:
        return float(np.sqrt(np.mean((values - test.rating)[rows] ** 2)))

    moody = test.user <= share * 300
    if moody.any():
        assert rmse(found, moody) < rmse(alone, moody) - 0.1
    else:
        assert rmse(found, ~moody) < rmse(alone, ~moody) + 0.003
