"""Components of our own: files without a build step, one element each, colours from Streamlit's theme.

A component's style begins with `theme.css`, which names the theme's colours for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

_THEME = Path(__file__).with_name("theme.css")


def build_component(package: str, scripts: Sequence[str] = ()) -> ComponentRenderer:
    """Read a component's files. Its element has its name as a class, with hyphens.

    Args:
        package: path of its package's ``__init__.py``; the folder names the component and its style.
        scripts: its scripts, relative to the folder, joined into one in this order (a script that is given as text can
            import no other); none: the one that is named like it.
    """
    folder = Path(package).parent
    name = folder.name
    files = [folder / script for script in scripts or (f"{name}.js",)]
    return st.components.v2.component(
        f"lusifer.{name}",
        html=f'<div class="own-component {name.replace("_", "-")}">\n</div>',
        css="\n".join(file.read_text(encoding="utf-8") for file in (_THEME, folder / f"{name}.css")),
        js="\n".join(file.read_text(encoding="utf-8") for file in files),
    )
