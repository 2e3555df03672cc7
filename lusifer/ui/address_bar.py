"""The browser's address: its parameters are replaced without a new entry in the browser's history.

Streamlit's own way to write them (``st.query_params``, ``bind``) adds an entry whenever the server writes, so that Back
would lead to the same page again.
"""

from __future__ import annotations

import streamlit as st

KEY = "page-address"
"""Of the container that this is drawn in, which is not to be seen."""

_JS = """
export default function ({ data }) {
  const address = new URL(window.location.href)
  // Elements of an earlier run may be drawn once more after this one's.
  if (data.time <= (window.lusiferAddressTime ?? 0)) return
  const last = address.pathname.split("/").pop()
  // A person who has gone on to another page meanwhile keeps that page's address.
  if ((data.pages.includes(last) ? last : "") !== data.page) return
  window.lusiferAddressTime = data.time
  const query = new URLSearchParams(data.query)
  for (const [name, value] of address.searchParams) {
    if (/^embed(_options)?$/i.test(name)) query.append(name, value)
  }
  address.search = query.toString()
  if (address.href !== window.location.href) {
    window.history.replaceState(window.history.state, "", address)
  }
}
"""


_write = st.components.v2.component("lusifer_address", js=_JS)


def replace_query(page: str, query: str, time: int, key: str) -> None:
    """Replace what follows the question mark in the browser's address.

    Args:
        page: the address of the page, without parameters.
        query: the parameters.
        time: when it was written; an older one doesn't replace a newer one.
        key: another one for each time in a run.
    """
    from lusifer.ui import page_registry

    pages = [spec.url_path for spec in page_registry.page_specs().values()]
    _write(data={"page": page, "query": query, "time": time, "pages": pages}, key=key)
