"""The sidebar's dataset controls: the list, fetching another release, and mapping custom tables."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import streamlit as st

from lusifer import datasets, settings
from lusifer.datasets import DATASET_SPECS, custom_tables
from lusifer.datasets.fetch import RELEASES, fetch
from lusifer.datasets.timestamps import UNITS
from lusifer.errors import LusiferError
from lusifer.jobs import Job
from lusifer.ui import page_state, state
from lusifer.ui.components import job_panel
from lusifer.ui.formatting import escape_markdown


def dataset_names() -> list[str]:
    """What can be chosen: the known one first, whether it is there or not, then what lies in the data folder."""
    return list(dict.fromkeys([*DATASET_SPECS, *datasets.list_datasets()]))


def dataset_title(name: str) -> str:
    """How a data set is called before it is open."""
    known = DATASET_SPECS.get(name) or RELEASES.get(name)
    return known.title if known else name


def needs_reading(name: str) -> bool:
    """Whether a data set's files must be read first, which takes a while for a large one."""
    return name not in DATASET_SPECS and not datasets.is_prepared(name)


def show_reading(name: str) -> None:
    """The page while a data set is read for the first time."""
    st.title(escape_markdown(dataset_title(name)), icon=":material/database:")
    key = f"read:{name}"
    if job_panel.job_ended(key):
        st.markdown(
            "This dataset has not been imported yet. The import runs once and takes from a second to a few minutes, "
            "depending on its size."
        )
        if settings.is_public():
            st.info("The operator has not imported it yet.", icon=":material/info:")
        elif st.button("Import", icon=":material/play_arrow:", type="primary"):
            state.get_jobs().start(key, f"Importing {name}", lambda j: _read_dataset(j, name))
            st.rerun()


def _read_dataset(job: Job, name: str) -> str:
    datasets.load(name, on_progress=partial(set_progress, job), cancelled=job.cancelled)
    return name


def set_progress(job: Job, done: int, total: int, message: str = "") -> None:
    """Progress of a job that ends on its own where it is cancelled."""
    job.done, job.total, job.message = done, total, message


def show_summary(name: str) -> None:
    """What the chosen data set is, and what was found wrong in its files."""
    data = state.open_dataset(name)
    st.caption(
        f"{escape_markdown(data.title)}: {len(data.ratings):,} ratings of {len(data.items):,} "
        f"{escape_markdown(data.item_nouns[1])}."
    )
    if data.report.lines:
        count = len(data.report.lines)
        with st.popover(f"{count} note{'s' * (count != 1)} on its files", icon=":material/rule:"):
            for line in data.report.lines:
                text = line.split(" (first:")[0] if settings.is_public() else line  # strangers see no rows
                st.markdown(f"- {escape_markdown(text)}")


def show_other_datasets() -> None:
    """Other data: what can be fetched, and tables that wait for a mapping. Not on a public server."""
    if settings.is_public():
        return
    with st.popover("Other datasets", icon=":material/add_circle:"):
        there = set(dataset_names())
        able = [n for n in RELEASES if n not in there]
        key = "fetch:release"
        if able:
            name = st.selectbox(
                "Larger MovieLens",
                able,
                key="release",
                format_func=lambda n: f"{RELEASES[n].title} (about {RELEASES[n].megabytes} MB)",
            )
            if job_panel.job_ended(key) and st.button("Download from GroupLens", icon=":material/download:"):
                state.get_jobs().start(key, f"Downloading {dataset_title(name)}", lambda j: _fetch_dataset(j, name))
                st.rerun()
        st.markdown(
            "**Your own tables** (books, music, shops): put CSV, TSV, Parquet or JSON Lines files into a subfolder of "
            f"`{str(settings.data_dir()).replace(chr(96), '')}` and reopen this panel."
        )
        for folder in datasets.folders_to_map():
            with st.expander(escape_markdown(folder.name), icon=":material/table:"):
                show_mapping_form(folder)


def _fetch_dataset(job: Job, name: str) -> str:
    fetch(name, on_progress=partial(set_progress, job), cancelled=job.cancelled)
    return name


