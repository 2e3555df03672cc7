"""The environment: Gymnasium's own checker, seeds, states, what is drawn, what is hidden; agents that learn."""

from __future__ import annotations

import pickle

import gymnasium
import numpy as np
import pandas as pd
import pytest
from gymnasium.utils.env_checker import check_env

import lusifer.env
from lusifer import prompts
from lusifer.datasets import splits
from lusifer.datasets.splits import Split
from lusifer.env import MovieLensEnv, agent_runs, agents, choice_model, rewards
from lusifer.env.world import build_world
from lusifer.errors import InvalidInputError
from lusifer.llm import create_llm
from lusifer.simulator import LLMUserModel, StatisticalUserModel
from tests.servers.openai import KEY


@pytest.fixture(scope="module")
def world(ml100k, last10, warm):
    return build_world(ml100k, last10, folder=warm / ".prepared" / "kept")


def env(world, **more) -> MovieLensEnv:
    return MovieLensEnv(world_=world, **more)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("slate", [1, 3])
def test_gymnasium_finds_nothing(world, slate) -> None:
    check_env(env(world, slate=slate, render_mode="ansi"))


def test_it_is_registered_and_vectorised(data_dir, monkeypatch) -> None:
    assert lusifer.env.ID in gymnasium.registry
    many = gymnasium.make_vec(lusifer.env.ID, num_envs=2, vectorization_mode="sync", length=5)
    observation, _ = many.reset(seed=3)
    assert observation["taste"].shape[0] == 2 and observation["profile"].shape == (2, 32)
    for _ in range(12):  # skips, ends and new episodes among them
        _, reward, *_, info = many.step(many.action_space.sample())
        assert reward.shape == (2,) and len(info["profile"]) == 2
    many.close()


def test_a_seed_decides_everything(world) -> None:
    def run(seed: int) -> list:
        e = env(world, length=30)
        e.reset(seed=seed)
        rng = np.random.default_rng(0)
        out = []
        for _ in range(25):
            _, r, end, cut, info = e.step(int(rng.integers(len(world.item_ids))))
            out.append((info["user_id"], info["item_id"], info["rating"], r))
            if end or cut:
                e.reset()
        return out

    assert repr(run(1)) == repr(run(1)) != repr(run(2))


def test_a_saved_state_goes_on_as_it_would_have(world) -> None:
    one = env(world, evolve_every=3, patience=float("inf"))
    one.reset(seed=5)
    actions = np.random.default_rng(1).integers(len(world.item_ids), size=40)
    for a in actions[:15]:
        one.step(int(a))
    state = pickle.loads(pickle.dumps(one.save_state()))
    other = env(world, evolve_every=3, patience=float("inf"))
    other.reset(seed=99)
    other.load_state(state)
    for a in actions[15:]:
        x, y = one.step(int(a)), other.step(int(a))
        assert x[1] == y[1] and repr(x[4]["rating"]) == repr(y[4]["rating"]) and x[4]["profile"] == y[4]["profile"]
        assert all(np.array_equal(x[0][k], y[0][k]) for k in x[0])


def test_ratings_are_drawn_from_the_calibrated_distribution(world) -> None:
    e = env(world, patience=float("inf"), length=10**6)
    e.reset(seed=0, options={"user": int(world.users[3])})
    row = int(np.flatnonzero(~e.known())[np.argmax(world.popularity[~e.known()])])
    expected_ratings, all_probabilities, _ = world.opening(int(world.users[3]))
    start, probabilities, expected = e.save_state(), all_probabilities[row].copy(), float(expected_ratings[row])
    assert probabilities @ world.levels == pytest.approx(expected, abs=1e-6)
    drawn, skipped = [], 0
    for n in range(1500):
        e.load_state({**start, "rng": np.random.default_rng(n).bit_generator.state})
        _, reward, *_, info = e.step(row)
        skipped += info["skipped"]
        if not info["skipped"]:
            drawn.append(info["rating"])
            assert reward == info["rating"] and info["item_id"] == int(world.item_ids[row])
    counts = np.bincount(np.array(drawn, dtype=int), minlength=6)[1:] / len(drawn)
    assert np.abs(counts - probabilities).max() < 0.04
    level = float(np.mean(start["_ratings"]))
    none = choice_model.choice_probabilities(np.array([expected]), level, np.array([False]))[-1]
    assert skipped / 1500 == pytest.approx(none, abs=0.03)


def test_the_built_in_s_tables_say_what_it_says(world) -> None:
    _, context = world.start(int(world.users[7]))
    said = StatisticalUserModel().rate(context, world.dataset.items_of(world.item_ids))
    assert np.allclose(world.expected_ratings(context), [r.expected for r in said])
    text = context.profile.text
    vectoriser, svd, _ = world.embedding_model
    slow = svd.transform(vectoriser.transform([text]))[0]
    assert np.allclose(world.embed(text)[: len(slow)], slow / np.linalg.norm(slow), atol=1e-5)


