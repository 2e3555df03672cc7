"""Calls: every question to a language model, its answer, its price, and what went wrong."""

import streamlit as st

from lusifer import settings
from lusifer.safe_text import to_safe_csv
from lusifer.ui import page_fields, page_state, state
from lusifer.ui.components import data_tables, downloads
from lusifer.ui.formatting import with_item_noun
from lusifer.ui.pages.llm_calls import call_log, call_table, trace_view, tree_data

st.title("LLM calls", icon=":material/receipt_long:")
st.caption(
    "Every request to a language model: its purpose, answer and cost. "
    + (
        "You see the calls of this session alone."
        if settings.is_public()
        else "Cached answers are kept when calls are deleted."
    )
)
store, data = state.open_store(), state.current_context().dataset
call_log.open_list_for_old_links()
view = st.segmented_control(
    "View", page_fields.CALL_VIEWS, key=page_state.seed("calls_view"), required=True, label_visibility="collapsed"
)
if view == page_fields.TRACES:
    state.draw_or_show_error(lambda: trace_view.show_traces(state.current_context(), store))
    st.stop()
if store is None:
    st.info("There is no database, so no call is recorded. The sidebar says why.", icon=":material/database_off:")
    st.stop()
models, model_names = call_log.filter_choices(store, "model")
if not models:
    st.info(
        with_item_noun(
            "No LLM has been called yet. The built-in makes no calls; connect a model in the sidebar, then compute an "
            "evolution or predict ratings."
        ),
        icon=":material/receipt_long:",
    )
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    search = st.text_input(
        "Search messages and answers", type="search", width=280, **page_state.seed_typed("call_search")
    )
    filters = {}
    for column, title, names in (
        ("model", "Model", None),
        ("purpose", "Purpose", tree_data.PURPOSE_TITLES),
        ("status", "Status", call_table.STATUS_TITLES),
        ("prompt_version", "Prompt version", None),
        ("user_id", "User", call_table.user_titles(store, data)),
        ("run_id", "Run", None),
    ):
        values, titles = call_log.filter_choices(store, column, names)
        filters[column] = st.selectbox(
            title,
            values,
            index=None,
            key=f"call-{column}",
            placeholder="all",
            width=150,
            format_func=lambda v, titles=titles: titles.get(v, str(v)),
        )
start = 0
rows, total = store.list_calls(
    filters, search=search or "", limit=call_log.PAGE_SIZE, local=not settings.is_public(), session=call_log.reader()
)
if total > call_log.PAGE_SIZE:
    last = -(-total // call_log.PAGE_SIZE)
    page = st.number_input(f"Page of {last:,}", 1, last, 1, key="call-page", width=150)
    start = (int(page) - 1) * call_log.PAGE_SIZE
    if start:
        rows, total = store.list_calls(
            filters,
            search=search or "",
            limit=call_log.PAGE_SIZE,
            offset=start,
            local=not settings.is_public(),
            session=call_log.reader(),
        )
if not rows:
    st.info("No call matches. Clear a filter or the search.", icon=":material/filter_alt_off:")
else:
    table = call_table.call_table(rows, data)
    numbers = table.index.tolist()
    st.caption(
        f"{total:,} calls, newest first; {start + 1:,} to {start + len(rows):,} are shown. Click a row for its details."
    )
    requested = page_state.current().call
    data_tables.pick_row(
        table,
        key="call-table",
        chosen=next((at for at, number in enumerate(numbers) if str(number) == requested), None),
        on_pick=lambda row: page_state.choose(call=str(numbers[row])),
        height=330,
        alt="Calls, newest first",
        column_config={
            "When": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss", pinned=True),
            "Seconds": st.column_config.NumberColumn(format="%.2f"),
            "Price": st.column_config.NumberColumn(format="$%.5f", help="A dash: not known."),
            "Tokens in": st.column_config.NumberColumn(format="localized"),
            "Tokens out": st.column_config.NumberColumn(format="localized"),
            "Cached": st.column_config.NumberColumn(
                format="localized", help="Of the tokens in, those that the server had in its own cache."
            ),
        },
    )
    call = call_log.find_call(store, int(requested) if call_log.is_number(requested) else None)
    page_state.settle("call", requested if call is not None else "", f"There is no call {requested[:60]}.")
    if call is not None:
        with st.container(border=True):
            call_log.show_call(call)
            trace_view.show_links(call)

st.subheader("Totals", icon=":material/functions:")
grouping = st.segmented_control(
    "By",
    list(call_log.TOTAL_GROUPS),
    default="model",
    key="call-totals",
    required=True,
    format_func=lambda b: call_log.TOTAL_GROUPS[b],
)
summed = call_log.totals_table(store, grouping)
if summed.empty:
    st.caption("Nothing to summarize.")
else:
    data_tables.show_table(
        summed,
        alt=f"Calls by {call_log.TOTAL_GROUPS[grouping].lower()}",
        column_config={
            "Cache hit rate": st.column_config.NumberColumn(format="percent"),
            "Tokens in": st.column_config.NumberColumn(format="localized"),
            "Tokens out": st.column_config.NumberColumn(format="localized"),
            "Seconds per call": st.column_config.NumberColumn(format="%.2f"),
        },
    )
with st.container(horizontal=True):
    downloads.show_file_button(
        "These calls as CSV",
        lambda: to_safe_csv(
            call_table.call_table(
                store.list_calls(
                    filters,
                    search=search or "",
                    limit=1_000_000,
                    local=not settings.is_public(),
                    session=call_log.reader(),
                )[0],
                data,
            )
        ),
        "calls.csv",
        "text/csv",
    )
    if settings.is_public():
        st.stop()  # what strangers may see is not theirs to delete
    call_log.show_export(store)
    call_log.show_prune(store)
