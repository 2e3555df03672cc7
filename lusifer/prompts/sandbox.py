"""Templates that a person wrote, run without trusting them: no way to Python, no end of time or memory.

Jinja's own sandbox keeps a template from reaching Python, and warns that it bounds neither time nor
memory (its documentation, "Sandbox", "Security Considerations"). Here every loop turn, macro call and
filter is a tick of a meter that knows how long a rendering has taken and how much it has printed; what
makes large values at one stroke (``*``, ``**``, ``~``, ``join``) is measured before it happens; only
filters, tests and methods that can't are let in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import lru_cache, partial, wraps
from types import BuiltinMethodType, TracebackType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

MAX_SECONDS = 1.0
"""Longest that one rendering may take; a usual one takes a hundredth of a millisecond to a few."""
MAX_CHARACTERS = 400_000
"""Longest text that a template may print or build, more than any model reads for one answer."""
MAX_SOURCE, MAX_NODES = 20_000, 4_000
"""Longest template, and how much there may be in it: compiling has no meter."""
MAX_ENTRIES = 10_000
"""Longest range or repeated list."""
MAX_BITS = 256
"""Largest whole number."""
BRIEF_LINES = 8
"""Lines that the filter ``brief`` keeps."""
FILTERS = (
    "abs",
    "capitalize",
    "count",
    "default",
    "d",
    "first",
    "float",
    "int",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "string",
    "sum",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
    "wordcount",
)
TESTS = (
    "defined",
    "undefined",
    "none",
    "number",
    "string",
    "sequence",
    "mapping",
    "iterable",
    "odd",
    "even",
    "divisibleby",
    "eq",
    "==",
    "equalto",
    "ne",
    "!=",
    "lt",
    "<",
    "lessthan",
    "le",
    "<=",
    "gt",
    ">",
    "greaterthan",
    "ge",
    ">=",
    "in",
    "true",
    "false",
    "boolean",
    "integer",
    "float",
)
DATA = frozenset(
    [
        "lowest",
        "highest",
        "step",
        "item",
        "rating",
        "timestamp",
        "id",
        "title",
        "name",
        "year",
        "genres",
        "details",
        "overview",
        "tagline",
        "keywords",
        "directors",
        "cast",
    ]
)
"""What a template may read of the objects that it is given: plain data, nothing that computes."""
LOOP = frozenset(
    [
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "depth",
        "depth0",
        "previtem",
        "nextitem",
        "cycle",
        "changed",
    ]
)
METHODS = frozenset(
    [
        "upper",
        "lower",
        "title",
        "capitalize",
        "strip",
        "lstrip",
        "rstrip",
        "startswith",
        "endswith",
        "split",
        "rsplit",
        "splitlines",
        "find",
        "count",
        "index",
        "isdigit",
        "items",
        "keys",
        "values",
        "get",
        "removeprefix",
        "removesuffix",
    ]
)
"""Methods of texts and built-in collections: none makes more than it is given."""


class _Meter:
    """What one rendering has used."""

    def __init__(self) -> None:
        self.until = time.monotonic() + MAX_SECONDS
        self.printed = 0

    def tick(self, characters: int = 0) -> str:
        self.printed += characters
        if self.printed > MAX_CHARACTERS:
            raise SecurityError(f"it prints more than {MAX_CHARACTERS:,} characters")
        if time.monotonic() > self.until:
            raise SecurityError(f"it takes longer than {MAX_SECONDS:g} s")
        return ""


_METER: ContextVar[_Meter] = ContextVar("lusifer_template_meter")


def _tick(characters: int = 0) -> str:
    return _METER.get().tick(characters)


def _pass(characters: int = 0) -> bool:
    _METER.get().tick(characters)
    return True


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 0


def _bounded(value: Any) -> Any:
    """The value, unless it is larger than any prompt has use for.

    All that a collection holds is counted, through collections in it: what is small in memory, a list
    of one list many times, would still take for ever to print or compare.
    """
    if isinstance(value, str):
        weight = len(value)
    elif isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise SecurityError("it uses numbers of more than 77 digits")
        return value
    elif isinstance(value, list | tuple | dict | set | frozenset | Namespace):
        weight = _weight(value)
    else:
        return value
    if weight > MAX_CHARACTERS:
        raise SecurityError(f"it builds something larger than {MAX_CHARACTERS:,} characters")
    return value


def _weight(value: Any) -> int:
    total, stack = 0, [value]
    while stack and total <= MAX_CHARACTERS:
        entry = stack.pop()
        if isinstance(entry, dict):
            stack.extend(entry)
            stack.extend(entry.values())
        elif isinstance(entry, Namespace):
            stack.extend(entry._Namespace__attrs.values())
        elif isinstance(entry, list | tuple | set | frozenset):
            stack.extend(entry)
        total += len(entry) if isinstance(entry, str) else 1
    return total


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(_bounded(value))


def _joined(*parts: Any) -> str:
    """What ``~`` means, measured before it is made."""
    texts = [_text(p) for p in parts]
    _tick()
    if sum(map(len, texts)) > MAX_CHARACTERS:
        raise SecurityError(f"it builds something larger than {MAX_CHARACTERS:,} characters")
    return "".join(texts)


def _read(entry: Any, attribute: str | None) -> Any:
    """An entry, or what a template may read of it."""
    if attribute is None:
        return entry
    if attribute not in DATA:
        raise SecurityError(f"access to attribute {attribute!r} is unsafe")
    return getattr(entry, attribute)


def _join(value: Iterable[Any], d: str = "", attribute: str | None = None) -> str:
    texts, size = [], 0
    for entry in value:
        text = _text(_read(entry, attribute))
        size += len(text) + len(d)
        if size > MAX_CHARACTERS:
            raise SecurityError(f"it builds something larger than {MAX_CHARACTERS:,} characters")
        texts.append(text)
    return d.join(texts)


def _sum(value: Iterable[Any], attribute: str | None = None, start: float = 0) -> float:
    values = [_read(v, attribute) for v in value]
    return sum((float(v) if not isinstance(v, int) else v for v in values), start)


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    if not 0 <= precision <= 10:
        raise SecurityError("it rounds to more than 10 places")
    if method == "ceil":
        return math.ceil(value * 10**precision) / 10**precision
    if method == "floor":
        return math.floor(value * 10**precision) / 10**precision
    return round(value, precision)


def _range(*bounds: int) -> range:
    result = range(*bounds)
    if len(result) > MAX_ENTRIES:
        raise SecurityError(f"a range of {len(result):,} is longer than {MAX_ENTRIES:,}")
    return result


def _metered(work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def run(*args: Any, **kwargs: Any) -> Any:
        _tick()
        for value in args:
            _bounded(value)
        return _bounded(work(*args, **kwargs))

    return run


REFUSED = (nodes.Block, nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
"""What reaches other templates, or runs again by another name."""
PLAIN = str | bytes | list | tuple | dict | set | frozenset | int | float


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "+", "%", "/", "//", "-"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str | bytes):
            raise SecurityError("texts are not formatted with %; use a filter")
        if operator == "**":
            base, power = abs(left), abs(right)
            if base > 1_000_000 or power > 12:
                raise SecurityError("its powers are too large")
        if operator == "*" and (_size(left) or _size(right)):
            times = right if _size(left) else left
            limit = MAX_CHARACTERS if isinstance(left, str) or isinstance(right, str) else MAX_ENTRIES
            if isinstance(times, int) and max(_size(left), _size(right)) * times > limit:
                raise SecurityError(f"it repeats something to more than {limit:,} in length")
        if operator == "+" and _size(left) + _size(right) > MAX_CHARACTERS:
            raise SecurityError(f"it builds something longer than {MAX_CHARACTERS:,}")
        return _bounded(super().call_binop(context, operator, left, right))

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
        if isinstance(obj, Macro | LoopContext | partial) or obj is _range or obj is Namespace:
            return True
        bound = getattr(obj, "__self__", None)
        if isinstance(obj, BuiltinMethodType):
            return isinstance(bound, PLAIN)
        return isinstance(bound, LoopContext) or getattr(obj, "__module__", "") == __name__

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        _tick()
        return _bounded(super().call(context, obj, *args, **kwargs))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > MAX_SOURCE:
            raise TemplateSyntaxError(f"a template has at most {MAX_SOURCE:,} characters", 1)
        try:
            tree = super()._parse(source, name, filename)
        except RecursionError:
            raise TemplateSyntaxError("it is nested too deeply", 1) from None
        for count, node in enumerate(tree.find_all(nodes.Node)):
            if count > MAX_NODES:
                raise TemplateSyntaxError("there is too much in it", node.lineno)
            if isinstance(node, REFUSED):
                kind = type(node).__name__.lower()
                raise TemplateSyntaxError(f"{kind} has no use in a prompt", node.lineno)
        return _with_ticks(tree)


def _call(name: str, line: int, *args: nodes.Expr) -> nodes.Expr:
    # By its import name, which no template can write or put something else in the place of.
    work = nodes.ImportedName(f"{__name__}.{name}", lineno=line)
    return nodes.Call(work, list(args), [], None, None, lineno=line)


def _with_ticks(tree: nodes.Template) -> nodes.Template:
    """The tree with a tick at each turn of a loop and each call of a macro, and all that makes texts or
    collections measured."""
    bodies: Any = tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock, nodes.FilterBlock))
    for node in bodies:
        fixed = sum(len(d.data) for child in node.body for d in child.find_all(nodes.TemplateData))
        tick = nodes.Output([_call("_tick", node.lineno, nodes.Const(fixed))], lineno=node.lineno)
        node.body.insert(0, tick)
        if isinstance(node, nodes.For) and node.test is not None:
            node.test = nodes.And(_call("_pass", node.lineno), node.test, lineno=node.lineno)
    return _measured(tree)


def _measured(node: Any) -> Any:
    for name, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, name, [_measured(v) if isinstance(v, nodes.Node) else v for v in value])
        elif isinstance(value, nodes.Node):
            setattr(node, name, _measured(value))
    if isinstance(node, nodes.Concat):
        return _call("_joined", node.lineno, *node.nodes)
    builds = isinstance(node, nodes.List | nodes.Dict) or (isinstance(node, nodes.Tuple) and node.ctx == "load")
    return _call("_bounded", node.lineno, node) if builds else node


def _printed(value: Any) -> Any:
    """What is about to be printed, counted."""
    if not isinstance(value, Undefined):
        value = _text(value)
        _tick(len(value))
    return value


@lru_cache(maxsize=1)
def _environment() -> _Environment:
    # Nothing is escaped: the result is a prompt, never HTML. Constants are not folded while compiling,
    # where no meter runs.
    env = _Environment(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=False,
        optimized=False,
        finalize=_printed,
    )
    # What Jinja hands some of them first (its environment) is marked on the function, and goes along.
    filters: Any = env.filters
    env.filters = {n: _metered(f) for n, f in filters.items() if n in FILTERS}
    env.filters |= {
        "join": _metered(_join),
        "round": _metered(_round),
        "sum": _metered(_sum),
        "string": _metered(_text),
        "number": lambda value: f"{value:g}",
        "decimal": lambda value: f"{value:.2f}",
        # The first lines of some facts: the strongest tastes come first.
        "brief": lambda text: "\n".join(text.splitlines()[:BRIEF_LINES]),
    }
    tests: Any = env.tests
    env.tests = {n: _metered(t) for n, t in tests.items() if n in TESTS}
    env.globals = {"range": _range, "namespace": env.globals["namespace"]}
    return env


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
        raise TemplateSyntaxError(f"it can't be compiled: {reason}", 1) from None


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
    token = _METER.set(_Meter())
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
        _METER.reset(token)


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
    from jinja2 import meta

    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(source)))
    except TemplateSyntaxError:
        return frozenset()
