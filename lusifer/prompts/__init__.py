"""Prompts: templates run in a sandbox, sets of them in files, and their numbered versions in the store."""

from __future__ import annotations

from lusifer.prompts.prompt_sets import (
    DEFAULT,
    MAX_FILE_BYTES,
    MAX_VALUES,
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
from lusifer.prompts.versions import ACTIVE, BASELINE, PromptVersion

__all__ = [
    "ACTIVE",
    "BASELINE",
    "DEFAULT",
    "MAX_FILE_BYTES",
    "MAX_VALUES",
    "METADATA",
    "SHIPPED",
    "TEMPLATES",
    "TITLES",
    "PromptSet",
    "PromptVersion",
    "check_parameters",
    "find",
    "from_json",
    "load",
    "to_json",
]
