"""The audit: what is true passes, what is planted is found, and a liar is one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from lusifer.evaluation.audit import Audit, audit, predictive_validity
from lusifer.simulator import RunContext, StatisticalUserModel, evolve, make_evolution_spec
from lusifer.simulator.entity_matching import build_entity_index
from lusifer.simulator.types import Bullet, Change, Profile


class Liar(StatisticalUserModel):
    """Says the opposite of what the ratings show, in the built-in's own sentences."""

    def update(self, context):
        def flip(rated):
            return tuple(replace(r, rating=6 - r.rating) for r in rated)

        return super().update(replace(context, seen=flip(context.seen), batch=flip(context.batch)))


def _all(ml100k, split, model, users):
    return {u: list(evolve(ml100k, split, model, make_evolution_spec(ml100k, split, u, model))) for u in users}


def _total(ml100k, evolutions) -> Audit:
    return sum((audit(ml100k, steps) for steps in evolutions.values()), Audit())


@pytest.fixture(scope="module")
def users(ml100k) -> list[int]:
    return ml100k.user_ids[::9].tolist()


@pytest.fixture(scope="module")
def honest(ml100k, last10, users):
    return _all(ml100k, last10, StatisticalUserModel(), users)


def test_the_builtin_is_borne_out(ml100k, honest) -> None:
    found = _total(ml100k, honest)
    assert found.faithfulness > 0.95 and found.stability > 0.9 and found.repetition < 0.1
    assert len(found.claims) > 1500 and all(c.why and c.step for c in found.claims)


def test_a_liar_is_found_out(ml100k, last10, users) -> None:
    found = _total(ml100k, _all(ml100k, last10, Liar(), users))
    assert found.faithfulness < 0.2
    assert found.count("unsupported") > 1000


@pytest.fixture
def steps(ml100k, last10):
    """A user's two first steps, to be tampered with."""
    model = StatisticalUserModel()
    return list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 1, model)))[:2]


def _one(ml100k, steps, **changed):
    """The verdicts on the second step with something else in it."""
    found = audit(ml100k, [steps[0], replace(steps[1], **changed)])
    return [c for c in found.claims if c.step == 2]


def _best(step, count=2):
    return sorted(step.batch, key=lambda r: -r.rating)[:count]


def test_changes(ml100k, steps) -> None:
    best, worst = _best(steps[1]), _best(steps[1], 10)[-2:]
    ids, low = tuple(r.item.id for r in best), tuple(r.item.id for r in worst)
    genre = best[0].item.genres[0]

    def verdict(*change):
        claims = _one(ml100k, steps, changes=(Change(*change),))
        return next(c for c in claims if c.kind == "change")

    assert verdict(f"liking for {genre}", "gained", ids[:1]).verdict == "supported"
    assert verdict(f"liking for {genre}", "gained", low[:1]).verdict == "unsupported"
    assert verdict("dislike of loud endings", "gained", low).verdict == "supported"
    assert verdict("dislike of loud endings", "weakened", ids).verdict == "supported"
    assert verdict("liking for quiet endings", "dropped", ids).verdict == "unsupported"
    strange = verdict("liking for anything", "gained", (steps[0].batch[0].item.id,))
    assert strange.verdict == "unsupported" and "not in this batch" in strange.why
    assert verdict("quiet endings", "gained", ids).verdict == "uncheckable"
    other = next(g for g in ml100k.genres if g not in best[0].item.genres)
    wrong = verdict(f"liking for {other}", "gained", ids[:1])
    assert wrong.verdict == "unsupported" and "does not match what it is about" in wrong.why


def _bullets(ml100k, steps, section, *texts):
    profile = Profile(**{section: tuple(Bullet(t) for t in texts)})
    claims = _one(ml100k, steps, profile=profile, changes=())
    return {c.text: c for c in claims if c.kind == "bullet"}


