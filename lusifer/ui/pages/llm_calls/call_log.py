"""The LLM calls page: calls as tables, one call in full, and how to repeat it."""

from __future__ import annotations

import json
import math
import re
import shlex
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.errors import LusiferError, StoreError
from lusifer.jobs import Job
from lusifer.llm import CallMetadata, Message, create_llm
from lusifer.llm.cached import tokens_from_json
from lusifer.llm.endpoints import resolve
from lusifer.llm.recordings import PREFIX
from lusifer.safe_files import parse_json
from lusifer.simulator.estimate import estimate_questions
from lusifer.store import FIRST_LOCAL, Store
from lusifer.ui import page_fields, page_state, session_keys, state
from lusifer.ui.components import data_tables, downloads
from lusifer.ui.components.job_panel import offer_job
from lusifer.ui.formatting import escape_markdown, format_cost, format_money, format_spent
from lusifer.ui.pages.llm_calls.call_table import status_title
from lusifer.ui.pages.llm_calls.tree_data import PURPOSE_TITLES

PAGE_SIZE = 100
"""Calls shown at a time."""
TOTAL_GROUPS = {
    "day": "Day",
    "model": "Model",
    "prompt_version": "Prompt version",
    "purpose": "Purpose",
    "error_kind": "Error type",
}


def reader() -> str | None:
    """Whose calls are shown: on a public server this session's own, else everybody's (``None``)."""
    return state.session_id() if settings.is_public() else None


def filter_choices(store: Store, column: str, names: dict[str, str] | None = None) -> tuple[list[Any], dict[Any, str]]:
    """The values that a filter offers, and how each is shown."""
    values = store.list_call_values(column, reader())
    return values, {v: (names or {}).get(v, str(v)) for v in values}


def is_number(text: str) -> bool:
    """Whether a text of an address can be the number of a call."""
    return re.fullmatch(r"[0-9]{1,15}", text) is not None


def find_call(store: Store, number: int | None) -> dict[str, Any] | None:
    """One call whole; strangers see their own alone, and none about a local user."""
    session = reader()
    if number is None or (session is not None and not store.is_call_of(number, session)):
        return None
    call = store.get_call(number)
    hidden = call is not None and session is not None and (call["user_id"] or 0) >= FIRST_LOCAL
    return None if hidden else call


def totals_table(store: Store, grouping: str) -> pd.DataFrame:
    """Sums over calls, with the share that came from the cache."""
    table = pd.DataFrame(store.sum_calls(grouping, reader()))
    if table.empty:
        return table
    requests = table["made"] + table["cached"]
    return pd.DataFrame(
        {
            TOTAL_GROUPS[grouping]: table[grouping].replace("", "–"),
            "Calls made": table["made"],
            "From cache": table["cached"],
            "Cache hit rate": table["cached"] / requests.where(requests > 0),
            "Failed": table["failed"],
            "Tokens in": table["input_tokens"],
            "Tokens out": table["output_tokens"],
            "Price": [_price_of(row, grouping) for row in table.to_dict("records")],
            "Seconds per call": table["latency_ms"].astype(float) / 1000,
        }
    )


def _price_of(row: Mapping[Any, Any], grouping: str) -> str:
    """What the calls of a row of totals cost; a recording's answers were no calls."""
    if grouping == "model" and str(row["model"]).startswith(PREFIX):
        return "free: recorded"
    return format_spent(row)


def parse_answer(text: str | None) -> Any | None:
    """The answer as JSON, if it is some."""
    try:
        return parse_json(text or "")
    except ValueError:
        return None


def format_tokens(tokens: str | None) -> str:
    """The same as a strip: each number with its probability, likely ones on green, unlikely ones on red."""
    parts = []
    for token in tokens_from_json(tokens):
        if not token.text.strip():
            continue
        chance = math.exp(token.logprob)
        colour = "green" if chance >= 0.8 else "orange" if chance >= 0.4 else "red"
        parts.append(f":{colour}-background[{escape_markdown(token.text.strip())} :small[{chance:.0%}]]")
    return " ".join(parts)


def token_table(tokens: str | None) -> pd.DataFrame:
    """Stored token probabilities of numbers: what was written, how likely it was, and what else might have been.

    Empty where none are stored.
    """
    rows = []
    for token in tokens_from_json(tokens):
        others = ", ".join(f"{word.strip()!r} {math.exp(p):.0%}" for word, p in token.top[:5])
        rows.append((token.start, token.text, math.exp(token.logprob), others))
    return pd.DataFrame(rows, columns=["Position", "Token", "Probability", "Top alternatives"])


