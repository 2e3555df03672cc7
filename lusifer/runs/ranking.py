"""A ranking of recommenders by the simulated users of a comparison, as a recorded run."""

from __future__ import annotations

from lusifer.errors import InvalidInputError
from lusifer.evaluation import RunContext
from lusifer.evaluation.recommender_ranking import rank_recommenders
from lusifer.runs import run_rows
from lusifer.runs.kinds import COMPARISON, RANKING, RankingSummary
from lusifer.runs.listing import get_run
from lusifer.runs.recording import ModelNames, OnStart, RecordedRun, ignore_start, record, require_store


def run_ranking(
    ctx: RunContext, comparison: str, *, predictor: str = "simulator", on_start: OnStart = ignore_start
) -> RecordedRun[RankingSummary]:
    """Rank recommenders by what a comparison's simulated users said; nobody is asked anything.

    Args:
        ctx: the data of the comparison, the store, the cache, and how to report and to stop.
        comparison: the id of a comparison with the simulator.
        predictor: which of its predictors speaks for the users.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: no such comparison on these data, or too few users in it.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    row = get_run(require_store(ctx), comparison)
    table = run_rows.read_rows(row)
    if row["kind"] != COMPARISON.name or table is None:
        raise InvalidInputError(f"Run {comparison} is no comparison with rows.", "Choose a run of the Accuracy page.")
    if (row["dataset_hash"], row["split"]) != (ctx.dataset.hash, ctx.split.id):
        raise InvalidInputError(
            f"Run {comparison} is of {row['dataset']}, split {row['split']}.", "Choose this dataset and split."
        )
    params = {"comparison": comparison, "predictor": predictor, "users": row["params"].get("users")}
    model = ModelNames(row["model"], row["model_version"])
    title = f"Recommenders ranked by the users of run {comparison}"
    with record(ctx, RANKING, title, model=model, params=params, on_start=on_start) as run:
        result, rows = rank_recommenders(ctx, table, predictor)
        summary: RankingSummary = {**result, "comparison": comparison, "rows": rows.to_dict("records")}  # type: ignore[typeddict-item]
        run.finish(summary, rows)
    return run
