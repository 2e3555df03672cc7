"""The pages of the app. Each is a folder of ``lusifer/ui/pages`` with a ``spec.py``, and a script below ``pages/``."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlencode

import streamlit as st

from lusifer.ui import page_state, pages
from lusifer.ui.formatting import with_item_noun

SECTIONS = {"": "start", "Simulated users": "simulated_users", "Evaluation": "evaluation", "Workshop": "workshop"}
"""Sections of the navigation in their order, and the folder of each below ``pages/``; Home's has no heading."""


@dataclass(frozen=True)
class PageSpec:
    """One page of the navigation. Texts are written for movies and shown with the dataset's own item noun.

    Attributes:
        title: its name in the navigation.
        icon: a Material symbol.
        help: what it is for, in a sentence.
        section: one of `SECTIONS`.
        order: its place in the section.
        script: the file name of its script.
        url_path: its address; "" for the page at the root.
        asks_model: whether a language model may be asked on it with the chosen prompts.
    """

    title: str
    icon: str
    help: str
    section: str
    order: int
    script: str
    url_path: str
    asks_model: bool = False

    @property
    def path(self) -> str:
        """The script as Streamlit names it."""
        return f"pages/{SECTIONS[self.section]}/{self.script}"


@functools.cache
def page_specs() -> dict[str, PageSpec]:
    """Every page by the name of its folder, in the order of the navigation."""
    found = {
        module.name: importlib.import_module(f"{pages.__name__}.{module.name}.spec").SPEC
        for module in pkgutil.iter_modules(pages.__path__)
    }
    sections = list(SECTIONS)
    return dict(sorted(found.items(), key=lambda item: (sections.index(item[1].section), item[1].order)))


def build_pages() -> dict[str, list[st.Page]]:
    """Streamlit's pages by section, in the order of the navigation."""
    navigation: dict[str, list[st.Page]] = {section: [] for section in SECTIONS}
    for spec in page_specs().values():
        page = st.Page(
            spec.path,
            title=with_item_noun(spec.title),
            icon=spec.icon,
            help=with_item_noun(spec.help),
            url_path=spec.url_path or None,
            default=not spec.url_path,
        )
        navigation[spec.section].append(page)
    return navigation


def asks_model(url_path: str) -> bool:
    """Whether a language model may be asked on the page at an address."""
    return any(spec.asks_model for spec in page_specs().values() if spec.url_path == url_path)


def show_page_link(page: str, label: str, **values: object) -> None:
    """A link to another page that keeps what is looked at.

    Args:
        page: the name of its folder.
        label: of the link.
        **values: fields of the page's state with other values.
    """
    spec = page_specs()[page]
    st.page_link(spec.path, label=label, icon=spec.icon, query_params=page_state.link(spec.url_path, **values))


def page_address(page: str, **values: object) -> str:
    """A page's address beside this one's, with what is looked at; see `show_page_link`."""
    spec = page_specs()[page]
    return f"{spec.url_path}?{urlencode(page_state.link(spec.url_path, **values))}"


def open_page(page: str, **values: object) -> NoReturn:
    """Go to another page as a link of `show_page_link` does."""
    spec = page_specs()[page]
    st.switch_page(spec.path, query_params=page_state.link(spec.url_path, **values))


def page_rows() -> list[tuple[str, str, str, str]]:
    """Section, title, address and help of every page, for the table in the documentation."""
    return [(spec.section, spec.title, f"/{spec.url_path}", spec.help) for spec in page_specs().values()]
