"""Templates that a person wrote, run without trusting them: no way to Python, no end of time or memory.

Jinja's own sandbox keeps a template from reaching Python, and warns that it bounds neither time nor
memory (its documentation, "Sandbox", "Security Considerations"). Here every loop turn, call, operator,
filter, test and literal of a collection is a tick of a meter that knows how long a rendering has taken and how much it
has printed; what makes large values at one stroke (``*``, ``**``, ``~``, ``join``) is measured before it happens; only
filters, tests and methods that can't are let in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from types import BuiltinMethodType, TracebackType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from lusifer.prompts import syntax, template_limits
from lusifer.prompts.template_allowlist import DATA, FILTERS, LOOP, METHODS, PLAIN, REFUSED, TESTS
from lusifer.prompts.template_limits import (
    MAX_CHARACTERS,
    MAX_ENTRIES,
    MAX_NODES,
    MAX_SOURCE,
    METER,
    Meter,
    concatenate,
    count_printed,
    count_turn,
    join_texts,
    length_of,
    limited_range,
    metered,
    round_number,
    sum_values,
    tick,
    to_text,
    within_limits,
)

BRIEF_LINES = 8
"""Lines that the filter ``brief`` keeps."""


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "+", "%", "/", "//", "-"})
    intercepted_unops = frozenset({"+", "-"})

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        tick()
        return super().call_unop(context, operator, arg)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        tick()
        if operator == "%" and isinstance(left, str | bytes):
            raise SecurityError("texts are not formatted with %; use a filter")
        if operator == "**":
            base, power = abs(left), abs(right)
            if base > 1_000_000 or power > 12:
                raise SecurityError("its powers are too large")
        if operator == "*" and (length_of(left) or length_of(right)):
            times = right if length_of(left) else left
            limit = MAX_CHARACTERS if isinstance(left, str) or isinstance(right, str) else MAX_ENTRIES
            if isinstance(times, int) and max(length_of(left), length_of(right)) * times > limit:
                raise SecurityError(f"it repeats something to more than {limit:,} in length")
        if operator == "+" and length_of(left) + length_of(right) > MAX_CHARACTERS:
            raise SecurityError(f"it builds something longer than {MAX_CHARACTERS:,}")
        return within_limits(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Any:
        return None  # "{:>1000000000}": no formatting, so nothing to wrap

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, PLAIN | range):
            return attr in METHODS
        if isinstance(obj, LoopContext):
            return attr in LOOP
        if isinstance(obj, Namespace):
            return not attr.startswith("_")
        # Of everything else data alone: an array of numbers would write files.
        return attr in DATA and not callable(value)

    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, Macro | LoopContext | partial) or obj is limited_range or obj is Namespace:
            return True
        bound = getattr(obj, "__self__", None)
        if isinstance(obj, BuiltinMethodType):
            return isinstance(bound, PLAIN)
        return isinstance(bound, LoopContext) or getattr(obj, "__module__", "") == template_limits.__name__

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        # Nearly every call of a rendering is one of these, which `_with_ticks` puts there; they tick by themselves.
        if obj is template_limits.tick or obj is count_turn or obj is concatenate:
            return obj(*args)
        tick()
        if obj is within_limits:
            return obj(*args)
        return within_limits(super().call(context, obj, *args, **kwargs))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > MAX_SOURCE:
            raise TemplateSyntaxError(f"a template has at most {MAX_SOURCE:,} characters", 1)
        parser = syntax.LocatingParser(self, source, name, filename)
        try:
            tree = parser.parse()
        except TemplateSyntaxError as error:
            unclosed = syntax.unclosed_tag(source, error.lineno)
            if unclosed is None:
                raise
            raise TemplateSyntaxError(
                f"the {unclosed.opening} is not closed with {unclosed.closing}", unclosed.line
            ) from None
        except RecursionError:
            raise TemplateSyntaxError("it is nested too deeply", parser.stream.current.lineno) from None
        for count, node in enumerate(tree.find_all(nodes.Node)):
            if count > MAX_NODES:
                raise TemplateSyntaxError("there is too much in it", node.lineno)
            if isinstance(node, REFUSED):
                kind = type(node).__name__.lower()
                raise TemplateSyntaxError(f"{kind} has no use in a prompt", node.lineno)
        return _with_ticks(tree)


def _call_of(name: str, line: int, *args: nodes.Expr) -> nodes.Expr:
    # By its import name, which no template can write or put something else in the place of.
    work = nodes.ImportedName(f"{template_limits.__name__}.{name}", lineno=line)
    return nodes.Call(work, list(args), [], None, None, lineno=line)


def _with_ticks(tree: nodes.Template) -> nodes.Template:
    """The tree with a tick at each turn of a loop and each call of a macro.

    All that makes texts or collections is measured.
    """
    bodies: Any = tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock, nodes.FilterBlock))
    for node in bodies:
        fixed = sum(len(d.data) for child in node.body for d in child.find_all(nodes.TemplateData))
        turn = nodes.Output([_call_of("tick", node.lineno, nodes.Const(fixed))], lineno=node.lineno)
        node.body.insert(0, turn)
        if isinstance(node, nodes.For) and node.test is not None:
            node.test = nodes.And(_call_of("count_turn", node.lineno), node.test, lineno=node.lineno)
    return _measure(tree)


def _measure(node: Any) -> Any:
    for name, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, name, [_measure(v) if isinstance(v, nodes.Node) else v for v in value])
        elif isinstance(value, nodes.Node):
            setattr(node, name, _measure(value))
    if isinstance(node, nodes.Concat):
        return _call_of("concatenate", node.lineno, *node.nodes)
    # Comparing goes through collections, a slice copies one: what is small in a template may be much to do.
    measured = isinstance(node, nodes.List | nodes.Dict | nodes.Compare | nodes.Not) or (
        isinstance(node, nodes.Tuple | nodes.Getitem) and node.ctx == "load"
    )
    return _call_of("within_limits", node.lineno, node) if measured else node


@lru_cache(maxsize=1)
def _environment() -> _Environment:
    # Nothing is escaped: the result is a prompt, never HTML. Constants are not folded while compiling,
    # where no meter runs.
    env = _Environment(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=False,
        optimized=False,
        finalize=count_printed,
    )
    # What Jinja hands some of them first (its environment) is marked on the function, and goes along.
    filters: Any = env.filters
    env.filters = {n: metered(f) for n, f in filters.items() if n in FILTERS}
    env.filters |= {
        "join": metered(join_texts),
        "round": metered(round_number),
        "sum": metered(sum_values),
        "string": metered(to_text),
        "number": metered(lambda value: f"{value:g}"),
        "decimal": metered(lambda value: f"{value:.2f}"),
        # The first lines of some facts: the strongest tastes come first.
        "brief": metered(lambda text: "\n".join(text.splitlines()[:BRIEF_LINES])),
    }
    tests: Any = env.tests
    env.tests = {n: metered(t) for n, t in tests.items() if n in TESTS}
    env.globals = {"range": limited_range, "namespace": env.globals["namespace"]}
    return env


def filter_names() -> list[str]:
    """The filters that a template may use, in alphabetical order."""
    return sorted(_environment().filters)


@lru_cache(maxsize=512)
def compile_template(text: str) -> Template:
    """A template ready to be filled in.

    Compiling takes ten times as long as filling in, and every call fills two in.

    Raises:
        TemplateSyntaxError: it can't be read; with the line.
    """
    try:
        return _environment().from_string(text)
    except TemplateError:
        raise
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        # Jinja makes Python of it, which has limits of its own (20 nested loops, a name twice).
        reason = str(error).partition("(")[0].partition("\n")[0].strip() or "it is nested too deeply"
        raise TemplateSyntaxError(f"it can't be compiled: {reason}", _template_line(text, error)) from None


def _template_line(text: str, error: BaseException) -> int:
    """The line of a template that the line of its Python code stands for; its first where that can't be told."""
    if not isinstance(error, SyntaxError) or error.lineno is None:
        return 1
    code = str(_environment().compile(text, raw=True)).splitlines()
    pairs = re.search(r"^debug_info = '([0-9=&]*)'$", "\n".join(code[-3:]), re.MULTILINE)
    lines = [tuple(map(int, pair.split("="))) for pair in pairs[1].split("&") if pair] if pairs else []
    return max((line for line, at in lines if at <= error.lineno), default=1)