def test_nothing_of_a_test_rating_and_nothing_of_the_agents_half_is_in_the_reward(ml100k, last10, world) -> None:
    mine = {(int(u), int(i)) for u, i in zip(world.split.train.user, world.split.train.item, strict=True)}
    theirs = {(int(u), int(i)) for u, i in zip(world.agents.user, world.agents.item, strict=True)}
    tested = {(int(u), int(i)) for u, i in zip(last10.test.user, last10.test.item, strict=True)}
    assert not mine & theirs and not mine & tested and len(mine | theirs) == len(last10.train)
    planted = last10.test.rating.copy()
    planted[:] = 1.0
    from dataclasses import replace

    other = build_world(ml100k, Split("last-10", last10.train, replace(last10.test, rating=planted)))
    user = int(world.users[0])
    a, b = world.opening(user), other.opening(user)
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_what_has_been_met_is_skipped_and_patience_ends(world) -> None:
    e = env(world, length=100)
    e.reset(seed=2)
    known = int(np.flatnonzero(e.known())[0])
    ends = []
    for _ in range(5):
        _, reward, end, cut, info = e.step(known)
        assert reward == 0 and info["skipped"] and info["item_id"] == -1 and not cut
        ends.append(end)
    assert ends == [False] * 4 + [True]


def test_the_profile_evolves_and_says_why(world) -> None:
    e = env(world, evolve_every=4, patience=float("inf"), explain=True)
    _, first = e.reset(seed=4)
    evolved = taken = 0
    order = np.argsort(-world.popularity)
    for row in order[:60]:
        _, _, _, cut, info = e.step(int(row))
        taken += not info["skipped"]
        evolved += info["evolved"]
        if not info["skipped"]:
            assert info["reason"]
        if cut:
            break
    assert evolved == taken // 4 > 2 and info["profile"] != first["profile"]
    assert "User" in env_text(e)


def env_text(e: MovieLensEnv) -> str:
    e.render_mode = "ansi"
    return e.render() or ""


def test_rewards_by_name_and_by_callable(world) -> None:
    i = rewards.Interaction(4.0, 3.5, 3.0, 0.5)
    skip = rewards.Interaction(None, 3.5, 3.0, 0.5)
    assert {n: r(i) for n, r in rewards.REWARDS.items()} == {
        "sample": 4.0,
        "expected": 3.5,
        "centred": 1.0,
        "click": 1.0,
        "diversity": 3.5,
    }
    assert not any(r(skip) for r in rewards.REWARDS.values())
    e = env(world, reward=lambda i: -7.0)
    e.reset(seed=0)
    assert e.step(0)[1] == -7.0


def test_a_slate_offers_a_choice(world) -> None:
    chances = choice_model.choice_probabilities(np.array([4.0, 3.0, 5.0]), 3.5, np.array([False, False, True]))
    assert chances.sum() == pytest.approx(1) and chances[2] == 0 and chances[0] > chances[1] > 0
    assert chances[0] / chances[1] == pytest.approx(np.exp(1 / choice_model.TEMPERATURE))
    e = env(world, slate=3, patience=float("inf"))
    e.reset(seed=0)
    open_ = np.flatnonzero(~e.known())[:2]
    for _ in range(10):
        _, _, _, _, info = e.step(np.array([open_[0], open_[0], open_[1]]))
        assert info["item_id"] in {-1, *world.item_ids[open_].tolist()}


def test_one_movie_under_two_ids_is_met_once(world, ml100k) -> None:
    """246 and 268 are Chasing Amy: who has met one has met the other."""
    first, again = (world.row(i) for i in (246, 268))
    rated = {i: set(world.split.train.user[world.split.train.item == i].tolist()) for i in (246, 268)}
    e = env(world, patience=float("inf"), slate=2)
    user = next(u for u in world.users.tolist() if u in rated[246] ^ rated[268])
    e.reset(options={"user": user})
    assert e.known()[first] and e.known()[again]
    fresh = next(u for u in world.users.tolist() if u not in rated[246] | rated[268])
    e.reset(seed=1, options={"user": fresh})
    while not e.known()[first]:
        _, _, _, _, info = e.step(np.array([again, first]))
        assert info["item_id"] in {-1, 268}, "the second of one movie is no second choice"
    assert e.known()[again]


@pytest.mark.parametrize(
    "wrong",
    [
        {"slate": 0},
        {"length": 0},
        {"patience": 0},
        {"reward": "love"},
        {"users": [10**6]},
        {"users": []},
        {"model": "openai:x"},
        {"render_mode": "human"},
        {"evolve_every": 0},
    ],
)
def test_what_can_not_be_meant_is_refused(world, wrong) -> None:
    with pytest.raises(InvalidInputError):
        env(world, **wrong)


