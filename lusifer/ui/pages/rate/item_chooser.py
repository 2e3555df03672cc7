"""The items to rate: found by title, genre and year, or by a button; kept for the user that is chosen."""

from __future__ import annotations

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.ui import page_state, session_keys
from lusifer.ui.components import item_picker, posters
from lusifer.ui.formatting import with_item_noun
from lusifer.ui.state import PageContext


def _set_items(ids: list[int]) -> None:
    st.session_state[session_keys.RATED_ITEMS] = ids


def _follow_link(ctx: PageContext, user: int) -> None:
    """Take the item that a link asks for, once; the link holds as long as that item is among the chosen ones."""
    asked = page_state.current().item
    if not asked:
        return
    try:
        item = ctx.dataset.find_item(asked)
    except LusiferError as error:
        page_state.settle("item", "", f"{error.message} The user's test {ctx.dataset.item_nouns[1]} are used.")
        return
    if session_keys.ITEM_ASKED_FOR.get() != (user, asked):
        _set_items([item])
        session_keys.ITEM_ASKED_FOR.set((user, asked))
    elif item not in st.session_state[session_keys.RATED_ITEMS]:
        page_state.settle("item", "")


def choose_items(ctx: PageContext, user: int) -> list[int]:
    """The fields that choose items, and the ids of those that are chosen."""
    rated_for = (ctx.dataset.name, ctx.split.id, user)
    if session_keys.RATED_FOR.get() != rated_for:
        st.session_state[session_keys.RATED_ITEMS] = item_picker.held_out_items(ctx, user)[:20]
        session_keys.RATED_FOR.set(rated_for)
    _follow_link(ctx, user)

    nothing_chosen = not st.session_state.get(session_keys.RATED_ITEMS)
    with st.expander(with_item_noun("Choose movies"), icon=":material/view_list:", expanded=nothing_chosen):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            text = st.text_input(
                "Search titles",
                placeholder=ctx.dataset.items["title"].iloc[0][:20].lower(),
                width=240,
                key="movie_search",
                type="search",
                live=True,
            )
            genres = st.multiselect("With genres", ctx.dataset.genres, width=280, key="movie_genres")
            years = ctx.dataset.items["year"].dropna()
            low, high = (int(years.min()), int(years.max())) if len(years) else (0, 0)
            span = (
                st.slider("Years", low, high, (low, high), width=220, key="movie_years") if low < high else (low, high)
            )
        with st.container(horizontal=True):
            st.button(
                with_item_noun("The user's test movies"),
                icon=":material/visibility_off:",
                on_click=_set_items,
                args=(item_picker.held_out_items(ctx, user)[: item_picker.MAX_ITEMS],),
            )
            st.button(
                "Popular, not yet rated",
                icon=":material/trending_up:",
                on_click=_set_items,
                args=(item_picker.popular_unrated_items(ctx, user),),
            )
            matches = item_picker.search_items(ctx, text, genres, span if span != (low, high) else None)
            searching = bool(text or genres or span != (low, high))
            st.button(
                f"Add the first {min(10, len(matches))} results",
                icon=":material/playlist_add:",
                on_click=_set_items,
                disabled=not (searching and matches),
                args=(
                    list(dict.fromkeys([*st.session_state[session_keys.RATED_ITEMS], *matches[:10]]))[
                        : item_picker.MAX_ITEMS
                    ],
                ),
            )
            st.button("Clear", icon=":material/backspace:", on_click=_set_items, args=([],))
        if searching and not matches:
            st.caption(with_item_noun("No movie matches. Try fewer words, or other genres or years."))
        options = list(dict.fromkeys([*st.session_state[session_keys.RATED_ITEMS], *matches]))
        ids = st.multiselect(
            with_item_noun("Movies to rate"),
            options,
            key=session_keys.RATED_ITEMS,
            format_func=item_picker.item_labels(ctx),
            max_selections=item_picker.MAX_ITEMS,
            persist_state="session",
            placeholder="Choose from the search results",
        )

        posters.show_posters(list(ctx.dataset.items_of(ids)))
    return ids
