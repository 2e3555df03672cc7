"""Whole populations: one row a rating, in parts that survive a stop."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lusifer import prompts
from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.evaluation import evaluate
from lusifer.llm import create_llm
from lusifer.runs import population, population_table, tables
from lusifer.runs.kinds import POPULATION
from lusifer.runs.population import Engine, PopulationSpec, record_population
from lusifer.simulator import LLMUserModel, RunContext, StatisticalUserModel, UserModelConfig, community
from tests.servers.openai import KEY


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    return tmp_path


def context(data, split, store, **more) -> RunContext:
    return RunContext(data, split, store, **more)


def simulate(ctx, users, config=None, *, resume="", engine=None, **more) -> str:
    """A recorded population; its run."""
    spec = PopulationSpec(users, **more)
    return record_population(ctx, config or UserModelConfig("builtin"), spec, engine, resume=resume).id


def test_everybody_is_simulated_as_in_a_comparison(ml100k, last10, store, kept, monkeypatch) -> None:
    monkeypatch.setattr(population, "PART", 7)
    users, light = population.choose_users(last10, 20), community.offsets_only(ml100k, last10)
    run = simulate(context(ml100k, last10, store), users, offsets=light)
    found = pd.read_parquet(tables.table_path(run))
    assert (
        list(found) == population_table.SCHEMA.names
        and pq.read_schema(tables.table_path(run)) == population_table.SCHEMA
    )
    same = evaluate(
        RunContext(ml100k, last10), ["simulator"], users=users, model=StatisticalUserModel(), community=light
    )
    frame = same.frame()
    assert found["user_id"].tolist() == frame["user_id"].tolist()
    assert np.allclose(found["expected"], frame["simulator"], atol=1e-5)
    assert np.allclose(found["calibrated"], frame["simulator-calibrated"], atol=1e-5)
    assert set(found["raw"]) <= {1, 2, 3, 4, 5} and (found["spread"] > 0).all() and (found["step"] >= 1).all()
    assert found["reason"].str.len().min() > 10 and not tables.parts_folder(run).exists()
    made = store.get_run(run)["summary"]
    assert made["users"] == 20 and made["parts"] == 3 and made["given"] == made["ratings"] == len(found)
    assert made["rmse_expected"] == pytest.approx(
        np.sqrt(((found["expected"] - found["rating"]) ** 2).mean()), abs=1e-5
    )


def test_a_stopped_run_goes_on_with_the_first_missing_part(ml100k, last10, store, kept, monkeypatch) -> None:
    monkeypatch.setattr(population, "PART", 5)
    users = population.choose_users(last10, 20)
    seen: list[int] = []

    def cancelled() -> bool:
        return len(seen) > 12

    def on_progress(done: int, total: int, what: str = "") -> None:
        seen.append(done)

    with pytest.raises(CancelledError):
        simulate(context(ml100k, last10, store, on_progress=on_progress, cancelled=cancelled), users)
    (run,) = store.list_runs(POPULATION.name)
    parts = {p.name: p.stat().st_mtime_ns for p in tables.parts_folder(run["id"]).iterdir()}
    assert run["status"] == "cancelled" and 0 < len(parts) < 4
    ctx = context(ml100k, last10, store)
    with pytest.raises(InvalidInputError, match="other data"):
        simulate(ctx, users[:3], resume=run["id"])
    touched = {}
    join = population.join_parts

    def looking(name: str, count: int, dataset):
        touched.update({p.name: p.stat().st_mtime_ns for p in tables.parts_folder(name).iterdir()})
        return join(name, count, dataset)

    monkeypatch.setattr(population, "join_parts", looking)
    assert simulate(ctx, users, resume=run["id"]) == run["id"]
    assert parts.items() <= touched.items() and len(touched) == 4
    assert len(pd.read_parquet(tables.table_path(run["id"]))) == 200
    with pytest.raises(InvalidInputError, match="is done"):
        simulate(ctx, users, resume=run["id"])


def test_a_language_model_simulates_and_failures_say_why(
    ml100k, last10, store, kept, openai_server, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    config, ctx = UserModelConfig("openai:a", keys={"openai": KEY}), context(ml100k, last10, store, workers=3)
    users = population.choose_users(last10, 6)
    run = simulate(ctx, users, config)
    found = pd.read_parquet(tables.table_path(run))
    assert found["expected"].notna().all() and found["calibrated"].isna().all()
    asked = len(openai_server.requests)
    again = simulate(ctx, users, config)
    assert len(openai_server.requests) == asked and store.get_run(again)["summary"]["usage"]["made"] == 0
    pd.testing.assert_frame_equal(pd.read_parquet(tables.table_path(again)), found)
    openai_server.always = "refusal"
    with pytest.raises(ModelError, match="no rating at all"):
        simulate(replace(ctx, workers=1), population.choose_users(last10, 2, seed=77), config)
    other = sorted({*users[:1], *population.choose_users(last10, 6, seed=9)})
    broken = simulate(replace(ctx, workers=1), other, config)
    lost = pd.read_parquet(tables.table_path(broken))
    fresh = ~lost["user_id"].isin(users)
    assert lost["expected"][fresh].isna().all() and (lost["failure"][fresh].str.len() > 0).all()
    assert store.get_run(broken)["summary"]["failed_users"] == lost["user_id"][fresh].nunique()
    json.dumps(store.get_run(broken)["summary"], allow_nan=False)


def test_recbole_reads_it_as_it_is(ml100k, last10, store, kept, tmp_path) -> None:
    users = population.choose_users(last10, 5)
    run = simulate(context(ml100k, last10, store), users)
    path = population_table.to_recbole(tables.table_path(run), tmp_path / "out", "sim", "raw")
    assert path == tmp_path / "out" / "sim" / "sim.inter"
    from lusifer.datasets.movielens import read_ratings

    table, found = read_ratings(path, header=True), pd.read_parquet(tables.table_path(run))
    numbered = replace(
        ml100k,
        users=ml100k.users.assign(external_id=[f"u-{u}" for u in ml100k.users.index]),
        items=ml100k.items.assign(external_id=[f"i-{i}" for i in ml100k.items.index]),
    )
    own = population_table.to_recbole(tables.table_path(run), tmp_path / "own", "sim", "raw", numbered)
    first = own.read_text().splitlines()[1].split("\t")
    assert first[:2] == [f"u-{found['user_id'][0]}", f"i-{found['item_id'][0]}"]
    assert len(table) == len(found) and sorted(table.rating.tolist()) == sorted(found["raw"].tolist())
    with pytest.raises(InvalidInputError):
        population_table.to_recbole(tables.table_path(run), tmp_path, "x", "nonsense")


def test_a_population_is_drawn_by_its_seed(last10) -> None:
    assert population.choose_users(last10, None) == population.eligible_users(last10)
    assert (
        population.choose_users(last10, 10, 1)
        == population.choose_users(last10, 10, 1)
        != population.choose_users(last10, 10, 2)
    )
    with pytest.raises(InvalidInputError):
        population.choose_users(last10, 0)


def test_one_run_has_one_worker_and_one_way_of_being_cut(ml100k, last10, store, kept, monkeypatch) -> None:
    from filelock import FileLock

    users = population.choose_users(last10, 4)
    ctx = context(ml100k, last10, store)
    with pytest.raises(CancelledError):
        simulate(replace(ctx, cancelled=lambda: True), users)
    (run,) = store.list_runs(POPULATION.name)
    with FileLock(tables.table_path(run["id"]).with_suffix(".lock")).acquire(blocking=False):
        pass  # a run that ended holds nothing
    with (
        FileLock(tables.table_path(run["id"]).with_suffix(".lock")),
        pytest.raises(InvalidInputError, match="is running"),
    ):
        simulate(ctx, users, resume=run["id"])
    with pytest.raises(InvalidInputError, match="engine"):
        simulate(ctx, users, resume=run["id"], engine=Engine("openai-batch"))
    monkeypatch.setattr(population, "PART", 3)
    with pytest.raises(InvalidInputError, match="another size"):
        simulate(ctx, users, resume=run["id"])
    monkeypatch.setattr(population, "PART", run["params"]["part"])
    assert simulate(ctx, users, resume=run["id"]) == run["id"]


def test_a_run_that_was_stopped_is_calibrated_as_one_that_was_not(
    ml100k, last10, store, kept, openai_server, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setattr(population, "PART", 8)
    model = LLMUserModel(create_llm("openai:a", store, keys={"openai": KEY}), prompts.load())
    users, light = population.choose_users(last10, 16), community.offsets_only(ml100k, last10)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        population.run_population(RunContext(ml100k, last10, store), model, users, folder, offsets=light)
    (cut / "part-00001.parquet").unlink()
    population.run_population(RunContext(ml100k, last10, store), model, users, cut, offsets=light)
    one, other = (pd.read_parquet(f / "part-00001.parquet") for f in (whole, cut))
    assert one["calibrated"].notna().all()
    pd.testing.assert_frame_equal(one, other)


def test_ctrl_c_begins_no_further_user(ml100k, last10, store, kept, openai_server, monkeypatch) -> None:
    """A bug of old: the pool went on with everybody who was waiting."""
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    openai_server.delay = 0.1
    model = LLMUserModel(create_llm("openai:a", store, keys={"openai": KEY}), prompts.load())
    test = last10.test.of_users(population.choose_users(last10, 60))
    from concurrent import futures

    from lusifer.evaluation import simulation

    def interrupted(waiting, timeout) -> None:
        while len(openai_server.requests) < 6:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(simulation, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulation.simulate(RunContext(ml100k, last10, store, workers=2), model, test)
    assert futures.wait and len(openai_server.requests) < 40
