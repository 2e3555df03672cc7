"""One question to a server over HTTP: one deadline, a limit of bytes, and an end when somebody cancels.

Whether the answer comes as one JSON text, as server-sent events or as JSON lines is told by what comes, not by what was
asked for: some servers always stream, others never do.
"""

from __future__ import annotations

import json
import os
import threading
import time
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lusifer.errors import CancelledError, ModelError
from lusifer.llm.network import proxy_for, trusted_certificates
from lusifer.llm.redact import hide, hide_in

CONNECT_SECONDS = 10.0
MAX_BYTES = 16 * 2**20
"""The longest answer, log probabilities included."""
MAX_ERROR_BYTES = 64 * 2**10
POLL_SECONDS = 0.25
"""Between two looks at whether somebody has cancelled."""
DRAIN_SECONDS, MAX_DRAINED = 0.1, 16
"""How long, and for how many pieces, the end of an answer is waited for once all that is read of it has come."""
MAX_IDLE = 64
"""Connections to one address that are kept open."""
GRACE_SECONDS = 1.0
"""What a call that is under way still gets once somebody has cancelled: its answer is paid for, and may be close."""
_clients: dict[tuple[str, ...], tuple[Any, Any]] = {}
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # a child that wrote into its parent's connections would mix the answers of both
    os.register_at_fork(after_in_child=_clients.clear)


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


class Watch:
    """How long a question that is under way may still be waited for.

    A cancel keeps a call from being made; one that is under way ends within `GRACE_SECONDS`, whatever the server does,
    with its answer if that comes.
    """

    def __init__(self, limits: Limits) -> None:
        self._cancelled, self._is_cancelled = limits.cancelled, False
        now = time.monotonic()
        self._ends, self._next_look = now + limits.seconds, now

    def end_within(self, seconds: float) -> None:
        """Wait no longer than so many seconds from now on."""
        self._ends = min(self._ends, time.monotonic() + seconds)

    def seconds(self) -> float:
        """How long one wait may take before this is asked again.

        Raises:
            CancelledError, DeadlineError: it is over.
        """
        now = time.monotonic()
        if now >= self._next_look and not self._is_cancelled:
            self._next_look = now + POLL_SECONDS
            if self._cancelled():
                self._is_cancelled, self._ends = True, min(self._ends, now + GRACE_SECONDS)
        remaining = self._ends - now
        if remaining > 0:
            return min(POLL_SECONDS, remaining)
        if self._is_cancelled:
            raise CancelledError("Stopped while the server was answering.", "Finished work is saved.", may_be_paid=True)
        raise DeadlineError


def client_for(url: str) -> Any:
    """The HTTP client of an address, shared by everybody who asks it.

    Raises:
        ModelError: a proxy or certificate file of the environment can't be used.
    """
    return _connection_to(url)[0]


def _connection_to(url: str) -> tuple[Any, Any]:
    import httpx2

    from lusifer.llm.connections import WatchedTransport

    proxy, verify = proxy_for(url), trusted_certificates(url)
    name = (url, proxy[0] if proxy else "", str(id(verify)))
    with _lock:
        if name not in _clients:
            try:
                transport = WatchedTransport(verify=verify, proxy=proxy[0] if proxy else None, keepalive=MAX_IDLE)
                client = httpx2.Client(
                    transport=transport, trust_env=False, follow_redirects=False, headers={"User-Agent": "lusifer"}
                )
                _clients[name] = client, transport
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

    client, transport = _connection_to(url)
    timeout = httpx2.Timeout(limits.seconds, connect=min(CONNECT_SECONDS, limits.seconds))

    def chunks() -> Iterator[bytes]:
        if limits.cancelled():
            raise CancelledError("Stopped before the server was asked.", "Finished work is saved.")
        watch, asked_by = Watch(limits), threading.get_ident()
        request = client.build_request(
            method, url, headers=dict(headers or {}), json=body, timeout=timeout, extensions={"watch": watch}
        )
        if request.url.userinfo:  # a login in the address goes before a key
            next(httpx2.BasicAuth(request.url.username, request.url.password).sync_auth_flow(request))
        # Past the client, which would look for cookies and redirects: neither is wanted.
        with closing(transport.handle_request(request)) as response:
            good = 200 <= response.status_code < 300
            read, parts, pieces = 0, list[bytes](), response.iter_bytes()
            try:
                for chunk in pieces:
                    read += len(chunk)
                    if good and read > MAX_BYTES:
                        raise TooLongError
                    if good:
                        yield chunk
                    elif read <= MAX_ERROR_BYTES:
                        parts.append(chunk)
                    else:
                        break
            except GeneratorExit:  # all that was waited for is there: with the rest, the connection can be used again
                if threading.get_ident() == asked_by:  # and not Python's search for garbage, in any thread
                    with suppress(DeadlineError, CancelledError, httpx2.HTTPError):
                        watch.end_within(DRAIN_SECONDS)
                        deque(islice(pieces, MAX_DRAINED), maxlen=0)
                raise
            if not good:
                text = b"".join(parts).decode("utf-8-sig", errors="replace")
                raise StatusError(response.status_code, hide(text, *secrets), response.headers)

    return (hide_in(value, *secrets) for value in parse_values(chunks()))


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
