"""The built-in user model: statistics in, sentences out; no language model."""

from __future__ import annotations

from lusifer.simulator.builtin.model import StatisticalUserModel

__all__ = ["StatisticalUserModel"]
