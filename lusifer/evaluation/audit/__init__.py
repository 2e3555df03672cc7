"""The audit of explanations: every stated change and every statement of a profile, held against the ratings."""

from __future__ import annotations

from lusifer.evaluation.audit.change_validity import Validity, predictive_validity
from lusifer.evaluation.audit.claims import Audit, Claim, Evidence, Kind, Verdict
from lusifer.evaluation.audit.steps import audit

__all__ = ["Audit", "Claim", "Evidence", "Kind", "Validity", "Verdict", "audit", "predictive_validity"]
