"""What the linked view of an evolution is given: a real model's evolution as plain data, with what caused what."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lusifer.datasets import Item, ItemNouns, RatingScale
from lusifer.evaluation.audit import Claim, Evidence, audit
from lusifer.simulator import Step, UserModelConfig, evolve, make_evolution_spec
from lusifer.simulator.diff import Line
from lusifer.simulator.types import Bullet, Change, Profile, Rated, SimulatedRating
from lusifer.store import Store
from lusifer.ui.components.linked_evolution.evolution_data import (
    describe_evolution,
    format_days,
    pair_replaced,
    rank_changes,
    surprise_from,
)

STARS = RatingScale(1, 5, 1)


@pytest.fixture(scope="module")
def real(ml100k, last10, tmp_path_factory) -> tuple[list[Step], dict]:
    """User 452 as a real model saw him, and that as the view's data."""
    store = Store(tmp_path_factory.mktemp("linked") / "lusifer.db")
    model = UserModelConfig("recorded:last10-37users-plain").build(store)
    steps = list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 452, model)))
    return steps, describe(steps, audit(ml100k, steps).claims)


def describe(steps, claims=(), scale=STARS) -> dict:
    """As a page gives it; only what plain JSON can hold comes back the same."""
    described = describe_evolution(
        steps,
        Profile(),
        claims,
        scale=scale,
        item_nouns=ItemNouns(),
        baseline_errors=[1.0] * len(steps),
        title_of=lambda item_id: f"Title of {item_id}",
    )
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    return described


def statements(described: dict, number: int) -> list[dict]:
    """The statements of a step, with how each is shown."""
    return [
        {**described["statements"][at], "status": status, "old": old}
        for section in described["steps"][number - 1]["sections"]
        for at, status, old in section["lines"]
    ]


def test_everything_that_is_shown_is_the_evolutions_own(real) -> None:
    steps, described = real
    for step, shown in zip(steps, described["steps"], strict=True):
        assert [(i["title"], i["rating"], i["forecast"]) for i in shown["items"]] == [
            (r.item.name, r.rating, f.expected) for r, f in zip(step.batch, step.forecast, strict=True)
        ]
        assert [i["surprise"] for i in shown["items"]] == [abs(e) > 1.5 for e in step.errors]
        assert [s["text"] for s in statements(described, step.number)] == [b.text for b in step.profile.bullets]
        assert {(c["aspect"], c["direction"]) for c in shown["changes"]} == {
            (c.aspect, c.direction) for c in step.changes
        }
        texts = [(step.explanation, shown["explanation"])] + [
            (s["text"], s) for s in statements(described, step.number)
        ]
        for text, part in texts:
            assert "".join(piece for piece, _ in part["pieces"]) == text, "cut, and nothing lost"
            read = {f"{s.number}:{at}" for s in steps[: step.number] for at in range(len(s.batch))}
            assert {ref for _, ref in part["pieces"] if ref} <= set(part["items"]) <= read, "nothing from later steps"
        for change in shown["changes"]:
            assert all(ref.startswith(f"{step.number}:") for ref in change["cited"])


def test_a_statement_is_linked_to_movies_of_this_step_and_of_earlier_ones(real) -> None:
    _, described = real
    titles = {i["ref"]: i["title"] for s in described["steps"] for i in s["items"]}
    drama = next(s for s in statements(described, 3) if s["text"].startswith("Slow, inward drama"))
    assert [titles[ref] for ref in drama["items"]] == [
        "Nell",
        "Three Colors: Blue",
        "Three Colors: White",
        "Career Girls",
    ]
    assert drama["items"][0].startswith("2:") and drama["verdict"]["verdict"] == "supported"
    assert "Nell" in drama["old"], "it stands for what was said of Nell before"
    first = next(s for s in statements(described, 4) if s["text"].startswith("Loud, muscular action"))
    assert first["status"] == "kept" and first["since"] == 1 and first["verdict"]["step"] == 1
    assert {titles[ref] for ref in first["items"]} >= {"Bad Boys", "Eraser", "Top Gun"}


def test_the_first_changes_explain_what_was_least_expected(real) -> None:
    _, described = real
    changes = described["steps"][2]["changes"]
    assert [c["aspect"] for c in changes[:2]] == [
        "dislikes slow, inward drama",
        "likes adventure in the wild or at sea",
    ]
    assert changes[-1]["verdict"]["verdict"] == "uncheckable"
    longing = next(c for c in changes if c["aspect"] == "likes European films of longing")
    assert set(longing["cited"]) <= set(changes[0]["cited"]), "the same movies again: not among the first"
    assert changes.index(longing) > 2
    assert described["statements"][changes[0]["statement"]]["text"].startswith("Slow, inward drama")


def make_step(ratings, forecasts, *, changes=(), bullets=(), number=1) -> Step:
    batch = tuple(
        Rated(Item(i, f"Film {i} (1999)", 1999, ("Drama",)), rating, 900_000_000 + i)
        for i, rating in enumerate(ratings, 10 * number)
    )
    forecast = tuple(
        SimulatedRating(r.item.id, f, f, failure="" if f is not None else "No number in the answer.")
        for r, f in zip(batch, forecasts, strict=True)
    )
    profile = Profile(likes=tuple(Bullet(b) for b in bullets))
    return Step(number, batch, forecast, profile, "Film 10 was liked.", changes)