def test_titles_and_marks_that_a_bullet_names(ml100k, steps) -> None:
    best = _best(steps[1], 1)[0]
    title, mark = best.item.name, f"{best.rating:g}"
    unseen = "The Shawshank Redemption"
    assert not [r for s in steps for r in s.batch if r.item.name == unseen]
    found = _bullets(
        ml100k,
        steps,
        "likes",
        f"Thinks much of {title} ({mark})",
        f"Thinks much of {title} (2)",
        f"Thinks much of {unseen}",
        "Thinks much of moral doubt",
    )
    verdicts = [c.verdict for c in found.values()]
    assert verdicts == ["supported", "unsupported", "unsupported", "uncheckable"]
    assert "rating was" in found[f"Thinks much of {title} (2)"].why
    assert "not in the history" in found[f"Thinks much of {unseen}"].why


def test_the_side_a_bullet_takes(ml100k, steps) -> None:
    seen = [r for s in steps for r in s.batch]
    mean = np.mean([r.rating for r in seen])
    by_genre = {
        g: np.mean([r.rating for r in seen if g in r.item.genres]) - mean
        for g in {g for r in seen for g in r.item.genres}
    }
    liked, disliked = max(by_genre, key=by_genre.get), min(by_genre, key=by_genre.get)
    assert by_genre[liked] > 0 > by_genre[disliked]
    right = _bullets(ml100k, steps, "likes", f"Enjoys {liked} above all")
    wrong = _bullets(ml100k, steps, "likes", f"Enjoys {disliked} above all")
    assert [c.verdict for c in (*right.values(), *wrong.values())] == ["supported", "unsupported"]
    never = next(g for g in ml100k.genres if g not in by_genre)
    none = _bullets(ml100k, steps, "dislikes", f"Can do without {never}")
    assert next(iter(none.values())).why == "The user has rated nothing of this kind."
    mixed = _bullets(ml100k, steps, "mood", f"Is rarely won over by {disliked}")
    assert next(iter(mixed.values())).verdict == "supported"


def test_habits(ml100k, steps) -> None:
    found = _bullets(
        ml100k,
        steps,
        "rating_habits",
        "Uses the whole scale",
        "Rates strictly",
        "Likes to watch at night",
    )
    marks = [r.rating for s in steps for r in s.batch]
    assert (found["Uses the whole scale"].verdict == "supported") == (min(marks) == 1 and max(marks) == 5)
    share = (np.mean(marks) - 1) / 4
    assert (found["Rates strictly"].verdict == "supported") == (share <= 0.57)
    assert found["Likes to watch at night"].verdict == "uncheckable"


def test_explanations(ml100k, steps) -> None:
    best, old = _best(steps[1], 1)[0], steps[0].batch[0]

    def verdict(text: str):
        return next(c for c in _one(ml100k, steps, explanation=text) if c.kind == "explanation")

    assert verdict(f"A {best.rating:g} for {best.item.name} did it.").verdict == "supported"
    assert verdict(f"A {6 - best.rating or 1:g} for {best.item.name} did it.").verdict == (
        "unsupported" if best.rating != 3 else "supported"
    )
    assert verdict(f"{old.item.name} did it.").verdict == "supported"  # earlier movies may be named
    assert verdict("The Shawshank Redemption did it.").verdict == "unsupported"
    assert verdict("It just felt right.").verdict == "uncheckable"


def test_what_is_rewritten_without_a_change_counts(ml100k, steps) -> None:
    quiet = replace(
        steps[1],
        changes=(),
        profile=replace(
            steps[0].profile,
            likes=tuple(Bullet(f"{b.text} And so on.") for b in steps[0].profile.likes),
        ),
    )
    found = audit(ml100k, [steps[0], quiet])
    kept = audit(ml100k, [steps[0], replace(quiet, profile=steps[0].profile)])
    assert kept.stability == 1 and found.rewritten == len(steps[0].profile.likes) > 0
    assert found.stability < 1


