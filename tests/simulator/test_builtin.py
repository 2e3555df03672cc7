"""The built-in user model on real MovieLens users."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lusifer.datasets.columnar_cache import MIN_GENRE_RATINGS
from lusifer.evaluation import SIMULATOR, evaluate
from lusifer.simulator import RunContext, StatisticalUserModel, make_evolution_spec, rate_items, wording
from lusifer.simulator.aspects import aspects_of
from lusifer.simulator.diff import diff
from lusifer.simulator.evolution import evolve, initial_context, rated_rows
from lusifer.simulator.suggest import suggest
from lusifer.simulator.taste import measure_tastes, user_mean
from lusifer.simulator.types import Rated


@pytest.fixture(scope="module")
def everybody(ml100k, last10):
    """The steps of every user with a history."""
    model = StatisticalUserModel()
    return {
        user: list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, user, model)))
        for user in last10.train.user_ids.tolist()
    }


def test_all_users_have_steps(everybody, ml100k) -> None:
    assert len(everybody) == len(ml100k.users) == 943
    assert all(steps and steps[-1].profile.bullets for steps in everybody.values())


def test_no_two_users_have_the_same_text(everybody) -> None:
    profiles = Counter("\n".join(b.text for b in steps[-1].profile.bullets) for steps in everybody.values())
    assert max(profiles.values()) == 1, profiles.most_common(2)
    explanations = Counter(s.explanation for steps in everybody.values() for s in steps)
    assert max(explanations.values()) <= 3, explanations.most_common(3)


def test_what_did_not_change_stays_word_for_word(everybody) -> None:
    """A bullet whose aspect no change names is the same text as before."""
    for user, steps in everybody.items():
        for before, after in itertools.pairwise(steps):
            moved = {c.aspect for c in after.changes}
            old = {b.aspect: b for b in before.profile.bullets}
            for bullet in after.profile.bullets:
                known = old.get(bullet.aspect)
                if known and known.strength == bullet.strength and bullet.aspect and not moved:
                    assert known.text == bullet.text, (user, after.number)
            if not after.changes:
                assert all(x.status == "kept" for x in diff(before.profile, after.profile))


def test_most_of_a_profile_is_kept_from_step_to_step(everybody) -> None:
    status = Counter(
        line.status
        for steps in everybody.values()
        for a, b in itertools.pairwise(steps)
        for line in diff(a.profile, b.profile)
    )
    assert status["kept"] > 0.5 * sum(status.values())
    assert status["added"] and status["removed"]


def test_changes_cite_movies_of_the_batch_on_the_side_they_claim(everybody) -> None:
    counted = 0
    for steps in everybody.values():
        for step in steps:
            given = {r.item.id: r.rating for r in step.batch}
            usual = np.mean([r.rating for s in steps[: step.number] for r in s.batch])
            for change in step.changes:
                assert change.item_ids and set(change.item_ids) <= set(given)
                if change.polarity:
                    up = change.direction in {"gained", "strengthened"}
                    side = change.polarity * (1 if up else -1)
                    mean = np.mean([given[i] for i in change.item_ids])
                    assert (mean - usual) * side > -0.75, (step, change)
                    counted += 1
    assert counted > 1000


def test_sentences_read_like_sentences(everybody) -> None:
    for steps in everybody.values():
        for step in steps:
            texts = [step.explanation, *(b.text for b in step.profile.bullets)]
            for text in texts:
                assert text[0].isupper() or text[0] in "\"'“‘0123456789", text
                assert text.rstrip("”\"’'")[-1] in ".!?", text
                assert "  " not in text and " ," not in text and ".." not in text.replace("...", ""), text
                assert not re.search(r"\d\.\d{3,}|\bNone\b|\bnan\b|\{|\}|genre:|_", text), text
            assert 1 <= len(re.findall(r"[.!?](?:\s|$)", step.explanation)) <= 6


# ---- what a sentence must not say, by kind -----------------------------------------------------------------


def _steps_of(everybody):
    """Every step, with the user's mean at it."""
    for user, steps in everybody.items():
        seen: list[float] = []
        for step in steps:
            seen += [r.rating for r in step.batch]
            yield user, step, float(np.mean(seen))


