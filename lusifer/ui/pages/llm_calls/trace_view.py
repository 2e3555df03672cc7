"""The view Traces of the LLM calls page: a tree of calls, the chosen call beside it, and what calls took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.charts import call_charts
from lusifer.llm.recordings import PREFIX
from lusifer.simulator.models import BUILTIN
from lusifer.store import Store
from lusifer.store.traces import MOST_USERS
from lusifer.ui import page_fields, page_registry, page_state, state
from lusifer.ui.components.call_tree import chosen_user, show_call_tree
from lusifer.ui.formatting import escape_markdown, format_money
from lusifer.ui.pages.llm_calls import call_log, recorded_call, traced_calls, tree_data
from lusifer.ui.pages.llm_calls.trace_sources import (
    RecordingTrace,
    TraceSource,
    list_titles,
    open_trace,
)
from lusifer.ui.pages.llm_calls.traced_calls import Sums, TracedCall
from lusifer.ui.state import PageContext

_RATINGS = "ratings"
MIN_TIMED = 20
"""Calls from which on their slowest twentieth is told."""


def show_traces(ctx: PageContext, store: Store | None) -> None:
    """The whole view. It reads what is stored or recorded; nobody is asked."""
    local = not settings.is_public()
    store = store if local else None  # runs hold calls of other visitors: strangers see recordings alone
    titles = list_titles(store, local=local)
    trace = _pick_trace(ctx, store, titles, local=local)
    if trace is None:
        st.info(
            "No LLM has been called yet, and there is no recording. The built-in makes no calls; connect a model in "
            "the sidebar, then compute an evolution.",
            icon=":material/account_tree:",
        )
        return
    users, user, selected, calls = _find_place(trace)
    _say_other_user(trace, user)
    total, listed = trace.total(), traced_calls.add(users.values())
    if listed.calls == total.calls:  # all users are listed: their times are known too
        total = replace(total, seconds=listed.seconds)
    st.caption(_describe(trace, total))
    with st.grid(2, min_column_width=430, gap="medium"):
        tree, detail = st.container(), st.container()
    with tree:
        described = tree_data.describe_tree(
            trace.name,
            trace.title,
            total,
            users,
            trace.label,
            open_user=user,
            steps=traced_calls.group_steps(calls),
            selected=selected,
        )
        show_call_tree(described, lambda call: page_state.choose(call=call))
        _offer_other_users(users)
    with detail:
        chosen = next((call for call in calls if call.key == selected), None)
        if chosen is not None:
            _show_chosen(ctx, trace, chosen, store)
    _show_charts(trace)


def _pick_trace(ctx: PageContext, store: Store | None, titles: dict[str, str], *, local: bool) -> TraceSource | None:
    """The trace that the address names, else the one that fits what is looked at; and the field that chooses it."""
    now = page_state.current()
    default = _default_trace(ctx, store, titles)
    if now.trace and now.trace not in titles:
        found = open_trace(now.trace, store, ctx.dataset, local=local)
        if found is None:
            instead = f"; {titles[default]} is shown" if default else ""
            page_state.settle("trace", default, f"There are no calls of {now.trace[:60]}{instead}.", always=True)
        else:
            titles[now.trace] = found.title
    if not (now.trace or default):
        return None
    name = now.trace or default
    if name not in titles:
        return None
    st.selectbox(
        "Trace of",
        list(titles),
        key=page_state.seed("trace", name),
        format_func=lambda n: titles.get(n, n),
        on_change=lambda: page_state.choose(call=""),
        width=560,
    )
    return open_trace(name, store, ctx.dataset, local=local)


def _default_trace(ctx: PageContext, store: Store | None, titles: Mapping[str, str]) -> str:
    """That of the call in the address; else of the recording that answers; else the newest run; else a recording."""
    call = page_state.current().call
    row = call_log.find_call(store, int(call)) if store is not None and call_log.is_number(call) else None
    if row is not None and row["run_id"] and f"run:{row['run_id']}" in titles:
        return f"run:{row['run_id']}"
    if row is not None and row["evolution"]:
        return f"evolution:{row['evolution']}"
    names = list(titles)
    if ctx.model in titles:
        return ctx.model
    runs = [name for name in names if not name.startswith(PREFIX)]
    return (runs or names or [""])[0]


def _find_place(
    trace: TraceSource,
) -> tuple[Mapping[int | None, Sums], int | None, str, list[TracedCall]]:
    """The users that are listed, the one whose calls are shown, the key of the chosen call, and these calls."""
    wanted, first = page_state.current().call, page_state.current().trace_from
    key = traced_calls.read_answer_key(wanted)
    searched = trace.find_user(first) if first else None
    if first and searched is None:
        problem = f"No call of this trace is about user {first[:60]}; the first users are listed."
        page_state.settle("trace_from", "", problem, always=True)
    users = trace.users(searched)
    asked = trace.find_user(key.user) if key is not None else None
    if asked is None and call_log.is_number(wanted):
        asked = _user_of_call(wanted)
    opened = {tree_data.user_key(u): u for u in users}.get(chosen_user(trace.name, wanted))
    if opened is None and asked is not None and asked not in users:
        users = trace.users(asked)
    current, nearest = _current_user(trace), trace.nearest_user(page_state.current().user)
    candidates = (opened, asked, searched, current, nearest)
    user = next((u for u in candidates if u is not None and u in users), next(iter(users), None))
    calls = trace.calls(user)
    found = traced_calls.find_key(calls, wanted) if wanted else None
    shown = found or (calls[0].key if calls else "")
    if wanted and shown != wanted:
        missing = found is None and asked in {None, user}
        gone = f"There is no call {wanted[:60]} in this trace; it may have been deleted. The first one is shown."
        page_state.settle("call", shown, gone if missing else "")
    return users, user, shown, calls


def _say_other_user(trace: TraceSource, user: int | None) -> None:
    """Say whose calls are shown, where there are none about the user who is looked at elsewhere."""
    current = page_state.current().user
    if current and user is not None and not page_state.current().call and _current_user(trace) is None:
        asked, opened = escape_markdown(current), escape_markdown(trace.label(user))
        st.info(
            f"No call of this trace is about user {asked}; user {opened} is opened.", icon=":material/person_search:"
        )


def _current_user(trace: TraceSource) -> int | None:
    return trace.find_user(page_state.current().user) if page_state.current().user else None


def _user_of_call(number: str) -> int | None:
    store = state.open_store()
    row = call_log.find_call(store, int(number)) if store is not None else None
    return row["user_id"] if row is not None else None


def _describe(trace: TraceSource, total: Sums) -> str:
    """What a trace is, in a sentence or two."""
    if isinstance(trace, RecordingTrace):
        header = trace.recording.header
        text = (
            f"{total.calls:,} answers about {len(header.users)} users, given by {header.answerer} and "
            f"recorded{f' on {header.collected}' if header.collected else ''}. Nobody is asked: the questions are "
            "written anew from the recording's own prompts."
        )
        missing = "times or prices" if total.tokens else "times, tokens or prices"
        return escape_markdown(f"{text} It holds no {missing}.")
    parts = [
        f"{total.calls:,} call{'s' * (total.calls != 1)}",
        f"{total.cached:,} from cache",
        f"{total.tokens:,} tokens",
    ]
    parts.append(
        "price unknown" if total.price is None else f"{format_money(total.price)}{'+' if total.unpriced else ''}"
    )
    if total.failed:
        parts.append(f"{total.failed:,} without a valid answer")
    return escape_markdown(", ".join(parts) + ".")


def _offer_other_users(users: Mapping[int | None, Sums]) -> None:
    """Where there are more users than are listed, the field that says from which one on they are."""
    if len(users) < MOST_USERS and not page_state.current().trace_from:
        return
    st.text_input(
        f"The first {len(users):,} users are listed. From user",
        **page_state.seed_typed("trace_from"),
        placeholder="the first",
        width=320,
    )


def _show_chosen(ctx: PageContext, trace: TraceSource, chosen: TracedCall, store: Store | None) -> None:
    with st.container(border=True):
        if isinstance(trace, RecordingTrace):
            recorded_call.show_recorded_call(ctx, trace, chosen)
        else:
            call = call_log.find_call(store, int(chosen.key)) if store is not None else None
            if call is None:
                st.caption("This call has been deleted.")
                return
            call_log.show_call(call)
        show_way_back(trace.label(chosen.user), chosen, linked=_is_known(ctx, trace, chosen))


def _is_known(ctx: PageContext, trace: TraceSource, chosen: TracedCall) -> bool:
    """Whether the user is one of the dataset that is looked at."""
    same: Any = getattr(trace, "dataset", None)
    return same is not None and chosen.user in ctx.dataset.users.index


def show_way_back(label: str, call: TracedCall, *, linked: bool) -> None:
    """The link to what a call wrote: a step on Evolution, or ratings."""
    if not linked or not call.step or call.model == BUILTIN:
        return
    if call.purpose == "rate":
        page_registry.show_page_link(
            "rate", f"The ratings of user {label}", user=label, model=call.model, profile_step=max(1, call.step - 1)
        )
    elif call.purpose in {"forecast", "update"}:
        page_registry.show_page_link(
            "evolution", f"User {label}, step {call.step} on Evolution", user=label, step=call.step, model=call.model
        )


def show_links(call: Mapping[str, Any]) -> None:
    """From a call of the list to its trace, and to what it wrote."""
    users, user = state.current_context().dataset, call["user_id"]
    name = f"run:{call['run_id']}" if call["run_id"] else f"evolution:{call['evolution']}" if call["evolution"] else ""
    if name and not settings.is_public():
        page_registry.show_page_link(
            "llm_calls", "In its trace", calls_view=page_fields.TRACES, trace=name, call=str(call["id"])
        )
    if user is not None and user in users.users.index:
        traced = traced_calls.stored_call({**call, "repairs": None})
        show_way_back(str(users.user_label(int(user))), traced, linked=True)


def _show_charts(trace: TraceSource) -> None:
    """How long calls took and what they cost, of those whose times and prices are known."""
    calls = trace.costs()
    if calls.empty:
        return
    order = {name: place for place, name in enumerate(tree_data.PURPOSE_TITLES)}
    calls = calls.sort_values("purpose", key=lambda p: p.map(order).fillna(len(order)), kind="stable")
    calls["purpose"] = calls["purpose"].map(lambda p: tree_data.PURPOSE_TITLES.get(p, p or "Other"))
    timed = calls.dropna(subset=["seconds"])
    timed = timed[timed["seconds"] > 0]
    priced, counted = calls.dropna(subset=["price"]), calls.dropna(subset=["input_tokens", "output_tokens"])
    with st.grid(2, min_column_width=420, gap="medium"):
        if not timed.empty:
            with st.container():
                st.subheader("Latency", icon=":material/timer:")
                st.plotly_chart(
                    call_charts.latency_by_purpose(timed[["purpose", "seconds"]]),
                    alt="Seconds per call by purpose: median, quartiles and single calls",
                )
                st.caption(_describe_latency(timed["seconds"]))
        if not priced.empty:
            with st.container():
                st.subheader("Cost by step", icon=":material/payments:")
                table, series = _by_step(priced.assign(amount=priced["price"].astype(float)), "purpose")
                st.plotly_chart(
                    call_charts.amount_by_step(table, series, "Dollars per call", "$"), alt="Price by step and purpose"
                )
                st.caption("Mean price of a call at each step, by purpose.")
        if not counted.empty:
            with st.container():
                st.subheader("Tokens by step", icon=":material/data_usage:")
                table, series = _by_step(_melt_tokens(counted), "direction")
                st.plotly_chart(
                    call_charts.amount_by_step(table, series, "Tokens per call", "tokens"), alt="Tokens by step"
                )
                st.caption("Mean tokens of a call: the question grows with the history that it shows.")


def _describe_latency(seconds: pd.Series[float]) -> str:
    """How long calls took; of fewer than twenty, nobody can say what 19 of 20 took."""
    half, slow = (tree_data.format_seconds(float(s)) for s in seconds.quantile([0.5, 0.95]))
    if len(seconds) < MIN_TIMED:
        return f"The median of {len(seconds)} call{'s' * (len(seconds) != 1)} is {half}."
    return f"Half of the {len(seconds):,} newest calls took less than {half}, 19 of 20 less than {slow}."


def _melt_tokens(calls: pd.DataFrame) -> pd.DataFrame:
    parts = {"Question": "input_tokens", "Answer": "output_tokens"}
    return pd.concat([calls.assign(direction=name, amount=calls[c].astype(float)) for name, c in parts.items()])


def _by_step(calls: pd.DataFrame, by: str) -> tuple[pd.DataFrame, list[str]]:
    """The mean amount of a call by step, a column each value of another column."""
    names = list(dict.fromkeys(calls[by]))
    titles = calls["step"].map(lambda s: "–" if pd.isna(s) else str(int(s)))
    titles = titles.where(calls["purpose"] != tree_data.PURPOSE_TITLES["rate"], _RATINGS)  # they follow all steps
    table = calls.assign(step=titles).pivot_table(index="step", columns=by, values="amount", aggfunc="mean")
    order = sorted(table.index, key=lambda s: (s == "–", s == _RATINGS, int(s) if s.isdigit() else 0))
    return table.loc[order, names].fillna(0.0).reset_index(), names