def show_mapping_form(folder: Path) -> None:
    """The guess which column is what, to be changed and accepted."""
    stamp = tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in custom_tables.list_tables(folder))
    try:
        guess, columns = _propose(folder, stamp)
    except LusiferError as error:
        state.show_error(error)
        return
    key = f"map-{folder.name}"
    one = st.text_input("Item noun, singular", guess.singular, key=f"{key}-one")
    many = st.text_input("Item noun, plural", guess.plural, key=f"{key}-many")
    columns_by_role: dict[str, str] = {}
    for table in custom_tables.ROLES:
        part = getattr(guess, table)
        if part is None:
            continue
        st.markdown(f"**{table.capitalize()}**: {escape_markdown(part.file)}")
        for role in custom_tables.ROLES[table]:
            options = ["", *columns[part.file]]
            guessed_column = part.columns.get(role, "")
            columns_by_role[f"{table}.{role}"] = st.selectbox(
                role.replace("_", " ").capitalize(),
                options,
                options.index(guessed_column),
                key=f"{key}-{table}-{role}",
                format_func=lambda c: c or "(none)",
            )
    unit = st.selectbox(
        "Time unit",
        [*UNITS, "date"],
        [*UNITS, "date"].index(guess.unit),
        key=f"{key}-unit",
    )
    date_format = st.text_input(
        "Date format", guess.date_format, key=f"{key}-date-format", placeholder="told from the dates; such as %d/%m/%Y"
    )
    scale = st.text_input("Rating scale: min, max, step", placeholder="inferred from the ratings", key=f"{key}-scale")
    preview = None
    try:
        recipe = replace(
            custom_tables.with_columns(guess, columns_by_role),
            singular=one or "item",
            plural=many or "items",
            unit=unit,
            date_format=date_format.strip(),
            scale=_parse_scale(scale),
        )
        preview = _preview(folder, stamp, recipe)
    except LusiferError as error:
        state.show_error(error)
    despite = False
    if preview is not None:
        _show_preview(preview)
        despite = bool(preview.concerns) and st.checkbox("Accept it as it is", key=f"{key}-despite")
    if st.button("Accept", icon=":material/check:", key=f"{key}-accept", type="primary") and preview is not None:
        try:
            custom_tables.accept_mapping(folder, recipe, despite_concerns=despite)
        except LusiferError as error:
            state.show_error(error)
            return
        page_state.choose(dataset=folder.name)
        st.rerun()


Stamp = tuple[tuple[str, int, int], ...]
"""Name, size and time of each file: what was read counts until one changes."""


@st.cache_data(max_entries=16, show_spinner="Looking at the tables …")
def _propose(folder: Path, stamp: Stamp) -> tuple[custom_tables.TableMapping, dict[str, list[str]]]:
    guess = custom_tables.propose_mapping(folder)
    tables = (guess.ratings, guess.items, guess.users)
    return guess, {p.file: list(custom_tables.preview_columns(folder / p.file)) for p in tables if p}


@st.cache_data(
    max_entries=64,
    show_spinner="Looking at the tables …",
    hash_funcs={custom_tables.TableMapping: lambda mapping: mapping.to_json()},
)
def _preview(folder: Path, stamp: Stamp, mapping: custom_tables.TableMapping) -> custom_tables.MappingPreview:
    return custom_tables.preview_mapping(folder, mapping)


def _show_preview(preview: custom_tables.MappingPreview) -> None:
    """What the mapping would give: joins, scale, times, first rows, and what is not read."""
    for concern in preview.concerns:
        st.warning(escape_markdown(concern), icon=":material/warning:")
    for line in preview.lines:
        st.caption(escape_markdown(line))


def _parse_scale(text: str) -> tuple[float, float, float] | None:
    from lusifer.errors import InvalidInputError

    if not text.strip():
        return None
    try:
        low, high, step = (float(x) for x in text.split(","))
    except ValueError:
        raise InvalidInputError(f"{text!r} is not a rating scale.", "Give min, max, step, such as 1, 5, 1.") from None
    return low, high, step
