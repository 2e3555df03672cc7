"""A comparison of predictors as a recorded run."""

from __future__ import annotations

from typing import Any

from lusifer import settings
from lusifer.errors import CancelledError
from lusifer.evaluation import RunContext, evaluate, sample_users, trust
from lusifer.evaluation.comparison import summary, table
from lusifer.jobs import Job
from lusifer.runs import tables
from lusifer.simulator import make_evolution_spec
from lusifer.simulator.community import Community
from lusifer.store import Store
from lusifer.ui.components.predictor_titles import TITLES
from lusifer.ui.components.user_sample import WORKERS, users_in_group
from lusifer.ui.state import PageContext


def run_comparison(
    job: Job,
    ctx: PageContext,
    names: list[str],
    count: int,
    seed: int,
    which: str,
    store: Store | None,
    label: str,
    offsets: Community | None,
    full: Community | None,
) -> dict[str, Any]:
    """Compare predictors on a sample of users and record the run, which is returned.

    Runs in a worker thread: no call to streamlit here.
    """
    users = sample_users(ctx.split, count, seed, users_in_group(ctx.dataset, which))
    params = {
        "users": len(users),
        "predictors": names,
        "among": which,
        "evidence": full is not None,
    }
    plain_ctx = ctx.without_evidence()
    model = plain_ctx.user_model(store)
    run = (
        store.start_run(
            "comparison",
            label,
            dataset=ctx.dataset.name,
            dataset_hash=ctx.dataset.hash,
            split=ctx.split.id,
            model=model.spec,
            model_version=model.version,
            seed=seed,
            params=params,
        )
        if store
        else f"unstored-{id(job):x}"
    )
    job.run = run
    model = plain_ctx.user_model(store, run=run, cancelled=job.cancelled)
    with_evidence = None
    if full is not None:
        with_evidence = ctx.user_model(store, run=run, cancelled=job.cancelled), full
    try:
        run_context = RunContext(
            ctx.dataset,
            ctx.split,
            store,
            settings.prediction_cache_dir(),
            seed,
            1 if ctx.builtin else WORKERS,
            lambda done, total, message="": job.report_progress(done, total, TITLES.get(message) or message),
            job.cancelled,
        )
        comparison = evaluate(
            run_context, names, users=users, model=model, community=offsets, evidence_variant=with_evidence
        )
        job.report_progress(job.total, job.total, "Intervals and audit")
        result = summary(comparison, seed)
        tables.save_table(run, table(comparison, ctx.split))
    except BaseException as error:
        if store:
            store.finish_run(run, "cancelled" if isinstance(error, CancelledError) else "failed")
        raise
    if store:
        result["usage"] = store.get_run_usage(run)
        plans = {u: make_evolution_spec(ctx.dataset, ctx.split, u, model).id for u in users}
        result["trust"]["price"] = trust.price_a_user(store, plans, ctx.builtin, seed)
        store.finish_run(run, "done", result)
    return {
        "id": run,
        "split": ctx.split.id,
        "model": model.spec,
        "seed": seed,
        "params": params,
        "model_version": model.version,
        "summary": result,
        "title": label,
    }