def parse(text: str) -> nodes.Template:
    """A template's syntax tree as it was written.

    Raises:
        TemplateSyntaxError: it can't be read; with the line.
    """
    compile_template(text)  # checks what only shows when code is made of it
    return _environment().parse(text)


def render(text: str, values: Mapping[str, Any]) -> str:
    """A template with its variables filled in, without the white space around.

    Raises:
        TemplateError: it can't be read, names what is not there, or asks for what it may not.
    """
    template = compile_template(text)
    token = METER.set(Meter())
    try:
        return template.render(values).strip()
    except TemplateError:
        raise
    except RecursionError as error:
        raise SecurityError("it calls itself without end").with_traceback(error.__traceback__) from None
    except Exception as error:  # a template may divide by nothing or add a text to a number
        reason = f"{type(error).__name__}: {error}"
        raise TemplateError(reason).with_traceback(error.__traceback__) from None
    finally:
        METER.reset(token)


def line_of(error: BaseException) -> int | None:
    """The line of the template at which an error came up, from 1; ``None`` where it can't be told."""
    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    line, frame = None, error.__traceback__
    while isinstance(frame, TracebackType):
        if frame.tb_frame.f_code.co_filename == "<template>":
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


@lru_cache(maxsize=256)
def variables_of(source: str) -> frozenset[str]:
    """Names that a template takes from outside; none where it can't be read."""
    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(source)))
    except TemplateSyntaxError:
        return frozenset()
