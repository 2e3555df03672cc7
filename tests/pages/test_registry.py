"""The registry of pages, and the names under which a session holds something."""

from __future__ import annotations

import re
from pathlib import Path

from lusifer.ui import page_registry, session_keys
from tests.conftest import ROOT
from tests.pages.test_pages import PATHS

BARE = re.compile(r"""session_state(\[f?["']|\.(get|pop|setdefault)\(f?["'])|["'] (not )?in st\.session_state""")
ADDRESS = re.compile(r"""st\.query_params\b(?!``)|\bbind=["']""")


def test_every_script_is_a_page_and_every_page_has_its_script() -> None:
    specs = page_registry.page_specs()
    assert {s.path for s in specs.values()} == set(PATHS.values())
    assert {p.relative_to(ROOT).as_posix() for p in (ROOT / "pages").rglob("*.py")} == set(PATHS.values())
    assert len({s.url_path for s in specs.values()}) == len(specs), "an address is one page's"
    folders = {p.name for p in (ROOT / "lusifer/ui/pages").iterdir() if (p / "__init__.py").is_file()}
    assert set(specs) == folders


def test_no_name_of_a_session_is_a_bare_string_and_no_page_touches_the_address() -> None:
    sources = [*(ROOT / "lusifer/ui").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
    bare = {
        p.relative_to(ROOT).as_posix(): [m.group(0) for m in (*BARE.finditer(text), *ADDRESS.finditer(text))]
        for p in sources
        if p != Path(session_keys.__file__)
        for text in [p.read_text()]
    }
    assert not {p: found for p, found in bare.items() if found}
