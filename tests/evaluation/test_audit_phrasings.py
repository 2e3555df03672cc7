"""Statements that say one thing in several ways: habits that end, lists of counts, two sides, exceptions."""

from __future__ import annotations

import pytest

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
    "Scream": 2,
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
"""Twenty ratings: five 5s, six 4s, four 3s, four 2s, a 1; mean 3.5, of the batch 3.6, before it 3.4."""
NARROW = {
    "Star Wars": 4,
    "Heat": 3,
    "Fargo": 3,
    "Twister": 2,
    "Scream": 2,
    "Titanic": 3,
    "Jerry Maguire": 3,
    "The Saint": 2,
    "Unforgiven": 4,
    "The Program": 2,
}
"""Two 4s, four 3s, four 2s; mean 2.8."""


def history(ml100k, ratings):
    ids = {ml100k.item(int(i)).name: int(i) for i in ml100k.items.index}
    return [Rated(ml100k.item(ids[name]), float(r), 10**9 + at) for at, (name, r) in enumerate(ratings.items())]


@pytest.fixture(scope="module")
def wide(ml100k):
    return step_context(ml100k, 2, history(ml100k, BEFORE), history(ml100k, BATCH))


@pytest.fixture(scope="module")
def narrow(ml100k):
    return step_context(ml100k, 1, [], history(ml100k, NARROW))


def verdict(context, text, section):
    if section == "explanation":
        return check_explanation(text, context).verdict
    return check_bullet(Bullet(text), section, context).verdict


def change_verdict(context, aspect, direction, cited, profile=None):
    ids = tuple(i for i, r in context.batch.items() if r.item.name in cited)
    return check_change(Change(aspect, direction, ids), profile or Profile(), context).verdict


HABITS = [  # right, and the same with one thing wrong
    ("Averages 3.5 over all: five 5s, six 4s, four 3s, four 2s and a 1.", "five 5s", "seven 5s"),
    ("The average: five 5s, six 4s and a single 1.", "a single 1", "a single 2"),
    ("Five 5s and six 4s in twenty, but also four 2s and a 1.", "four 2s", "one 2"),
    ("Up to 3.50 after three new 5s: five 5s and six 4s in twenty.", "three new 5s", "two new 5s"),
    ("Three more 5s make it five 5s in twenty.", "Three more", "Four more"),
    ("Gives 5s and 4s, but still only one 1 in twenty.", "only one 1", "not one 1"),
    ("A 4 or more for half of his twenty ratings, though the mean is 3.50.", "A 4", "A 5"),
    ("5 is the highest mark he has given.", "5 is", "4 is"),
    ("Her lowest rating is still a 1.", "a 1", "a 2"),
    ("Three quarters are 3s or better.", "Three quarters", "A third"),
    ("Half of her ratings are 4s or 5s.", "4s or 5s", "3s"),
    ("Only five films fall below a 3.", "five films", "nine films"),
]


@pytest.mark.parametrize(("text", "right", "wrong"), HABITS)
def test_counts_in_lists(wide, text, right, wrong):
    assert right in text
    assert verdict(wide, text, "rating_habits") == "supported"
    assert verdict(wide, text.replace(right, wrong), "rating_habits") == "unsupported"


@pytest.mark.parametrize("text", ["Not one 5 so far.", "Still without one 1.", "Six 4s, and not one 1."])
def test_not_one_is_none(wide, text):
    assert verdict(wide, text, "rating_habits") == "unsupported"


NO_EXTREMES = [
    "A strict rater, no extremes.",
    "Stays between 2 and 4 and avoids extremes.",
    "Ratings without extremes.",
]


@pytest.mark.parametrize("text", NO_EXTREMES)
def test_no_extremes_is_that_neither_end_is_used(narrow, wide, text):
    assert verdict(narrow, text, "rating_habits") == "supported"
    assert verdict(wide, text, "rating_habits") == "unsupported"


@pytest.mark.parametrize(
    "text",
    [
        "Averages 2.80, with nothing outside 2 to 4.",
        "Averages 2.80 with no score outside 2 to 4.",
        "A 3 for four of ten films and nothing below 2.",
        "Keeps to a band of 2 to 4.",
        "Rates within 2 to 4, averaging 2.80.",
        "Almost only 2s and 3s.",
        "Only 2s and 3s, apart from two 4s.",
    ],
)
def test_where_ratings_end(narrow, wide, text):
    assert verdict(narrow, text, "rating_habits") == "supported"
    assert verdict(wide, text.replace("2.80", "3.50"), "rating_habits") == "unsupported"


def test_no_extremes_excuses_no_wrong_level(narrow):
    assert verdict(narrow, "A generous rater with no extremes.", "rating_habits") == "unsupported"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Less strict now, with three 5s in the last ten.", True),
        ("Less generous now.", False),
        ("Moderate at 3.50, with five 5s, but now also four 2s.", True),
        ("A strict 2.80 average.", False),
        ("Never above a 4 so far.", False),
        ("Nothing above 4 so far.", False),
    ],
)
def test_habits_with_turned_words(wide, text, right):
    assert (verdict(wide, text, "rating_habits") == "supported") == right


