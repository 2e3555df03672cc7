"""What every baseline must do, and how well it must predict."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lusifer import baselines
from lusifer.baselines import rnn4rec
from lusifer.baselines.fm import FactorizationMachine
from lusifer.datasets import splits
from lusifer.errors import CancelledError, InvalidInputError
from lusifer.evaluation import evaluate, predict_baseline, scores
from lusifer.simulator import RunContext

NAMES = list(baselines.BASELINES)
LAST10 = {
    "constant": (1.15, 1.22),
    "user-mean": (1.14, 1.19),
    "item-mean": (1.03, 1.12),
    "bias": (1.01, 1.04),
    "item-knn": (0.99, 1.02),
    "als": (0.99, 1.025),
    "svdpp": (0.99, 1.03),
    "ncf": (0.99, 1.03),
    "rnn4rec": (0.99, 1.025),
    "fm": (0.96, 0.983),
    "fm-time": (0.95, 0.969),
}
U1 = {
    "constant": (1.14, 1.17),
    "user-mean": (1.05, 1.08),
    "item-mean": (1.02, 1.05),
    "bias": (0.94, 0.960),
    "item-knn": (0.90, 0.928),
    "als": (0.91, 0.935),
    "svdpp": (0.91, 0.932),
    "ncf": (0.91, 0.932),
    "rnn4rec": (0.91, 0.942),
    "fm": (0.87, 0.890),
    "fm-time": (0.86, 0.876),
}


FEWER_ROUNDS: dict[str, dict[str, int]] = {
    "fm": {"iterations": 40, "kept": 20},
    "fm-time": {"iterations": 40, "kept": 20, "fold_iterations": 10, "fold_kept": 5},
}
"""What is exact, or told as it goes, is so after few rounds as well."""


def create_small(name: str, side: baselines.SideInformation) -> baselines.Predictor:
    predictor = baselines.create(name, side)
    for setting, value in FEWER_ROUNDS.get(name, {}).items():
        setattr(predictor, setting, value)
    return predictor


@pytest.fixture(scope="module")
def side(ml100k):
    return baselines.SideInformation.from_dataset(ml100k)


def test_every_baseline_has_an_error_band() -> None:
    assert set(NAMES) == set(LAST10) == set(U1)


@pytest.fixture(scope="module")
def found(ml100k, last10, warm):
    return evaluate(RunContext(ml100k, last10, cache_dir=warm / ".prepared" / "kept"), NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_error_on_last_10(found, name: str) -> None:
    low, high = LAST10[name]
    assert low <= found.scores()[name]["rmse"] <= high


@pytest.mark.parametrize("name", NAMES)
def test_error_on_u1(ml100k, grouplens, name: str) -> None:
    split = splits.make(ml100k, "u1")
    made = predict_baseline(RunContext(ml100k, split), name, split.test)
    low, high = U1[name]
    assert low <= scores(made.values, split.test.rating)["rmse"] <= high


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_numbers_and_unknown_pairs(ml100k, last10, side, name: str) -> None:
    rows = last10.train.slice(0, 1500)
    users = np.array([int(rows.user[0]), 999_999, int(rows.user[0]), 999_999])
    items = np.array([int(rows.item[0]), int(rows.item[0]), 999_999, 999_999])
    if baselines.BASELINES[
        name
    ].needs_side_information:  # it knows the data set's own users and items, with ratings or without
        users[[1, 3]], items[[2, 3]] = 943, 1682
    made = []
    for _ in range(2):
        predictor = create_small(name, side)
        predictor.fit(rows, ml100k.scale, seed=7)
        made.append(predictor.predict(users, items))
    assert made[0].shape == (4,) and np.isfinite(made[0]).all()
    np.testing.assert_array_equal(made[0], made[1])


@pytest.mark.parametrize("name", ["als", "svdpp", "ncf", "rnn4rec", "fm", "fm-time", "item-knn"])
def test_progress_is_told_and_a_fit_can_be_stopped(ml100k, last10, side, name: str) -> None:
    rows = last10.train.slice(0, 1500)
    told: list[tuple[int, int]] = []
    create_small(name, side).fit(rows, ml100k.scale, on_progress=lambda *at: told.append(at))
    assert told[-1][0] == told[-1][1] and told == sorted(told)

    def stop(done: int, total: int, message: str = "") -> None:
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        create_small(name, side).fit(rows, ml100k.scale, on_progress=stop)


@pytest.mark.parametrize("name", [n for n in NAMES if not baselines.BASELINES[n].needs_side_information])
def test_half_stars(name: str) -> None:
    from lusifer.datasets import RatingScale, RatingTable

    rng = np.random.default_rng(0)
    user, item = np.repeat(np.arange(1, 41), 12), np.tile(np.arange(1, 13), 40)
    rating = np.clip(rng.integers(1, 11, 480) / 2, 0.5, 5)
    table = RatingTable.from_arrays(user, item, rating, np.arange(480))
    predictor = baselines.create(name)
    predictor.fit(table, RatingScale(0.5, 5.0, 0.5))
    assert np.isfinite(predictor.predict(table.user, table.item)).all()


def test_bias_is_what_its_definition_says(ml100k, last10) -> None:
    """One pair worked out by hand: damped item offset, then damped user offset of what is left."""
    predictor = baselines.create("bias")
    predictor.fit(last10.train, ml100k.scale, seed=0)
    train, user, item = last10.train, int(last10.test.user[0]), int(last10.test.item[0])
    mean = float(train.rating.astype(float).mean())

    def offset(of: int) -> float:
        given = train.rating[train.item == of].astype(float)
        return float((given - mean).sum() / (len(given) + 5))

    mine = train.of_user(user)
    left = [r - mean - offset(i) for r, i in zip(mine.rating.tolist(), mine.item.tolist(), strict=True)]
    expected = mean + offset(item) + sum(left) / (len(left) + 5)
    assert predictor.predict(np.array([user]), np.array([item]))[0] == pytest.approx(expected)


def test_als_solves_its_own_equations(ml100k, last10) -> None:
    """After a fit, no item's factors can be moved to lower the penalised squared error."""
    als = baselines.ALS(factors=4, iterations=3).fit(last10.train, ml100k.scale)
    item = int(last10.train.item[0])
    rows = last10.train.select(last10.train.item == item)
    rest = rows.rating - als.bias.predict(rows.user, rows.item)
    met = als.users[np.searchsorted(als.user_ids, rows.user)]
    q = als.items[np.searchsorted(als.item_ids, item)]
    gradient = met.T @ (met @ q - rest) + als.regularisation * q
    assert np.abs(gradient).max() < 1e-8