def test_an_action_that_is_no_item_is_refused(world) -> None:
    e = env(world)
    with pytest.raises(InvalidInputError, match="No episode"):
        e.step(0)
    e.reset(seed=0)
    for wrong in (-1, len(world.item_ids), [1, 2]):
        with pytest.raises(InvalidInputError, match="no item"):
            e.step(wrong)
    with pytest.raises(InvalidInputError, match="can't be simulated"):
        e.reset(options={"user": 10**6})


def test_a_language_model_plays_through_the_store(world, store, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = LLMUserModel(create_llm("openai:a", store), prompts.load())
    user = int(world.users[0])

    def run() -> list:
        e = env(world, model=model, length=6, evolve_every=3, patience=float("inf"))
        cost = e.estimate(user, store)
        assert cost.calls >= 6 and cost.dollars is None
        _, info = e.reset(seed=1, options={"user": user})
        assert "server made up" in info["profile"]
        rows = np.flatnonzero(~e.known())[:6]
        return [e.step(int(r))[4]["rating"] for r in rows]

    first = run()
    asked = len(openai_server.requests)
    assert asked >= 6 and repr(run()) == repr(first) and len(openai_server.requests) == asked, "the store answers"


# ---- agents -------------------------------------------------------------------------------------


def test_agents_never_show_what_is_known_and_fill_their_slate(world) -> None:
    e = env(world, slate=4)
    observation, info = e.reset(seed=0)
    for name in [*agents.AGENTS, "bias", "item-mean"]:
        agent = agents.create_agent(name, world, 0)
        for k in (1, 4):
            rows = agent.act(observation, info["user_id"], e.known(), k)
            assert len(set(rows.tolist())) == k and not e.known()[rows].any(), name
            agent.learn(rows, int(rows[0]), 4.0)
            agent.learn(rows, None, 0.0)
    with pytest.raises(InvalidInputError, match="no agent"):
        agents.create_agent("oracle", world)


def test_sherman_and_morrison_is_ridge_regression(world) -> None:
    agent = agents.LinUCB(world, 0)
    e = env(world)
    observation, _ = e.reset(seed=0)
    rng, rows, rewards_ = np.random.default_rng(0), [], []
    x = agent.features(observation).copy()
    for _ in range(40):
        row = int(rng.integers(len(x)))
        value = float(rng.normal())
        agent.learn(np.array([row]), row, value)
        rows.append(row)
        rewards_.append(value)
    want = np.linalg.solve(x[rows].T @ x[rows] + np.eye(x.shape[1]), x[rows].T @ np.array(rewards_))
    assert np.allclose(agent.theta, want)


def test_linucb_learns_what_random_does_not(world) -> None:
    log = agent_runs.run_agents(
        lambda: env(world),
        {n: (lambda s, n=n: agents.create_agent(n, world, s)) for n in ("random", "popularity", "linucb")},
        600,
        range(4),
    )
    assert len(log) == 3 * 4 * 600 and log["item_id"].isna().equals(log["skipped"])
    value, low, _ = agent_runs.reward_difference(log, "linucb", "random")
    assert value > 0.3 and low > 0
    users = log.groupby(["seed", "agent"])["user_id"].first().unstack()
    assert (users.nunique(axis=1) == 1).all(), "all agents meet the same first user"
    curve = agent_runs.learning_curves(log, 6)
    assert len(curve) == 18 and (curve["low"] <= curve["reward"]).all()
    made = agent_runs.summarize_agents(log, world).set_index("agent")
    assert made.loc["random", "coverage"] > made.loc["popularity", "coverage"]
    assert made.loc["random", "novelty"] > made.loc["popularity", "novelty"]
    assert made["diversity"].between(0, 1).all()


def test_a_log_is_a_replay_buffer_in_parquet(world, tmp_path) -> None:
    e = env(world, length=8)
    log = agent_runs.run_agent(e, agents.create_agent("random", world, 0), 30, seed=1, observations=True)
    agent_runs.save_log(log, tmp_path / "deep" / "log.parquet")
    back = pd.read_parquet(tmp_path / "deep" / "log.parquet")
    assert len(back) == 30 and len(back["observation_profile"].iloc[0]) == 32
    inside = ~(back["terminated"] | back["truncated"]).iloc[:-1].to_numpy()
    nxt = [
        list(a) == list(b)
        for a, b in zip(back["next_taste"].iloc[:-1], back["observation_taste"].iloc[1:], strict=True)
    ]
    assert np.array(nxt)[inside].all()
    with pytest.raises(InvalidInputError):
        agent_runs.run_agent(e, agents.create_agent("random", world, 0), 0)


def test_a_world_needs_histories(ml100k) -> None:
    thin = splits.make(ml100k, "last-10")
    few = Split("thin", thin.train.slice(0, 3), thin.test)
    with pytest.raises(InvalidInputError, match="No user has"):
        build_world(ml100k, few)