LOW, HIGH = ("Saint, The", "Program, The"), ("Unforgiven", "Return of the Jedi")


@pytest.mark.parametrize(
    ("aspect", "direction", "cited", "right"),
    [
        ("never harsh", "weakened", LOW, True),
        ("never harsh", "weakened", HIGH, False),
        ("rarely severe", "weakened", LOW, True),
        ("no longer strict", "strengthened", HIGH, True),
        ("no longer strict", "strengthened", LOW, False),
        ("sparing with praise", "weakened", HIGH, True),
        ("sparing with praise", "weakened", LOW, False),
        ("average down to 3.50", "weakened", LOW, True),
        ("average down to 3.50", "weakened", HIGH, False),
        ("generosity, average down to 3.50", "weakened", LOW, True),
        ("strictness, average down to 3.50", "weakened", LOW, False),
        ("mostly 4s, average down to 3.50", "weakened", LOW, True),
        ("fewer low marks", "strengthened", HIGH, True),
        ("fewer low marks", "strengthened", LOW, False),
        ("blockbusters only a 2", "gained", LOW, True),
        ("blockbusters only a 2", "gained", HIGH, False),
        ("westerns fell to a 2", "strengthened", LOW, True),
        ("heist stories at a flat 3", "weakened", HIGH, True),
        ("heist stories at a flat 3", "weakened", LOW, False),
        ("little liking for spies", "gained", LOW, True),
        ("little liking for spies", "gained", HIGH, False),
        ("less taken with spies", "gained", LOW, True),
        ("spies least enjoyed", "strengthened", LOW, True),
        ("spies least enjoyed", "strengthened", HIGH, False),
        ("only modest regard for spies", "gained", LOW, True),
        ("only modest regard for spies", "gained", HIGH, False),
        ("marks down spies", "gained", LOW, True),
        ("marks down spies", "gained", HIGH, False),
        ("ordinary people in great danger", "gained", HIGH, True),
        ("ordinary people in great danger", "gained", LOW, False),
    ],
)
def test_changes_of_sides_and_habits(wide, aspect, direction, cited, right):
    found = {r.item.name for r in wide.batch.values()}
    names = [n for n in found if any(n in {c, " ".join(reversed(c.split(", ")))} for c in cited)]
    assert len(names) == 2
    profile = Profile(likes=(Bullet("Ordinary people in great danger."),))
    assert (change_verdict(wide, aspect, direction, names, profile) == "supported") == right


@pytest.mark.parametrize(
    ("aspect", "holds"),
    [
        ("Star Wars as only 5", False),
        ("Star Wars as his one 5", False),
        ("The Saint as sole lowest mark", True),
        ("Scream as her lowest", False),
        ("The Saint is her lowest", True),
        ("no 1 so far", False),
        ("only the two Batman films below a 4", False),
    ],
)
def test_what_was_alone_is_dropped_when_it_is_so_no_more(wide, aspect, holds):
    cited = [r.item.name for r in wide.batch.values()][:1]
    assert (change_verdict(wide, aspect, "dropped", cited) == "supported") != holds
    assert (change_verdict(wide, aspect, "gained", cited) == "supported") == holds


BINDINGS = [
    (
        "explanation",
        "The Program and Twister got the same 2 as Scream and Batman Forever, and The Saint sank to 1.",
        True,
    ),
    ("explanation", "The Program and Twister got the same 2 as Heat, and The Saint sank to 1.", False),
    ("dislikes", "A 2 or less for noise: Twister, Scream, The Program, and The Saint at 1.", True),
    ("dislikes", "A 2 or less for noise: Twister, Scream, Heat, and The Saint at 1.", False),
    ("dislikes", "A 2 or less for noise: Twister, Scream, and The Program at 1.", False),
    ("explanation", "Unforgiven got 5 and joins The Godfather, Heat and Seven got 4.", True),
    ("explanation", "Unforgiven got 5 and joins The Godfather, Heat and Seven got 2.", False),
    ("explanation", "Return of the Jedi joined Star Wars at 5.", True),
    ("explanation", "Return of the Jedi joined Star Wars at 3.", False),
    ("explanation", "Only The Saint fell to 1.", True),
    ("explanation", "Only Unforgiven and Twelve Monkeys rose to 5.", False),
    ("likes", "Heat and Seven are two of his six 4s.", True),
    ("likes", "Heat and Seven are two of his nine 4s.", False),
    ("dislikes", "Batman never above a 3: Batman Returns and Batman Forever.", True),
]


