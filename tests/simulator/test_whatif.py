"""A changed history moves what rests on it; an edited profile moves its ratings; a person's own ratings are one
user more and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lusifer.errors import InvalidInputError
from lusifer.simulator import StatisticalUserModel, evolve, make_evolution_spec, rate_items
from lusifer.simulator.edited import TASTE, edit_effects, profile_of, rate_edited
from lusifer.simulator.evolution import context_after
from lusifer.simulator.types import SECTIONS, Bullet
from lusifer.simulator.whatif import WithUsers, alter_history, compare_evolutions, with_local_user

MODEL = StatisticalUserModel()


def _steps(data, split, user):
    return list(evolve(data, split, MODEL, make_evolution_spec(data, split, user, MODEL)))


def test_only_the_one_user_is_otherwise(ml100k, last10) -> None:
    own = last10.train.of_user(13)
    own = own.slice(len(own) - 40, len(own))
    at = int(np.flatnonzero(own.rating < 5)[-1])
    item = int(own.item[at])
    flipped = alter_history(ml100k, last10, 13, history=40, ratings={item: 5.0})
    assert flipped.train.of_user(13).rating[at] == 5.0 and own.rating[at] != 5.0
    assert flipped.train.of_user(14).item is not None
    assert np.array_equal(flipped.train.of_user(14).rating, last10.train.of_user(14).rating)
    assert flipped.train.mean == last10.train.mean and flipped.test is last10.test
    assert flipped.train.user is last10.train.user, "nothing is copied"
    assert flipped.id != last10.id == alter_history(ml100k, last10, 13, history=40, ratings={}).name.split("+")[0]
    batch = own.item[-20:-10]
    gone = alter_history(ml100k, last10, 13, history=40, without=set(batch.tolist())).train.of_user(13)
    assert set(gone.item.tolist()) == set(own.item[-40:].tolist()) - set(batch.tolist()), "no older one moves in"
    again = alter_history(ml100k, last10, 13, history=40, ratings={item: 5.0})
    assert again.id == flipped.id, "the same change has the same name"
    without = alter_history(ml100k, last10, 13, history=40, without={item})
    assert item not in without.train.of_user(13).item and len(without.train.of_user(13)) == 39
    for wrong in (
        {"ratings": {99999: 3.0}},
        {"ratings": {item: 7.0}},
        {"without": set(own.item.tolist())},
    ):
        with pytest.raises(InvalidInputError):
            alter_history(ml100k, last10, 13, history=40, **wrong)


def test_what_rests_on_a_rating_moves_with_it(ml100k, last10) -> None:
    real = _steps(ml100k, last10, 13)
    change = next(c for s in real for c in s.changes if len(c.item_ids) >= 2 and c.polarity)
    items = ml100k.items_of(last10.test.of_user(13).item)
    before = rate_items(ml100k, last10, MODEL, make_evolution_spec(ml100k, last10, 13, MODEL), real, items, None)
    split = alter_history(ml100k, last10, 13, history=40, without=set(change.item_ids))
    other = _steps(ml100k, split, 13)
    after = rate_items(ml100k, split, MODEL, make_evolution_spec(ml100k, split, 13, MODEL), other, items, None)
    titles = {i: ml100k.item(i).name for i in change.item_ids}
    said = compare_evolutions(real, other, set(change.item_ids), titles, before, after)
    assert said.explained and said.moved_ratings > 0
    assert said.cited + said.others == len(real[-1].profile.bullets)
    same = compare_evolutions(real, real, set(change.item_ids), titles, before, before)
    assert same.cited_moved == same.others_moved == same.moved_ratings == 0


def test_a_local_user_is_one_more_and_nothing_else(ml100k, last10) -> None:
    rows = [(50, 5.0, 10), (181, 4.0, 20), (100, 1.0, 30)]
    data, split = with_local_user(ml100k, last10, 10**9, rows)
    assert data.hash == ml100k.hash and len(split.test) == 0 and isinstance(split.train, WithUsers)
    assert data.user(10**9).description == "a viewer about whom nothing else is known"
    (step,) = _steps(data, split, 10**9)
    assert [r.item.id for r in step.batch] == [50, 181, 100] and step.profile.bullets
    longer = with_local_user(ml100k, last10, 10**9, [*rows, (1, 3.0, 40)])[1]
    assert longer.id != split.id
    empty = with_local_user(ml100k, last10, 10**9, [])[1]
    assert len(empty.train.of_user(10**9)) == 0


def test_an_edited_profile_moves_the_ratings_it_speaks_of(ml100k, last10) -> None:
    steps = _steps(ml100k, last10, 13)
    context = context_after(ml100k, last10, 13, steps)
    real = steps[-1].profile
    texts = {s: [b.text for b in real.section(s)] for s in SECTIONS}
    assert profile_of(real, texts) == real, "unchanged words keep the built-in's own notes"
    horror = [i for i in ml100k.items.index if ml100k.item(i).genres == ("Horror",)][:3]
    comedy = [i for i in ml100k.items.index if ml100k.item(i).genres == ("Comedy",)][:3]
    items = ml100k.items_of([*horror, *comedy])
    plain = MODEL.rate(context, items)
    loves = profile_of(real, {**texts, "likes": [*texts["likes"], "Loves horror films."]})
    now = rate_edited(ml100k, MODEL, context, loves, items)
    assert all(b.expected > a.expected for a, b in zip(plain[:3], now[:3], strict=True))
    assert [r.expected for r in now[3:]] == [r.expected for r in plain[3:]]
    assert "horror" in now[0].reason.lower() and "Edited" in now[0].reason
    hates = profile_of(real, {**texts, "dislikes": [*texts["dislikes"], "Dislikes horror films."]})
    down = rate_edited(ml100k, MODEL, context, hates, items)
    assert now[0].expected - down[0].expected == pytest.approx(2 * TASTE, abs=0.01)
    bullet = next(b for b in real.bullets if b.aspect.startswith("genre:"))
    less = profile_of(real, {s: [t for t in ts if t != bullet.text] for s, ts in texts.items()})
    genre = bullet.aspect.removeprefix("genre:")
    ids = [i for i in ml100k.items.index if ml100k.item(i).genres == (genre,)][:2]
    a, b = (
        MODEL.rate(context, ml100k.items_of(ids)),
        rate_edited(ml100k, MODEL, context, less, ml100k.items_of(ids)),
    )
    assert a[0].expected != b[0].expected
    assert rate_edited(ml100k, MODEL, context, real, items) == plain


@pytest.mark.parametrize(
    ("section", "text", "says"),
    [
        ("likes", "Loves horror films.", "moves 2 of 3 movies, by +0."),
        ("dislikes", "Is bored by horror films and comedies.", "moves 3 of 3 movies, by -0."),
        ("likes", "Loves westerns.", "moves nothing, since none of these movies has what it names."),
        ("likes", "Loves films by Nobody Whatever.", "moves nothing, since it names no genre"),
        ("rating_habits", "Gives a 5 to everything.", "moves nothing, since the built-in takes the level from"),
    ],
)
def test_every_edit_says_what_it_moves_or_why_nothing(ml100k, last10, section, text, says) -> None:
    context = context_after(ml100k, last10, 13, _steps(ml100k, last10, 13))
    texts = {s: [b.text for b in context.profile.section(s)] for s in SECTIONS}
    by_genres = {ml100k.item(int(i)).genres: int(i) for i in ml100k.items.index[::-1]}
    items = ml100k.items_of([by_genres["Horror",], by_genres["Horror", "Sci-Fi"], by_genres["Comedy",]])
    edited = profile_of(context.profile, {**texts, section: [*texts[section], text]})
    [effect] = edit_effects(ml100k, context, edited, items, MODEL.rate(context, items))
    assert says in effect.describe(len(items)), effect
    rated = rate_edited(ml100k, MODEL, context, edited, items)
    moved = {r.item_id for r, old in zip(rated, MODEL.rate(context, items), strict=True) if r.expected != old.expected}
    assert moved == set(effect.stars)


def test_every_removed_or_moved_statement_says_what_it_moves_or_why_nothing(ml100k, last10) -> None:
    popular = ml100k.items_of(ml100k.item_stats["ratings"].nlargest(100).index.tolist())
    counts = [0, 0]
    for user in (13, 65, 405, 868):
        context = context_after(ml100k, last10, user, _steps(ml100k, last10, user))
        plain = MODEL.rate(context, popular)
        texts = {s: [b.text for b in context.profile.section(s)] for s in SECTIONS}
        for section in SECTIONS:
            for text in texts[section]:
                edited = profile_of(context.profile, {**texts, section: [t for t in texts[section] if t != text]})
                [effect] = edit_effects(ml100k, context, edited, popular, plain)
                assert bool(effect.stars) != ("moves nothing, since " in effect.describe(100)), effect
                if not effect.stars:
                    assert effect.reason
                side = {"likes": -1, "dislikes": 1}.get(section)
                assert side is None or all(stars * side > 0 for stars in effect.stars.values()), effect
                counts[bool(effect.stars)] += 1
        if texts["dislikes"]:
            other = {**texts, "dislikes": texts["dislikes"][1:], "likes": [*texts["likes"], texts["dislikes"][0]]}
            moved = edit_effects(ml100k, context, profile_of(context.profile, other), popular, plain)
            assert any(e.added and min(e.stars.values()) > 0 for e in moved), "moved to the likes"
    assert counts[1] > counts[0] / 2, counts


def test_a_language_model_reads_the_edited_words(ml100k, last10) -> None:
    from lusifer import prompts
    from lusifer.simulator import LLMUserModel
    from tests.datasets.test_splits import Listener

    listener = Listener()
    model = LLMUserModel(listener, prompts.load())
    context = context_after(ml100k, last10, 13, _steps(ml100k, last10, 13))
    edited = replace(context.profile, likes=(Bullet("Planted words."),))
    rate_edited(ml100k, model, context, edited, ml100k.items_of([50]))
    assert any("Planted words." in t for t in listener.heard)
