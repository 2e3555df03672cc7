"""The benchmark of the audit: a file of judged statements in, shares of right and wrong verdicts out."""

from __future__ import annotations

import gzip
import json

import pytest

from benchmarks import audit as benchmark
from lusifer.simulator.evolution import history_of


@pytest.fixture
def history(ml100k, last10):
    return history_of(ml100k, last10, 1, 40)[:10]


def lines(history):
    best, worst = max(history, key=lambda r: r.rating), min(history, key=lambda r: r.rating)
    base = {"recording": "made-up", "user": 1, "step": 1}
    model = {**base, "label": "supported", "source": "model"}
    right = f"{best.item.name} got a {best.rating:g}."
    change = {"kind": "change", "aspect": "likes what is fine", "direction": "gained"}
    return [
        {**model, "id": "0", "kind": "bullet", "section": "likes", "text": right},
        {**model, "id": "1", "kind": "bullet", "section": "mood", "text": "Watches at night."},
        {**model, "id": "2", "kind": "explanation", "text": f"A {worst.rating:g} for {worst.item.name} did it."},
        {**model, **change, "id": "3"},
        {**base, **change, "id": "3!", "direction": "dropped", "label": "unsupported", "source": "planted direction"},
        {
            **base,
            "id": "0!",
            "kind": "bullet",
            "section": "likes",
            "text": f"{best.item.name} got a {best.rating - 2:g}.",
            "label": "unsupported",
            "source": "planted number",
        },
    ]


def test_what_it_prints(grouplens, tmp_path, capsys, history) -> None:
    file = tmp_path / "claims" / "claims.jsonl"
    file.parent.mkdir()
    file.write_text("\n".join(json.dumps(line) for line in lines(history)), encoding="utf-8")
    cited = [{"aspect": "likes what is fine", "item_ids": [max(history, key=lambda r: r.rating).item.id]}]
    (tmp_path / "recordings").mkdir()
    with gzip.open(tmp_path / "recordings" / "made-up.jsonl.gz", "wt", encoding="utf-8") as out:
        out.write(json.dumps({"recording": "made-up"}) + "\n")
        out.write(json.dumps({"user": 1, "step": 1, "purpose": "update", "answer": {"changes": cited}}) + "\n")
    benchmark.main([str(file), "--data", str(grouplens.parent), "--show", "all"])
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["statements"] == 6 and found["false_alarms"] == 0
    assert found["uncheckable_of_true"] == 0.25 and "Watches at night" in printed.err
    assert found["caught"] == {"direction": 1.0, "number": 1.0}
    halves = [found["halves"][h]["statements"] for h in "ab"]
    assert sorted(halves) == [0, 6]