CITED = re.compile(r"(?:(\d)s? for|\((\d)\))")


def _cited(text: str) -> list[int]:
    """The ratings that a statement shows, those after a turn ("though …") left out."""
    shown = re.split(r", (?:though|even if|but) ", text)[0]
    return [int(a or b) for a, b in CITED.findall(shown)]


def _says_mild_ratings_plainly(user, step, mean) -> list[str]:
    """A liking that shows 3s, or a dislike that shows 4s, without saying that it is one for this user."""
    relative = ("their own average", "most others", "than others", "little above others", "little below others")
    tastes = [b for b in step.profile.bullets if b.strength and not any(words in b.text for words in relative)]
    return [
        b.text
        for b in tastes
        if (b.strength > 0 and min(_cited(b.text)) < 4) or (b.strength < 0 and max(_cited(b.text)) > 3)
    ]


def _counts_from_the_very_first(user, step, mean) -> list[str]:
    texts = [b.text for b in step.profile.rating_habits]
    return [t for t in texts if re.search(r"first \d+ ratings(?! read)", t)]


def _names_a_mood_that_tags_contradict(user, step, mean) -> list[str]:
    moods = {b.aspect: b.text for b in step.profile.mood}
    light = {"Horror", "Thriller", "Crime", "Drama", "War"}
    movies = {wording.short(r): set(r.item.genres) for r in step.batch}
    return [
        moods[m] for m in moods if m == "mood:light" and any(t in moods[m] and g & light for t, g in movies.items())
    ]


def _likes_and_dislikes_one_thing(user, step, mean) -> list[str]:
    sides = [(b.aspect, b.strength > 0) for b in step.profile.bullets if b.aspect and b.strength]
    held, likes = dict(sides), {b.aspect for b in step.profile.likes}
    bad = [a for a, n in Counter(a for a, _ in sides).items() if n > 1]
    return bad + [b.text for b in step.profile.dislikes if held[b.aspect] or b.aspect in likes]


def _speaks_of_a_profile_that_is_not_there(user, step, mean) -> list[str]:
    known = ("fit what was known", "contradicts the profile", "No preference changed")
    return [step.explanation] if step.number == 1 and any(k in step.explanation for k in known) else []


def _explains_with_mild_ratings_plainly(user, step, mean) -> list[str]:
    """A 4 that shows a dislike, or a 3 that shows a liking, without the user's mean beside it."""
    clauses = re.split(r"(?<=[.!?]) (?=[A-Z\d])", step.explanation)
    down = [c for c in clauses if re.search(r"showed a dislike|lowered the opinion", c)]
    up = [c for c in clauses if re.search(r"showed a liking|liking for .* showed", c)]
    bad = [c for c in down if max(_cited(c), default=1) > 3] + [c for c in up if min(_cited(c), default=5) < 4]
    return [c for c in bad if "this user averages" not in c]


def _repeats_a_movie(user, step, mean) -> list[str]:
    """ "5s for Chasing Amy and Chasing Amy", "the Money Talks films": one movie under two ids."""
    twice = ("Chasing Amy", "Money Talks", "Fly Away Home", "Body Snatchers", "Ulee's Gold")
    texts = [b.text for b in step.profile.bullets]
    return [t for t in texts for title in twice if t.count(title) > 1 or f"the {title} films" in t]


@pytest.mark.parametrize(
    "find",
    [
        _says_mild_ratings_plainly,
        _counts_from_the_very_first,
        _names_a_mood_that_tags_contradict,
        _likes_and_dislikes_one_thing,
        _speaks_of_a_profile_that_is_not_there,
        _explains_with_mild_ratings_plainly,
        _repeats_a_movie,
    ],
)
def test_no_sentence_is_of_a_wrong_kind(everybody, find) -> None:
    found = [(user, step.number, text) for user, step, mean in _steps_of(everybody) for text in find(user, step, mean)]
    assert not found, (len(found), found[:3])


