"""One question to a server over HTTP: one deadline, a limit of bytes, and an end when somebody cancels.

Whether the answer comes as one JSON text, as server-sent events or as JSON lines is told by what comes, not by what was
asked for: some servers always stream, others never do.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from lusifer.errors import CancelledError, ModelError
from lusifer.llm.network import proxy_for, trusted_certificates
from lusifer.llm.redact import hide, hide_in
from lusifer.llm.turns import TURNS

CONNECT_SECONDS = 10.0
MAX_BYTES = 16 * 2**20
"""The longest answer, log probabilities included."""
MAX_ERROR_BYTES = 64 * 2**10
POLL_SECONDS = 0.1
GRACE_SECONDS = 1.0
"""What a call that is under way still gets once somebody has cancelled: its answer is paid for, and may be close."""
_clients: dict[tuple[str, ...], Any] = {}
_lock = threading.Lock()


class DeadlineError(Exception):
    """The whole answer was not there in time."""


class TooLongError(Exception):
    """The answer has more bytes than any answer should."""


class StatusError(Exception):
    """A status that is no success, with what the server said."""

    def __init__(self, status: int, body: str, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


class UnreadableError(Exception):
    """What came is no JSON; ``args[0]`` is its beginning."""


@dataclass(frozen=True)
class Limits:
    """How long one question may take in all, and whether somebody has cancelled it."""

    seconds: float
    cancelled: Callable[[], bool] = lambda: False


def client_for(url: str) -> Any:
    """The HTTP client of an address, shared by everybody who asks it.

    Raises:
        ModelError: a proxy or certificate file of the environment can't be used.
    """
    import httpx2

    proxy, verify = proxy_for(url), trusted_certificates(url)
    name = (url, proxy[0] if proxy else "", str(id(verify)))
    with _lock:
        if name not in _clients:
            try:
                _clients[name] = httpx2.Client(
                    trust_env=False,
                    proxy=proxy[0] if proxy else None,
                    verify=verify,
                    follow_redirects=False,
                    limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
                    headers={"User-Agent": "lusifer"},
                )
            except (ValueError, ImportError, httpx2.InvalidURL) as error:
                variable = proxy[1] if proxy else "the address"
                raise ModelError(
                    f"{variable} can't be used: {error}".split("\n")[0][:200],
                    "Use http://HOST:PORT or socks5://HOST:PORT.",
                    kind="unreachable",
                ) from None
        return _clients[name]


def request_json(
    method: str,
    url: str,
    limits: Limits,
    *,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    secrets: Sequence[str] = (),
) -> Iterator[Any]:
    """The JSON values that a server answers with, as they arrive: one, or one an event.

    ``secrets`` are hidden in each, and in what is said of a status. A redirect is a status like any other: another
    address is none that anybody chose.

    Raises:
        ModelError: a proxy or certificate file of the environment can't be used.
        CancelledError: ``limits.cancelled`` said so.
        StatusError: a status that is no success.
        DeadlineError, TooLongError, UnreadableError: it takes too long, is too long, or is no JSON.
        httpx2.HTTPError: the connection failed.
    """
    import httpx2

    client = client_for(url)
    timeout = httpx2.Timeout(limits.seconds, connect=min(CONNECT_SECONDS, limits.seconds))

    def chunks() -> Iterator[bytes]:
        with client.stream(method, url, headers=dict(headers or {}), json=body, timeout=timeout) as response:
            good = 200 <= response.status_code < 300
            read, parts = 0, []
            for chunk in response.iter_bytes():
                read += len(chunk)
                if good and read > MAX_BYTES:
                    raise TooLongError
                if good:
                    yield chunk
                elif read <= MAX_ERROR_BYTES:
                    parts.append(chunk)
                else:
                    break
            if not good:
                text = b"".join(parts).decode("utf-8-sig", errors="replace")
                raise StatusError(response.status_code, hide(text, *secrets), response.headers)

    return (hide_in(value, *secrets) for value in parse_values(in_time(chunks, limits)))


def in_time(source: Callable[[], Iterator[bytes]], limits: Limits) -> Iterator[bytes]:
    """What an iterator yields in a thread of its own, so that neither silence nor a trickle holds the caller.

    The thread closes the connection with the next piece that comes after the caller has left, or at its deadline. A
    cancel keeps a call from being made; one that is under way ends within `GRACE_SECONDS`, whatever the server does,
    with its answer if that comes.

    Raises:
        CancelledError, DeadlineError: see `Limits`.
    """
    pieces: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
    left = threading.Event()

    def work() -> None:
        try:
            with closing(source()) as chunks:  # type: ignore[type-var]
                for chunk in chunks:
                    pieces.put(chunk)
                    if left.is_set():
                        return
            pieces.put(None)
        except BaseException as error:
            pieces.put(error)

    if limits.cancelled():
        raise CancelledError("Stopped before the server was asked.", "Finished work is saved.")
    ends, cancelled = time.monotonic() + limits.seconds, False
    TURNS.give_back()
    _run_in_thread(work)
    try:
        while True:
            if not cancelled and limits.cancelled():
                cancelled, ends = True, min(ends, time.monotonic() + GRACE_SECONDS)
            remaining = ends - time.monotonic()
            if remaining <= 0 and cancelled:
                raise CancelledError(
                    "Stopped while the server was answering.", "Finished work is saved.", may_be_paid=True
                )
            if remaining <= 0:
                raise DeadlineError
            try:
                piece = pieces.get(timeout=min(POLL_SECONDS, remaining))
            except queue.Empty:
                continue
            if piece is None:
                return
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        left.set()


_idle: deque[queue.SimpleQueue[Callable[[], None]]] = deque()
"""Where threads wait for another request: a new one for each takes longer than what it does."""
MAX_IDLE = 64
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child has its parent's list, but none of the threads


def _run_in_thread(work: Callable[[], None]) -> None:
    """Do a request's work in a thread that has ended another one's, else in a new one. ``work`` raises nothing."""
    try:
        _idle.pop().put(work)
    except IndexError:
        waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        waiting.put(work)
        threading.Thread(target=_work_on, args=(waiting,), name="lusifer-request", daemon=True).start()


def _work_on(waiting: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        waiting.get()()  # in no variable: it holds a key and an answer, and the thread waits for long
        if len(_idle) >= MAX_IDLE:
            return
        _idle.append(waiting)


def parse_values(chunks: Iterable[bytes]) -> Iterator[Any]:
    """JSON values of a body: of events (``data: …``), of lines, or of the whole.

    Raises:
        UnreadableError: there is none.
    """
    events, count = None, 0
    data: list[str] = []
    whole: list[str] = []
    for line in _lines(chunks):
        if events is None and line.strip():
            events = line.startswith(("data:", "event:", "id:", "retry:", ":"))
        if events and line.startswith("data:"):
            data.append(line[5:].strip())
        elif events and not line.strip():
            yield from _event(data)
            data = []
        elif not events and line.strip():
            value = None if whole else _load(line)
            if value is None:  # a part of one text over several lines
                whole.append(line)
            else:
                count += 1
                yield value
    if events:
        yield from _event(data)
    elif whole or not count:
        value = _load("\n".join(whole))
        if value is None:
            raise UnreadableError("\n".join(whole)[:2000])
        yield value


DONE = object()
"""Stands for ``[DONE]``, the end of a stream."""


def _event(data: list[str]) -> Iterator[Any]:
    # Several lines are one text by the standard; some servers leave the blank line between events out.
    for text in ["\n".join(data)] if _load("\n".join(data)) is not None else data:
        if text == "[DONE]":
            yield DONE
        elif text:
            value = _load(text)
            if value is None:
                raise UnreadableError(text[:2000])
            yield value


def _load(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    buffer, first = "", True
    decoder = getincrementaldecoder("utf-8")("replace")
    for chunk in chunks:
        if first and chunk.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            decoder = getincrementaldecoder("utf-16")("replace")
        text = decoder.decode(chunk)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        if "\n" not in text:
            buffer += text
            continue
        *full, buffer = (buffer + text).split("\n")
        yield from (line.removesuffix("\r") for line in full)
    buffer += decoder.decode(b"", True)
    if buffer:
        yield buffer
