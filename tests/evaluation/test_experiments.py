"""Experiments: what each arm changes and leaves alone, what comes out, prices, stops and going on."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from lusifer import prompts
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError, ModelError
from lusifer.evaluation import sample_users
from lusifer.evaluation.bootstrap import Bootstrap, Figure
from lusifer.evaluation.experiments import (
    EXPERIMENTS,
    ExperimentSetup,
    ablation,
    batch_size,
    closed_loop,
    cold_start,
    contamination,
    find,
    preference_shifts,
    rating_order,
    taste_shift,
)
from lusifer.evaluation.experiments import arms as experiment_arms
from lusifer.evaluation.experiments.result import describe_significance
from lusifer.llm import create_llm
from lusifer.simulator import LLMUserModel, RunContext, StatisticalUserModel
from lusifer.simulator.types import Bullet, Profile
from tests.servers.openai import KEY


@pytest.fixture(scope="module")
def setting(ml100k, last10) -> ExperimentSetup:
    return ExperimentSetup(RunContext(ml100k, last10), StatisticalUserModel(), tuple(sample_users(last10, 30, 1)))


@pytest.fixture(scope="module")
def made(setting):
    """Every experiment but the cold start, with the built-in."""
    return {name: find(name).run(setting) for name in EXPERIMENTS if name != "cold"}


@pytest.fixture
def paid(ml100k, last10, store, openai_server, monkeypatch):
    """The same with a language model on a local server, for a few users."""
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    model = LLMUserModel(create_llm("openai:a", store, keys={"openai": KEY}), prompts.load(), run="r")
    users = [int(u) for u in last10.train.user_ids if len(last10.train.of_user(int(u))) >= 50][:5]
    return ExperimentSetup(RunContext(ml100k, last10, store, workers=4), model, tuple(users))


# ---- figures -----------------------------------------------------------------------------------------


def test_a_bootstrap_measures_what_it_says() -> None:
    rng = np.random.default_rng(0)
    users, a = np.repeat(np.arange(40), 5), rng.normal(size=200)
    b = 0.5 * a + rng.normal(size=200)
    boot = Bootstrap(users)
    assert boot.mean(users, a).value == pytest.approx(a.mean())
    assert boot.rmse(users, a).value == pytest.approx(np.sqrt((a**2).mean()))
    assert boot.std(users, a).value == pytest.approx(a.std())
    assert boot.correlation(users, a, b).value == pytest.approx(np.corrcoef(a, b)[0, 1])
    low, high = boot.mean(users, a + 3).bounds
    assert low < (a + 3).mean() < high and boot.mean(users, a + 3).is_significant
    holes = np.where(np.arange(200) % 7 == 0, np.nan, a)
    assert boot.mean(users, holes).value == pytest.approx(np.nanmean(holes))
    same = boot.mean(users, a) - boot.mean(users, a)
    assert same.value == 0 and same.bounds == (0, 0) and not same.is_significant
    few = Bootstrap([1, 2]).mean(np.array([1, 2]), [1.0, 2.0])
    assert few.value == 1.5 and all(math.isnan(b) for b in few.bounds) and "too few" in describe_significance(few)
    assert few.json == [1.5, None, None]


def test_every_result_is_two_sentences_charts_and_plain_values(made) -> None:
    for name, result in made.items():
        assert len(result.sentences) == 2 and all(s.endswith(".") for s in result.sentences), name
        said = json.loads(json.dumps(result.to_json(), allow_nan=False))
        assert said["panels"] and all(p["points"] for p in said["panels"]), name
        assert any(p["low"] is not None for panel in said["panels"] for p in panel["points"])
        assert len(result.rows) and said["figures"], name


def test_a_seed_gives_the_same_again(setting, made) -> None:
    again = find("shift").run(setting)
    assert again.to_json() == made["shift"].to_json()


# ---- what an arm is ------------------------------------------------------------------------------------


def test_no_arm_sees_a_test_rating(setting) -> None:
    test = setting.ctx.split.test
    tested = {(int(u), int(i)) for u, i in zip(test.user, test.item, strict=True)}
    for module in (batch_size, rating_order, taste_shift, ablation, cold_start):
        for arm in module.arms(setting):
            for user in arm.split.test.user_ids.tolist():
                mine = arm.split.train.of_user(user)
                rated = arm.split.test.of_user(user)
                assert not set(mine.item.tolist()) & set(rated.item.tolist()), (module, arm.name)
            if module is not taste_shift:  # there somebody else's test ratings are the joined one's
                whole = arm.split.train
                assert not tested & set(zip(whole.user.tolist(), whole.item.tolist(), strict=True))


def test_orders_hold_the_same_ratings(setting) -> None:
    arms = rating_order.arms(setting)
    for user in setting.users:
        rows = [a.split.train.of_user(user) for a in arms]
        rows = [r.slice(max(0, len(r) - 40), len(r)) for r in rows]
        pairs = [sorted(zip(r.item.tolist(), r.rating.tolist(), strict=True)) for r in rows]
        assert pairs[0] == pairs[1] == pairs[2]
        assert rows[1].item.tolist() == rows[0].item.tolist()[::-1]
    assert len({a.split.id for a in arms}) == 3


def test_cold_lengths_differ_in_what_is_known_alone(setting) -> None:
    users = cold_start.eligible_users(setting)
    others = ~np.isin(setting.ctx.split.train.user, users)
    tests = []
    for known in cold_start.LENGTHS:
        split = cold_start.truncate_histories(setting, users, known)
        tests.append(split.test.hash)
        for user in users:
            newest = setting.ctx.split.train.of_user(user).item[-known:] if known else np.zeros(0)
            assert split.train.of_user(user).item.tolist() == newest.tolist()
        rest = split.train.select(~np.isin(split.train.user, users))
        assert rest.hash == setting.ctx.split.train.select(others).hash
    assert len(set(tests)) == 1


def test_copies_of_a_user_are_people_of_their_own(setting) -> None:
    users = cold_start.eligible_users(setting)[:4]
    data, split = cold_start.duplicate_users(setting, users, (0, 2))
    first = int(setting.ctx.dataset.user_ids.max()) + 1
    assert len(split.test) == 2 * len(setting.ctx.split.test.of_users(users))
    for at, user in enumerate(users):
        for group, known in enumerate((0, 2)):
            copy = first + group * len(users) + at
            assert len(split.train.of_user(copy)) == known
            assert split.test.of_user(copy).item.tolist() == setting.ctx.split.test.of_user(user).item.tolist()
            assert data.user(copy).occupation == setting.ctx.dataset.user(user).occupation
    assert not np.isin(split.train.user, users).any()


def test_the_cold_start_compares_everything_on_the_same_rows(setting, few_baselines) -> None:
    few_baselines("constant", "bias", "als", fm="als")  # what is compared is told by name; nothing takes ten seconds
    result = cold_start.run(setting)
    names = {"simulator", "simulator-calibrated", "constant", "bias", "als", "fm"}
    assert names <= set(result.rows) and sorted(result.rows["known"].unique()) == list(cold_start.LENGTHS)
    assert result.rows.groupby("known").size().nunique() == 1
    nothing = result.rows[result.rows["known"] == 0]
    assert nothing.groupby("user_id")["simulator"].nunique().max() == 1, "one number: the usual"
    assert result.figures["bias-20"][0] < result.figures["constant-20"][0]


def test_planted_changes_are_what_they_say(setting) -> None:
    shifts, joined, own, test = taste_shift.plant_shifts(setting)
    train, partner = setting.ctx.split.train, {s.user: s.other for s in shifts}
    assert all(partner[partner[u]] == u for u in partner), "pairs, each user in one"
    for change in shifts:
        rows, control = joined[change.user], own[change.user]
        theirs, mine = train.of_user(change.other), train.of_user(change.user)
        assert len(rows) == taste_shift.BEFORE + taste_shift.AFTER and len(set(rows.item.tolist())) == len(rows)
        assert rows.item[taste_shift.BEFORE :].tolist() == theirs.item[-taste_shift.AFTER :].tolist()
        assert control.item[taste_shift.BEFORE :].tolist() == mine.item[-taste_shift.AFTER :].tolist()
        before = rows.item[: taste_shift.BEFORE].tolist()
        assert before == control.item[: taste_shift.BEFORE].tolist()
        assert set(before) <= set(mine.item[: -taste_shift.AFTER].tolist())
        assert (np.diff(rows.timestamp) >= 0).all()
        late = preference_shifts.genre_effects(
            preference_shifts.rated_rows(setting, theirs.slice(len(theirs) - 30, len(theirs)))
        )
        early = preference_shifts.genre_effects(preference_shifts.rated_rows(setting, rows.slice(0, 20)))
        assert early[change.genre] * late[change.genre] < 0
        assert (late[change.genre] > 0) == (change.direction == 1)
        of_other = setting.ctx.split.test.of_user(change.other).item.tolist()
        assert set(test.of_user(change.user).item.tolist()) <= set(of_other)


def test_a_change_is_priced_on_the_same_ratings(made) -> None:
    rows = made["shift"].rows
    planted = rows[rows["arm"] == taste_shift.PLANTED]
    assert planted["undisturbed"].notna().all() and planted["giver"].notna().all()
    assert (planted.groupby(["user_id", "step"]).size() == taste_shift.BATCH).all()
    step = planted[planted["step"] == 1]
    gap = np.sqrt((step["simulator"] ** 2).mean()) - np.sqrt((step["undisturbed"] ** 2).mean())
    assert made["shift"].figures["jump"][0] == pytest.approx(gap)


def test_an_evolution_that_broke_off_tells_nothing(ml100k, last10, setting) -> None:
    from lusifer.simulator.evolution import evolve, make_evolution_spec

    user, builtin = setting.users[0], StatisticalUserModel()
    steps = list(evolve(ml100k, last10, builtin, make_evolution_spec(ml100k, last10, user, builtin)))
    change = taste_shift.PreferenceShift(user, "Drama", 1)
    assert math.isnan(taste_shift.steps_until(steps[:3], change, ml100k, 4))


def test_an_interval_needs_users_with_rows() -> None:
    boot = Bootstrap(range(20))
    lonely = boot.mean(np.array([3] * 10), np.arange(10.0))
    assert lonely.value == 4.5 and all(math.isnan(b) for b in lonely.bounds)


def test_a_dead_arm_takes_no_other_along(paid, openai_server, monkeypatch) -> None:
    from lusifer.evaluation import simulation

    real = experiment_arms.simulate
    dead = next(a.model.version for a in ablation.arms(paid) if a.name == "Without metadata")

    def failing(ctx, model, *given, **named):
        found = real(ctx, model, *given, **named)
        if model.version == dead:
            found.answers.expected[:] = np.nan
        return found

    monkeypatch.setattr(experiment_arms, "simulate", failing)
    assert simulation.simulate is real
    result = find("ablation").run(paid)
    assert any("this arm is omitted" in n for n in result.notes)
    assert "Without metadata" not in result.figures
    assert all(v[0] is not None for v in result.figures.values())


def test_nothing_measured_claims_nothing() -> None:
    none = Figure(float("nan"), np.zeros(0))
    assert "does not show whether" in rating_order.interpret_order(none, none)
    assert "No part" in ablation.summarize_deltas({})[0]
    sure = Figure(-0.2, np.full(100, -0.2))
    small = Figure(0.01, np.linspace(-0.1, 0.1, 100))
    first, second = ablation.summarize_deltas({"Without facts": sure, "Without years": small})
    assert first.startswith("Without facts") and "falls significantly" in second
    assert "there is no significant difference without years" in second


def test_a_planted_change_is_noticed_and_hurts(made) -> None:
    figures = made["shift"].figures
    assert figures["noticed"][0] > figures["false_alarm"][0] + 0.25
    assert figures["jump"][1] > 0, "the whole interval of the jump is above zero"


def test_a_stance_is_read_from_text(ml100k) -> None:
    from lusifer.simulator.entity_matching import build_entity_index

    names = build_entity_index(ml100k, ml100k.items_of([1, 50]))
    profile = Profile(
        likes=(Bullet("Enjoys crime films, more than comedies."),),
        dislikes=(Bullet("Horror films leave this user cold."), Bullet("Avoids musicals.")),
    )
    said = {g: taste_shift.profile_stance(profile, g, names) for g in ("Crime", "Comedy", "Horror", "Musical", "War")}
    assert said == {"Crime": 1, "Comedy": 0, "Horror": -1, "Musical": -1, "War": 0}


def test_the_builtin_repeats_itself_and_has_nothing_to_recite(made) -> None:
    assert made["repeat"].figures["spread"] == pytest.approx([0, 0, 0], abs=1e-9)
    assert made["repeat"].figures["likeness"][0] == 1
    assert "recited" not in made["contamination"].figures


def test_leaving_tastes_out_leaves_the_level(setting) -> None:
    arms = {a.name: a for a in ablation.arms(setting)}
    found = experiment_arms.run_arms(setting, [arms["Without tastes"], arms["Everything"]])
    said = found["Without tastes"].answers
    for user in setting.users:
        assert len(np.unique(said.expected[said.user == user])) == 1
    assert len(np.unique(found["Everything"].answers.expected)) > len(setting.users)


def test_masked_titles_tell_nothing_and_change_nothing_else(setting) -> None:
    known, hidden = contamination.arms(setting)
    for user in setting.users[:5]:
        plain, other = known.split.train.of_user(user), hidden.split.train.of_user(user)
        assert plain.rating.tolist() == other.rating.tolist()
        for a, b in zip(plain.item.tolist(), other.item.tolist(), strict=True):
            first, second = setting.ctx.dataset.item(a), hidden.dataset.item(b)
            assert (first.genres, first.year) == (second.genres, second.year)
            assert first.name not in second.title and a != b and second.title.startswith("Film ")
    assert hidden.dataset.hash != known.dataset.hash and hidden.split.train.mean == known.split.train.mean


def test_a_loop_feeds_itself_what_it_said_and_nothing_known(setting, made) -> None:
    rows = made["loop"].rows
    fed = rows[(rows["kind"] == "fed") & (rows["way"] == closed_loop.FED)]
    known = {
        (u, i)
        for t in (setting.ctx.split.train, setting.ctx.split.test)
        for u, i in zip(t.user.tolist(), t.item.tolist(), strict=True)
    }
    assert not known & set(zip(fed["user_id"], fed["item_id"], strict=True))
    assert (fed.groupby(["user_id", "round"]).size() == closed_loop.SHOWN).all()
    assert fed["round"].max() == closed_loop.ROUNDS and set(fed["said"]) <= {1, 2, 3, 4, 5}
    assert made["loop"].figures["fed_spread"][2] < made["loop"].figures["real_spread"][1]
    one = find("loop").run(replace(setting, options={"rounds": 1}))
    assert one.rows["round"].max() == 1


@pytest.mark.parametrize("name", ["loop", "order", "shift"])
def test_rows_and_figures_do_not_depend_on_who_was_first(made, setting, monkeypatch, name) -> None:
    """Threads end in any order: here, in the opposite one."""
    from lusifer.evaluation import simulation

    def backwards(work, count, workers, cancelled, store) -> None:
        for index in reversed(range(count)):
            work(index)

    monkeypatch.setattr(simulation, "run_threaded", backwards)
    monkeypatch.setattr(closed_loop, "run_threaded", backwards)
    again = find(name).run(setting)
    assert json.dumps(again.to_json()) == json.dumps(made[name].to_json())
    assert again.rows.equals(made[name].rows)


def test_too_few_users_are_said(setting) -> None:
    with pytest.raises(InvalidInputError, match="at least 5"):
        find("shift").run(replace(setting, users=setting.users[:3]))
    with pytest.raises(InvalidInputError, match="no experiment"):
        find("nonsense")


# ---- a language model ------------------------------------------------------------------------------------


def test_prices_are_upper_bounds_and_what_is_stored_is_free(paid, openai_server) -> None:
    for name in ("order", "contamination", "loop"):
        before = len(openai_server.requests)
        cost = find(name).estimate(paid)
        assert len(openai_server.requests) == before, "counting asks nobody"
        result = find(name).run(paid)
        made = len(openai_server.requests) - before
        assert 0 < made <= cost.calls and len(result.sentences) == 2
        again = len(openai_server.requests)
        assert find(name).run(paid).to_json() == result.to_json()
        assert len(openai_server.requests) == again, f"{name} asks nothing twice"
    assert find("order").estimate(paid).calls == 0
    notes = {r["purpose"] for r in paid.ctx.store.list_calls({}, limit=5000)[0]}
    assert {"recite", "rate", "update", "forecast"} <= notes


def test_recitation_tells_nothing_but_the_id(paid, openai_server) -> None:
    find("contamination").run(replace(paid, users=paid.users[:2]))
    asked = [str(r["messages"]) for r in openai_server.requests if "user with id" in str(r["messages"])]
    assert len(asked) == 4
    for text in asked:
        assert "MovieLens 100K" in text and "PROFILE" not in text and "year-old" not in text


def test_a_recitation_that_is_no_answer_is_not_served_again(paid, openai_server) -> None:
    from lusifer.simulator.memorization_probe import ask_from_memory

    items = paid.ctx.dataset.items_of([1, 2])
    openai_server.behave("garbage")
    assert all(r.failure for r in ask_from_memory(paid.model, paid.ctx.dataset, 7, items))
    assert not any(r.failure for r in ask_from_memory(paid.model, paid.ctx.dataset, 7, items))
    many = paid.ctx.dataset.items_of(list(range(1, 46)))
    before = len(openai_server.requests)
    assert len(ask_from_memory(paid.model, paid.ctx.dataset, 8, many)) == 45
    assert len(openai_server.requests) == before + 3


def test_a_loop_is_no_part_of_what_the_usual_evolution_costs(paid) -> None:
    from lusifer.simulator.evolution import make_evolution_spec

    one = replace(paid, users=paid.users[:2], options={"rounds": 1})
    name = make_evolution_spec(paid.ctx.dataset, paid.ctx.split, paid.users[0], paid.model).id
    experiment_arms.run_arms(one, [experiment_arms.Arm("usual", one.sample, one.model)])
    before = paid.ctx.store.usage_by_evolution([name])[name]["calls"]
    find("loop").run(one)
    assert paid.ctx.store.usage_by_evolution([name])[name]["calls"] == before


def test_draws_ask_anew_and_differ_in_nothing_else(paid, openai_server) -> None:
    find("repeat").run(replace(paid, options={"draws": 2}))
    seen = [json.dumps(r["messages"]) for r in openai_server.requests]
    assert len(seen) == 2 * len(set(seen)), "every question twice"


@pytest.mark.parametrize("name", ["grounded", "grounded-2"])
def test_ablated_prompts_lack_what_they_say(paid, ml100k, last10, name: str) -> None:
    from lusifer.simulator import prompt_rendering
    from lusifer.simulator.evolution import context_after, evolve, make_evolution_spec
    from lusifer.simulator.prompt_variables import TemplateInput, values_of

    builtin = StatisticalUserModel()
    user = paid.users[0]
    steps = list(evolve(ml100k, last10, builtin, make_evolution_spec(ml100k, last10, user, builtin)))
    context, prompt_set = context_after(ml100k, last10, user, steps), prompts.load(name)
    items = ml100k.items_of([50, 100])

    def text(p) -> str:
        return prompt_rendering.render_rate(p, context, items)[1].content

    whole, bullet = text(prompt_set), context.profile.bullets[0].text
    found = {name: text(p) for name, p in ablation.variants(prompt_set, details=False).items()}
    assert bullet in whole and bullet not in found["Without the profile"]
    assert "Without people" not in found, "nothing is known of people here"
    assert {"Without genres", "Without people", "Without overviews"} <= set(ablation.variants(prompt_set))
    fact = values_of("rate", TemplateInput(prompt_set, context, items))[
        "summary" if prompt_set.anonymous else "facts"
    ].splitlines()[0]
    assert fact in whole and fact not in found["Without facts"]
    newest, without_recent = context.seen[-1].item.title, found["Without recent items"]
    assert newest in whole.split("NEWEST RATINGS")[1] and newest not in without_recent.partition("NEWEST RATINGS")[2]
    assert bullet in without_recent and "no rating of this user is known" not in without_recent
    assert without_recent.count("FACTS") == whole.count("FACTS") == 1
    assert (
        "Action" in whole.split("MOVIES TO RATE")[-1]
        and "Action" not in found["Without metadata"].split("MOVIES TO RATE")[-1]
    )


def test_failures_are_counted_and_left_out(paid, openai_server) -> None:
    openai_server.behave(*["refusal"] * 40)
    result = find("order").run(paid)
    assert any("failed to give" in n for n in result.notes)
    json.dumps(result.to_json(), allow_nan=False)


def test_an_experiment_without_any_answer_ends_with_its_cause(paid, openai_server) -> None:
    openai_server.always = "refusal"
    with pytest.raises(ModelError, match="no rating at all.*refused"):
        find("order").run(paid)


def test_an_order_is_measured_where_all_histories_have_the_same_span(ml100k, last10) -> None:
    """A bug of old: nobody's span is over the median then, and that group had no draws to subtract."""
    train = replace(last10.train, timestamp=np.full_like(last10.train.timestamp, 880_000_000))
    split = Split(last10.name, train, last10.test, last10.files)
    users = tuple(sample_users(last10, 12, 1))
    figures = find("order").run(ExperimentSetup(RunContext(ml100k, split), StatisticalUserModel(), users)).figures
    assert figures["newest"][1] is not None and figures["long_minus_short"] == [None, None, None]
