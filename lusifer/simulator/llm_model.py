"""The simulated user that a language model plays: facts computed here, words and judgement there."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, pstdev
from typing import Any

from lusifer.datasets import Item
from lusifer.errors import ModelError
from lusifer.llm import LLM, CachedLLM, CallMetadata, Completion, Message, Options
from lusifer.llm.recordings import Recording
from lusifer.llm.turns import in_turn
from lusifer.prompts import PromptSet
from lusifer.simulator import answers, prompt_rendering
from lusifer.simulator.duplicates import ask_once, distinct_items
from lusifer.simulator.numbered_items import AskedItems, ask_about
from lusifer.simulator.prompt_variables import TemplateInput
from lusifer.simulator.rating_summary import rating_habits, with_rating_habits, without_rating_habits
from lusifer.simulator.types import Context, SimulatedRating, Update

log = logging.getLogger(__name__)
REPAIRABLE = {"invalid", "truncated", "refused"}
"""What one more try, that says what was wrong, may mend."""
LOGPROBS = 10
"""Likely tokens asked for at each place: more than a scale has digits."""
DRAWS_APART = 1000
"""What lies between two draws of a whole evolution: more than a rating has samples."""
SAMPLING_TEMPERATURE = 1.0
"""Temperature of several draws where the prompts ask for 0: else all draws are the same."""

Question = tuple[list[Message], Options]
"""One call: its messages and what is asked for beside them."""


@dataclass
class LLMUserModel:
    """A `UserModel` on any `LLM` and prompt set.

    A forecast or rating that fails leaves its items missing, each with the reason; an error that passes by itself
    raises, as does a failed update, since a profile can't be left out. ``on_text`` is told each answer's pieces as they
    arrive; ``evolution`` names the plan that the calls are recorded under. A ``draw`` above 0 asks anew what is stored
    already; it is another version, stored apart. A ``recording`` answers only from the profiles that it holds: an
    edited one is another question.
    """

    llm: LLM
    prompts: PromptSet
    run: str | None = None
    on_text: Callable[[str], None] | None = None
    draw: int = 0
    evolution: str | None = None
    recording: Recording | None = None
    spec: str = field(init=False)
    version: str = field(init=False)
    evidence: bool = field(init=False)
    history: int = field(init=False)
    batch_size: int = field(init=False)

    def __post_init__(self) -> None:
        self.history, self.batch_size = self.prompts.history, self.prompts.batch_size
        self.spec, self.version = self.llm.spec, self.prompts.version
        if self.draw:
            self.version += f"~{self.draw}"
        self.evidence = self.prompts.evidence

    @property
    def asks_a_model(self) -> bool:
        """See `UserModel`."""
        return True

    def with_prompts(self, prompts: PromptSet) -> LLMUserModel:
        """See `UserModel`."""
        return replace(self, prompts=prompts)

    def recorded_as(self, evolution: str) -> LLMUserModel:
        """See `UserModel`."""
        return replace(self, evolution=evolution)

    def redrawn(self, draw: int) -> LLMUserModel:
        """See `UserModel`."""
        return replace(self, draw=draw)

    def streaming(self, on_text: Callable[[str], None]) -> LLMUserModel:
        """See `UserModel`."""
        return replace(self, on_text=on_text)

    def stored_only(self, cause: str) -> LLMUserModel:
        """See `UserModel`.

        Raises:
            ModelError: there is no cache, so nothing is stored.
        """
        if not isinstance(self.llm, CachedLLM):
            raise ModelError(cause, kind="server")
        return replace(self, llm=self.llm.stored_only(cause))

    @in_turn
    def forecast(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """Ratings of the coming batch, from the profile before it."""
        return ask_once(lambda distinct: self._rate(context, distinct, "forecast"), items)

    @in_turn
    def rate(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """Simulated ratings, ``items_per_call`` at a time."""
        return ask_once(lambda distinct: self._rate(context, distinct, "rate"), items)

    @in_turn
    def update(self, context: Context) -> Update:
        """The profile rewritten, with explanation and changes; one more call where that is invalid."""
        self._check_recorded(context)
        asked = ask_about(self.prompts, context)
        messages, options = self.update_question(context)
        schema = options["schema"] or {}
        for last in (False, True):
            answer = None
            try:
                answer = self.llm.complete(messages, **options)
                update = answers.read_update(answer.text, context.profile.about, asked.context.batch)
                return self._with_rating_habits(context, asked.restore_update(update))
            except ModelError as error:
                if answer is not None:
                    self.reject(answer, error)
                if last or error.kind not in REPAIRABLE:
                    raise
                messages = self._repair(asked, messages, error.text, error.message, schema, "update")
                if error.kind == "truncated":
                    options["max_tokens"] = 2 * self.prompts.update_tokens
        raise AssertionError("unreachable")

    def rate_questions(self, context: Context, items: Sequence[Item], purpose: str = "rate") -> list[Question]:
        """What `rate` or `forecast` would ask first, call by call."""
        size, items = self.prompts.items_per_call, distinct_items(items)
        chunks = [tuple(items[start : start + size]) for start in range(0, len(items), size)]
        return [self._rate_question(context, chunk, purpose, 0) for chunk in chunks]

    def draw_questions(self, context: Context, items: Sequence[Item], purpose: str = "rate") -> list[Question]:
        """What `rate` or `forecast` would ask after its first draw: the others, of what has no token probabilities."""
        size, result, items = self.prompts.items_per_call, list[Question](), distinct_items(items)
        for start in range(0, len(items) if self.prompts.samples > 1 else 0, size):
            chunk = tuple(items[start : start + size])
            first = {r.item_id: r for r in self._ratings(context, chunk, purpose, 0)}
            undecided = tuple(i for i in chunk if first[i.id].how != "tokens")
            draws = range(1, self.prompts.samples) if undecided else ()
            result += [self._rate_question(context, undecided, purpose, d) for d in draws]
        return result

    def update_question(self, context: Context) -> Question:
        """What `update` would ask first."""
        asked = ask_about(self.prompts, context)
        messages = prompt_rendering.render_update(self.prompts, asked.context)
        schema = answers.update_schema(asked.context.batch)
        return messages, self._options(asked, schema, "update", self.prompts.update_tokens)

    def _with_rating_habits(self, context: Context, update: Update) -> Update:
        """The update with the numbers of the rating habits, where code writes those."""
        if not self.prompts.anonymous:
            return update
        seen, nouns = context.seen + context.batch, context.item_nouns.plural
        habits = rating_habits(seen, context.usual_rating, context.scale, nouns)
        return replace(update, profile=with_rating_habits(update.profile, habits))

    def _rate_question(self, context: Context, items: tuple[Item, ...], purpose: str, draw: int) -> Question:
        asked = ask_about(self.prompts, context, items)
        messages = prompt_rendering.render_rate(self.prompts, asked.context, asked.items)
        schema = answers.ratings_schema(asked.items, context.scale)
        return messages, self._options(asked, schema, purpose, self._most(items), draw)

    def _check_recorded(self, context: Context) -> None:
        if self.recording is None:
            return
        recorded = self.recording.bullets(context.user.id, context.step - 1)
        if sorted(recorded) != sorted(b.text for b in without_rating_habits(context.profile).bullets):
            raise ModelError(
                f"Not in the recording {self.recording.name}: another profile than the recorded one.",
                "Connect a model, or use the built-in, to ask what was not recorded.",
                kind="not-recorded",
            )

    def _most(self, items: Sequence[Item]) -> int:
        return 200 + self.prompts.rating_tokens * len(items)

    # ---- asking -----------------------------------------------------------------------------------

    def _rate(self, context: Context, items: tuple[Item, ...], purpose: str) -> tuple[SimulatedRating, ...]:
        size, samples = self.prompts.items_per_call, self.prompts.samples
        ratings: list[SimulatedRating] = []
        for start in range(0, len(items), size):
            chunk = items[start : start + size]
            first = self._ratings(context, chunk, purpose, 0)
            draws = {r.item_id: [r] for r in first}
            for draw in range(1, samples):
                undecided = tuple(i for i in chunk if draws[i.id][0].how != "tokens")
                if undecided:
                    for r in self._ratings(context, undecided, purpose, draw):
                        draws[r.item_id].append(r)
            ratings.extend(_mean(draws[i.id]) for i in chunk)
        return tuple(ratings)

    def _ratings(
        self, context: Context, items: tuple[Item, ...], purpose: str, draw: int
    ) -> tuple[SimulatedRating, ...]:
        """One draw for at most ``items_per_call`` items: one call, and one more for what it missed."""
        self._check_recorded(context)
        asked = ask_about(self.prompts, context, items)
        messages, options = self._rate_question(context, items, purpose, draw)
        by_number: dict[int, SimulatedRating] = {}
        remaining = asked.items
        for last in (False, True):
            answer, problem = None, ""
            try:
                answer = self.llm.complete(messages, **options)
                ratings = answers.read_ratings(answer.text, remaining, context.scale, answer.tokens)
            except ModelError as error:
                if error.is_fatal or error.is_transient:
                    raise  # it says nothing of these items: a person must act, or it is asked again later
                problem, answer_text = error.message, error.text
                ratings = self._salvage(error, remaining, context)
                repairable = error.kind in REPAIRABLE
                truncated = error.kind == "truncated"
                if answer is not None:
                    self.reject(answer, error)
            else:
                answer_text, repairable, truncated = answer.text, True, False
                failed = [r for r in ratings if r.failure]
                if failed:
                    problem = " ".join(dict.fromkeys(r.failure for r in failed))
                    self.reject(answer, ModelError(f"{len(failed)} of {len(remaining)} ratings: {problem}"))
            by_number |= {r.item_id: r for r in ratings}
            remaining = tuple(i for i in remaining if by_number[i.id].failure)
            if last or not remaining or not repairable:
                break
            schema = answers.ratings_schema(remaining, context.scale)
            messages = self._repair(asked, messages, answer_text, problem, schema, purpose, remaining)
            options |= {"schema": schema, "max_tokens": self._most(remaining) * (1 + truncated)}
        return asked.restore_ratings([by_number[i.id] for i in asked.items])

    @staticmethod
    def _salvage(error: ModelError, items: tuple[Item, ...], context: Context) -> tuple[SimulatedRating, ...]:
        """What an answer that was cut off holds; for every other item the reason why it has none."""
        by_id: dict[int, SimulatedRating] = {}
        if error.kind == "truncated":
            try:
                ratings = answers.read_ratings(error.text, items, context.scale)
                by_id = {r.item_id: r for r in ratings if not r.failure}
            except ModelError:
                pass
        return tuple(by_id.get(i.id) or SimulatedRating(i.id, None, None, failure=str(error)) for i in items)

    def _options(
        self, asked: AskedItems, schema: dict[str, Any], purpose: str, max_tokens: int, draw: int = 0
    ) -> Options:
        context = asked.context
        rating = purpose != "update"
        temperature = self.prompts.temperature
        if rating and self.prompts.samples > 1:
            temperature = temperature or SAMPLING_TEMPERATURE
        metadata = CallMetadata(
            purpose, self.run, context.user.id, context.step, self.version, self.evolution, asked.ids
        )
        return {
            "schema": schema,
            "temperature": temperature,
            "max_tokens": max_tokens,
            "logprobs": LOGPROBS if rating else 0,
            "draw": draw + DRAWS_APART * self.draw,
            "metadata": metadata,
            "on_text": self.on_text,
        }

    def reject(self, answer: Completion, error: ModelError) -> None:
        """Take an answer back that can't be used: it is never served again."""
        if isinstance(self.llm, CachedLLM):
            self.llm.reject(answer.key, error.message)

    # ---- repairing ---------------------------------------------------------------------------------

    def _repair(
        self,
        asked: AskedItems,
        messages: list[Message],
        answer_text: str,
        problem: str,
        schema: dict[str, Any],
        purpose: str,
        items: Sequence[Item] = (),
    ) -> list[Message]:
        """The conversation so far, the answer, and what was wrong with it."""
        log.info("%s: an answer for user %d is repaired: %s", self.spec, asked.context.user.id, problem)
        text = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
        given = TemplateInput(self.prompts, asked.context, items, problem, text, purpose)
        prompt = prompt_rendering.render_template("repair", given)
        if not answer_text.strip():  # many chat templates take no two messages of one role in a row
            return [*messages[:-1], Message("user", f"{messages[-1].content}\n\n{prompt}")]
        return [*messages, Message("assistant", answer_text[:SAID]), Message("user", prompt)]


SAID = 2000
"""Characters of an unusable answer that the repair shows again."""


def _mean(draws: list[SimulatedRating]) -> SimulatedRating:
    """Several draws of one rating: the mean of what they expect, their spread, the first one's rating and reason."""
    answered = [r for r in draws if r.rating is not None]
    if len(draws) == 1 or not answered:
        return draws[0]
    ratings = [float(r.rating) for r in answered if r.rating is not None]
    expected = [r.expected for r in answered if r.expected is not None]  # a stated one where there is one
    return replace(answered[0], expected=fmean(expected), std=pstdev(ratings), how="samples")