def test_a_statement_kept_against_the_ratings(ml100k, honest) -> None:
    """A liking that stays although everything of it is marked down is a contradiction."""
    for steps in honest.values():
        seen = [r for s in steps for r in s.batch]
        mean = np.mean([r.rating for r in seen])
        for genre in ml100k.genres:
            rated = [r.rating - mean for r in seen if genre in r.item.genres]
            if len(rated) >= 6 and np.sum(rated) / (len(rated) + 4) < -0.35:
                profile = Profile(likes=(Bullet(f"Enjoys {genre}"),))
                fixed = [replace(s, profile=profile, changes=()) for s in steps]
                claims = [c for c in audit(ml100k, fixed).claims if c.kind == "bullet"]
                assert any("By now" in c.why and c.verdict == "unsupported" for c in claims)
                return
    raise AssertionError("no such user among the test's")


def test_repetition_is_counted(ml100k, steps) -> None:
    again = replace(steps[1], explanation=steps[0].explanation)
    assert audit(ml100k, [steps[0], again]).repetition == 1
    assert np.isnan(audit(ml100k, steps[:1]).repetition) and np.isnan(Audit().faithfulness)


def test_predictive_validity(ml100k, last10, honest) -> None:
    model = StatisticalUserModel()
    found = predictive_validity(RunContext(ml100k, last10), model, honest, draws=200)
    assert found is not None and min(found.movies) > 300
    for interval in (found.stated, found.others, found.difference):
        assert interval.low <= interval.value <= interval.high
    assert found.difference.value == pytest.approx(found.stated.value - found.others.value)
    again = predictive_validity(RunContext(ml100k, last10), model, honest, draws=200)
    assert again is not None and again.stated.json == found.stated.json and again.movies == found.movies
    assert predictive_validity(RunContext(ml100k, last10), model, {}) is None


def test_a_change_that_helps_is_seen_to_help(ml100k, last10, honest) -> None:
    """A model that learns the right number for what it says changed, and nothing else."""

    class Oracle(StatisticalUserModel):
        def forecast(self, context, items):
            return tuple(replace(r, expected=3.0) for r in super().forecast(context, items))

    right = {}
    for user, steps in honest.items():
        fixed = [steps[0]]
        for before, step in pairwise(steps):
            names = build_entity_index(ml100k, [r.item for r in before.batch])
            said = {m.aspect for c in before.changes for m in names.mentions(c.aspect)}
            genres = {a.removeprefix("genre:") for a in said}
            forecast = tuple(
                replace(f, expected=r.rating if genres & set(r.item.genres) else 3.0)
                for f, r in zip(step.forecast, step.batch, strict=True)
            )
            fixed.append(replace(step, forecast=forecast))
        right[user] = fixed
    found = predictive_validity(RunContext(ml100k, last10), Oracle(), right, draws=200)
    assert found is not None and found.difference.low > 0.3


def test_a_movie_that_does_not_exist(ml100k, steps) -> None:
    made_up = 'Thinks much of "Zanzibar Nights in Blue"'
    dated = "Thinks much of Zanzibar Nights (1992)"
    real = f'Thinks much of "{_best(steps[1], 1)[0].item.name}"'
    found = _bullets(ml100k, steps, "likes", made_up, dated, real)
    assert "no movie called Zanzibar Nights in Blue" in found[made_up].why
    assert found[dated].verdict == "unsupported" and found[real].verdict != "unsupported"


def test_what_an_explanation_says_of_a_movie(ml100k, steps) -> None:
    best, worst = _best(steps[1], 1)[0], _best(steps[1], 10)[-1]
    assert best.rating > 4 and worst.rating < 3

    def verdict(text: str) -> str:
        return next(c for c in _one(ml100k, steps, explanation=text) if c.kind == "explanation").verdict

    assert verdict(f"This user adored {worst.item.name}.") == "unsupported"
    assert verdict(f"{worst.item.name} was a clear favourite.") == "unsupported"
    assert verdict(f"This user was disappointed by {best.item.name}.") == "unsupported"
    assert verdict(f"This user adored {best.item.name}, and disliked {worst.item.name}.") in {
        "supported",
        "unsupported",
    }
    assert verdict(f"This user was bored by {worst.item.name}.") == "supported"
