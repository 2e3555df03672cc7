"""One new file is enough: a baseline, an experiment, a page and a prompt variable, added to a copy of the program.

Each is then on its page, in the command line and in the tables of the docs, with nothing else changed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

BASELINE = """
import numpy as np

from lusifer.baselines.predictor import PredictorSpec


class AlwaysThree:
    def fit(self, train, scale, *, seed=0, on_progress=None):
        return self

    def predict(self, users, items):
        return np.full(len(users), 3.0)


SPECS = (PredictorSpec("three", "Always three", "a constant of its own", order=-1, create=AlwaysThree),)
"""
EXPERIMENT = """
import pandas as pd

from lusifer.evaluation.experiments.result import Result
from lusifer.evaluation.experiments.spec import ExperimentSpec
from lusifer.simulator.estimate import Estimate

SPEC = ExperimentSpec(
    name="counting",
    command_name="counting-users",
    title="Counting users",
    question="How many users are there?",
    run=lambda setup: Result(("There are some.", "They were counted."), (), {}, pd.DataFrame({"user_id": [1]})),
    estimate=lambda setup: Estimate(dollars=0.0),
)
"""
PAGE_SPEC = """
from lusifer.ui.page_registry import PageSpec

SPEC = PageSpec(
    title="Guest book",
    icon=":material/menu_book:",
    help="Who was here?",
    section="Workshop",
    order=99,
    script="guest_book.py",
    url_path="guests",
)
"""
VARIABLE = """    Variable("weekday", ("system",), "the day of the week, for a test", lambda given: "Friday"),
"""
LOOK = """
import json, sys
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
from docs import make_tables
from lusifer.ui.components import predictor_titles

app = AppTest.from_file("app.py", default_timeout=300)
app._page_hash = calc_hash("guests")
app.run()
errors = AppTest.from_file("app.py", default_timeout=300)
errors._page_hash = calc_hash("experiments")
errors.run()
print(json.dumps({
    "page": [t.value for t in app.title],
    "exceptions": [str(e.value) for e in [*app.exception, *errors.exception]],
    "experiments": [str(p.options) for p in errors.get("button_group")],
    "predictors": predictor_titles.SELECTABLE,
    "tables": {name: "\\n".join(make()) for name, make in make_tables.TABLES.items()},
}))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory, shared_data) -> tuple[Path, dict[str, str]]:
    """A copy of the program with one new thing of each kind, and the environment that runs it."""
    root = tmp_path_factory.mktemp("program")
    for name in ("lusifer", "pages", "docs", "recordings", ".streamlit"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "secrets.toml"))
    for name in ("app.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / "lusifer/baselines/always_three.py").write_text(BASELINE)
    (root / "lusifer/evaluation/experiments/counting.py").write_text(EXPERIMENT)
    page = root / "lusifer/ui/pages/guest_book"
    page.mkdir()
    (page / "__init__.py").write_text("")
    (page / "spec.py").write_text(PAGE_SPEC)
    (root / "pages/workshop/guest_book.py").write_text("import streamlit as st\n\nst.title('Guest book')\n")
    variables = root / "lusifer/simulator/prompt_variables.py"
    text = variables.read_text()
    variables.write_text(text.replace("VARIABLES = (\n", f"VARIABLES = (\n{VARIABLE}", 1))
    env = {**os.environ, "PYTHONPATH": str(root), "LUSIFER_DATA": str(shared_data), "LUSIFER_DB": str(root / "x.db")}
    return root, env


def run(program: tuple[Path, dict[str, str]], *arguments: str) -> str:
    root, env = program
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_each_is_found_by_the_command_line(program) -> None:
    assert "How many users are there?" in run(program, "-m", "lusifer", "experiment", "list")
    found = json.loads(
        run(
            program, "-m", "lusifer", "evaluate", "--predictors", "three,bias", "--users", "20", "--no-record", "--json"
        )
    )
    assert set(found["predictors"]) == {"three", "bias"} and found["predictors"]["three"]["rmse"] > 1
    done = run(program, "-m", "lusifer", "experiment", "counting-users", "--users", "20", "--json")
    assert "There are some." in done and json.loads(done)


def test_each_is_on_its_page_and_in_the_tables_of_the_docs(program) -> None:
    found = json.loads(run(program, "-c", LOOK).splitlines()[-1])
    assert found["page"] == [":material/menu_book: Guest book"] or "Guest book" in found["page"][0]
    assert not found["exceptions"] and "three" in found["predictors"]
    assert any("Counting users" in options for options in found["experiments"])
    added = {
        "baselines": "three",
        "experiments": "counting-users",
        "pages": "Guest book",
        "prompt-variables": "weekday",
    }
    for table, name in added.items():
        assert name in found["tables"][table], table


def test_a_template_may_use_the_new_variable(program) -> None:
    code = (
        "from lusifer import prompts; from lusifer.datasets import load, splits;"
        "from lusifer.simulator import prompt_rendering; from lusifer.simulator.evolution import initial_context;"
        "p = prompts.load(); p = p.with_template('system', dict(p.templates)['system'] + ' It is {{ weekday }}.');"
        "d = load('ml-100k'); c = initial_context(d, splits.make(d, 'last-10'), 1);"
        "print(prompt_rendering.render_rate(p, c, [d.item(1)])[0].content[-20:])"
    )
    assert "It is Friday." in run(program, "-c", code)
