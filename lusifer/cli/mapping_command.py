"""``data list`` and ``data map``: what is there, and how own tables are to be read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lusifer import settings
from lusifer.errors import DatasetError, InvalidInputError

if TYPE_CHECKING:
    from lusifer.datasets.table_mapping import TableMapping


def add_actions(actions: Any) -> list[argparse.ArgumentParser]:
    """Add both to the command ``data``; its leaves."""
    listing = actions.add_parser("list", help="list the datasets in the data folder and those that can be downloaded")
    listing.set_defaults(run=_run_list)
    mapping = actions.add_parser("map", help="map the columns of your own tables")
    mapping.add_argument("name", help="name of the folder in the data folder")
    mapping.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.ROLE=COLUMN",
        help="such as ratings.user=reader, items.title=name; nothing after = for none",
    )
    mapping.add_argument("--title", help="title of the dataset")
    mapping.add_argument("--one", help="item noun, singular (album)")
    mapping.add_argument("--many", help="item noun, plural (albums)")
    mapping.add_argument("--scale", help="min,max,step (default: inferred from the ratings)")
    mapping.add_argument("--unit", help="unit of the timestamps: s, ms, us, ns or date")
    mapping.add_argument("--date-format", help="form of dates, such as %%d/%%m/%%Y (default: told from the dates)")
    mapping.add_argument("--separator", help="what stands between the genres of a cell")
    mapping.add_argument("--encoding", help="encoding of text files, such as cp1252 (default: told from their bytes)")
    mapping.add_argument(
        "--links",
        metavar="FILE:RATED=DESCRIBED",
        help="table that joins ratings and items, such as links.csv:movieId=tmdbId; empty for none",
    )
    mapping.add_argument(
        "--despite-concerns",
        action="store_true",
        help="accept although many ratings find no item, or dates can be read in two ways",
    )
    mapping.add_argument("--accept", action="store_true", help="save the mapping and import the tables")
    mapping.set_defaults(run=_run_map)
    return [listing, mapping]


def _run_list(options: argparse.Namespace) -> dict[str, Any]:
    """What lies in the data folder, what waits for a mapping, what can be fetched."""
    from lusifer.datasets import DATASET_SPECS, folders_to_map, list_datasets
    from lusifer.datasets.fetch import RELEASES

    there = list_datasets()
    waiting = [p.name for p in folders_to_map()]
    titles = {n: k.title for n, k in DATASET_SPECS.items()} | {n: r.title for n, r in RELEASES.items()}
    fetchable = {n: t for n, t in titles.items() if n not in there}
    if not options.json:
        for name in there:
            print(f"{name:20} ready")
        for name in waiting:
            print(f"{name:20} tables without a mapping: {settings.command_name()} data map {name}")
        for name, title in fetchable.items():
            print(f"{name:20} {title}: {settings.command_name()} data fetch {name}")
    return {"ready": there, "waiting": waiting, "fetchable": list(fetchable)}


def _run_map(options: argparse.Namespace) -> dict[str, Any]:
    """The guess (or what was accepted before) with changes, and with ``--accept`` what reading it found."""
    from lusifer.datasets import custom_tables, load

    folder = settings.data_dir() / options.name
    if not options.name or Path(options.name).name != options.name or not folder.is_dir():
        raise InvalidInputError(f"There is no folder {folder}.", "Put the tables into a folder of the data folder.")
    recipe = _changed(_current_mapping(folder, options), options)
    custom_tables.check_mapping(recipe)
    result: dict[str, Any] = {"mapping": recipe.to_json(), "accepted": bool(options.accept)}
    if not options.accept:
        preview = custom_tables.preview_mapping(folder, recipe)
        if not options.json:
            _print_mapping(recipe)
            _print_lines([*preview.lines, *(f"CONCERN: {c}" for c in preview.concerns)])
            print("Nothing was imported. Change roles with --set, then use --accept.")
        return result | {"preview": preview.to_json()}
    try:
        before = custom_tables.load_mapping(folder)
    except DatasetError:
        before = None
    preview = custom_tables.accept_mapping(folder, recipe, despite_concerns=options.despite_concerns)
    try:
        dataset = load(options.name)
    except DatasetError:
        if before is None:
            (folder / custom_tables.MAPPING_FILE).unlink(missing_ok=True)
        else:
            custom_tables.save_mapping(folder, before)
        raise
    result |= {
        "ratings": len(dataset.ratings),
        "users": len(dataset.users),
        "items": len(dataset.items),
        "report": dataset.report.lines,
        "preview": preview.to_json(),
    }
    if not options.json:
        _print_mapping(recipe)
        _print_lines([*preview.lines, *(f"accepted despite: {c}" for c in preview.concerns)])
        print(
            f"{dataset.title}: {len(dataset.ratings):,} ratings, {len(dataset.users):,} users, "
            f"{len(dataset.items):,} {recipe.plural}"
        )
        _print_lines(dataset.report.lines)
    return result


def _current_mapping(folder: Path, options: argparse.Namespace) -> TableMapping:
    """What was accepted before, else the guess."""
    from lusifer.datasets import custom_tables

    encoding = options.encoding or ""
    try:
        return custom_tables.load_mapping(folder) or custom_tables.propose_mapping(folder, encoding)
    except DatasetError:
        if not (folder / custom_tables.MAPPING_FILE).is_file():
            raise
        return custom_tables.propose_mapping(folder, encoding)  # the mapping can't be read: here it is made anew


def _changed(recipe: TableMapping, options: argparse.Namespace) -> TableMapping:
    """A mapping with what the options say.

    Raises:
        InvalidInputError: a scale or a links table that is none.
    """
    from lusifer.datasets import custom_tables

    role_changes = dict(x.partition("=")[::2] for x in options.set)
    recipe = custom_tables.with_columns(recipe, role_changes)
    texts = {
        "title": options.title,
        "singular": options.one,
        "plural": options.many,
        "unit": options.unit or ("date" if options.date_format else None),
        "date_format": options.date_format,
        "separator": options.separator,
        "encoding": options.encoding,
    }
    recipe = replace(recipe, **{name: text for name, text in texts.items() if text})
    if options.links is not None:
        recipe = replace(recipe, links=custom_tables.parse_links(options.links) if options.links else None)
    if options.scale:
        try:
            low, high, step = (float(x) for x in options.scale.split(","))
        except ValueError:
            raise InvalidInputError(
                f"{options.scale!r} is not a rating scale.", "Give lowest,highest,step, such as 1,5,1."
            ) from None
        recipe = replace(recipe, scale=(low, high, step))
    return recipe


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"  {line}")


def _print_mapping(recipe: TableMapping) -> None:
    """The mapping, a line a table."""
    mapping = recipe.to_json()
    for table in ("ratings", "items", "users"):
        part = mapping[table]
        said_of = ", ".join(f"{r} = {c}" for r, c in part["columns"].items() if c) if part else ""
        files = ", ".join([part["file"], *part["more"]]) if part else ""
        print(f"{table:8} {files + ': ' + said_of if part else 'none'}")
    print(
        f"item noun {recipe.singular}, plural {recipe.plural}; time unit {recipe.unit}"
        f"{' (' + recipe.date_format + ')' if recipe.date_format else ''}; "
        f"scale {recipe.scale or 'inferred from the ratings'}"
    )
