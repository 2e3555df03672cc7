"""docs/api is what docs/make_api.py makes of the docstrings today."""

from __future__ import annotations

import importlib.util

from tests.conftest import ROOT

_spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs" / "make_api.py")
assert _spec and _spec.loader
make_api = importlib.util.module_from_spec(_spec)
import sys  # noqa: E402

sys.modules["make_api"] = make_api  # dataclasses look their module up
_spec.loader.exec_module(make_api)


def test_the_reference_is_up_to_date() -> None:
    pages = make_api.make_pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in make_api.OUT.glob("*.md")}
    differing = sorted(name for name in pages.keys() | there.keys() if pages.get(name) != there.get(name))
    assert not differing, f"run: python docs/make_api.py ({', '.join(differing)})"


def test_every_public_function_of_the_face_is_in_it() -> None:
    import lusifer

    text = (make_api.OUT / "lusifer.md").read_text(encoding="utf-8")
    for name in set(lusifer.__all__) - {"LusiferError", "__version__"}:
        assert f"## `{name}`" in text, name
    assert "**Example**" in text and ">>> evolution" in text