def test_changes_without_forecasts_are_ranked_by_their_distance_from_the_mean() -> None:
    small, large = Change("plain films", "gained", (11,)), Change("strange films", "dropped", (10,))
    step = make_step([1, 3, 5], [None, None, None], changes=(small, large))
    assert rank_changes(step, lambda change: True) == [large, small]
    assert rank_changes(step, lambda change: change is small) == [small, large], "what can't be checked comes last"
    everything = Change("strict", "gained", (10, 11, 12))
    step = replace(step, changes=(everything, small, large))
    assert rank_changes(step, lambda change: True) == [large, small, everything], (
        "what cites all comes after what is about some"
    )


def test_a_forecast_that_is_missing_is_said_and_not_counted() -> None:
    (shown,) = describe([make_step([1, 5], [None, 4.0])])["steps"]
    assert (shown["rmse"], shown["missing"]) == (1.0, 1)
    assert shown["items"][0]["failure"] == "No number in the answer." and not shown["items"][0]["surprise"]
    (shown,) = describe([make_step([1, 5], [None, None])])["steps"]
    assert shown["rmse"] is None and shown["missing"] == 2


def test_a_movie_that_was_never_rated_is_named_in_the_evidence() -> None:
    text = "Loves Film 10 and Jaws"
    claim = Claim(1, "bullet", text, "unsupported", "Jaws was not rated.", (Evidence(7, None, (), 18, 22),))
    described = describe([make_step([5], [5.0], bullets=[text])], [claim])
    (statement,) = statements(described, 1)
    assert statement["verdict"]["evidence"] == [{"title": "Title of 7", "rating": None}]
    assert statement["pieces"] == [[text, ""]] and statement["items"] == []


def test_what_the_audit_finds_later_of_a_kept_statement_replaces_what_it_found_before() -> None:
    text = "Loves drama"
    steps = [
        make_step([5], [5.0], bullets=[text]),
        make_step([1], [5.0], bullets=[text], number=2),
        make_step([1], [5.0], bullets=[text], number=3),
    ]
    claims = [
        Claim(1, "bullet", text, "supported", "One got a 5.", (Evidence(10, 5),)),
        Claim(2, "bullet", text, "unsupported", "By now others got a 1.", (Evidence(20, 1),)),
    ]
    described = describe(steps, claims)
    found = [statements(described, n)[0] for n in (1, 2, 3)]
    assert [f["verdict"]["verdict"] for f in found] == ["supported", "unsupported", "unsupported"]
    assert [f["items"] for f in found] == [["1:0"], ["1:0", "2:0"], ["1:0", "2:0"]]
    assert {f["since"] for f in found} == {1} and len(described["statements"]) == 2
    steps[1] = replace(steps[1], profile=Profile())
    gone = statements(describe(steps, claims[:1]), 3)[0]
    assert (gone["since"], gone["verdict"], gone["items"]) == (3, None, []), "said anew is not kept"


def test_a_removed_statement_is_paired_once_with_what_stands_for_it() -> None:
    lines = [
        Line("likes", "added", new="Enjoys space operas most"),
        Line("likes", "added", new="Warms to quiet stories"),
        Line("likes", "removed", old="Enjoys space operas"),
        Line("likes", "removed", old="Something else"),
        Line("mood", "removed", old="Warms to quiet stories now and then"),
    ]
    assert pair_replaced(lines, lambda line: None) == {"Enjoys space operas most": "Enjoys space operas"}
    causes = {"Warms to quiet stories": ["1:2"], "Something else": ["1:2", "1:3"]}
    assert pair_replaced(lines, lambda line: causes.get(line.new or line.old)) == {
        "Enjoys space operas most": "Enjoys space operas",
        "Warms to quiet stories": "Something else",
    }


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (885772800, 885772800, "26 Jan 1998"),
        (885772800, 886118400, "26–30 Jan 1998"),
        (886118400, 887673600, "30 Jan – 17 Feb 1998"),
        (883440000, 883612800, "30 Dec 1997 – 1 Jan 1998"),
        (3, 12, ""),  # numbers of rows of a dataset without times
    ],
)
def test_days_are_as_short_as_they_can_be(first: int, last: int, days: str) -> None:
    assert format_days(first, last) == days


def test_a_surprise_is_as_large_on_every_scale() -> None:
    assert [surprise_from(RatingScale(*s)) for s in ((1, 5, 1), (0.5, 5, 0.5), (1, 10, 1), (0, 100, 1))] == [
        1.5,
        1.7,
        3.4,
        37.5,
    ]
    ticks = [
        describe([make_step([low], [low])], scale=RatingScale(low, high, step))["scale"]["ticks"]
        for low, high, step in ((0.5, 5, 0.5), (0, 100, 1))
    ]
    assert ticks == [[1, 2, 3, 4, 5], [0, 100]]
