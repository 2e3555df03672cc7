"""The house itself: style, types, import walls, and what must never be in the repository."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lusifer.baselines import BASELINES
from tests.conftest import ROOT


@pytest.mark.style
@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["importlinter.cli", "lint"],
    ],
    ids=lambda c: c[0],
)
def test_checks(command: list[str]) -> None:
    if command[0] == "importlinter.cli":
        code = "from importlinter.cli import lint_imports_command as c; c()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    else:
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_streamlit_only_in_the_user_interface() -> None:
    for path in (ROOT / "lusifer").rglob("*.py"):
        if "ui" not in path.relative_to(ROOT).parts:
            text = path.read_text()
            assert not re.search(r"^\s*(import|from)\s+streamlit", text, re.M), path


def test_pages_open_no_database_and_ask_no_model() -> None:
    for path in (ROOT / "pages").rglob("*.py"):
        text = path.read_text()
        for wrong in ("lusifer.store", "lusifer.llm", "sqlite", "unsafe_allow"):
            assert wrong not in text, (path, wrong)


def test_a_download_runs_no_page_again() -> None:
    """A click that runs the page again loses about every tenth file (see `show_file_button`)."""
    places = [
        path.relative_to(ROOT).as_posix()
        for folder in ("lusifer", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if "download_button(" in path.read_text()
    ]
    assert places == ["lusifer/ui/components/downloads.py"]


def test_no_two_modules_have_one_name() -> None:
    """A module is named by what it holds; one name in two packages is one too few words."""
    allowed = {"__init__", "__main__", "spec"}  # a page's and an experiment's folder is found by its spec
    places: dict[str, list[str]] = {}
    for path in (ROOT / "lusifer").rglob("*.py"):
        if path.stem not in allowed:
            places.setdefault(path.stem, []).append(str(path.relative_to(ROOT)))
    for path in (ROOT / "lusifer").glob("*/__init__.py"):
        places.setdefault(path.parent.name, []).append(str(path.parent.relative_to(ROOT)))
    assert not {name: found for name, found in places.items() if len(found) > 1}


def _tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=ROOT)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name]


def test_no_data_and_no_secret_is_tracked() -> None:
    for path in _tracked():
        if not path.is_file():
            continue
        assert not re.search(r"(^|/)(u\.(data|item|user)|u[1-5]\.(base|test)|ratings\.(csv|dat))$", str(path))
        assert path.suffix not in {".inter", ".db", ".gguf", ".parquet"} and path.name != ".env"
        assert path.stat().st_size < 2_000_000
        content = path.read_bytes()
        keys = set(re.findall(rb"sk-[\w-]{16,}", content))
        assert not {k for k in keys if not re.search(rb"planted|wrong|other", k)}, path
        # a run of u.data lines: user, item, rating, time between September 1997 and April 1998
        assert len(re.findall(rb"^\d+\t\d+\t[1-5]\t8[789]\d{7}$", content, re.M)) < 3, path


def test_requirements_are_what_is_imported() -> None:
    """Everything that the product imports is asked for, and nothing that is asked for is unused."""
    names = {
        "genai-prices": "genai_prices",
        "json-repair": "json_repair",
        "python-dotenv": "dotenv",
        "scikit-learn": "sklearn",
        "scikit-surprise": "surprise",
        "sqlite-utils": "sqlite_utils",
    }
    asked = {
        re.split(r"[<>=\[;~ ]", line.strip())[0]
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    } - {
        "setuptools",
        "socksio",
    }  # what myfm 0.4 imports of older versions alone; what httpx2 imports for a SOCKS proxy
    imported = {spec.library.module for spec in BASELINES.values() if spec.library}
    for path in [
        *(ROOT / "lusifer").rglob("*.py"),
        *(ROOT / "pages").rglob("*.py"),
        ROOT / "app.py",
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    modules = {names.get(n, n) for n in asked}
    extras = {"xllamacpp": "local", "ray": "scale"}
    for module, extra in extras.items():
        assert module in (ROOT / f"requirements-{extra}.txt").read_text()
    foreign = imported - {"lusifer", "__future__"} - set(extras) - set(sys.stdlib_module_names)
    assert foreign == modules, (foreign - modules, modules - foreign)


def test_versions_agree() -> None:
    import lusifer

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == "lusifer" and "version" in project["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", lusifer.__version__)
    assert lusifer.__version__ in (ROOT / "CHANGELOG.md").read_text()
