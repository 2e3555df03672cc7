"""How well the audit tells true statements from wrong ones, on a file of judged statements.

    python -m benchmarks.audit FILE.jsonl [--data FOLDER] [--recordings FOLDER] [--show]

A line is one statement about a user after a step: ``recording``, ``user``, ``step``, ``kind`` (``bullet`` with its
``section``, ``explanation``, or ``change`` with ``aspect``, ``direction`` and perhaps ``item_ids``), ``text``,
``label`` (``supported`` or ``unsupported``, by people) and ``source`` (``model``, or ``planted KIND`` for a statement
in which one thing was made wrong). The ratings are those of MovieLens 100K, split ``last-10``, the newest 40 in batches
of ten. The movies that a change cites are looked up in the recording (``RECORDING.jsonl.gz`` in the folder of
recordings, by default beside the data, the file, or in this repository); without one they are taken to be those of the
batch that the change or its bullet names, or all of the batch.

Prints JSON: ``false_alarms`` (share of true statements called unsupported), ``uncheckable`` (share that can't be told),
``caught`` (share of wrong statements called unsupported, by kind), for all users and for two halves of them by a hash,
so that rules made on one half can be tried on the other.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lusifer.datasets import Dataset, load, splits
from lusifer.evaluation.audit import Claim
from lusifer.evaluation.audit.changes import check_change, similar_bullet
from lusifer.evaluation.audit.claims import StepContext
from lusifer.evaluation.audit.reading import read_statement
from lusifer.evaluation.audit.statements import check_bullet, check_explanation
from lusifer.evaluation.audit.steps import step_context
from lusifer.simulator.evolution import DEFAULT_BATCH_SIZE, DEFAULT_HISTORY, history_of
from lusifer.simulator.types import SECTIONS, Bullet, Change, Profile

Row = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge every statement of a file, and print how often the audit agrees."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("LUSIFER_TEST_DATA") or None, help="holds ml-100k/")
    parser.add_argument("--recordings", type=Path, default=None, help="holds RECORDING.jsonl.gz")
    parser.add_argument("--show", choices=("a", "b", "all"), help="statements on which the audit disagrees, by half")
    options = parser.parse_args(arguments)
    rows = [json.loads(line) for line in options.file.read_text(encoding="utf-8").splitlines() if line.strip()]
    near = [options.file.resolve().parent.parent, *([options.data.resolve().parent] if options.data else []), ROOT]
    folders = [*([options.recordings] if options.recordings else []), *(f / "recordings" for f in near)]
    judged = judge(_dataset(options.data), rows, folders)
    for row, claim in judged if options.show else ():
        if options.show in {"all", half_of(row["user"])} and claim.verdict != row["label"]:
            print(f"{row['id']} [{row['source']}] {claim.verdict}: {claim.text} | {claim.why}", file=sys.stderr)
    halves = {h: [(r, c) for r, c in judged if half_of(r["user"]) == h] for h in ("a", "b")}
    print(json.dumps({**measure(judged), "halves": {h: measure(part) for h, part in halves.items()}}, indent=1))


def _dataset(folder: Path | None) -> Dataset:
    if folder is None:
        return load("ml-100k")
    with tempfile.TemporaryDirectory() as base:  # prepared copies are not written beside somebody's data
        link = Path(base) / "ml-100k"
        link.symlink_to(Path(folder).resolve() / "ml-100k", target_is_directory=True)
        return load("ml-100k", Path(base))


def half_of(user: int) -> str:
    """Which half a user is of: ``a`` or ``b``, by a hash."""
    return "ab"[int(hashlib.sha256(str(user).encode()).hexdigest(), 16) % 2]


def judge(dataset: Dataset, rows: Iterable[Row], folders: Sequence[Path]) -> list[tuple[Row, Claim]]:
    """The audit's verdict on every statement."""
    split = splits.make(dataset, "last-10")
    steps: dict[tuple[str, int, int], list[Row]] = defaultdict(list)
    for row in rows:
        steps[row["recording"], row["user"], row["step"]].append(row)
    judged = []
    for (recording, user, number), own in steps.items():
        history = history_of(dataset, split, user, DEFAULT_HISTORY)
        first = (number - 1) * DEFAULT_BATCH_SIZE
        context = step_context(dataset, number, history[:first], history[first : first + DEFAULT_BATCH_SIZE])
        cited = _cited(recording, tuple(folders)).get((user, number), {})
        profile = _profile(own)
        changes = {r["id"]: _change(r, cited, profile, context) for r in own if r["kind"] == "change"}
        told = tuple(c for r in own if (c := changes.get(r["id"])) and r["source"] == "model")
        for row in own:
            if row["kind"] == "change":
                claim = check_change(changes[row["id"]], profile, context)
            elif row["kind"] == "bullet":
                claim = check_bullet(Bullet(row["text"]), row["section"], context, told)
            else:
                claim = check_explanation(row["text"], context)
            judged.append((row, claim))
    return judged


def _profile(rows: Iterable[Row]) -> Profile:
    """The profile as the model wrote it."""
    bullets = [r for r in rows if r["kind"] == "bullet" and r["source"] == "model"]
    sections: dict[str, Any] = {s: tuple(Bullet(r["text"]) for r in bullets if r["section"] == s) for s in SECTIONS}
    return Profile(**sections)


def _change(row: Row, cited: Mapping[str, tuple[int, ...]], profile: Profile, context: StepContext) -> Change:
    ids = tuple(row.get("item_ids") or cited.get(row["aspect"], ()))
    if not ids:
        texts = (row["aspect"], similar_bullet(row["aspect"], profile)[0])
        mentions = [m for t in texts for m in read_statement(t, context).mentions]
        named = tuple(dict.fromkeys(i for m in mentions for i in m.item_ids if i in context.batch))
        ids = named or tuple(context.batch)
    return Change(row["aspect"], row["direction"], ids)


@cache
def _cited(recording: str, folders: tuple[Path, ...]) -> dict[tuple[int, int], dict[str, tuple[int, ...]]]:
    """The movies that a recording's changes cite: by user and step, by aspect."""
    path = next((p for f in folders if (p := f / f"{recording}.jsonl.gz").is_file()), None)
    found: dict[tuple[int, int], dict[str, tuple[int, ...]]] = {}
    if path is None:
        return found
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            answer = json.loads(line)
            if answer.get("purpose") == "update":
                changes = answer["answer"]["changes"]
                found[answer["user"], answer["step"]] = {c["aspect"]: tuple(c["item_ids"]) for c in changes}
    return found


def measure(judged: Sequence[tuple[Row, Claim]]) -> dict[str, Any]:
    """Shares of what the audit got right and wrong; ``None`` where there is no such statement."""
    true = [c for r, c in judged if r["label"] == "supported"]
    planted: dict[str, list[Claim]] = defaultdict(list)
    for row, claim in judged:
        if row["source"].startswith("planted "):
            planted[row["source"].removeprefix("planted ")].append(claim)
    return {
        "statements": len(judged),
        "false_alarms": _share(true, "unsupported"),
        "uncheckable": _share([c for _, c in judged], "uncheckable"),
        "uncheckable_of_true": _share(true, "uncheckable"),
        "caught": {kind: _share(planted[kind], "unsupported") for kind in sorted(planted)},
    }


def _share(claims: Sequence[Claim], verdict: str) -> float | None:
    return round(sum(c.verdict == verdict for c in claims) / len(claims), 3) if claims else None


if __name__ == "__main__":
    main()
