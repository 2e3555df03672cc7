"""The trust card of a model and prompt version: what its recorded runs say, and what it may be used for."""

from __future__ import annotations

from lusifer.evaluation.trust.card import TrustCard, TrustLine, Verdict, build_trust_card, short_title
from lusifer.evaluation.trust.measurements import AGREEMENT, COMPARISON, EXPERIMENT, FIDELITY, RANKING, price_a_user
from lusifer.evaluation.trust.rules import NOT_MEASURABLE, RULES, USES

__all__ = [
    "AGREEMENT",
    "COMPARISON",
    "EXPERIMENT",
    "FIDELITY",
    "NOT_MEASURABLE",
    "RANKING",
    "RULES",
    "USES",
    "TrustCard",
    "TrustLine",
    "Verdict",
    "build_trust_card",
    "price_a_user",
    "short_title",
]
