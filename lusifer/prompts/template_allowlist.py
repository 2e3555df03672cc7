"""What a template may use: filters, tests, attributes and methods that make no more than they are given."""

from __future__ import annotations

from jinja2 import nodes

FILTERS = frozenset(
    (
        "abs capitalize count default d first float int join last length list lower map max min reject "
        "rejectattr reverse round select selectattr sort string sum title trim truncate unique upper "
        "wordcount"
    ).split()
)
"""Filters, beside our own (`lusifer.prompts.sandbox`)."""
TESTS = frozenset(
    (
        "defined undefined none number string sequence mapping iterable odd even divisibleby eq == equalto ne "
        "!= lt < lessthan le <= gt > greaterthan ge >= in true false boolean integer float"
    ).split()
)
DATA = frozenset(
    (
        "lowest highest step item rating timestamp id title name year genres details overview tagline "
        "keywords directors cast"
    ).split()
)
"""What a template may read of the objects that it is given: plain data, nothing that computes."""
LOOP = frozenset(
    ("index index0 revindex revindex0 first last length depth depth0 previtem nextitem cycle changed").split()
)
"""What it may read of ``loop``."""
METHODS = frozenset(
    (
        "upper lower title capitalize strip lstrip rstrip startswith endswith split rsplit splitlines find "
        "count index isdigit items keys values get removeprefix removesuffix"
    ).split()
)
"""Methods of texts and built-in collections: none makes more than it is given."""
REFUSED = (nodes.Block, nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
"""What reaches other templates, or runs again by another name."""
PLAIN = str | bytes | list | tuple | dict | set | frozenset | int | float
