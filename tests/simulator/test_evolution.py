"""Profile evolution: order, batches, resume, short and empty histories."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusifer import datasets
from lusifer.datasets import splits
from lusifer.errors import CancelledError, EmptyHistoryError, InvalidInputError, UnknownIdError
from lusifer.simulator import StatisticalUserModel, load_steps, make_evolution_spec, run_evolution
from lusifer.simulator.evolution import context_after, evolve, history_of, split_into_batches, step_from_json
from tests.conftest import write_tiny


class Counting(StatisticalUserModel):
    """The built-in, with a note of every call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, int]] = []

    def forecast(self, context, items):
        self.calls.append(("forecast", len(context.seen)))
        assert not context.batch, "a forecast must not hold the ratings it forecasts"
        return super().forecast(context, items)

    def update(self, context):
        self.calls.append(("update", len(context.seen)))
        return super().update(context)


@given(st.lists(st.integers(), max_size=60), st.integers(1, 15))
def test_batches_lose_nothing_and_keep_the_order(values: list[int], size: int) -> None:
    cut = split_into_batches(values, size)  # type: ignore[arg-type]
    assert [v for b in cut for v in b] == values
    assert all(len(b) == size for b in cut[:-1]) and all(1 <= len(b) <= size for b in cut)


def test_forty_newest_oldest_first_and_forecast_before_update(ml100k, last10) -> None:
    model = Counting()
    steps = list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 405, model)))
    assert [len(s.batch) for s in steps] == [10] * 4
    order = [(r.timestamp, r.item.id) for s in steps for r in s.batch]
    assert order == sorted(order)
    train = last10.train.of_user(405)
    assert [i for _, i in order] == train.item[-40:].tolist()
    assert model.calls == [(k, n) for n in (0, 10, 20, 30) for k in ("forecast", "update")]
    for step in steps:
        assert [f.item_id for f in step.forecast] == [r.item.id for r in step.batch]
        assert len(step.errors) == len(step.batch)


@pytest.mark.parametrize(("history", "size", "shape"), [(40, 10, [10] * 4), (25, 10, [10, 10, 5]), (7, 3, [3, 3, 1])])
def test_history_and_batch_size_are_adjustable(ml100k, last10, history, size, shape) -> None:
    model = StatisticalUserModel()
    what = make_evolution_spec(ml100k, last10, 405, model, history=history, batch_size=size)
    assert [len(s.batch) for s in evolve(ml100k, last10, model, what)] == shape


def test_without_forecasts(ml100k, last10) -> None:
    model = Counting()
    what = make_evolution_spec(ml100k, last10, 405, model, forecasts=False)
    steps = list(evolve(ml100k, last10, model, what))
    assert {k for k, _ in model.calls} == {"update"} and not steps[0].forecast


@pytest.fixture
def tiny(tmp_path: Path):
    rows = [(1, i, i % 5 + 1, 100 + i) for i in (1, 2, 3)]
    rows += [(2, i, 3, 100 + i) for i in range(1, 15)]
    rows += [(3, 4, 5, 50)]
    folder = write_tiny(tmp_path / "tiny", rows, 4, 15)
    data = datasets.load(str(folder), tmp_path)
    train = "user_id,item_id,rating,timestamp\n" + "\n".join(",".join(map(str, r)) for r in rows if r[0] != 3)
    (tmp_path / "train.csv").write_text(train)
    (tmp_path / "test.csv").write_text("user_id,item_id,rating,timestamp\n3,4,5,50\n")
    return data, splits.from_files(data, tmp_path / "train.csv", tmp_path / "test.csv")


def test_three_ratings_make_one_short_step(tiny) -> None:
    data, split = tiny
    model = StatisticalUserModel()
    steps = list(evolve(data, split, model, make_evolution_spec(data, split, 1, model)))
    assert [len(s.batch) for s in steps] == [3]
    assert steps[0].explanation and steps[0].profile.about.startswith("A ")


def test_no_ratings_is_a_clear_error(tiny) -> None:
    data, split = tiny
    model = StatisticalUserModel()
    with pytest.raises(EmptyHistoryError, match="User 3 has no rating in the training set"):
        list(evolve(data, split, model, make_evolution_spec(data, split, 3, model)))
    with pytest.raises(UnknownIdError):
        make_evolution_spec(data, split, 77, model)
    for wrong in ({"history": 0}, {"batch_size": 0}):
        with pytest.raises(InvalidInputError):
            make_evolution_spec(data, split, 1, model, **wrong)


def test_kept_steps_are_not_computed_again(ml100k, last10, store) -> None:
    first = Counting()
    what = make_evolution_spec(ml100k, last10, 13, first)
    whole = []
    with pytest.raises(CancelledError):
        for step in run_evolution(ml100k, last10, first, what, store, cancelled=lambda: len(first.calls) >= 4):
            whole.append(step)
    assert len(whole) == 2 and len(load_steps(ml100k, what, store)) == 2
    second = Counting()
    steps = list(run_evolution(ml100k, last10, second, what, store))
    assert second.calls == [(k, n) for n in (20, 30) for k in ("forecast", "update")]
    fresh = list(evolve(ml100k, last10, StatisticalUserModel(), what))
    assert steps == fresh, "a resumed evolution is the same as one in one go"
    third = Counting()
    assert list(run_evolution(ml100k, last10, third, what, store)) == steps and not third.calls


def test_a_step_survives_the_store(ml100k, last10) -> None:
    model = StatisticalUserModel()
    for step in evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 1, model)):
        assert step_from_json(step.to_json(), ml100k) == step


def test_the_plan_names_everything_that_decides_the_result(ml100k, last10) -> None:
    base = make_evolution_spec(ml100k, last10, 1, StatisticalUserModel())
    other = {
        "dataset": "x",
        "dataset_hash": "x",
        "split": "u1",
        "user": 2,
        "model": "openai:x",
        "model_version": "x",
        "history": 20,
        "batch_size": 5,
        "forecasts": False,
        "details": "x",
        "evidence": "x",
    }
    assert set(other) == {f.name for f in dataclasses.fields(base)}
    ids = {dataclasses.replace(base, **{k: v}).id for k, v in other.items()}
    assert len(ids | {base.id}) == len(other) + 1


def test_context_after_steps_is_the_one_the_last_update_left(ml100k, last10) -> None:
    model = StatisticalUserModel()
    steps = list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 1, model)))
    context = context_after(ml100k, last10, 1, steps[:2])
    assert context.profile == steps[1].profile
    assert context.seen == history_of(ml100k, last10, 1, 40)[:20]
    assert context.batch == () and context.step == 3
