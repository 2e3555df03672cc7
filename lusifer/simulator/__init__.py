"""The simulated users: user models, profile evolution, rating."""

from __future__ import annotations

from lusifer.simulator.builtin import StatisticalUserModel
from lusifer.simulator.evolution import EvolutionSpec, Step, evolve, history_of, make_evolution_spec
from lusifer.simulator.llm_model import LLMUserModel
from lusifer.simulator.models import BUILTIN, BUILTIN_LABEL, label
from lusifer.simulator.run_context import RunContext
from lusifer.simulator.runner import count_steps, load_steps, rate_items, run_evolution
from lusifer.simulator.types import Change, Context, Profile, SimulatedRating, UserModel
from lusifer.simulator.user_model_config import UserModelConfig

__all__ = [
    "BUILTIN",
    "BUILTIN_LABEL",
    "Change",
    "Context",
    "EvolutionSpec",
    "LLMUserModel",
    "Profile",
    "RunContext",
    "SimulatedRating",
    "StatisticalUserModel",
    "Step",
    "UserModel",
    "UserModelConfig",
    "count_steps",
    "evolve",
    "history_of",
    "label",
    "load_steps",
    "make_evolution_spec",
    "rate_items",
    "run_evolution",
]
