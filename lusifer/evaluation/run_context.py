"""What every computation over users is given, under the name of the package that computes."""

from __future__ import annotations

from lusifer.simulator.run_context import RunContext

__all__ = ["RunContext"]
