"""Posters: addresses on TMDB that the reader's browser fetches when it shows them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import streamlit as st

from lusifer.datasets import Item
from lusifer.ui.formatting import escape_markdown

POSTER_SERVER = "https://image.tmdb.org/t/p"
SMALL, MEDIUM = "w92", "w185"


def poster_url(item: Item, size: str = SMALL) -> str | None:
    """The address of a movie's poster, which the reader's browser fetches from TMDB when it is seen.

    ``LUSIFER_POSTERS=0`` shows none, another address there is asked instead.
    """
    base = os.environ.get("LUSIFER_POSTERS", POSTER_SERVER).rstrip("/")
    if base == "0" or item.details is None or not item.details.poster:
        return None
    return f"{base}/{size}{item.details.poster}"


def show_posters(items: Sequence[Item], limit: int = 12) -> None:
    """Posters with titles, as many as have one; nothing where none has."""
    with_poster = [i for i in items if poster_url(i)][:limit]
    if not with_poster:
        return
    with st.container(horizontal=True, gap="small"):
        for item in with_poster:
            st.image(
                poster_url(item, MEDIUM) or "",
                width=92,
                alt=f"Poster of {item.title}",
                caption=escape_markdown(item.title),
            )
