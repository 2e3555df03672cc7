"""HTTP connections whose waits look at a deadline and at a cancel: no server holds a thread that asks it.

A thread that waits for a socket wakes every `lusifer.llm.transport.POLL_SECONDS`. What can't be interrupted, finding a
host's address, shaking hands and writing through two layers of encryption, happens in a thread of its own, which is
left alone where it takes too long.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpcore2
import httpx2

from lusifer.errors import CancelledError
from lusifer.llm.transport import DeadlineError, Watch
from lusifer.llm.turns import TURNS

T = TypeVar("T")
_local = threading.local()


@contextmanager
def _watched(watch: Watch | None) -> Iterator[None]:
    """What this thread does within is watched; errors of the one library are raised as the other's."""
    _local.watch = watch
    try:
        yield
    except (
        httpcore2.TimeoutException,
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.ProxyError,
        httpcore2.UnsupportedProtocol,
    ) as error:
        raise getattr(httpx2, type(error).__name__)(str(error)) from error
    finally:
        _local.watch = None


def _current_watch() -> Watch | None:
    return getattr(_local, "watch", None)


class WatchedTransport(httpx2.BaseTransport):
    """What `httpx2.Client` sends its requests through; those with a `Watch` among their extensions are watched.

    Args:
        verify: trusted certificates, as `httpx2.Client` takes them.
        proxy: address of a proxy; ``None`` for none.
        keepalive: connections that are kept open for further requests, at most.

    Raises:
        ValueError, httpx2.InvalidURL: the proxy's address can't be used.
    """

    def __init__(self, *, verify: ssl.SSLContext | bool = True, proxy: str | None = None, keepalive: int) -> None:
        certificates = httpx2.create_ssl_context(verify=verify, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=certificates,
            proxy=None if proxy is None else _core_proxy(httpx2.Proxy(proxy), certificates),
            max_connections=None,
            max_keepalive_connections=keepalive,
            keepalive_expiry=5.0,
            network_backend=_WatchedBackend(),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and wait until its answer begins.

        Raises:
            CancelledError, DeadlineError: see `Watch.seconds`.
            httpx2.HTTPError: the connection failed.
        """
        watch = request.extensions.get("watch")
        assert isinstance(request.stream, httpx2.SyncByteStream)
        with _watched(watch):
            answer = self._pool.handle_request(
                httpcore2.Request(
                    request.method,
                    _core_url(request.url),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream, watch), extensions=answer.extensions
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _core_url(url: httpx2.URL) -> httpcore2.URL:
    return httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _core_proxy(proxy: httpx2.Proxy, certificates: ssl.SSLContext) -> httpcore2.Proxy:
    is_encrypted = proxy.url.scheme == "https"
    return httpcore2.Proxy(
        _core_url(proxy.url), auth=proxy.raw_auth, ssl_context=certificates if is_encrypted else None
    )


class _Body(httpx2.SyncByteStream):
    """The body of an answer, each piece of which is watched."""

    def __init__(self, pieces: Any, watch: Watch | None) -> None:
        self._pieces, self._watch = pieces, watch

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(self._pieces)
        while True:
            with _watched(self._watch):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        self._pieces.close()


class _WatchedBackend(httpcore2.NetworkBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        def connect() -> httpcore2.NetworkStream:
            return httpcore2.SyncBackend().connect_tcp(host, port, timeout, local_address, socket_options)

        return _WatchedStream(_in_own_thread(connect))


class _WatchedStream(httpcore2.NetworkStream):
    """A connection; ``tls_layers`` counts how often it is encrypted: twice behind an encrypted proxy."""

    def __init__(self, inner: httpcore2.NetworkStream, tls_layers: int = 0) -> None:
        self._inner, self._tls_layers = inner, tls_layers

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        watch = _current_watch()
        if watch is None:
            return self._inner.read(max_bytes, timeout)
        TURNS.give_back()
        while True:
            try:
                return self._inner.read(max_bytes, watch.seconds())
            except httpcore2.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        watch = _current_watch()
        if watch is None:
            self._inner.write(buffer, timeout)
            return
        if self._tls_layers > 1:  # two layers keep what they have not sent yet in no socket
            self._write_in_own_thread(buffer, timeout)
            return
        connection, rest = self._inner.get_extra_info("socket"), memoryview(buffer)
        while rest:
            connection.settimeout(watch.seconds())
            try:
                rest = rest[connection.send(rest) :]
            except TimeoutError:
                continue
            except OSError as error:
                raise httpcore2.WriteError(str(error)) from error

    def _write_in_own_thread(self, buffer: bytes, timeout: float | None) -> None:
        try:
            _in_own_thread(lambda: self._inner.write(buffer, timeout))
        except (DeadlineError, CancelledError):
            with contextlib.suppress(OSError):  # else the thread would go on writing until its own timeout
                socket.socket.shutdown(self._inner.get_extra_info("socket"), socket.SHUT_RDWR)
            raise

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        try:
            inner = _in_own_thread(lambda: self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            self._inner.close()
            raise
        return _WatchedStream(inner, self._tls_layers + 1)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _in_own_thread(work: Callable[[], T]) -> T:
    """What ``work`` makes, in a thread of its own; a connection that nobody waits for any more is closed."""
    watch = _current_watch()
    if watch is None:
        return work()
    made: queue.SimpleQueue[T | BaseException] = queue.SimpleQueue()
    left = threading.Event()

    def discard() -> None:
        with contextlib.suppress(queue.Empty):
            unused = made.get_nowait()
            if isinstance(unused, httpcore2.NetworkStream):
                unused.close()

    def run() -> None:
        try:
            made.put(work())
        except BaseException as error:
            made.put(error)
        if left.is_set():
            discard()

    TURNS.give_back()
    threading.Thread(target=run, name="lusifer-connect", daemon=True).start()
    while True:
        try:
            result = made.get(timeout=watch.seconds())
            break
        except queue.Empty:
            continue
        except BaseException:
            left.set()
            discard()
            raise
    if isinstance(result, BaseException):
        raise result
    return result
