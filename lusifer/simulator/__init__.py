"""The simulated users: user models, profile evolution, rating."""

from __future__ import annotations

from lusifer.simulator.evolution import EvolutionSpec, Step, evolve, history_of, make_evolution_spec
from lusifer.simulator.llm_model import LLMUserModel
from lusifer.simulator.models import BUILTIN, BUILTIN_LABEL, label, user_model
from lusifer.simulator.runner import count_steps, load_steps, rate_items, run_evolution
from lusifer.simulator.statistical import StatisticalUserModel
from lusifer.simulator.types import Change, Context, Profile, SimulatedRating, UserModel

__all__ = [
    "BUILTIN",
    "BUILTIN_LABEL",
    "Change",
    "Context",
    "EvolutionSpec",
    "LLMUserModel",
    "Profile",
    "SimulatedRating",
    "StatisticalUserModel",
    "Step",
    "UserModel",
    "count_steps",
    "evolve",
    "history_of",
    "label",
    "load_steps",
    "make_evolution_spec",
    "rate_items",
    "run_evolution",
    "user_model",
]
