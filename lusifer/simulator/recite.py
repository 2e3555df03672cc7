"""A probe for memory: a model is asked for a user's ratings by the data set's name and the user's id alone."""

from __future__ import annotations

from collections.abc import Sequence

from lusifer.datasets import Dataset, Item
from lusifer.errors import ModelError
from lusifer.llm import Message, Note
from lusifer.simulator import answers
from lusifer.simulator.llm_model import LLMUserModel, Question
from lusifer.simulator.types import SimulatedRating

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
        f"these movies? For each give the reason first: remembered, or guessed.\n\nMOVIES (id | title)\n{listed}"
    )
    note = Note("recite", model.run, user, 0, model.version, None)
    return [Message("system", SYSTEM), Message("user", text)], {
        "schema": answers.ratings_schema(tuple(items), scale), "temperature": 0.0,
        "max_tokens": 200 + model.prompts.rating_tokens * len(items), "logprobs": 0, "draw": 0, "note": note,
        "on_text": None,
    }  # fmt: skip


def recite(
    model: LLMUserModel, dataset: Dataset, user: int, items: Sequence[Item]
) -> tuple[SimulatedRating, ...]:
    """What the model says that the data set holds; a failed answer leaves every rating missing.

    Raises:
        ModelError: the model can't be asked at all.
    """
    messages, options = question(model, dataset, user, items)
    try:
        said = model.llm.complete(messages, **options)
        return answers.read_ratings(said.text, tuple(items), dataset.scale)
    except ModelError as error:
        if error.hopeless:
            raise
        return tuple(SimulatedRating(i.id, None, None, failure=str(error)) for i in items)
