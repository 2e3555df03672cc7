"""What a recording was asked: its prompts filled in anew for a user and step. Nobody is asked."""

from __future__ import annotations

from itertools import islice

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.llm import Message
from lusifer.llm.recordings import RecordedAnswer, RecordedLLM, Recording
from lusifer.simulator.evolution import (
    context_after,
    evolve,
    history_of,
    make_evolution_spec,
    split_into_batches,
)
from lusifer.simulator.llm_model import LLMUserModel
from lusifer.simulator.user_model_config import prompts_of


def render_recorded_question(
    dataset: Dataset, split: Split, recording: Recording, answer: RecordedAnswer
) -> list[Message]:
    """The messages that an answer of a recording was the answer to, by the recording's own prompts.

    The profile that they show is the recording's own, after the steps before.

    Args:
        dataset: what the recording was made on.
        split: the split that it was made on.
        recording: holds the answer.
        answer: one of its answers.

    Raises:
        InvalidInputError: the recording was made on other data, or brings no prompts that this program has.
        LusiferError: its earlier answers give no profile.
    """
    header = recording.header
    recording.check(dataset.hash, split.id, answer.user, header.history, header.batch_size)
    model = LLMUserModel(RecordedLLM(recording), prompts_of(recording), recording=recording)
    spec = make_evolution_spec(
        dataset,
        split,
        answer.user,
        model,
        history=header.history,
        batch_size=header.batch_size,
        forecasts=bool(recording.find(answer.user, 1, "forecast")),
    )
    steps = list(islice(evolve(dataset, split, model, spec), answer.step - 1))
    context = context_after(dataset, split, answer.user, steps)
    if answer.purpose != "update":
        items = [dataset.item(rating["item_id"]) for rating in answer.answer["ratings"]]
        questions = model.rate_questions(context, items, answer.purpose)
        return [message for messages, _ in questions for message in messages]
    batches = split_into_batches(history_of(dataset, split, spec.user, spec.history), spec.batch_size)
    if answer.step > len(batches):
        raise InvalidInputError(
            f"The history of user {answer.user} has {len(batches)} batches, and no step {answer.step}.",
            "Make the recording again on these data.",
        )
    return model.update_question(context.with_batch(batches[answer.step - 1]))[0]
