"""The browser's address: its parameters are replaced without a new entry in the browser's history.

Streamlit's own way to write them (``st.query_params``, ``bind``) adds an entry whenever the server writes, so that Back
would lead to the same page again.
"""

from __future__ import annotations

import json

import streamlit as st

KEY = "page-address"
"""Of the container that this is drawn in, which is not to be seen."""

_SCRIPT = """
((data) => {
  // Elements of an earlier run may be drawn once more after this one's.
  if (data.time <= (window.lusiferAddressTime ?? 0)) return
  const address = new URL(window.location.href)
  const last = address.pathname.split("/").pop()
  // A person who has gone on to another page meanwhile keeps that page's address.
  if ((data.pages.includes(last) ? last : "") !== data.page) return
  window.lusiferAddressTime = data.time
  // Where the navigation covers the page, it goes when a page was chosen.
  if ((window.lusiferPage ?? data.page) !== data.page && window.innerWidth < 768) {
    document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click()
  }
  window.lusiferPage = data.page
  const query = new URLSearchParams(data.query)
  for (const [name, value] of address.searchParams) {
    if (/^embed(_options)?$/i.test(name)) query.append(name, value)
  }
  address.search = query.toString()
  if (address.href !== window.location.href) {
    window.history.replaceState(window.history.state, "", address)
  }
})"""


def replace_query(page: str, query: str, time: int) -> None:
    """Replace what follows the question mark in the browser's address.

    Args:
        page: the address of the page, without parameters.
        query: the parameters, URL-encoded: what a person or a dataset wrote is text there, never a script.
        time: when it was written; an older one doesn't replace a newer one.
    """
    from lusifer.ui import page_registry

    pages = [spec.url_path for spec in page_registry.page_specs().values()]
    data = json.dumps({"page": page, "query": query, "time": time, "pages": pages}).replace("<", "\\u003c")
    st.html(f"<script>{_SCRIPT}({data})</script>", unsafe_allow_javascript=True)