def test_reasons_say_what_the_profile_says(ml100k, last10, everybody) -> None:
    """A taste that the profile holds is never told on the other side, nor one that it lacks as if it held it."""
    held_words = re.compile("done well here|pleased this user|earned good|fared badly|left this user cold|earned low")
    up = re.compile("done well|pleased|earned good|better than|above")
    checked, model = 0, StatisticalUserModel()
    for user in list(everybody)[::12]:
        steps = everybody[user]
        items = ml100k.items_of(last10.test.of_user(user).item)
        profile = {b.aspect: b.strength for b in steps[-1].profile.bullets if b.strength}
        words = {a.words: a.key for i in items for a in aspects_of(i)}
        spec = make_evolution_spec(ml100k, last10, user, model)
        for made in rate_items(ml100k, last10, model, spec, steps, items, None):
            for clause in re.split(r", though |; |, but ", made.reason):
                lead = re.match(r"(.*?) (?:has|have) (.*)", clause)
                if lead is None or lead[1][0].lower() + lead[1][1:] not in words:
                    continue
                key = words[lead[1][0].lower() + lead[1][1:]]
                checked += 1
                assert bool(held_words.search(lead[2])) <= (key in profile), (user, made.reason)
                if key in profile:
                    assert bool(up.search(lead[2])) == (profile[key] > 0), (user, made.reason)
    assert checked > 300


def test_the_favourite_genre_is_the_first_of_the_chart(ml100k) -> None:
    for user in ml100k.user_ids[::9].tolist():
        rated = rated_rows(ml100k, ml100k.ratings.of_user(user))
        tastes = measure_tastes(rated, user_mean(rated, 3.5))
        genres = {k[6:]: e.effect for k, e in tastes.items() if k.startswith("genre:") and e.count >= MIN_GENRE_RATINGS}
        best = max(sorted(genres), key=genres.__getitem__)
        assert ml100k.user_stats.at[user, "favourite_genre"] == (best if genres[best] > 0 else "")


def test_what_was_rated_under_another_id_is_known(ml100k, last10) -> None:
    """246 and 268 are Chasing Amy."""
    rows = last10.train
    user = next(int(u) for u in rows.user[rows.item == 246] if 268 not in rows.of_user(int(u)).item)
    known = Rated(ml100k.item(246), 2.0, 1)
    context = replace(initial_context(ml100k, last10, user), seen=(known,))
    [again] = StatisticalUserModel().rate(context, ml100k.items_of([268]))
    assert again.expected == 2.0 and again.reason == "Rated before under another id: 2."


def test_error_of_the_expected_value(ml100k, last10) -> None:
    """Better than the user mean (1.17), as the issue asks; no community evidence is used."""
    found = evaluate(RunContext(ml100k, last10), [SIMULATOR, "user-mean"], model=StatisticalUserModel())
    assert found.rows == 9392
    made = found.scores()
    assert made[SIMULATOR]["rmse"] <= 1.13 < made["user-mean"]["rmse"]
    assert made[SIMULATOR]["pearson"] > 0.25


def test_ratings_are_on_the_scale_with_a_reason(ml100k, last10, store) -> None:
    model = StatisticalUserModel()
    what = make_evolution_spec(ml100k, last10, 405, model)
    steps = list(evolve(ml100k, last10, model, what))
    items = ml100k.items_of([50, 172, 1, 313])
    made = rate_items(ml100k, last10, model, what, steps, items, store)
    assert [m.item_id for m in made] == [50, 172, 1, 313]
    for m in made:
        assert m.rating in {1, 2, 3, 4, 5} and 1 <= m.expected <= 5 and m.std > 0
        assert m.reason.endswith(".") and len(m.reason) > 20
    assert rate_items(ml100k, last10, model, what, steps, items, store) == made
    early = rate_items(ml100k, last10, model, what, steps[:1], items, store)
    assert [m.expected for m in early] != [m.expected for m in made]


def test_suggested_users_span_weeks_and_change(ml100k, last10, everybody) -> None:
    found = suggest(ml100k, last10)
    assert len(found) == 5 == len({s.user for s in found})
    for s in found:
        history = [r for step in everybody[s.user] for r in step.batch]
        assert s.seconds == history[-1].timestamp - history[0].timestamp >= 14 * 86400
        assert s.changes >= 5
