"""What goes into a user model and what comes out: the one contract of the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

from lusifer.datasets import MOVIES, Item, ItemNouns, RatingScale, User
from lusifer.llm.recordings import Recording
from lusifer.prompts import PromptSet

Section = Literal["likes", "dislikes", "people_and_themes", "mood", "rating_habits"]
SECTIONS: dict[Section, str] = {
    "likes": "Likes",
    "dislikes": "Dislikes",
    "people_and_themes": "People and themes",
    "mood": "Mood",
    "rating_habits": "Rating habits",
}
Direction = Literal["gained", "strengthened", "weakened", "dropped"]
DIRECTIONS: tuple[Direction, ...] = ("gained", "strengthened", "weakened", "dropped")


@dataclass(frozen=True)
class Rated:
    """One rating of a history: the item, the rating on the scale, Unix seconds."""

    item: Item
    rating: float
    timestamp: int


@dataclass(frozen=True)
class Bullet:
    """One statement of a profile.

    ``aspect`` and ``strength`` are the built-in's own notes (what it is about; −2 strong dislike … 2 strong
    liking), empty for a language model.
    """

    text: str
    aspect: str = ""
    strength: int = 0


@dataclass(frozen=True)
class Profile:
    """The text that stands for a user after a step, in stable sections of bullets."""

    about: str = ""
    likes: tuple[Bullet, ...] = ()
    dislikes: tuple[Bullet, ...] = ()
    people_and_themes: tuple[Bullet, ...] = ()
    mood: tuple[Bullet, ...] = ()
    rating_habits: tuple[Bullet, ...] = ()

    def section(self, name: Section) -> tuple[Bullet, ...]:
        """The bullets of one section."""
        return getattr(self, name)

    @property
    def bullets(self) -> tuple[Bullet, ...]:
        """All bullets, section by section."""
        return tuple(b for name in SECTIONS for b in self.section(name))

    @property
    def text(self) -> str:
        """The profile as plain text: a heading a section, a dash a bullet."""
        blocks = [self.about] if self.about else []
        for name, heading in SECTIONS.items():
            if self.section(name):
                lines = [heading, *(f"- {b.text}" for b in self.section(name))]
                blocks.append("\n".join(lines))
        return "\n\n".join(blocks)

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Profile:
        """The inverse of `to_json`."""
        parts: dict[str, Any] = {name: tuple(Bullet(**b) for b in data.get(name, ())) for name in SECTIONS}
        return cls(about=data.get("about", ""), **parts)


@dataclass(frozen=True)
class Change:
    """One aspect that a step gained, strengthened, weakened or dropped, and the movies of the batch that show it.

    ``polarity``: 1 a liking, −1 a dislike, 0 neither (a habit, or unknown).
    """

    aspect: str
    direction: Direction
    item_ids: tuple[int, ...]
    polarity: int = 0


@dataclass(frozen=True)
class SimulatedRating:
    """An answer to "how would this user rate it".

    ``rating`` is on the scale, ``expected`` a number inside its range, ``std`` a standard deviation in the same unit
    (``None`` if the model gave none). A rating that the model failed to give has ``rating`` and ``expected`` ``None``
    and says why in ``failure``; it is never replaced. ``how`` says where ``expected`` is from: ``tokens`` (token
    probabilities, of which ``scale_probability`` lay on the scale), ``samples`` (the mean of several samples),
    ``stated`` (number stated by the model), ``rating`` (the rating itself), or empty for the built-in.
    """

    item_id: int
    rating: float | None
    expected: float | None
    std: float | None = None
    reason: str = ""
    failure: str = ""
    scale_probability: float | None = None
    how: str = ""

    def to_json(self) -> dict[str, Any]:
        """A plain dict under the names by which ratings are stored (see `STORED_AS`)."""
        return {STORED_AS.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SimulatedRating:
        """The inverse of `to_json`."""
        names = {stored: name for name, stored in STORED_AS.items()}
        return cls(**{names.get(name, name): value for name, value in data.items()})


STORED_AS = {"std": "spread", "scale_probability": "mass"}
"""Fields of a `SimulatedRating` that databases and files know by another name."""


@dataclass(frozen=True)
class Update:
    """What a step made of a batch."""

    profile: Profile
    explanation: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class ItemEvidence:
    """What others say of one item: community evidence, for a prompt or a reason.

    ``mean`` is damped by five usual ratings over ``count`` ratings; ``std`` a standard deviation
    (``None`` below two ratings); ``near_mean`` the mean rating of the ``near_count`` most similar users
    who rated it; ``estimate`` what the factorisation machines expect of this user.
    """

    mean: float
    count: int
    std: float | None
    near_mean: float | None
    near_count: int
    fm_estimate: float | None


@dataclass(frozen=True)
class Context:
    """All that a user model may know when it is asked; nothing else reaches it.

    Attributes:
        user: demographics.
        scale: the rating scale.
        usual_rating: mean of all training ratings, what a rating is worth around here.
        profile: after the last step; before the first, `Profile.about` alone.
        seen: the history shown so far, oldest first.
        batch: the ratings of this step, for ``update`` alone (they are not in ``seen`` yet).
        step: number of this step, from 1; for ``rate``, the number of steps done.
        item_evidence: community evidence on the items that are asked about, by item id; empty without.
        item_nouns: what items are called.
    """

    user: User
    scale: RatingScale
    usual_rating: float
    profile: Profile
    seen: tuple[Rated, ...] = ()
    batch: tuple[Rated, ...] = ()
    step: int = 1
    item_evidence: Mapping[int, ItemEvidence] = field(default_factory=dict)
    item_nouns: ItemNouns = MOVIES

    def with_evidence(self, item_evidence: Mapping[int, ItemEvidence]) -> Context:
        """The context with what others say of the items that are asked about next."""
        return replace(self, item_evidence=item_evidence)

    def with_batch(self, batch: tuple[Rated, ...]) -> Context:
        """The context with a batch to read."""
        return replace(self, batch=batch)

    def after_update(self, update: Update) -> Context:
        """The context once the batch has been read."""
        return replace(
            self,
            profile=update.profile,
            seen=self.seen + self.batch,
            batch=(),
            step=self.step + 1,
            item_evidence={},
        )


class UserModel(Protocol):
    """A simulated user. Implementations keep no state between calls: all they know is the context.

    ``spec`` names the model (``builtin``, ``openai:NAME``), ``version`` what else decides its
    answers (the built-in's version number; a language model's prompt version). ``evidence`` says whether
    it must be told what others gave (`Context.item_evidence`). ``history`` ratings are read, ``batch_size`` at a
    time, unless somebody says otherwise.

    What a model can do is asked of it, never of its class; a subclass without a language model inherits the answers.
    """

    spec: str
    version: str
    evidence: bool
    history: int
    batch_size: int

    @property
    def asks_a_model(self) -> bool:
        """Whether a language model is asked: answers may cost, vary and fail, and are stored."""
        return False

    @property
    def prompts(self) -> PromptSet | None:
        """What it is asked with; ``None`` where it reads no prompts."""
        return None

    @property
    def recording(self) -> Recording | None:
        """What it answers from; ``None`` for a model that can be asked anything."""
        return None

    def with_prompts(self, prompts: PromptSet) -> UserModel:
        """The same model asked with other prompts: another version."""
        return self

    def recorded_as(self, evolution: str) -> UserModel:
        """The same model, its calls recorded as those of an evolution."""
        return self

    def redrawn(self, draw: int) -> UserModel:
        """The same model asked anew: draw 0 is what is stored, every other one a version of its own."""
        return self

    def streaming(self, on_text: Callable[[str], None]) -> UserModel:
        """The same model, telling each answer's pieces as they arrive."""
        return self

    def stored_only(self, cause: str) -> UserModel:
        """The same model, which gives what is stored; all else fails with this cause, and passes by itself."""
        return self

    def forecast(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """Ratings of the coming batch's items before their ratings are shown, in the same order."""
        ...

    def update(self, context: Context) -> Update:
        """The profile after reading ``context.batch``, with its explanation and changes.

        Raises:
            ModelError: the model gave no usable answer.
        """
        ...

    def rate(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """Simulated ratings of items, in the same order; a failed one says so in ``failure``."""
        ...
