"""Statements in many wordings about one made-up history: what is right is supported, what is wrong is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lusifer.datasets import RatingScale
from lusifer.evaluation.audit.changes import check_change
from lusifer.evaluation.audit.statements import check_bullet, check_explanation
from lusifer.evaluation.audit.steps import step_context
from lusifer.simulator.types import Bullet, Change, Profile, Rated

BEFORE = {
    "Star Wars": 5,
    "The Godfather": 5,
    "Fargo": 4,
    "Pulp Fiction": 4,
    "Twister": 2,
    "Scream": 1,
    "Batman Forever": 2,
    "Batman Returns": 3,
    "Terminator 2: Judgment Day": 4,
    "Titanic": 3,
}
BATCH = {
    "Return of the Jedi": 5,
    "Heat": 4,
    "Seven (Se7en)": 4,
    "Twelve Monkeys": 5,
    "Mr. Holland's Opus": 3,
    "The Program": 2,
    "The Saint": 1,
    "Jerry Maguire": 3,
    "The Full Monty": 4,
    "Unforgiven": 5,
}
"""Twenty ratings: five 5s, six 4s, four 3s, three 2s, two 1s; mean 3.45, of the batch 3.6, before it 3.3."""


def history(ml100k, ratings, factor=1.0):
    ids = {ml100k.item(int(i)).name: int(i) for i in ml100k.items.index}
    return [
        Rated(ml100k.item(ids[name]), rating * factor, 10**9 + at) for at, (name, rating) in enumerate(ratings.items())
    ]


@pytest.fixture(scope="module")
def context(ml100k):
    return step_context(ml100k, 2, history(ml100k, BEFORE), history(ml100k, BATCH))


def judge(context, text, section="likes"):
    if section == "explanation":
        return check_explanation(text, context)
    return check_bullet(Bullet(text), section, context)


TRUE_RATINGS = [
    ("likes", "Space adventure wins: Star Wars and Return of the Jedi both got a 5."),
    ("likes", "Star Wars is a 5 and Heat a 4."),
    ("likes", "5s for Star Wars, The Godfather and Unforgiven."),
    ("likes", "Crime pleases, with The Godfather at 5, Fargo at 4 and Heat at 4."),
    ("likes", "Loves Star Wars (5), Twelve Monkeys (5) and Seven (4)."),
    ("likes", "Heat, Seven (both 4) show a taste for cops."),
    ("likes", "Gave Unforgiven 5 and Heat 4."),
    ("likes", "Three 5s: Star Wars, The Godfather and Unforgiven."),
    ("likes", "Godfather, rated 5, is among the best."),
    ("likes", "Full marks go to The Godfather and 12 Monkeys."),
    ("likes", "Gives 4s and 5s to crime: The Godfather, Fargo, Heat and Pulp Fiction."),
    ("likes", "Crime earns 4 to 5: The Godfather, Fargo, Heat."),
    ("likes", "Fargo: 4/5; Unforgiven: 5/5."),
    ("likes", "Rated The Godfather five stars and Fargo four stars."),
    ("likes", "Return of the Jedi earned a five, Heat a four."),
    ("dislikes", "The Saint got a 1, and Twister only a 2."),
    ("dislikes", "2s for Twister, The Program and Batman Forever."),
    ("dislikes", "1s and 2s for Scream, Twister and The Saint."),
    ("dislikes", "Mr. Holland's Opus got just a 3."),
    ("dislikes", "Horror fails: Scream is a 1."),
    ("dislikes", "Hits such as Titanic, Twister and Jerry Maguire get no more than a 3."),
    ("likes", "Crime films such as Fargo, Heat and The Godfather got at least a 4."),
    ("dislikes", "Scream joins The Saint as one of the two lowest ratings."),
    ("dislikes", "The two Batman films got a 2 and a 3."),
    ("dislikes", "A sports drama, The Program, managed no more than a 2."),
    ("people_and_themes", "Drawn to lone gunmen, as in Unforgiven and Heat."),
    ("explanation", "Return of the Jedi got a 5 like Star Wars, while The Saint fell to 1."),
    ("explanation", "The 5s for Unforgiven and Twelve Monkeys matched The Godfather's."),
    ("explanation", "A 1 for The Saint and a 2 for The Program cooled things; Heat's 4 did not."),
    ("explanation", "He gave 4 to Heat and 3 to Jerry Maguire."),
    ("explanation", "Heat and Seven received 4 each, and Jerry Maguire a lukewarm 3."),
]
WRONG_RATINGS = [
    ("likes", "Space adventure wins: Star Wars and Return of the Jedi both got a 3."),
    ("likes", "Star Wars is a 2 and Heat a 4."),
    ("likes", "5s for Star Wars, Heat and Unforgiven."),
    ("likes", "Crime pleases, with The Godfather at 5, Fargo at 2 and Heat at 4."),
    ("likes", "Loves Star Wars (5), Twelve Monkeys (3) and Seven (4)."),
    ("likes", "Heat, Seven (both 5) show a taste for cops."),
    ("likes", "Gave Unforgiven 5 and Heat 2."),
    ("likes", "Three 5s: Star Wars, The Godfather and Titanic."),
    ("likes", "Godfather, rated 3, is among the best."),
    ("likes", "Full marks go to The Godfather and Fargo."),
    ("likes", "Gives 4s and 5s to crime: The Godfather, Fargo, Heat and Twister."),
    ("likes", "Fargo: 4/5; Unforgiven: 3/5."),
    ("likes", "Rated The Godfather five stars and Fargo two stars."),
    ("likes", "Return of the Jedi earned a three, Heat a four."),
    ("dislikes", "The Saint got a 4, and Twister only a 2."),
    ("dislikes", "2s for Twister, The Program and Scream."),
    ("dislikes", "1s and 2s for Scream, Twister and Fargo."),
    ("dislikes", "Mr. Holland's Opus got just a 1."),
    ("dislikes", "Horror fails: Scream is a 3."),
    ("dislikes", "Hits such as Titanic, Star Wars and Jerry Maguire get no more than a 3."),
    ("likes", "Crime films such as Fargo, Heat and Batman Returns got at least a 4."),
    ("dislikes", "The two Batman films got a 4 and a 5."),
    ("explanation", "Return of the Jedi got a 2 like Star Wars, while The Saint fell to 1."),
    ("explanation", "A 1 for The Saint and a 4 for The Program changed things."),
    ("explanation", "He gave 4 to Heat and 5 to Jerry Maguire."),
    ("explanation", "Heat and Seven received 2 each."),
]
WRONG_TITLES = [
    ("likes", "Space adventure wins: Star Wars and Turbulence both got a 5."),
    ("likes", "Loves Casino (5) and Twelve Monkeys (5)."),
    ("likes", "5s for Star Wars, The Empire Strikes Back and Unforgiven."),
    ("likes", "Crime pleases, with The Godfather: Part II at 5."),
    ("likes", "Terminator and Twelve Monkeys got high ratings."),
    ("likes", "The Terminator got a 4."),
    ("likes", "Finds comfort in E.T. the Extra-Terrestrial and The Full Monty."),
    ("dislikes", "Batman got a 2."),
    ("dislikes", "Horror fails, apart from The Shining."),
    ("dislikes", "Scream 2 got a 1."),
    ("dislikes", "Is let down by romance such as Sabrina."),
    ("people_and_themes", "Drawn to lone gunmen, as in Unforgiven and Dead Man Walking."),
    ("people_and_themes", "Drawn to lone gunmen, as in Unforgiven and Desperado."),
    ("people_and_themes", "Responds to crime, quiet in Fargo and loud in Casino."),
    ("rating_habits", "Keeps 1s for what fails: Scream and Striptease."),
    ("explanation", "Return of the Jedi got a 5, while Liar Liar fell to 1."),
    ("explanation", "The 5 for “Gone with the Wind” did it."),
    ("explanation", "Braveheart and Heat deepened it."),
]
TITLES = [
    ("likes", "The Terminator 2 of 1991 got a 4.", "supported"),
    ("likes", "Terminator 2 got a 4.", "supported"),
    ("likes", "Godfather, The (1972) got a 5.", "supported"),
    ("likes", "The Godfather (1972) got a 5.", "supported"),
    ("likes", "Se7en and Heat got a 4.", "supported"),
    ("likes", "12 Monkeys got a 5.", "supported"),
    ("likes", "RETURN OF THE JEDI got a 5.", "supported"),
    ("likes", "“Heat” got a 4.", "supported"),
    ("likes", "Star Wars's 5 and Heat's 4 say it.", "supported"),
    ("dislikes", "Program, The got a 2.", "supported"),
    ("dislikes", "Holland's Opus got a 3.", "supported"),
    ("dislikes", "Mr Holland’s Opus got a 3.", "supported"),
    ("dislikes", "The Batman films leave him cold.", "supported"),
    ("likes", "The heat of summer in small towns.", "uncheckable"),
    ("likes", "Heated talk and seven courses.", "uncheckable"),
    ("mood", "Happy to scream at nothing.", "uncheckable"),
    ("likes", "Heat (1986) got a 4.", "unsupported"),
    ("likes", "The “Night of the Purple Mountain” got a 5.", "unsupported"),
]
HABITS = [
    ("Near the site's average at 3.45: five 5s, six 4s and two 1s.", "supported"),
    ("Averages 3.5, with five 5s in twenty.", "supported"),
    ("A mean of 3.45 over 20 ratings.", "supported"),
    ("The average is about 3.4.", "supported"),
    ("Eleven of twenty films are at 4 or 5.", "supported"),
    ("Gave 4 or more in 11 of 20.", "supported"),
    ("Five of the twenty ratings are 5s.", "supported"),
    ("Uses the whole scale, from 1 to 5.", "supported"),
    ("Only two 1s so far.", "supported"),
    ("Six of ten at 4 or 5 in this batch.", "supported"),
    ("55 % of the ratings are 4 or higher.", "supported"),
    ("The newest ten average 3.6, those before 3.3.", "supported"),
    ("Crime films average 3.7.", "supported"),
    ("Has grown kinder lately.", "supported"),
    ("Willing to use the bottom of the scale: Scream and The Saint each got a 1.", "supported"),
    ("Near the site's average at 2.25: five 5s, six 4s and two 1s.", "unsupported"),
    ("Near the site's average at 3.45: nine 5s, six 4s and two 1s.", "unsupported"),
    ("Averages 4.7, with five 5s in twenty.", "unsupported"),
    ("A mean of 2.25 over 20 ratings.", "unsupported"),
    ("Generous at 5.80 on average.", "unsupported"),
    ("Rates mostly 4 and 5.", "supported"),
    ("Five 5s, six 4s, four 3s and a 2 among the rest.", "supported"),
    ("Mostly 4s and 5s with a clear 2 for misses.", "supported"),
    ("Only 4s and 5s so far.", "unsupported"),
    ("War films never below 5.", "supported"),
    ("Rates mostly 1 and 2.", "unsupported"),
    ("The average is about 4.6.", "unsupported"),
    ("Seventeen of twenty films are at 4 or 5.", "unsupported"),
    ("Gave 4 or more in 3 of 20.", "unsupported"),
    ("Ten of the twenty ratings are 5s.", "unsupported"),
    ("No 1s so far.", "unsupported"),
    ("Never rates below 3.", "unsupported"),
    ("90 % of the ratings are 4 or higher.", "unsupported"),
    ("The newest ten average 2.1, those before 3.3.", "unsupported"),
    ("Has grown stricter lately.", "unsupported"),
    ("Hardly varies: the same rating again and again.", "unsupported"),
    ("Uses everything from 1 to 5.", "supported"),
    ("Ratings range between 1 and 5.", "supported"),
    ("Ratings range from 3 to 5.", "unsupported"),
    ("4 is his ordinary rating.", "supported"),
    ("The most common rating is 4.", "supported"),
    ("The most common rating is 2.", "unsupported"),
    ("5 is the ceiling, 1 the floor.", "supported"),
    ("3 is his ceiling so far.", "unsupported"),
    ("A floor of 3.", "unsupported"),
    ("Watches at night.", "uncheckable"),
]
LEANINGS = [
    ("likes", "Admires westerns.", "supported"),
    ("likes", "Prefers crime films to romances.", "supported"),
    ("mood", "Science fiction above romances.", "supported"),
    ("likes", "Was deeply impressed by The Godfather.", "supported"),
    ("dislikes", "Was bored by Twister.", "supported"),
    ("dislikes", "Only a 3 for Titanic.", "supported"),
    ("dislikes", "Romance sits below his average: Titanic and Jerry Maguire at 3.", "supported"),
    ("likes", "Science fiction does well, though Twister got only a 2.", "supported"),
    ("dislikes", "Romances bore him.", "supported"),
    ("people_and_themes", "Has little time for romances.", "supported"),
    ("dislikes", "The Saint is his lowest, at 1.", "supported"),
    ("dislikes", "Westerns leave him cold.", "unsupported"),
    ("likes", "Enjoys horror films.", "unsupported"),
    ("likes", "Loved The Saint.", "unsupported"),
    ("dislikes", "Was bored by The Godfather.", "unsupported"),
    ("likes", "Prefers thrillers to science fiction.", "unsupported"),
    ("dislikes", "The Program is his lowest, at 2.", "unsupported"),
    ("likes", "Unforgiven is his only 5.", "unsupported"),
    ("likes", "Loves documentaries.", "unsupported"),
    ("people_and_themes", "Thinks little of westerns.", "unsupported"),
]
CHANGES = [
    ("likes space adventure", "gained", ["Return of the Jedi"], "supported"),
    ("love of crime", "strengthened", ["Heat", "Seven (Se7en)"], "supported"),
    ("dislikes slick spy capers", "gained", ["The Saint"], "supported"),
    ("coolness towards sports", "gained", ["The Program"], "supported"),
    ("lukewarm on romance", "strengthened", ["Jerry Maguire"], "supported"),
    ("taste for spies", "weakened", ["The Saint"], "supported"),
    ("little patience for action", "weakened", ["Heat", "Unforgiven"], "supported"),
    ("unmoved by sentiment", "gained", ["Mr. Holland's Opus"], "supported"),
    ("drawn to dark futures", "gained", ["Twelve Monkeys"], "supported"),
    ("not won over by sports stories", "gained", ["The Program"], "supported"),
    ("The Godfather as the only 5", "dropped", ["Unforgiven"], "supported"),
    ("grim westerns over slick spies", "gained", ["Unforgiven", "The Saint"], "supported"),
    ("near-average rater", "strengthened", ["Heat", "The Saint"], "supported"),
    ("likes space adventure", "dropped", ["Return of the Jedi"], "unsupported"),
    ("love of crime", "weakened", ["Heat", "Seven (Se7en)"], "unsupported"),
    ("dislikes slick spy capers", "dropped", ["The Saint"], "unsupported"),
    ("coolness towards sports", "weakened", ["The Program"], "unsupported"),
    ("taste for spies", "strengthened", ["The Saint"], "unsupported"),
    ("high regard for gunmen", "gained", ["Unforgiven"], "supported"),
    ("high regard for gunmen", "dropped", ["Unforgiven"], "unsupported"),
    ("Mood: against slick spies", "strengthened", ["The Saint"], "supported"),
    ("Mood: against slick spies", "weakened", ["The Saint"], "unsupported"),
    ("feeling, not slick spies", "gained", ["The Saint"], "supported"),
    ("little patience for gunmen", "gained", ["Unforgiven"], "unsupported"),
    ("unmoved by dark futures", "gained", ["Twelve Monkeys"], "unsupported"),
    ("drawn to dark futures", "dropped", ["Twelve Monkeys"], "unsupported"),
    ("not won over by sports stories", "dropped", ["The Program"], "unsupported"),
    ("The Godfather as the only 5", "gained", ["Unforgiven"], "unsupported"),
    ("grim westerns over slick spies", "dropped", ["Unforgiven", "The Saint"], "unsupported"),
]


@pytest.mark.parametrize(("section", "text"), TRUE_RATINGS)
def test_a_rating_that_was_given_is_supported(context, section, text) -> None:
    claim = judge(context, text, section)
    assert claim.verdict == "supported", claim.why
    assert all(e.rating is not None for e in claim.evidence) and claim.evidence


@pytest.mark.parametrize(("section", "text"), WRONG_RATINGS)
def test_a_rating_that_was_not_given_is_found(context, section, text) -> None:
    claim = judge(context, text, section)
    assert claim.verdict == "unsupported" and "the rating was" in claim.why


@pytest.mark.parametrize(("section", "text"), WRONG_TITLES)
def test_a_movie_that_was_not_rated_is_found(context, section, text) -> None:
    claim = judge(context, text, section)
    assert claim.verdict == "unsupported" and "is not in the history" in claim.why


@pytest.mark.parametrize(("section", "text", "verdict"), TITLES)
def test_titles_go_by_many_forms(context, section, text, verdict) -> None:
    claim = judge(context, text, section)
    assert claim.verdict == verdict, claim.why


@pytest.mark.parametrize(("text", "verdict"), HABITS)
def test_means_and_counts(context, text, verdict) -> None:
    claim = judge(context, text, "rating_habits")
    assert claim.verdict == verdict, claim.why


@pytest.mark.parametrize(("section", "text", "verdict"), LEANINGS)
def test_likes_and_dislikes(context, section, text, verdict) -> None:
    claim = judge(context, text, section)
    assert claim.verdict == verdict, claim.why


@pytest.mark.parametrize(("aspect", "direction", "cited", "verdict"), CHANGES)
def test_the_direction_of_a_change(ml100k, context, aspect, direction, cited, verdict) -> None:
    ids = {r.item.name: i for i, r in context.batch.items()}
    claim = check_change(Change(aspect, direction, tuple(ids[name] for name in cited)), Profile(), context)
    assert claim.verdict == verdict, claim.why


@pytest.mark.parametrize(
    ("scale", "factor", "text", "verdict"),
    [
        (RatingScale(0.5, 5, 0.5), 0.5, "Star Wars got a 2.5, Heat a 2 and Titanic 1.5.", "supported"),
        (RatingScale(0.5, 5, 0.5), 0.5, "2.5s for Star Wars and The Godfather, 1½ for Titanic.", "supported"),
        (RatingScale(0.5, 5, 0.5), 0.5, "Star Wars got a 4.5, Heat a 2.", "unsupported"),
        (RatingScale(0.5, 5, 0.5), 0.5, "Five 2.5s and six 2s; averages 1.7.", "supported"),
        (RatingScale(0.5, 5, 0.5), 0.5, "Five 2.5s and nine 2s; averages 1.7.", "unsupported"),
        (RatingScale(1, 10, 1), 2, "Star Wars got a 10, Heat an 8 and Titanic 6/10.", "supported"),
        (RatingScale(1, 10, 1), 2, "Star Wars got a 10, Heat a 5.", "unsupported"),
        (RatingScale(1, 10, 1), 2, "Five 10s, six 8s, a mean of 6.9.", "supported"),
        (RatingScale(1, 10, 1), 2, "Five 10s, six 8s, a mean of 4.5.", "unsupported"),
    ],
)
def test_other_scales(ml100k, scale, factor, text, verdict) -> None:
    dataset = replace(ml100k, scale=scale)
    context = step_context(dataset, 2, history(ml100k, BEFORE, factor), history(ml100k, BATCH, factor))
    section = "rating_habits" if "Five" in text else "likes"
    claim = judge(context, text, section)
    assert claim.verdict == verdict, claim.why


def test_evidence_says_where_a_movie_is_named(context) -> None:
    text = "Space wins: Star Wars got a 5 and Heat a 2."
    wrong = judge(context, text).evidence
    assert [(text[e.start : e.end], e.rating, e.stated) for e in wrong] == [("Heat", 4.0, (2.0,))]
    right = judge(context, "Star Wars and Heat got 5 and 4.")
    assert right.verdict == "supported" and set(right.item_ids) == {e.item_id for e in right.evidence}
