"""The simulated user that a language model plays: facts computed here, words and judgement there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lusifer.datasets import Item
from lusifer.errors import ModelError
from lusifer.llm import LLM, Completion, Message, Note, Recorded
from lusifer.prompts import PromptSet
from lusifer.simulator import answers
from lusifer.simulator.facts import facts
from lusifer.simulator.types import Context, SimulatedRating, Update


@dataclass
class LLMUserModel:
    """A `UserModel` on any `LLM` and prompt set.

    A forecast or rating that fails leaves its items missing, each with the reason; a failed update
    raises, since a profile can't be left out.
    """

    llm: LLM
    prompts: PromptSet
    run: str | None = None
    spec: str = field(init=False)
    version: str = field(init=False)

    def __post_init__(self) -> None:
        self.spec, self.version = self.llm.spec, self.prompts.version

    def forecast(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """Ratings of the coming batch, from the profile before it."""
        return self._rate(context, items, "forecast")

    def rate(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """Simulated ratings, ``items_per_call`` at a time."""
        return self._rate(context, items, "rate")

    def update(self, context: Context) -> Update:
        """One call: the profile rewritten, with explanation and changes."""
        seen = context.seen + context.batch
        prompt = self.prompts.render(
            "update",
            about=context.profile.about,
            profile=_sections(context),
            facts=facts(seen, context.usual_rating),
            seen=seen,
            batch=context.batch,
        )
        answer = self._ask(context, prompt, answers.update_schema(context.batch), "update")
        try:
            return answers.read_update(answer.text, context.profile.about, context.batch)
        except ModelError as error:
            self._reject(answer, error)
            raise

    def _rate(
        self, context: Context, items: tuple[Item, ...], purpose: str
    ) -> tuple[SimulatedRating, ...]:
        size = self.prompts.items_per_call
        done: list[SimulatedRating] = []
        for at in range(0, len(items), size):
            part = items[at : at + size]
            try:
                done.extend(self._rate_part(context, part, purpose))
            except ModelError as error:
                if error.kind in _HOPELESS:
                    raise  # the next call would fail the same way, and a person must act
                done.extend(SimulatedRating(i.id, None, None, failure=str(error)) for i in part)
        return tuple(done)

    def _rate_part(
        self, context: Context, items: tuple[Item, ...], purpose: str
    ) -> tuple[SimulatedRating, ...]:
        prompt = self.prompts.render(
            "rate",
            about=context.profile.about,
            profile=_sections(context),
            facts=facts(context.seen, context.usual_rating),
            recent=context.seen[-self.prompts.recent :],
            items=items,
        )
        schema = answers.ratings_schema(items, context.scale)
        answer = self._ask(context, prompt, schema, purpose)
        try:
            ratings = answers.read_ratings(answer.text, items, context.scale)
        except ModelError as error:
            self._reject(answer, error)
            raise
        missing = sum(bool(r.failure) for r in ratings)
        if missing:
            self._reject(answer, ModelError(f"{missing} of {len(items)} ratings are missing."))
        return ratings

    def _ask(
        self, context: Context, prompt: str, schema: dict[str, Any], purpose: str
    ) -> Completion:
        system = self.prompts.render("system", scale=context.scale, usual=context.usual_rating)
        return self.llm.complete(
            [Message("system", system), Message("user", prompt)],
            schema=schema,
            temperature=self.prompts.temperature,
            note=Note(purpose, self.run, context.user.id, context.step, self.version),
        )

    def _reject(self, answer: Completion, error: ModelError) -> None:
        if isinstance(self.llm, Recorded):
            self.llm.reject(answer.key, str(error))


_HOPELESS = {"auth", "unreachable", "not-found"}


def _sections(context: Context) -> str:
    """The profile without its first line, which the prompt shows under its own heading."""
    text, about = context.profile.text, context.profile.about
    return text.removeprefix(about).strip() if about else text
