"""A probe for memory: a model is asked for a user's ratings by the data set's name and the user's id alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lusifer.datasets import Dataset, Item
from lusifer.errors import ModelError
from lusifer.llm import CallMetadata, Message
from lusifer.simulator import answers
from lusifer.simulator.llm_model import LLMUserModel, Question
from lusifer.simulator.types import SimulatedRating, UserModel

ITEMS_PER_CALL = 20
"""Movies asked about at a time."""
SYSTEM = (
    "You are asked what you remember of a public data set. Answer with the rating that stands in it. Where you do not "
    "remember one, give the rating that you think most likely. Answer in JSON only."
)


def probe_question(model: LLMUserModel, dataset: Dataset, user: int, items: Sequence[Item]) -> Question:
    """The call that asks for one user's ratings of some movies; nothing else of the user is told."""
    # Where the files' ids are texts, they are asked about, and answered by numbers of the question's own.
    are_texts = any(item.file_id for item in items)
    item_lines = "\n".join(
        f"{n} | {i.label} | {i.title}" if are_texts else f"{i.id} | {i.title}" for n, i in enumerate(items, 1)
    )
    scale = dataset.scale
    text = (
        f"In the data set {dataset.title}, which rating ({scale.lowest:g} to {scale.highest:g}) did the user with id "
        f"{dataset.user_label(user)} give each of "
        f"these {dataset.item_nouns.plural}? For each give the reason first: remembered, or "
        f"guessed.\n\n{dataset.item_nouns.plural.upper()} ({'number | id' if are_texts else 'id'} | title)"
        f"\n{item_lines}"
    )
    metadata = CallMetadata("recite", model.run, user, 0, model.version, None)
    return [Message("system", SYSTEM), Message("user", text)], {
        "schema": answers.ratings_schema(_as_asked(items), scale),
        "temperature": 0.0,
        "max_tokens": 200 + model.prompts.rating_tokens * len(items),
        "logprobs": 0,
        "draw": 0,
        "metadata": metadata,
        "on_text": None,
    }


def probe_questions(
    model: UserModel, dataset: Dataset, user: int, items: Sequence[Item]
) -> list[tuple[tuple[Item, ...], Question]]:
    """The calls for any number of movies: those of each, and what is asked; none of a model without a memory."""
    if not isinstance(model, LLMUserModel):
        return []
    chunks = [tuple(items[start : start + ITEMS_PER_CALL]) for start in range(0, len(items), ITEMS_PER_CALL)]
    return [(chunk, probe_question(model, dataset, user, chunk)) for chunk in chunks]


def _as_asked(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items with the ids by which they are answered."""
    are_texts = any(item.file_id for item in items)
    return tuple(replace(i, id=n) if are_texts else i for n, i in enumerate(items, 1))


def ask_from_memory(
    model: UserModel, dataset: Dataset, user: int, items: Sequence[Item]
) -> tuple[SimulatedRating, ...]:
    """What the model says that the data set holds.

    Of a failed answer every rating is missing, and it is not served again.

    Raises:
        ModelError: the model can't be asked at all, or not now.
    """
    result: list[SimulatedRating] = []
    if not isinstance(model, LLMUserModel):
        return tuple(SimulatedRating(i.id, None, None, failure="It asks no language model.") for i in items)
    for chunk, (messages, options) in probe_questions(model, dataset, user, items):
        answer = None
        try:
            answer = model.llm.complete(messages, **options)
            asked = _as_asked(chunk)
            found = answers.read_ratings(answer.text, asked, dataset.scale)
            ids = {a.id: item.id for a, item in zip(asked, chunk, strict=True)}
            ratings = tuple(replace(r, item_id=ids[r.item_id]) for r in found)
            failures = [r.failure for r in ratings if r.failure]
            if failures:
                model.reject(answer, ModelError(failures[0]))
        except ModelError as error:
            if error.is_fatal or error.is_transient:
                raise
            if answer is not None:
                model.reject(answer, error)
            ratings = tuple(SimulatedRating(i.id, None, None, failure=str(error)) for i in chunk)
        result.extend(ratings)
    return tuple(result)
