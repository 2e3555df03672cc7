"""From a model spec (``builtin``, ``ENDPOINT:MODEL``) with its settings to a user model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lusifer import prompts
from lusifer.errors import InvalidInputError
from lusifer.llm import Budget, CachedLLM, create_llm
from lusifer.llm.recordings import PREFIX, RecordedLLM, Recording, find_recording
from lusifer.progress import never_cancelled
from lusifer.prompts import PromptSet
from lusifer.simulator.builtin import StatisticalUserModel
from lusifer.simulator.llm_model import LLMUserModel
from lusifer.simulator.models import BUILTIN
from lusifer.simulator.types import UserModel
from lusifer.store import Store


@dataclass(frozen=True)
class UserModelConfig:
    """Everything that a user model is made of; can be sent to another process.

    Attributes:
        spec: ``builtin``, ``recorded:NAME``, ``openai:MODEL``, ``ENDPOINT:MODEL``, ``ollama:NAME``, ``file:PATH`` or
            ``files:MODEL``.
        prompt_set: what a language model is asked with; ``None``: the shipped default.
        samples: draws per rating where the server gives no token probabilities.
        evidence: tell the model what others gave (it then needs community evidence to rate).
        budget: what may be spent; ``None``: as much as it takes.
        keys: keys by endpoint name, before the configured ones. They are never pickled: every machine has its own.
    """

    spec: str
    prompt_set: PromptSet | None = None
    samples: int = 1
    evidence: bool = False
    budget: Budget | None = None
    keys: Mapping[str, str] | None = field(default=None, repr=False, compare=False)

    @property
    def asks_a_model(self) -> bool:
        """Whether the model is a language model, see `UserModel.asks_a_model`."""
        return self.spec != BUILTIN

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "keys": None}

    def build(
        self, store: Store | None, *, run: str = "", cancelled: Callable[[], bool] = never_cancelled
    ) -> UserModel:
        """The user model. Making it asks nobody anything.

        Args:
            store: where answers are stored; ``None`` where nothing is.
            run: the id of the run that its calls are recorded under.
            cancelled: asked whether to stop.

        Raises:
            InvalidInputError: the spec can't be read, names a file that is not there, or names a language model
                while there is no store (its answers would be paid for and lost).
        """
        if not self.asks_a_model:
            return StatisticalUserModel(evidence=self.evidence)
        if self.samples < 1:
            raise InvalidInputError(f"A rating can't be sampled {self.samples} times.", "Give 1 or more.")
        if self.spec.startswith(PREFIX):
            return self._build_recorded(store, run)
        if store is None:
            raise InvalidInputError(
                "A language model's answers need the database, which can't be used.",
                "Set LUSIFER_DB to a file that can be written.",
            )
        budget = self.budget
        if budget is not None and run:
            budget = replace(budget, run_id=run)
        prompt_set = self.prompt_set or prompts.load()
        prompt_set = replace(prompt_set, samples=max(self.samples, prompt_set.samples), evidence=self.evidence)
        llm = create_llm(self.spec, store, keys=self.keys, budget=budget, cancelled=cancelled)
        return LLMUserModel(llm, prompt_set, run=run or None)

    def _build_recorded(self, store: Store | None, run: str) -> UserModel:
        """Answers of a recording: pinned to its own prompts, whatever others are chosen, and asked once."""
        if self.evidence:
            raise InvalidInputError(
                "A recording can't have evidence in the prompt: it was asked without.",
                "Switch community evidence off, or connect a model.",
            )
        recording = find_recording(self.spec.removeprefix(PREFIX))
        bare = RecordedLLM(recording)
        session = self.budget.session_id if self.budget else ""
        llm = bare if store is None else CachedLLM(bare, store, session=session)
        return LLMUserModel(llm, prompts_of(recording), run=run or None, recording=recording)


def prompts_of(recording: Recording) -> PromptSet:
    """The prompts that a recording was made with.

    Raises:
        InvalidInputError: it brings none, and they are none that this program ships.
    """
    header = recording.header
    if header.prompts:
        return prompts.from_json(json.dumps(header.prompts))
    shipped = next((p for p in map(prompts.load, prompts.SHIPPED) if p.version == header.prompt_version), None)
    if shipped is None:
        raise InvalidInputError(
            f"The recording {recording.name} was asked with {header.prompt_version}, which it does not bring along.",
            "Make the recording again with this version.",
        )
    return shipped
