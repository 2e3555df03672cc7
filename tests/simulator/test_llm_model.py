"""The language model's simulated user, end to end against a server that misbehaves."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from lusifer import prompts
from lusifer.errors import InvalidInputError, ModelError
from lusifer.evaluation import SIMULATOR, evaluate
from lusifer.llm import CachedLLM, Endpoint
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.simulator import LLMUserModel, RunContext, UserModelConfig, make_evolution_spec, rate_items, run_evolution
from lusifer.simulator.estimate import estimate_evolution, estimate_rating, estimate_users
from lusifer.simulator.evolution import context_after
from tests.servers.openai import KEY
from tests.servers.scripted import ScriptedServer, chat


@pytest.fixture
def model(openai_server, store):
    llm = CachedLLM(OpenAICompatible(Endpoint("openai", openai_server.url, KEY), "small"), store)
    return LLMUserModel(llm, prompts.load())


def _evolve(ml100k, last10, model, store, user=405):
    what = make_evolution_spec(ml100k, last10, user, model)
    return what, list(run_evolution(ml100k, last10, model, what, store))


def test_evolution_and_rating_and_no_call_the_second_time(ml100k, last10, model, store, openai_server) -> None:
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
    store.delete_steps(what.id)
    assert _evolve(ml100k, last10, model, store)[1] == steps, "from the answers alone"
    assert len(openai_server.requests) == asked
    used = store.get_usage()
    assert used["made"] == 9 and used["cached"] == 8 and used["failed"] == 0


def test_what_the_model_is_told(ml100k, last10, model, store, openai_server) -> None:
    _, steps = _evolve(ml100k, last10, model, store)
    texts = ["\n".join(m["content"] for m in r["messages"]) for r in openai_server.requests]
    forecast, update = texts[2], texts[3]
    for rated in steps[1].batch:
        assert rated.item.title in forecast and rated.item.title in update
    later = {r.item.title for r in steps[2].batch} - {r.item.title for s in steps[:2] for r in s.batch}
    assert not any(title in update for title in later)
    assert "Enjoys films that the server made up." in forecast, "the profile of step 1"
    assert "FACTS, THE NEW RATINGS INCLUDED" in update and "MOVIES TO RATE" in forecast
    starts = {r["messages"][0]["content"] for r in openai_server.requests}
    assert len(starts) == 2, "what never changes comes first, one text a purpose, so that servers can cache it"


def test_a_failed_update_keeps_the_steps_before_it(ml100k, last10, model, store, openai_server) -> None:
    openai_server.behave("ok", "ok", "ok", "garbage", "garbage")
    what = make_evolution_spec(ml100k, last10, 405, model)
    found = []
    with pytest.raises(ModelError, match="did not answer with JSON"):
        for step in run_evolution(ml100k, last10, model, what, store):
            found.append(step)
    assert [s.number for s in found] == [1]
    _, steps = _evolve(ml100k, last10, model, store)
    assert len(steps) == 4 and steps[0] == found[0]
    assert len(openai_server.requests) == 5 + 1 + 4, "the forecast of step 2 came from the store"


@pytest.mark.parametrize("way", ["garbage", "truncated", "refusal", "no-choices", "html"])
def test_a_bad_update_is_repaired_once(ml100k, last10, model, store, openai_server, way) -> None:
    openai_server.behave("ok", way)
    _, steps = _evolve(ml100k, last10, model, store)
    assert len(steps) == 4 and len(openai_server.requests) == 9
    first, repair = openai_server.requests[1], openai_server.requests[2]
    told = repair["messages"][-1]["content"]
    assert "Your answer can't be used" in told and "schema" in told
    roles = [m["role"] for m in repair["messages"]]
    assert all(a != b for a, b in pairwise(roles)), "no role twice in a row"
    if way == "truncated":
        assert repair["max_tokens"] > first["max_tokens"]
    assert store.get_usage()["failed"] == 1


@pytest.mark.parametrize(
    ("way", "asked_again"),
    [
        ("garbage", 10),
        ("missing", 1),
        ("off-scale", 1),
        ("null", 1),
        ("foreign-ids", 1),
        ("refusal", 10),
        ("no-choices", 10),
        ("html", 10),
        ("truncated", 6),
        ("strings", 0),
        ("fenced", 0),
        ("duplicates", 0),
    ],
)
def test_one_repair_asks_for_what_is_missing_and_no_more(
    ml100k, last10, model, store, openai_server, way, asked_again
) -> None:
    what, steps = _evolve(ml100k, last10, model, store)
    items = ml100k.items_of(range(1, 11))
    before = len(openai_server.requests)
    openai_server.behave(way)
    made = rate_items(ml100k, last10, model, what, steps, items, store)
    assert [m.item_id for m in made] == list(range(1, 11)) and not any(m.failure for m in made)
    sent = openai_server.requests[before:]
    assert len(sent) == 1 + bool(asked_again)
    if asked_again:
        schema = openai_server.schema(sent[1])
        ids = schema["properties"]["ratings"]["items"]["properties"]["item_id"]["enum"]
        assert len(ids) == asked_again


@pytest.mark.parametrize(
    ("way", "missing"),
    [("garbage", 10), ("missing", 1), ("off-scale", 1), ("refusal", 10), ("400", 10), ("context", 10)],
)
def test_what_no_repair_mends_stays_missing_and_is_asked_again_the_next_time(
    ml100k, last10, model, store, openai_server, way, missing
) -> None:
    what, steps = _evolve(ml100k, last10, model, store)
    items = ml100k.items_of(range(1, 11))
    openai_server.behave(way, way)
    made = rate_items(ml100k, last10, model, what, steps, items, store)
    failed = [m for m in made if m.failure]
    assert len(failed) == missing
    assert all(m.rating is None and m.expected is None for m in failed)
    openai_server.queue.clear()
    again = rate_items(ml100k, last10, model, what, steps, items, store)
    assert not any(m.failure for m in again)


def test_expected_ratings_from_token_probabilities(ml100k, last10, model, store, openai_server) -> None:
    """At each digit d the server gives d two thirds and d-1 one third of the mass on the scale."""
    openai_server.mass = 0.9
    what, steps = _evolve(ml100k, last10, model, store)
    items = ml100k.items_of(range(1, 11))
    made = rate_items(ml100k, last10, model, what, steps, items, store)
    for m in made:
        assert m.how == "tokens" and m.rating is not None
        if m.rating == 1:  # 0 is not on the scale
            assert m.expected == pytest.approx(1) and m.scale_probability == pytest.approx(0.6, abs=1e-3)
        else:
            assert m.expected == pytest.approx(m.rating - 1 / 3, abs=1e-3)
            assert m.std == pytest.approx((2 / 9) ** 0.5, abs=1e-3)
            assert m.scale_probability == pytest.approx(0.9, abs=1e-3)
    store.delete_steps(what.id)
    _, steps = _evolve(ml100k, last10, model, store)
    asked = len(openai_server.requests)
    assert rate_items(ml100k, last10, model, what, steps, items, store) == made
    assert len(openai_server.requests) == asked, "probabilities are stored with the answer"


def test_little_mass_on_the_scale_is_not_trusted(ml100k, last10, model, store, openai_server) -> None:
    openai_server.mass = 0.3
    what, steps = _evolve(ml100k, last10, model, store)
    for m in rate_items(ml100k, last10, model, what, steps, ml100k.items_of([2, 3]), store):
        assert m.how == "rating" and m.expected == m.rating and m.scale_probability < 0.5


def test_samples_are_drawn_where_there_are_no_probabilities(ml100k, last10, store, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = UserModelConfig("openai:small", samples=3).build(store)
    what, steps = _evolve(ml100k, last10, model, store)
    before = len(openai_server.requests)
    made = rate_items(ml100k, last10, model, what, steps, ml100k.items_of([2, 3]), store)
    assert len(openai_server.requests) - before == 3, "each draw is an answer of its own"
    assert openai_server.requests[-1]["temperature"] > 0
    assert all(m.how == "samples" and m.std == 0 for m in made)
    assert model.version != UserModelConfig("openai:small").build(store).version


def test_a_stated_mean_counts_in_each_draw(ml100k, last10) -> None:
    """Draws that all say 4 and expect less have less as their mean."""
    content = [{"ratings": [{"item_id": 1, "rating": 4, "expected": e, "reason": "Why."}]} for e in (3.6, 3.5, 3.4)]
    with ScriptedServer(lambda body, n: chat(json.dumps(content[n]))) as server:
        prompt_set = replace(prompts.load("grounded"), samples=3)
        model = LLMUserModel(OpenAICompatible(Endpoint("mine", server.url, KEY), "m"), prompt_set)
        (drawn,) = model.rate(context_after(ml100k, last10, 405, ()), ml100k.items_of([1]))
    assert drawn.rating == 4 and drawn.expected == pytest.approx(3.5) and drawn.std == 0 and drawn.how == "samples"


@pytest.mark.parametrize(("way", "kind"), [("404", "not-found"), ("401", "auth")])
def test_what_a_person_must_mend_ends_the_work(ml100k, last10, model, store, openai_server, way, kind) -> None:
    what, steps = _evolve(ml100k, last10, model, store)
    openai_server.always = way
    with pytest.raises(ModelError) as failed:
        rate_items(ml100k, last10, model, what, steps, ml100k.items_of(range(1, 31)), store)
    assert failed.value.kind == kind
    assert len(openai_server.requests) == 9, "the first call is enough to know"


def test_the_simulator_row_counts_what_failed(ml100k, last10, model, store, openai_server) -> None:
    users = [1, 2]
    openai_server.behave(*["ok"] * 4, "missing", "garbage", *["ok"] * 5)
    found = evaluate(RunContext(ml100k, last10, store), [SIMULATOR, "bias"], users=users, model=model)
    assert len(found.test) == 20 and found.rows == 19
    assert len(openai_server.requests) == 11, "4 updates and one call a user, and one repair"


def test_many_users_at_a_time_give_the_same(ml100k, last10, model, store, openai_server) -> None:
    users = [1, 2, 3, 4, 5, 6]
    openai_server.delay = 0.02
    at_once = evaluate(RunContext(ml100k, last10, store, workers=6), [SIMULATOR], users=users, model=model)
    assert openai_server.most > 2
    asked = len(openai_server.requests)
    again = evaluate(RunContext(ml100k, last10, store), [SIMULATOR], users=users, model=model)
    assert len(openai_server.requests) == asked
    assert (at_once.predictions[SIMULATOR].values == again.predictions[SIMULATOR].values).all()


def test_a_wrong_key_stops_all_workers(ml100k, last10, model, store, openai_server) -> None:
    openai_server.always = "401"
    with pytest.raises(ModelError) as failed:
        evaluate(RunContext(ml100k, last10, store, workers=4), [SIMULATOR], users=range(1, 200), model=model)
    assert failed.value.kind == "auth" and len(openai_server.requests) <= 8


def test_estimates_are_above_what_is_spent(ml100k, last10, model, store, openai_server) -> None:
    what = make_evolution_spec(ml100k, last10, 405, model)
    cost = estimate_evolution(ml100k, last10, what, model, store)
    _, steps = _evolve(ml100k, last10, model, store)
    assert cost.calls == len(openai_server.requests) == 8
    sent = sum(len(m["content"]) for r in openai_server.requests for m in r["messages"])
    assert sent / 4 <= cost.input_tokens <= 3 * sent / 4
    assert estimate_evolution(ml100k, last10, what, model, store, steps[:3]).cached == 2
    before = len(openai_server.requests)
    items = list(ml100k.items_of(range(1, 26)))
    context = context_after(ml100k, last10, 405, steps)
    rated = estimate_rating(model, store, context, items)
    rate_items(ml100k, last10, model, what, steps, items, store)
    assert rated.calls == len(openai_server.requests) - before == 3
    again = estimate_rating(model, store, context, items)
    assert (again.calls, again.cached, again.tokens) == (0, 3, 0), "stored answers cost nothing"
    plans = [make_evolution_spec(ml100k, last10, u, model, forecasts=False) for u in (1, 2)]
    assert estimate_users(ml100k, last10, plans, model, store).calls == 10


def test_estimates_learn_from_what_calls_used(ml100k, last10, model, store, openai_server) -> None:
    what = make_evolution_spec(ml100k, last10, 13, model)
    before = estimate_evolution(ml100k, last10, what, model, None)
    _evolve(ml100k, last10, model, store)  # user 405: the server counts 120 tokens for any prompt
    assert estimate_evolution(ml100k, last10, what, model, store).input_tokens < before.input_tokens / 4


def test_specs(store) -> None:
    assert UserModelConfig("builtin").build(None).spec == "builtin"
    for wrong in ("", "openai:", "openai: ", "gpt-4", "ollama", "nowhere:x"):
        with pytest.raises(InvalidInputError, match="names no model"):
            UserModelConfig(wrong).build(store)
    with pytest.raises(InvalidInputError, match="need the database"):
        UserModelConfig("openai:x").build(None)
    assert UserModelConfig("ollama:gemma3:4b").build(store).spec == "ollama:gemma3:4b"


def test_one_movie_under_two_ids_is_asked_about_once(ml100k, last10, model, store, openai_server) -> None:
    """246 and 268 are Chasing Amy: one line of the question, and its answer for both."""
    items = ml100k.items_of([246, 50, 268])
    made = model.rate(context_after(ml100k, last10, 405, []), items)
    [request] = openai_server.requests
    assert "\n".join(m["content"] for m in request["messages"]).count("Chasing Amy") == 1
    assert [m.item_id for m in made] == [246, 50, 268]
    assert (made[0].expected, made[0].reason) == (made[2].expected, made[2].reason)
    assert len(model.rate_questions(context_after(ml100k, last10, 405, []), items)) == 1
