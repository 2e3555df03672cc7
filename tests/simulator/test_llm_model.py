"""The language model's simulated user, end to end against a server that misbehaves."""

from __future__ import annotations

import pytest

from lusifer import prompts
from lusifer.errors import BadRequest, ModelError
from lusifer.evaluation import SIMULATOR, evaluate
from lusifer.llm import OpenAICompatible, Recorded
from lusifer.simulator import LLMUserModel, plan, rate_items, run_evolution, user_model
from lusifer.simulator.estimate import for_evolution, for_rating, for_users
from tests.servers.openai import KEY


@pytest.fixture
def model(openai_server, store):
    llm = Recorded(OpenAICompatible("small", url=openai_server.url, key=KEY), store)
    return LLMUserModel(llm, prompts.load())


def _evolve(ml100k, last10, model, store, user=405):
    what = plan(ml100k, last10, user, model)
    return what, list(run_evolution(ml100k, last10, model, what, store))


def test_evolution_and_rating_and_no_call_the_second_time(
    ml100k, last10, model, store, openai_server
) -> None:
    what, steps = _evolve(ml100k, last10, model, store)
    assert len(openai_server.requests) == 8, "a forecast and an update a step"
    assert [len(s.forecast) for s in steps] == [10] * 4
    assert steps[0].changes[0].item_ids == tuple(r.item.id for r in steps[0].batch[:2])
    items = ml100k.items_of([50, 172])
    made = rate_items(ml100k, last10, model, what, steps, items, store)
    assert [m.item_id for m in made] == [50, 172] and made[0].expected == 3.25
    asked = len(openai_server.requests)
    assert asked == 9
    assert _evolve(ml100k, last10, model, store)[1] == steps
    assert rate_items(ml100k, last10, model, what, steps, items, store) == made
    store.forget_steps(what.id)
    assert _evolve(ml100k, last10, model, store)[1] == steps, "from the answers alone"
    assert len(openai_server.requests) == asked
    used = store.usage()
    assert used["made"] == 9 and used["cached"] == 8 and used["failed"] == 0


def test_what_the_model_is_told(ml100k, last10, model, store, openai_server) -> None:
    _, steps = _evolve(ml100k, last10, model, store)
    texts = ["\n".join(m["content"] for m in r["messages"]) for r in openai_server.requests]
    forecast, update = texts[2], texts[3]
    for rated in steps[1].batch:
        assert rated.item.title in forecast and rated.item.title in update
    later = {r.item.title for r in steps[2].batch} - {
        r.item.title for s in steps[:2] for r in s.batch
    }
    assert not any(title in update for title in later)
    assert "Enjoys films that the server made up." in forecast, "the profile of step 1"
    assert "mean rating" in update and "best rated" in update
    starts = {r["messages"][0]["content"] for r in openai_server.requests}
    assert len(starts) == 1, "what never changes comes first, so that servers can cache it"


def test_a_failed_update_keeps_the_steps_before_it(
    ml100k, last10, model, store, openai_server
) -> None:
    openai_server.behave("ok", "ok", "ok", "garbage")
    what = plan(ml100k, last10, 405, model)
    found = []
    with pytest.raises(ModelError, match="did not answer with JSON"):
        for step in run_evolution(ml100k, last10, model, what, store):
            found.append(step)
    assert [s.number for s in found] == [1]
    _, steps = _evolve(ml100k, last10, model, store)
    assert len(steps) == 4 and steps[0] == found[0]
    assert len(openai_server.requests) == 4 + 1 + 4, "the forecast of step 2 came from the store"


@pytest.mark.parametrize(
    ("way", "missing"),
    [
        ("garbage", 10), ("missing", 1), ("off-scale", 1), ("refusal", 10), ("truncated", 10),
        ("400", 10), ("html", 10), ("no-choices", 10), ("strings", 0), ("fenced", 0),
    ],
)  # fmt: skip
def test_bad_ratings_stay_missing_and_are_asked_again(
    ml100k, last10, model, store, openai_server, way, missing
) -> None:
    what, steps = _evolve(ml100k, last10, model, store)
    items = ml100k.items_of(range(1, 21))
    openai_server.behave(way)
    made = rate_items(ml100k, last10, model, what, steps, items, store)
    failed = [m for m in made if m.failure]
    assert len(failed) == missing
    assert all(m.rating is None and m.expected is None for m in failed)
    asked = len(openai_server.requests)
    again = rate_items(ml100k, last10, model, what, steps, items, store)
    assert not any(m.failure for m in again)
    assert len(openai_server.requests) - asked == bool(missing)


@pytest.mark.parametrize(("way", "kind"), [("404", "not-found"), ("401", "auth")])
def test_what_a_person_must_mend_ends_the_work(
    ml100k, last10, model, store, openai_server, way, kind
) -> None:
    what, steps = _evolve(ml100k, last10, model, store)
    openai_server.always = way
    with pytest.raises(ModelError) as failed:
        rate_items(ml100k, last10, model, what, steps, ml100k.items_of(range(1, 31)), store)
    assert failed.value.kind == kind
    assert len(openai_server.requests) == 9, "the first call is enough to know"


def test_the_simulator_row_counts_what_failed(ml100k, last10, model, store, openai_server) -> None:
    users = [1, 2]
    openai_server.behave(*["ok"] * 4, "missing", *["ok"] * 5)
    found = evaluate(ml100k, last10, [SIMULATOR, "bias"], users=users, model=model, store=store)
    assert len(found.test) == 20 and found.rows == 19
    assert len(openai_server.requests) == 10, "four updates and one call for ten ratings each"


def test_estimates_are_above_what_is_spent(ml100k, last10, model, store, openai_server) -> None:
    cost = for_evolution(ml100k, last10, 405, "openai:small", history=40, batch_size=10)
    what, steps = _evolve(ml100k, last10, model, store)
    assert cost.calls == len(openai_server.requests) == 8
    sent = sum(len(m["content"]) for r in openai_server.requests for m in r["messages"])
    assert sent / 4 <= cost.input_tokens <= 3 * sent / 4
    assert for_evolution(
        ml100k, last10, 405, "openai:small", history=40, batch_size=10, done=3
    ).calls == 2  # fmt: skip
    before = len(openai_server.requests)
    items = list(ml100k.items_of(range(1, 26)))
    rated = for_rating(ml100k, last10, "openai:small", items)
    rate_items(ml100k, last10, model, what, steps, items, store)
    assert rated.calls == len(openai_server.requests) - before == 3
    assert for_users(ml100k, last10, "openai:small", [1, 2]).calls == 10


def test_specs() -> None:
    assert user_model("builtin", None).spec == "builtin"
    for wrong in ("", "openai:", "openai: ", "gpt-4", "ollama"):
        with pytest.raises(BadRequest, match="names no model"):
            user_model(wrong, None)
    with pytest.raises(BadRequest, match="need the database"):
        user_model("openai:x", None)