def test_the_gru_gradient_against_finite_differences() -> None:
    rng = np.random.default_rng(3)
    steps, batch, inputs, hidden, outputs = 5, 3, 4, 6, 2
    w = rnn4rec.make_weights(inputs, hidden, outputs, rng)
    x, f = rng.normal(size=(steps, batch, inputs)), rng.normal(size=(steps, batch, outputs))
    y, mask = rng.normal(size=(steps, batch)), (rng.random((steps, batch)) < 0.7).astype(float)
    drop = (rng.random((1, batch, hidden)) < 0.6) / 0.6
    _, gradient = rnn4rec.loss(w, x, f, y, mask, drop)
    for name, values in w.items():
        for at in rng.choice(values.size, min(values.size, 12), replace=False):
            place = np.unravel_index(at, values.shape)
            kept, small = values[place], 1e-6
            found = []
            for step in (small, -small):
                values[place] = kept + step
                found.append(rnn4rec.loss(w, x, f, y, mask, drop)[0])
            values[place] = kept
            numeric = (found[0] - found[1]) / (2 * small)
            assert gradient[name][place] == pytest.approx(numeric, rel=1e-4, abs=1e-8), name


def test_the_ordinal_machine_gives_a_distribution(ml100k, last10, side) -> None:
    rows = last10.train.slice(0, 6000)
    machine = FactorizationMachine(side, iterations=30, kept=20, ordinal=True)
    machine.fit(rows, ml100k.scale, seed=1)
    chances = machine.predict_probabilities(rows.user[:500], rows.item[:500])
    assert chances.shape == (500, 5) and (chances >= 0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    expected = machine.predict(rows.user[:500], rows.item[:500])
    np.testing.assert_allclose(expected, chances @ ml100k.scale.values)
    assert stats.pearsonr(expected, rows.rating[:500]).statistic > 0.4
    again = FactorizationMachine(side, ordinal=True).with_samples(machine.samples, ml100k.scale)
    np.testing.assert_array_equal(again.predict(rows.user[:9], rows.item[:9]), expected[:9])
    newest = machine.samples.newest(5)
    assert newest.start.shape == (5,) and newest.user.shape[1] == newest.item.shape[1] == 5


def test_the_machine_s_folded_scores_are_the_library_s_own(ml100k, last10, side) -> None:
    """Our dot products of folded draws against the score that the library computes from its weights."""
    import myfm
    from scipy import sparse

    from lusifer.baselines.fm import _fold

    rng = np.random.default_rng(0)
    x = sparse.random(30, 12, 0.4, format="csr", random_state=1)
    z = sparse.random(20, 9, 0.4, format="csr", random_state=2)
    user, item = rng.integers(0, 30, 200), rng.integers(0, 20, 200)
    blocks = [myfm.RelationBlock(user.tolist(), x), myfm.RelationBlock(item.tolist(), z)]
    ours, theirs = [], []

    def callback(at, machine, *_):
        start, a, qa, b, qb, _cuts = _fold(machine, x, z, ordinal=False)
        ours.append(start + a[user] + b[item] + (qa[user] * qb[item]).sum(axis=1))
        theirs.append(machine.predict_score(sparse.csr_matrix((200, 0)), blocks))
        return False, None

    myfm.MyFMRegressor(3, random_seed=1).fit(
        sparse.csr_matrix((200, 0)), rng.normal(size=200), X_rel=blocks, n_iter=3, callback=callback
    )
    np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=1e-4)


def test_unknown_baseline(ml100k, last10, side) -> None:
    with pytest.raises(InvalidInputError, match="no predictor"):
        baselines.create("oracle")
    with pytest.raises(InvalidInputError, match="needs side information on users and items"):
        baselines.create("fm")
    with pytest.raises(InvalidInputError, match="draws can't be kept"):
        FactorizationMachine(side, iterations=3, kept=4)
