"""From an edit to its preview: the page's whole rerun after a template was changed, and the preview alone."""

from __future__ import annotations

import os
import tempfile
import time
from statistics import median

from benchmarks.rerender import APP
from lusifer import prompts
from lusifer.datasets import load, splits
from lusifer.simulator import StatisticalUserModel, evolve, make_evolution_spec
from lusifer.simulator.preview import context_at, preview_prompt

TIMES, AIM = 15, 200.0


def main() -> None:
    from streamlit.testing.v1 import AppTest

    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    model = StatisticalUserModel()
    steps = list(evolve(dataset, split, model, make_evolution_spec(dataset, split, 405, model)))
    items = dataset.items_of(split.test.of_user(405).item)
    for template in prompts.TEMPLATES:
        context = context_at(dataset, split, 405, steps, template, 2)
        found = []
        for n in range(TIMES):
            edited = prompts.load().with_template(template, dict(prompts.load().templates)[template] + f"\nEdit {n}.")
            began = time.perf_counter()
            assert preview_prompt(edited, template, context, items).messages
            found.append((time.perf_counter() - began) * 1000)
        print(f"preview of {template}: {median(found):.1f} ms")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LUSIFER_DB"] = f"{folder}/lusifer.db"
        app = AppTest.from_file(APP)
        app.query_params["user"], app.query_params["model"] = "405", "openai:small"
        app.switch_page("pages/workshop/prompts.py").run(timeout=120)
        found = []
        for n in range(TIMES + 3):
            field = next(t for t in app.text_area if t.label.startswith("Template"))
            began = time.perf_counter()
            field.set_value(f"{field.value}\nEdit {n}.").run(timeout=120)
            found.append((time.perf_counter() - began) * 1000)
            assert not app.exception
    took = median(found[3:])
    print(f"the page after an edit: {took:.0f} ms, {took / AIM:.2f} of the {AIM:.0f} ms aimed at")


if __name__ == "__main__":
    main()
