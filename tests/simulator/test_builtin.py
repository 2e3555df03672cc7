"""The built-in user model on real MovieLens users."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import numpy as np
import pytest

from lusifer.evaluation import SIMULATOR, evaluate
from lusifer.simulator import RunContext, StatisticalUserModel, make_evolution_spec, rate_items
from lusifer.simulator.diff import diff
from lusifer.simulator.evolution import evolve
from lusifer.simulator.suggest import suggest


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