@pytest.mark.parametrize(("section", "text", "right"), BINDINGS)
def test_ratings_of_several_lists(wide, section, text, right):
    assert (verdict(wide, text, section) == "supported") == right


TWO_SIDES = [
    ("mood", "Wants grandeur; noise, as in Twister and The Saint, repels him.", True),
    ("mood", "Wants grandeur; noise, as in Unforgiven and Star Wars, repels him.", False),
    ("mood", "Enjoys menace. Cute stories such as The Program and Scream leave her cold.", True),
    ("mood", "Enjoys menace. Cute stories such as Heat and Twelve Monkeys leave her cold.", False),
    ("likes", "Drawn to outlaws such as Unforgiven; hits like Twister and Batman Forever put him off.", True),
    ("likes", "Drawn to outlaws such as Twister; hits like Scream and Batman Forever put him off.", False),
    ("dislikes", "Batman Forever got only a 2, well short of Star Wars.", True),
    ("dislikes", "Twister and Scream count for less than Star Wars.", True),
    ("likes", "Loves Unforgiven, the only western so far.", True),
    ("likes", "Crime pleases, even if Twister disappointed.", True),
    ("likes", "Crime such as Fargo pleases, even when Twister and Scream are full of it.", True),
    ("likes", "Crime such as Twister pleases, even when Fargo and Seven are full of it.", False),
    ("dislikes", "Hits such as Star Wars or Unforgiven leave him cold, unless they are funny.", False),
    ("mood", "Drawn to grandeur, and repelled by noise such as Twister and Scream.", True),
    ("mood", "Drawn to grandeur, and repelled by noise such as Star Wars and Unforgiven.", False),
    ("mood", "Drawn to grandeur like Twister and Scream, and repelled by noise.", False),
    ("mood", "Wants grandeur and turns from noise such as Star Wars and Unforgiven.", False),
]


@pytest.mark.parametrize(("section", "text", "right"), TWO_SIDES)
def test_each_half_is_held_against_its_own_side(wide, section, text, right):
    assert (verdict(wide, text, section) == "supported") == right


@pytest.mark.parametrize(
    "text",
    [
        "Noise repels, even if Star Wars and Unforgiven thrilled him.",
        "Hits leave him cold, unless they are Star Wars or Unforgiven.",
        "Hits leave him cold, though Star Wars did not.",
    ],
)
def test_exceptions_alone_speak_against_nothing(wide, text):
    assert verdict(wide, text, "dislikes") == "uncheckable"


def test_live_action_and_one_star_name_neither_genre_nor_rating(wide):
    ids = [r.item.name for r in wide.batch.values()][:1]
    assert change_verdict(wide, "likes one-star vehicles", "gained", ids) == "supported"
    assert check_bullet(Bullet("Warms to live action."), "likes", wide).verdict == "uncheckable"


DIFFERENCES = [  # of the movies named, from the mean of 3.5; right, and the same with one thing wrong
    ("dislikes", "Loud shows fall about -1.5, fairly sure: Twister, Scream; Fargo is good.", "-1.5", "+0.9"),
    ("dislikes", "Weather and masks (Twister, Scream) fall by −1.5.", "−1.5", "−3.2"),
    ("dislikes", "Loud shows fall about 1 to 2 stars below his mean: Twister, Scream.", "1 to 2", "3 to 4"),
    ("dislikes", "Loud shows fall about -1: Twister, Batman Returns.", "-1", "-3"),
    ("likes", "Space pleases, about +1.5, unsure: Star Wars, Return of the Jedi.", "+1.5", "+0.2"),
]


@pytest.mark.parametrize(("section", "text", "right", "wrong"), DIFFERENCES)
def test_signed_numbers_are_differences_from_the_mean(wide, section, text, right, wrong):
    """A bug of old: a difference that was told without the word "stars" was read as an average."""
    assert right in text
    assert verdict(wide, text, section) == "supported"
    assert verdict(wide, text.replace(right, wrong), section) == "unsupported"


def test_a_dash_between_words_or_numbers_is_no_sign(wide):
    assert verdict(wide, "Gives 2 - 4 mostly, mean 3.5.", "rating_habits") == "supported"
    assert verdict(wide, "Averages 3.5 - a middling mark.", "rating_habits") == "supported"


def test_a_movie_under_two_ids_counts_once_or_twice_as_a_statement_takes_it(ml100k):
    titles = ml100k.items["title"]
    first, second = titles[titles == titles[titles.duplicated()].iloc[0]].index.tolist()
    rated = [Rated(ml100k.item(i), float(r), at) for at, (i, r) in enumerate([(first, 5), (50, 4), (second, 5)])]
    context = step_context(ml100k, 1, [], rated)
    for text in ("Gave one 5 and one 4.", "Gave two 5s and one 4."):
        assert verdict(context, text, "rating_habits") == "supported"
    assert verdict(context, "Gave three 5s and one 4.", "rating_habits") == "unsupported"
