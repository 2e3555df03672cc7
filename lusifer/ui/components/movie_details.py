"""Details of movies beyond the dataset: how many are known, and how to get more."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from lusifer import settings
from lusifer.datasets import Dataset, tmdb
from lusifer.datasets.item_details import ATTRIBUTION, export_csv, import_csv
from lusifer.errors import LusiferError
from lusifer.store import Store
from lusifer.ui import session_keys, state
from lusifer.ui.components.downloads import show_file_button
from lusifer.ui.components.job_panel import show_progress
from lusifer.ui.components.uploads import read_upload
from lusifer.ui.formatting import escape_markdown

MAX_IMPORT_BYTES = 100_000_000


def show_movie_details(dataset: Dataset) -> None:
    """How many movies have details, and the ways to more."""
    database = state.open_store()
    if database is None:
        return
    have, all_ = len(dataset.details), len(dataset.items)
    key = f"enrich:{dataset.hash}"
    job = state.get_jobs().get(key)
    with st.popover("Movie details", icon=":material/movie_info:", type="tertiary"):
        if job is not None and job.active:
            show_progress(key)
            return
        st.markdown(f"**{have:,} of {all_:,} movies** have an overview, people or a poster.")
        if job is not None and job.state in {"failed", "cancelled"}:
            st.warning(escape_markdown(job.error))
        if job is not None and job.state == "done" and job.result is not None:
            _list_left_out(job.result.left_out)
        if have < all_:
            st.caption(
                "They let prompts describe what a movie is about and who made it, let preferences refer to "
                "people, and add posters. They are optional."
            )
        if tmdb.configured():
            if st.button(
                "Get from TMDB", icon=":material/download:", help="Takes a few minutes; resumes where it stopped."
            ):
                state.get_jobs().start(
                    key,
                    "Movie details",
                    lambda j: tmdb.enrich(dataset, database, on_progress=j.report_progress, cancelled=j.cancelled),
                    store=database,
                )
                st.rerun()
        elif have < all_ and not settings.is_public():
            st.caption("For TMDB set `TMDB_API_KEY` (free at themoviedb.org) and restart.")
        if not settings.is_public():
            _show_import_and_export(dataset, database)
        if have:
            st.caption(ATTRIBUTION)


def _show_import_and_export(dataset: Dataset, database: Store) -> None:
    file = st.file_uploader("Import a table (CSV with movie_id)", type="csv", key="_details_file")
    if file is not None and session_keys.DETAILS_FILE.get() != file.file_id:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            try:
                path.write_bytes(read_upload(file, MAX_IMPORT_BYTES))
                report = import_csv(dataset, path, database)
                lines = [report.text, *report.lines]
            except LusiferError as error:
                lines = [f"{error}".replace(str(path), file.name)]
        session_keys.DETAILS_MESSAGE.set("\n".join(lines))
        session_keys.DETAILS_FILE.set(file.file_id)
        st.rerun()
    if file is not None and session_keys.DETAILS_MESSAGE.get():
        message, *lines = session_keys.DETAILS_MESSAGE.get().split("\n")
        st.info(escape_markdown(message))
        _list_left_out(lines)
    if dataset.details:
        show_file_button(
            "Export as CSV",
            lambda: _export_details(dataset, database),
            f"{dataset.name}-details.csv",
            "text/csv",
            icon=":material/upload:",
        )


def _list_left_out(lines: list[str]) -> None:
    """Rows and movies that were not taken, each with its reason."""
    if lines:
        with st.expander(f"{len(lines):,} rows to look at"):
            st.markdown("\n".join(f"- {escape_markdown(line)}" for line in lines))


def _export_details(dataset: Dataset, database: Store) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "details.csv"
        export_csv(dataset, path, database)
        return path.read_bytes()
