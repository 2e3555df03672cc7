"""What an experiment is run with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lusifer.datasets import RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation.bootstrap import Bootstrap
from lusifer.llm.recordings import PREFIX
from lusifer.simulator import UserModel
from lusifer.simulator.community import Community
from lusifer.simulator.run_context import RunContext


@dataclass(frozen=True, eq=False)
class ExperimentSetup:
    """What an experiment is run with.

    Attributes:
        model: asked without community evidence.
        users: whose test ratings are looked at.
        evidence_variant: the same model with evidence and what it is told, where that is prepared.
        options: by name, see `Experiment.options`.

    Raises:
        InvalidInputError: the model is a recording, which answers by what is asked about: it would give the same
            answers whatever an experiment changes.
    """

    ctx: RunContext
    model: UserModel
    users: tuple[int, ...]
    evidence_variant: tuple[UserModel, Community] | None = None
    options: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.model.spec.startswith(PREFIX):
            name = self.model.spec.removeprefix(PREFIX)
            raise InvalidInputError(
                f"An experiment asks questions that the recording {name} does not hold.",
                "Connect the model that made it, or choose the built-in.",
            )

    @property
    def test(self) -> RatingTable:
        """The test ratings of the users."""
        return self.ctx.split.test.of_users(self.users)

    @property
    def sample(self) -> Split:
        """The split with the sample's test ratings alone: named as the whole, what is stored is shared."""
        split = self.ctx.split
        return replace(split, test=self.test)

    def bootstrap(self, users: Iterable[int]) -> Bootstrap:
        """Draws of users by the seed, for every figure of the experiment."""
        return Bootstrap(users, (self.ctx.seed, 606))


def require_users(setup: ExperimentSetup, minimum: int, property: str, eligible: Sequence[int]) -> None:
    """Check that enough users can be looked at.

    Raises:
        InvalidInputError: too few can.
    """
    if len(eligible) < minimum:
        raise InvalidInputError(
            f"{len(eligible)} of the {len(setup.users)} users {property}; at least {minimum} are needed.",
            "Use a larger sample, or another seed.",
        )
