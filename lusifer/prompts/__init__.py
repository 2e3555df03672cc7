"""Prompts: templates run in a sandbox, sets of them in files, and their numbered versions in the store."""

from __future__ import annotations

from lusifer.prompts.sets import (
    DEFAULT,
    LARGEST,
    METADATA,
    SHIPPED,
    TEMPLATES,
    TITLES,
    PromptSet,
    check_parameters,
    find,
    from_json,
    load,
    to_json,
)
from lusifer.prompts.versions import ACTIVE, BASELINE, Version

__all__ = [
    "ACTIVE",
    "BASELINE",
    "DEFAULT",
    "LARGEST",
    "METADATA",
    "SHIPPED",
    "TEMPLATES",
    "TITLES",
    "PromptSet",
    "Version",
    "check_parameters",
    "find",
    "from_json",
    "load",
    "to_json",
]
