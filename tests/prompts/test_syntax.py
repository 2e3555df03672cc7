"""A mistake in a template is named at the line on which somebody mends it."""

from __future__ import annotations

import pytest

from lusifer.errors import InvalidInputError
from lusifer.prompts import prompt_sets, sandbox
from lusifer.prompts.validation import check_rendering, check_syntax

LINES = "one\ntwo\nthree\nfour\n"
KNOWN = {"profile": "p", "batch": [{"item": 1}, {"item": 2}]}


@pytest.mark.parametrize(
    ("fifth_line_on", "said"),
    [
        ("{{ profile\n\nNEW RATINGS, the user's\n{{ batch }}", "{{ is not closed"),
        ("{{ profile }\n\nNEW RATINGS\n", "{{ is not closed"),
        ("{{ profile\n\n", "{{ is not closed"),
        ("{% for r in batch }\n{{ r }}\n{% endfor %}", "{% is not closed"),
        ("{% for r in batch %}\n{{ r }}\nend", "for is not closed with endfor"),
        ("{% if profile %}{% for r in batch %}\n{% if r %}{% endif %}\n{% endif %}", "for is not closed"),
        ("{% if profile %}\nx\n{% else %}\ny", "if is not closed"),
        ("{% fro r in batch %}\n{{ r }}\n{% endfor %}", "there is no tag fro"),
        ("{% endfor %}\n\n", "endfor closes nothing"),
        ("{% else %}\n\n", "else has no block"),
        ("{# what\n\nfollows", "comment"),
        ("{{ oops }}\n{{ oops }}", "there is no variable oops"),
        ("{% set lost.x = 1 %}\n", "there is no variable lost"),
    ],
)
def test_what_is_left_open_is_named_where_it_begins(fifth_line_on: str, said: str) -> None:
    (problem,) = check_syntax("rate", LINES + fifth_line_on, KNOWN)
    assert problem.line == 5 and said in problem.message, problem


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{% for m in batch %}{{ m }}{% endfor %}\n{% for m in batch %}\n{{ m }}{% endfor %}\n{{ m }}", 4),
        ("{# {{ #}{% raw %}{{{% endraw %}{{ '{{' }}\n{{ range(\n1 2) }}", 3),
        ("".join(f"{{% for a{n} in batch %}}\n" for n in range(25)) + "{% endfor %}" * 25, 21),
    ],
)
def test_what_stands_in_order_before_it_is_not_blamed(text: str, line: int) -> None:
    assert [p.line for p in check_syntax("rate", text, KNOWN)] == [line]


def test_a_mistake_that_shows_when_filled_in_has_its_line_too() -> None:
    for text in (
        "{{ profile.nope }}\n",
        "{% for r in batch %}{{ r.nope }}\n{% endfor %}",
        "{% if 1 / 0 %}\n{% endif %}",
    ):
        (problem,) = check_rendering("rate", LINES + text, KNOWN)
        assert problem.line == 5, problem


def test_a_prompt_file_names_the_line_too() -> None:
    prompt_set = prompt_sets.load().with_template("rate", LINES + "{{ profile\n\nRATINGS {{ about }}")
    with pytest.raises(InvalidInputError, match="Template rate, line 5: the {{ is not closed"):
        prompt_sets.from_json(prompt_sets.to_json(prompt_set))
    assert {"number", "join"} <= set(sandbox.filter_names())