def _build_request(call: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Address and body of a call in OpenAI's form."""
    endpoint, model = resolve(call["model"])
    options = json.loads(call.get("options") or "{}")
    body: dict[str, Any] = {"model": model, "messages": json.loads(call["messages"] or "[]")}
    for name in ("temperature", "seed", "max_tokens"):
        if options.get(name) is not None:
            body[name] = options[name]
    if options.get("logprobs"):
        body |= {"logprobs": True, "top_logprobs": options["logprobs"]}
    if options.get("schema"):
        form = {"name": "answer", "strict": True, "schema": options["schema"]}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    base = endpoint.url.rstrip("/") + ("/v1" if endpoint.kind == "ollama" else "")
    return f"{base}/chat/completions", body


def to_curl(call: dict[str, Any]) -> str:
    """The call as a shell command; the key is named, never written.

    Raises:
        InvalidInputError: the model's endpoint is no longer known.
    """
    address, body = _build_request(call)
    text = json.dumps(body, ensure_ascii=False, indent=1)
    return (
        f"curl {shlex.quote(address)} \\\n  -H 'Content-Type: application/json' \\\n"
        f'  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n  -d {shlex.quote(text)}'
    )


def to_python(call: dict[str, Any]) -> str:
    """The call as a Python program; the key is taken from the environment.

    Raises:
        InvalidInputError: the model's endpoint is no longer known.
    """
    address, body = _build_request(call)
    base = address.removesuffix("/chat/completions")
    lines = [f"    {k}={v!r}," for k, v in body.items()]
    return "\n".join(
        [
            "from openai import OpenAI",
            "",
            f"client = OpenAI(base_url={base!r})  # the key: OPENAI_API_KEY",
            "answer = client.chat.completions.create(",
            *lines,
            ")",
            "print(answer.choices[0].message.content)",
        ]
    )


def show_call(call: dict[str, Any]) -> None:
    """One call: what was asked, what came back, what became of it, and how to repeat it."""
    price = "not known" if call["price"] is None else format_money(call["price"])
    facts = [
        f"{PURPOSE_TITLES.get(call['purpose'], call['purpose'])} by {call['model']}",
        status_title(call["status"], call["model"]),
        f"price {price}" if call["status"] != "cached" else "free",
    ]
    st.markdown(f"**Call {call['id']}**: {escape_markdown(', '.join(facts))}")
    if call["error"]:
        st.warning(escape_markdown(call["error"]), icon=":material/error:")
    store = state.open_store()
    before, after = store.find_repairs(call) if store is not None else (None, None)
    if before is not None:
        st.caption(f":material/build: Repair of call {before}, whose answer was invalid.")
    if after is not None:
        st.caption(f":material/build: Repaired by call {after}.")
    titles = ["Messages", "Answer", "Token probabilities", "Reproduce"]
    messages_tab, answer_tab, tokens_tab, repeat_tab = st.tabs(titles)
    with messages_tab:
        for message in parse_answer(call["messages"]) or []:
            st.caption(escape_markdown(str(message.get("role", ""))))
            st.code(str(message.get("content", "")), language=None, wrap_lines=True)
        if not call["messages"]:
            st.caption("The original call was deleted; its answer is cached.")
    with answer_tab:
        if call["text"]:
            st.code(call["text"], language="json", wrap_lines=True)
            answer = parse_answer(call["text"])
            if answer is not None:
                st.caption("Parsed answer")
                st.json(answer, expanded=2)
        else:
            st.caption("There is no answer.")
    with tokens_tab:
        found_tokens = token_table(call["tokens"])
        if found_tokens.empty:
            st.caption("Not available: the server returned none, or none were requested.")
        else:
            st.markdown(format_tokens(call["tokens"]))
            data_tables.show_table(
                found_tokens,
                alt="Token probabilities of the numbers in the answer",
                column_config={
                    "Probability": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
                },
            )
    with repeat_tab:
        if settings.is_public():
            st.caption("The operator's server addresses are not shown here.")
            return
        if not call["messages"]:
            st.caption("The messages were deleted.")
            return
        _show_ask_again(call)
        try:
            curl, python = to_curl(call), to_python(call)
        except LusiferError as error:
            st.caption(escape_markdown(str(error)))
            return
        st.caption("As a shell command; the API key is read from your environment.")
        st.code(curl, language="bash", wrap_lines=True)
        st.caption("As Python")
        st.code(python, language="python", wrap_lines=True)


def _show_ask_again(call: dict[str, Any]) -> None:
    """The same question once more, as a new draw, after its price has been named."""
    store = state.open_store()
    if store is None:
        return
    messages = [Message(m["role"], m["content"]) for m in json.loads(call["messages"])]
    options: Any = json.loads(call.get("options") or "{}")
    keys, limits = dict(session_keys.API_KEYS.get()), state.get_budget()
    metadata = CallMetadata(call["purpose"], "again", call["user_id"], call["step"], call["prompt_version"] or "")

    def label() -> str:
        max_tokens = int(options.get("max_tokens") or 500)
        cost = estimate_questions(call["model"], store, [((messages, options), min(max_tokens, 600))])
        return f"Ask again ({format_cost(cost)})"

    def work(job: Job) -> str:
        llm = create_llm(call["model"], store, keys=keys, budget=limits, cancelled=job.cancelled)
        return llm.complete(messages, **{**options, "draw": time.time_ns(), "metadata": metadata}).text

    try:
        job = offer_job(
            f"again:{call['id']}:{state.session_id()}",
            "Ask again",
            work,
            label,
            store=store,
            again=True,
            icon=":material/replay:",
            help="Samples a new answer; the stored one is kept.",
        )
    except LusiferError as error:
        st.caption(escape_markdown(str(error)))
        return
    if job is not None:
        st.caption("The new answer. It is recorded as a separate call, the newest in the list.")
        grid = st.grid(2, min_column_width=380)
        for title, text in (("Stored", call["text"]), ("New sample", job.result)):
            with grid.container():
                st.caption(title)
                st.code(str(text or ""), language="json", wrap_lines=True, height=260)


def show_export(store: Store) -> None:
    """Any table as CSV or Parquet."""
    with st.popover("Export a table", icon=":material/table:"):
        name = st.selectbox("Table", store.list_tables(), key="export-table")
        form = st.segmented_control("Format", ["CSV", "Parquet"], default="CSV", required=True, key="export-form")
        if name is None:
            return

        end = str(form).lower()
        packed = end == "csv" and store.count_rows(name) >= downloads.PACKED_ROWS
        downloads.show_file_button(
            f"Download {name}",
            lambda: downloads.export_table(store, name, end),
            f"{name}.{end}{'.gz' if packed else ''}",
            key="export-go",
        )
        st.caption(
            "Users and items have the numbers that the database uses. The whole database opens in Datasette too: see "
            "docs/database.md."
        )


def show_prune(store: Store) -> None:
    """Forget calls by age, run or size, with a preview; their answers stay."""
    with st.popover("Prune", icon=":material/delete_sweep:", help="Delete old calls; their cached answers are kept."):
        criterion = st.segmented_control("By", ["Age", "Run", "Size"], default="Age", required=True, key="prune-by")
        conditions: dict[str, Any] = {}
        if criterion == "Age":
            days = st.number_input("Older than (days)", 0, 3650, 30, key="prune-days")
            before = datetime.now(UTC) - timedelta(days=int(days))
            conditions = {"before": before.isoformat(timespec="milliseconds")}
        elif criterion == "Run":
            conditions = {"run": st.selectbox("Run", store.list_call_values("run_id"), key="prune-run") or ""}
        else:
            conditions = {
                "keep": int(
                    st.number_input("Keep the newest (MB of text)", 0, 100_000, 100, 10, key="prune-size") * 1e6
                )
            }
        count, size = store.prune_calls(**conditions, preview=True)
        st.caption(f"{count:,} calls, about {size / 1e6:.1f} MB of text. Cached answers are kept and reused.")
        if st.button(f"Delete {count:,} calls", icon=":material/delete:", disabled=not count, key="prune-go"):
            store.prune_calls(**conditions)
            message = f"{count:,} calls were deleted"
            try:
                was, now = store.vacuum()
                message += f"; the file shrank from {was / 1e6:.1f} to {now / 1e6:.1f} MB."
            except StoreError as error:  # they are gone all the same, and their pages are used for what comes
                message += f"; the file keeps its size for now. {error}"
            session_keys.PRUNED_MESSAGE.set(message)
            st.rerun()
        message = session_keys.PRUNED_MESSAGE.pop()
        if message:
            st.success(escape_markdown(message))


def open_list_for_old_links() -> None:
    """Open the list for a link to a call by its number, or to a search, that is older than the traces."""
    asked = page_state.current()
    searched = page_state.came_from_address("call_search") and asked.call_search
    numbered = page_state.came_from_address("call") and is_number(asked.call)
    if (searched or numbered) and not asked.trace and not page_state.came_from_address("calls_view"):
        page_state.settle("call_search", asked.call_search)
        page_state.settle("calls_view", page_fields.ALL_CALLS)
