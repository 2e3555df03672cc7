"""Templates that try to reach Python, run for ever or print gigabytes are refused or stopped within 2 s."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError

from lusifer import prompts
from lusifer.errors import InvalidInputError
from lusifer.prompts import sandbox, template_limits, validation
from lusifer.prompts.computing_time import own_seconds
from lusifer.prompts.template_limits import MAX_NODES, MAX_SOURCE
from lusifer.simulator import StatisticalUserModel, evolve, make_evolution_spec
from lusifer.simulator.evolution import context_after
from lusifer.simulator.prompt_variables import TemplateInput, values_of

WRITING = (Path(tempfile.gettempdir()) / "lusifer-written-by-a-template").as_posix()
REACHING = [
    '{{ scale.values.tofile("' + WRITING + '", "x") }}',
    "{{ scale.values }}",
    "{{ scale.clip(3) }}",
    "{{ scale.values.repeat(100000000).size }}",
    "{{ seen|sum(attribute='__class__') }}",
    "{{ items|join(attribute='__class__') }}",
    "{{ items[0].details.hash }}",
    "{{ line.func }}",
    "{% block b %}x{% endblock %}",
    "{{ self.b() }}",
    "{{ batch[0].item.__init__ }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ line.__globals__ }}",
    "{{ line.func.__globals__ }}",
    "{{ items|map(attribute='__class__')|map('string')|join }}{{ items.__class__ }}",
    "{{ batch|sum(attribute='item') }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ namespace.__init__ }}",
    "{{ items|attr('__class__') }}",
    "{{ items|selectattr('__class__')|list }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{{ [].append(1) }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ dict(a=1) }}",
    "{{ _tick.__globals__ }}",
    "{{ loop }}",
    "{{ caller() }}",
]
ENDLESS = [
    "{% set L=('a '*200000).split() %}{{ range(10000)|select('in', L)|list|length }}",
    "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% for i in range(10) recursive %}{{ loop(range(10)) }}{% endfor %}",
    "{% for a in range(9999) if range(9999)|list|sort|length == 0 %}{% endfor %}",
    "{% for i in range(9999) %}{% for j in range(9999) %}{% set x = 'abc'|upper %}{% endfor %}{% endfor %}",
    "{% set _tick = range %}{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "{% macro _tick(n) %}{% endmacro %}{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "{% set ns=namespace(a=[1],b=[1]) %}{% for i in range(60) %}{% set ns.a=[ns.a,ns.a] %}{% set ns.b=[ns.b,ns.b] %}"
    "{% endfor %}{{ ns.a == ns.b }}",
    "{% set x=[1]*9999 %}{% set l=([0]*9999)|map('default', x, true)|list %}{{ l == l }}",
]
HUGE = [
    "{{ 1.5|round(30000000, 'floor') }}",
    "{% set ns=namespace(a='x'*400000) %}{{ ([ns]*4000)|string|length }}",
    "{{ a" + "<a" * 20_000 + " }}",
    "{{ " + "items[0]," * 3000 + " }}",
    "{{ 'x' * 10**10 }}",
    "{{ 'x' * 10000000000 }}",
    "{{ 10**10**10 }}",
    "{{ [1] * 10**9 }}",
    "{% set ns = namespace(x='xxxxxxxxxx') %}"
    "{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x='xxxxxxxxxx') %}"
    "{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}",
    "{{ 'x'|center(1000000000) }}",
    "{{ '%9999999999d'|format(1) }}",
    "{{ '%9999999999d' % 1 }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ 'x'.ljust(10000000000) }}",
    "{{ 'a'.replace('', 'b' * 1000) }}",
    "{{ range(10**9) }}",
    "{{ range(10000000)|list }}",
    "{{ ([[1]*9999]*9999)|sum(start=[]) }}",
    "{{ ('ab'.split('a')*5000)|join('x'*300000) }}",
    "{{ ([('x'*399999)]*9999)|string|length }}",
    "{{ ([('x'*399999)]*9999) ~ 'x' }}",
    "{% set l = ['x'*399999]*9999 %}{{ l }}",
    "{% for a in range(9999) %}{% for b in range(9999) %}hello hello hello hello hello{% endfor %}{% endfor %}",
    "{% macro m() %}{% for b in range(9999) %}hello hello hello{% endfor %}{% endmacro %}"
    "{% for a in range(9999) %}{% set x = m() %}{% endfor %}",
    "{% set x %}{% for i in range(9999) %}{% for j in range(999) %}aaaaaaaaaaaaaaaa"
    "{% endfor %}{% endfor %}{% endset %}",
    "{% for i in range(9999) %}{{ range(9999)|list }}{% endfor %}",
    "x" * 60_000,
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
]


@pytest.fixture(scope="module")
def values(ml100k, last10) -> dict:
    model, p = StatisticalUserModel(), prompts.load()
    steps = list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 405, model)))
    context = context_after(ml100k, last10, 405, steps[:2]).with_batch(steps[2].batch)
    given = TemplateInput(p, context, ml100k.items_of([50, 181]))
    return {k: v for name in ("system", "update", "rate") for k, v in values_of(name, given).items()}


UNCOMPILABLE = [
    "{% for a in [1] %}" * 21 + "{% endfor %}" * 21,
    "{% if 1 %}" * 101 + "{% endif %}" * 101,
    "{{ a" + ".b" * 250 + " }}",
    "{{ " + "1+" * 250 + "1 }}",
    "{{ range(a=1,a=2) }}",
    "{% macro a(x,x) %}{% endmacro %}",
]


@pytest.mark.parametrize("text", UNCOMPILABLE)
def test_what_python_can_not_compile_is_a_mistake_like_any_other(text: str) -> None:
    with pytest.raises(TemplateError):
        sandbox.render(text, {})
    assert validation.check_syntax("rate", text, ["a"])


def memory() -> int:
    """Bytes: the highest that this process ever held, where the system tells; else what it holds now."""
    told = psutil.Process(os.getpid()).memory_info()
    if hasattr(told, "peak_wset"):
        return int(told.peak_wset)
    try:
        import resource
    except ImportError:
        return int(told.rss)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if psutil.MACOS else peak * 1024


@pytest.mark.parametrize("text", REACHING + ENDLESS + HUGE)
def test_what_a_template_may_not_do(text: str, values) -> None:
    """With what templates are really filled in with."""
    before = memory()
    began = own_seconds()
    with pytest.raises(TemplateError):
        sandbox.render(text, values)
    assert own_seconds() - began < 2
    assert not Path(WRITING).exists()
    assert memory() - before < 300e6, "it was stopped before it grew"


def test_a_template_that_waits_for_its_turn_is_not_ended() -> None:
    """A bug of old: on a busy machine shipped templates took "longer than 1 s", of which they computed milliseconds."""

    class SleepyWords(tuple):
        def __iter__(self):
            time.sleep(1.2)  # as if other threads had the processor
            return super().__iter__()

    assert sandbox.render("{% for w in words %}{{ w }}{% endfor %}", {"words": SleepyWords(("a", "b"))}) == "ab"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{% for a, b in [(1, 2), (3, 4)] %}{{ loop.index }}{{ a }}{{ b }} {% endfor %}", "112 234"),
        ("{{ words|join(', ') }} {{ words|length }} {{ words[0]|upper ~ '!' }}", "a, b 2 A!"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}{{ m('y') }}", "<1><y>"),
        ("{% set ns = namespace(n=0) %}{% for w in words %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "2"),
        ("{{ {'a': 1}['a'] + 2 * 3 - 1 }} {{ 'b' in words }}", "6 True"),
        ("{{ 4.0|number }} {{ 3.5|decimal }} {{ words|sum(attribute='nothing') if false else 'x' }}", "4 3.50 x"),
        ("{% for w in words if w == 'b' %}{{ w }}{% else %}none{% endfor %}", "b"),
        ("{% filter upper %}loud{% endfilter %} {{ ' x '.strip() }}", "LOUD x"),
    ],
)
def test_what_it_may(text: str, made: str) -> None:
    assert sandbox.render(text, {"words": ("a", "b")}) == made


def test_an_error_has_its_line() -> None:
    for text, at in (
        ("one\ntwo {{ nobody }}", 2),
        ("a\n\n{% for %}", 3),
        ("x\n{{ 1/0 }}", 2),
        ("\n\n{{ [] * 'x' }}", 3),
    ):
        with pytest.raises(TemplateError) as failed:
            sandbox.render(text, {})
        assert sandbox.line_of(failed.value) == at
    with pytest.raises(InvalidInputError, match=r"Template rate of grounded-2, line 2: 'nobody' is undefined"):
        prompts.load().with_template("rate", "x\n{{ nobody }}").render("rate")


def test_shipped_templates_are_compiled_once() -> None:
    text = dict(prompts.load().templates)["rate"]
    assert sandbox.compile_template(text) is sandbox.compile_template(text)


# Each is one node that may have much to do, with ``a`` a long list, ``e`` an empty one, ``t`` a long text.
OPERATORS = (
    "a + e",
    "t + t",
    "1 - 1",
    "e * 2",
    "2 ** 3",
    "4 / 2",
    "4 // 3",
    "4 % 3",
    "-x",
    "+x",
    "t ~ t",
    "a == a",
    "a != e",
    "a < e",
    "e >= a",
    "'q' in a",
    "'q' not in a",
    "not a",
    "a[1:]",
    "a[::-1]",
    "a[0]",
)
LITERALS = ("[a]", "[]", "(a, 1)", "{'k': a}", "[[[a]]]")
CALLS = (
    "a.count('q')",
    "t.split()",
    "t.upper()",
    "range(9)",
    "namespace(x=a)",
    "a is eq(a)",
    "'q' is in a",
    "a is odd",
)
ARGUMENTS = {
    "truncate": "(9)",
    "select": "('odd')",
    "reject": "('odd')",
    "selectattr": "('id')",
    "rejectattr": "('id')",
}
ON_TEXTS = {"number": "x", "decimal": "x", "brief": "t", "abs": "x", "float": "x", "int": "x", "round": "x"}


def _lines() -> list[str]:
    filters = sorted(sandbox.FILTERS | {"number", "decimal", "brief"})
    used = [f"{ON_TEXTS.get(f, 'e')}|{f}{ARGUMENTS.get(f, '')}" for f in filters if f not in {"first", "last"}]
    return [*OPERATORS, *LITERALS, *CALLS, *used, "e|map('upper')", "a|first", "a|last"]


@pytest.mark.parametrize("expression", _lines())
def test_every_operator_filter_and_literal_ticks(expression: str, monkeypatch) -> None:
    """Whatever a template repeats in a straight line, the clock is looked at as often."""
    ticks = 0
    tick = template_limits.Meter.tick

    def counted(meter: template_limits.Meter, characters: int = 0) -> str:
        nonlocal ticks
        ticks += 1
        return tick(meter, characters)

    monkeypatch.setattr(template_limits.Meter, "tick", counted)
    with contextlib.suppress(TemplateError):  # some of them have no meaning for what they are given
        sandbox.render("{% if " + expression + " %}{% endif %}", {"a": ["w"] * 9, "e": [], "t": "w w", "x": 1.5})
    assert ticks, expression


@pytest.mark.parametrize(
    "expression", ["a + e", "[a]", "'q' in a", "a == b", "a[1:]", "a|list", "t|brief", "a is eq(b)"]
)
def test_a_straight_line_ends_within_the_limit(expression: str, monkeypatch) -> None:
    """As long as a template may be, with as much in hand as it may have; the limit is short to keep this short."""
    monkeypatch.setattr(template_limits, "MAX_SECONDS", 0.05)
    line = "{% set c = " + expression + " %}"
    text = line * min(MAX_SOURCE // len(line), MAX_NODES // 9)
    with pytest.raises(TemplateError, match="takes longer than"):
        sandbox.render(text, {"a": ["w"] * 350_000, "b": ["w"] * 350_000, "e": [], "t": "w\n" * 150_000})


def test_a_search_for_garbage_is_nothing_that_a_template_did(monkeypatch) -> None:
    """It happens in whatever thread makes the next object, and goes through all that the process holds."""
    held = [[n] for n in range(1_000_000)]
    began = time.thread_time()
    gc.collect()
    took = time.thread_time() - began
    monkeypatch.setattr(template_limits, "MAX_SECONDS", took / 2)
    meter = template_limits.Meter()
    gc.collect()
    time.sleep(2 * template_limits.LOOK_SECONDS)
    meter.tick()
    while time.thread_time() - began < 4 * took:  # what it computes itself still counts
        pass
    with pytest.raises(SecurityError, match="longer than"):
        meter.tick()
    assert len(held) == 1_000_000
