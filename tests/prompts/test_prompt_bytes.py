"""Prompts and the keys of their answers stay what they are, byte for byte: whoever has paid for an answer is served it.

Every shipped prompt set asks about three users of MovieLens 100K and one of a small collection of records: first
profile, update, forecast, rating, repairs; with and without evidence, with details, with masked titles; the
memorization probe too. Their SHA-256 hashes, and those of the answers' keys, lie in ``prompt_hashes.json``. Where a
change of the prompts is meant, write the file anew::

    LUSIFER_RENEW_PROMPT_HASHES=1 python -m pytest tests/prompts/test_prompt_bytes.py
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lusifer import datasets, prompts
from lusifer.datasets import Dataset, Details, splits
from lusifer.evaluation.experiments.ablation import variants
from lusifer.evaluation.experiments.contamination import _renamed, masked
from lusifer.llm import CachedLLM, Completion
from lusifer.simulator import LLMUserModel, StatisticalUserModel, evolve, make_evolution_spec, rate_items
from lusifer.simulator.memorization_probe import ask_from_memory
from lusifer.simulator.types import ItemEvidence
from tests.servers.openai import OpenAIServer

FILE = Path(__file__).with_name("prompt_hashes.json")
USERS = (1, 405, 600)
HISTORY, BATCH = 20, 10


class FlawedLLM:
    """Answers by a rule of its own, some unusable, so that repairs are asked for; keeps all it was asked."""

    spec, identity = "openai:flawed", "https://flawed.example/v1|flawed"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        """Of each question: its purpose, its messages, the key of its answer."""

    def complete(self, messages: Sequence[Any], **options: Any) -> Completion:
        purpose = options["metadata"].purpose
        if len(messages) > 2 or "by this schema:" in messages[-1].content:
            purpose += " repair"
        key = CachedLLM(self, None).key(messages, **options)  # type: ignore[arg-type]
        told = json.dumps([m.to_json() for m in messages], ensure_ascii=False)
        self.asked.append((purpose, told, key))
        body = {"response_format": {"json_schema": {"schema": options["schema"]}}}
        text = OpenAIServer.content(body, "ok")
        of_purpose = sum(p == purpose for p, _, _ in self.asked)
        if purpose in {"update", "recite"} and of_purpose == 1:
            text = "I would rather not."
        elif purpose == "rate" and of_purpose == 1:
            text = ""
        elif purpose == "forecast" and of_purpose == 1:
            answer = json.loads(text)
            text = json.dumps({"ratings": answer["ratings"][1:]})
        return Completion(text)


class Evidence:
    """Community evidence by a rule, so that it is the same on every machine."""

    id, history = "by-rule", 40

    def item_evidence(self, user: int, items: Sequence[int]) -> Mapping[int, ItemEvidence]:
        made = {
            i: ItemEvidence(
                1 + i % 4, i % 50, 0.5, 2 + i % 3 if i % 5 else None, i % 5, 1 + i % 7 / 2 if i % 3 else None
            )
            for i in items
        }
        return {i: e for i, e in made.items() if i % 11}


def with_details(dataset: Dataset) -> Dataset:
    """Two of three items with an overview and people."""
    known = {
        int(i): Details(
            overview=f"Story {i}. It goes on | and on. {'A long sentence without an end ' * (int(i) % 9)}",
            directors=(f"Director {int(i) % 7}", "Second Director")[: 1 + int(i) % 2],
            cast=tuple(f"Actor {int(i) % n}" for n in (5, 11, 13, 17)),
        )
        for i in dataset.items.index
        if int(i) % 3
    }
    return dataset.with_details(known)


def questions_of(dataset: Dataset, split: Any, prompt_set: Any, users: Sequence[int]) -> list[tuple[str, str, str]]:
    """All that is asked to read a history and rate ten items of each user."""
    asked = []
    for user in users:
        llm = FlawedLLM()
        model = LLMUserModel(llm, prompt_set)
        evidence = Evidence() if prompt_set.evidence else None
        spec = make_evolution_spec(dataset, split, user, model, history=HISTORY, batch_size=BATCH, community=evidence)
        steps = list(evolve(dataset, split, model, spec, community=evidence))
        items = dataset.items_of(split.test.of_user(user).item)[:10]
        rate_items(dataset, split, model, spec, steps, items, None, community=evidence)
        asked += llm.asked
    return asked


def hashes(asked: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, Any]]:
    """By purpose: how many questions, a hash of their prompts and one of their keys."""
    of_purpose: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for purpose, told, key in asked:
        of_purpose[purpose].append((told, key))
    return {
        purpose: {
            "questions": len(pairs),
            "prompts": hashlib.sha256("\n".join(t for t, _ in pairs).encode()).hexdigest(),
            "keys": hashlib.sha256("\n".join(k for _, k in pairs).encode()).hexdigest(),
        }
        for purpose, pairs in sorted(of_purpose.items())
    }


@pytest.fixture
def records(tmp_path: Path) -> Dataset:
    """A small domain of nobody else's: albums from 1 to 10, with texts of their own."""
    folder = tmp_path / "records"
    folder.mkdir()
    genres = ("Jazz", "Rock", "Folk", "Drama", "Dub")
    albums = [
        f"{n},Record {n} (19{60 + n}),{genres[n % 5]}|{genres[n % 4]},"
        f"{'An album of songs about rain.' if n % 2 else ''}"
        for n in range(1, 41)
    ]
    ratings = [
        f"{u},{1 + (7 * u + 3 * t) % 40},{1 + (u * t + t // 3) % 10},{1_500_000_000 + 3600 * t + u}"
        for u in range(1, 7)
        for t in range(36)
    ]
    listeners = [f"{u},{20 + u},{'FM'[u % 2]}" for u in range(1, 7)]
    for name, header, rows in (
        ("albums.csv", "album_id,title,genres,about", albums),
        ("ratings.csv", "listener_id,album_id,score,time", ratings),
        ("listeners.csv", "listener_id,age,gender", listeners),
    ):
        (folder / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    tables = {
        "ratings": ("ratings.csv", {"user": "listener_id", "item": "album_id", "rating": "score", "time": "time"}),
        "items": ("albums.csv", {"id": "album_id", "title": "title", "genres": "genres", "text": "about"}),
        "users": ("listeners.csv", {"id": "listener_id", "age": "age", "gender": "gender"}),
    }
    mapping = {name: {"file": file, "columns": columns} for name, (file, columns) in tables.items()}
    mapping |= {"format": 1, "title": "Records", "one": "album", "many": "albums", "unit": "s", "separator": "|"}
    (folder / "mapping.json").write_text(json.dumps({**mapping, "scale": [1, 10, 1]}), encoding="utf-8")
    return datasets.load(str(folder), tmp_path)


Case = Callable[[], list[tuple[str, str, str]]]


def cases(ml100k: Dataset, last10: Any, records: Dataset) -> dict[str, Case]:
    """All cases by name, each to be asked for on demand."""

    def case(dataset: Dataset, split: Any, prompt_set: Any, users: Sequence[int] = USERS) -> Case:
        return lambda: questions_of(dataset, split, prompt_set, users)

    detailed = with_details(ml100k)
    hidden, ids = masked(ml100k, 0)
    hidden_split = splits.Split("masked", _renamed(last10.train, ids), _renamed(last10.test, ids))
    records_split = splits.make(records, "last-10")
    found: dict[str, Case] = {}
    for name in prompts.SHIPPED:
        plain = prompts.load(name)
        told = replace(plain, evidence=True)
        found |= {
            f"{name}": case(ml100k, last10, plain),
            f"{name}, evidence": case(ml100k, last10, told),
            f"{name}, details": case(detailed, last10, plain),
            f"{name}, masked titles": case(hidden, hidden_split, plain),
            f"{name}, three samples": case(ml100k, last10, replace(plain, samples=3), USERS[:1]),
            f"{name}, records": case(records, records_split, plain, (2, 5)),
            f"{name}, records, evidence": case(records, records_split, told, (2, 5)),
        }
    for part, prompt_set in variants(prompts.load("grounded")).items():
        found[f"grounded, {part}"] = case(detailed, last10, prompt_set, USERS[:1])

    def recited(dataset: Dataset, split: Any, users: Sequence[int]) -> list[tuple[str, str, str]]:
        llm = FlawedLLM()
        for user in users:
            ask_from_memory(
                LLMUserModel(llm, prompts.load()), dataset, user, dataset.items_of(split.train.of_user(user).item)[:25]
            )
        return llm.asked

    found["memorization probe"] = lambda: recited(ml100k, last10, USERS)
    found["memorization probe, records"] = lambda: recited(records, records_split, (2, 5))
    return found


def stored_names(ml100k: Dataset, last10: Any) -> dict[str, str]:
    """What names prompt sets and evolutions in the store."""
    dataset = replace(ml100k, hash="the same from every source", _cache={})
    models: dict[str, Any] = {
        "builtin": StatisticalUserModel(),
        "builtin, evidence": StatisticalUserModel(evidence=True),
    }
    for name in prompts.SHIPPED:
        models[name] = LLMUserModel(FlawedLLM(), prompts.load(name))
        models[f"{name}, evidence"] = LLMUserModel(FlawedLLM(), replace(prompts.load(name), evidence=True))
        models[f"{name}, second draw"] = LLMUserModel(FlawedLLM(), prompts.load(name), draw=1)
    found = {}
    for name, model in models.items():
        for place, described in (("", dataset), (", details", with_details(dataset))):
            spec = make_evolution_spec(described, last10, 405, model, history=HISTORY, community=Evidence())
            found[f"{name}{place}"] = f"{model.version} {spec.id}"
    return found


def test_prompts_and_answer_keys_stay_as_they_are(ml100k, last10, records: Dataset) -> None:
    now: dict[str, Any] = {name: hashes(case()) for name, case in cases(ml100k, last10, records).items()}
    now["versions and evolutions"] = stored_names(ml100k, last10)
    if os.environ.get("LUSIFER_RENEW_PROMPT_HASHES"):
        FILE.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    before = json.loads(FILE.read_text(encoding="utf-8"))
    changed = {
        f"{name}: {purpose}"
        for name in before.keys() | now.keys()
        for purpose in before.get(name, {}).keys() | now.get(name, {}).keys()
        if before.get(name, {}).get(purpose) != now.get(name, {}).get(purpose)
    }
    assert not changed, f"other prompts or answer keys than before: {sorted(changed)}"
    purposes = {p for case in now.values() for p in case}
    assert {"update", "update repair", "forecast", "forecast repair", "rate", "rate repair", "recite"} <= purposes
