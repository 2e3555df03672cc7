"""The map of users on real ratings: who stands where, who is like whom, who is found by words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lusifer.errors import CancelledError
from lusifer.evaluation.user_map import UserMap, build_user_map, load_user_map
from lusifer.evaluation.user_search import LEAST_EFFECT, read_search
from lusifer.simulator.evolution import rated_rows
from lusifer.simulator.taste import measure_tastes, user_mean


@pytest.fixture(scope="module")
def users(ml100k, last10, tmp_path_factory) -> UserMap:
    folder = tmp_path_factory.mktemp("map")
    made = build_user_map(ml100k, last10, folder)
    kept = load_user_map(ml100k, last10, folder)
    assert kept is not None and kept.genres == made.genres and np.array_equal(kept.positions, made.positions)
    return kept


def test_everybody_of_the_training_part_stands_where_their_tastes_are(users, ml100k, last10, tmp_path: Path) -> None:
    assert load_user_map(ml100k, last10, tmp_path) is None
    assert users.users.tolist() == last10.train.user_ids.tolist() and np.isfinite(users.positions).all()
    assert users.positions.std(axis=0).min() > 0 and users.row_of(10**6) is None
    train = last10.train.of_user(452)
    row = users.row_of(452)
    assert users.mean[row] == pytest.approx(train.rating.mean()) and users.ratings[row] == len(train)
    rated = rated_rows(ml100k, train)
    tastes = measure_tastes(rated, user_mean(rated, 0.0))
    for genre, effect, count in zip(users.genres, users.effects[row], users.counts[row], strict=True):
        if count == tastes[f"genre:{genre}"].count if f"genre:{genre}" in tastes else not count:
            assert effect == pytest.approx(tastes[f"genre:{genre}"].effect if count else 0.0, abs=1e-5), genre
    low, high = users.poles(0)
    assert low and high and not set(low.split(", ")) & set(high.split(", "))
    with pytest.raises(CancelledError):
        build_user_map(ml100k, last10, cancelled=lambda: True)


def test_who_is_alike_agrees_more_than_anybody_else(users) -> None:
    alike = users.alike(452, 20)
    assert len(alike) == 20 and 452 not in set(alike["user"]) and alike["rank"].is_monotonic_decreasing
    rows = np.searchsorted(users.users, alike["user"])
    tastes = np.corrcoef(users.effects)[users.row_of(452)]
    assert tastes[rows].mean() > tastes.mean() + 2 * tastes.std() / np.sqrt(len(rows))
    assert users.alike(10**6).empty


@pytest.mark.parametrize(
    ("text", "said", "ignored"),
    [
        ("likes noir, strict", ["likes Film-Noir", "strict"], ()),
        ("hates comedies and loves war films", ["dislikes Comedy", "likes War"], ()),
        ("science fiction, westerns, not horror", ["likes Sci-Fi", "likes Western", "dislikes Horror"], ()),
        ("not strict; Children's, blorp", ["not strict", "likes Children"], ("blorp",)),
        ("strict about drama", ["dislikes Drama"], ()),
        ("women, students, funny", ["gender is F", "occupation is student", "likes funny (Comedy)"], ()),
        ("warfare", [], ("warfare",)),
        ("", [], ()),
    ],
)
def test_words_are_read_and_what_is_not_is_said(users, ml100k, text: str, said: list[str], ignored: tuple) -> None:
    search = read_search(text, users, ml100k)
    assert [c.said.split(":")[0] for c in search.criteria] == said
    assert search.ignored == ignored
    assert (search.matches(users)[1] > 0) == bool(said)


def test_found_are_those_whom_the_ratings_say_so_of(users, ml100k) -> None:
    found, count = read_search("likes noir, strict", users, ml100k).matches(users, 1000)
    rows, noir = np.searchsorted(users.users, found["user"]), users.genres.index("Film-Noir")
    wanted = (users.effects[:, noir] >= LEAST_EFFECT) & (users.counts[:, noir] >= 2)
    wanted &= users.mean <= np.quantile(users.mean, 0.25)
    assert set(rows) == set(np.flatnonzero(wanted)) and count == len(rows) > 0
    assert all("Film-Noir +" in why and "mean" in why for why in found["why"])
