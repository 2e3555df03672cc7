"""A probe for memory: a model is asked for a user's ratings by the data set's name and the user's id alone."""

from __future__ import annotations

from collections.abc import Sequence

from lusifer.datasets import Dataset, Item
from lusifer.errors import ModelError
from lusifer.llm import CallMetadata, Message
from lusifer.simulator import answers
from lusifer.simulator.llm_model import LLMUserModel, Question
from lusifer.simulator.types import SimulatedRating

PART = 20
"""Movies asked about at a time."""
SYSTEM = (
    "You are asked what you remember of a public data set. Answer with the rating that stands in it. Where you do not "
    "remember one, give the rating that you think most likely. Answer in JSON only."
)


def question(model: LLMUserModel, dataset: Dataset, user: int, items: Sequence[Item]) -> Question:
    """The call that asks for one user's ratings of some movies; nothing else of the user is told."""
    listed = "\n".join(f"{i.id} | {i.title}" for i in items)
    scale = dataset.scale
    text = (
        f"In the data set {dataset.title}, which rating ({scale.lowest:g} to {scale.highest:g}) did the user with id {user} give each of "
        f"these {dataset.words.many}? For each give the reason first: remembered, or guessed.\n\n{dataset.words.many.upper()} (id | title)\n{listed}"
    )
    note = CallMetadata("recite", model.run, user, 0, model.version, None)
    return [Message("system", SYSTEM), Message("user", text)], {
        "schema": answers.ratings_schema(tuple(items), scale),
        "temperature": 0.0,
        "max_tokens": 200 + model.prompts.rating_tokens * len(items),
        "logprobs": 0,
        "draw": 0,
        "note": note,
        "on_text": None,
    }


def questions(
    model: LLMUserModel, dataset: Dataset, user: int, items: Sequence[Item]
) -> list[tuple[tuple[Item, ...], Question]]:
    """The calls for any number of movies: those of each, and what is asked."""
    parts = [tuple(items[at : at + PART]) for at in range(0, len(items), PART)]
    return [(part, question(model, dataset, user, part)) for part in parts]


def recite(model: LLMUserModel, dataset: Dataset, user: int, items: Sequence[Item]) -> tuple[SimulatedRating, ...]:
    """What the model says that the data set holds; of a failed answer every rating is missing, and it is not
    served again.

    Raises:
        ModelError: the model can't be asked at all.
    """
    found: list[SimulatedRating] = []
    for part, (messages, options) in questions(model, dataset, user, items):
        said = None
        try:
            said = model.llm.complete(messages, **options)
            ratings = answers.read_ratings(said.text, part, dataset.scale)
            wrong = [r.failure for r in ratings if r.failure]
            if wrong:
                model._reject(said, ModelError(wrong[0]))
        except ModelError as error:
            if error.is_fatal:
                raise
            if said is not None:
                model._reject(said, error)
            ratings = tuple(SimulatedRating(i.id, None, None, failure=str(error)) for i in part)
        found.extend(ratings)
    return tuple(found)
