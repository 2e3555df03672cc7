"""What jobs compute with: the page's choices as a run context and a model's configuration."""

from __future__ import annotations

from collections.abc import Mapping

from lusifer import settings
from lusifer.evaluation import RunContext
from lusifer.jobs import Job
from lusifer.progress import ignore_progress, ignore_result, never_cancelled
from lusifer.simulator import UserModelConfig
from lusifer.store import Store
from lusifer.ui.state import PageContext

WORKERS = 16
"""Users at a time; how many calls go out at once is decided by the endpoint's gate."""


def build_run_context(
    ctx: PageContext,
    store: Store | None,
    job: Job | None = None,
    *,
    seed: int = 0,
    titles: Mapping[str, str] | None = None,
) -> RunContext:
    """The data and, with a job, where to report and whether to stop. Worker threads may call it.

    Args:
        ctx: the choices of the page.
        store: where results are kept.
        job: whose progress is reported and who may be stopped.
        seed: of everything random.
        titles: how messages of progress are shown.
    """
    if job is None:
        on_progress, cancelled, on_result = ignore_progress, never_cancelled, ignore_result
    else:
        cancelled, on_result = job.cancelled, job.report_part

        def on_progress(done: int, total: int, message: str = "", /) -> None:
            job.report_progress(done, total, (titles or {}).get(message) or message)

    workers = 1 if ctx.is_free else WORKERS
    return RunContext(
        ctx.dataset, ctx.split, store, settings.prediction_cache_dir(), seed, workers, on_progress, cancelled, on_result
    )


def build_model_config(ctx: PageContext) -> UserModelConfig:
    """The model of the sidebar, told what others gave where that is on."""
    return UserModelConfig(ctx.model, ctx.prompt_set, evidence=ctx.evidence, budget=ctx.budget, keys=ctx.keys)
