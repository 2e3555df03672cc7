"""Connections that nobody waits for longer than they want to, whatever it is that does not come."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpcore2
import pytest

from lusifer.errors import CancelledError, ModelError
from lusifer.llm import Endpoint, Message, connections, transport
from lusifer.llm.openai_compatible import OpenAICompatible
from tests.servers.openai import KEY
from tests.servers.scripted import Reply, ScriptedServer, chat, trickle

EVENTS = "text/event-stream"
SHORT, LONG = [Message("user", "Rate.")], [Message("user", "x" * 30_000_000)]


@contextlib.contextmanager
def listening(*, backlog: int = 5, full: bool = False) -> Iterator[str]:
    """The address of a port where nobody reads what comes; ``full``: nor takes further connections."""
    with contextlib.ExitStack() as kept:
        listener = kept.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0 if full else backlog)
        for _ in range(20 if full else 0):
            caller = kept.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(params=["name", "connect", "handshake", "unread"])
def stalled(request, monkeypatch) -> Iterator[Callable[..., Any]]:
    """Asks a server where something never comes: a name's address, a connection, a handshake, somebody who reads."""
    way, released = request.param, threading.Event()
    if way == "name":

        def look_up(*args: Any, **kwargs: Any) -> Any:
            released.wait(60)
            raise socket.gaierror("no such name")

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with listening(full=way == "connect") as place:
        scheme = "https" if way == "handshake" else "http"
        url = f"{scheme}://{'nowhere.localhost:1' if way == 'name' else place}/v1"

        def ask(seconds: float, cancelled: Callable[[], bool] = lambda: False) -> Any:
            llm = OpenAICompatible(Endpoint("mine", url, KEY, timeout=seconds), "m", cancelled)
            return llm.complete(LONG if way == "unread" else SHORT)

        yield ask
        released.set()


@pytest.mark.timeout(60)
def test_a_deadline_holds_while_anything_is_waited_for(stalled) -> None:
    with pytest.raises(ModelError) as failed:
        stalled(1)
    assert failed.value.kind in {"timeout", "unreachable"}


@pytest.mark.timeout(60)
def test_a_cancel_ends_whatever_is_waited_for(stalled, monkeypatch) -> None:
    monkeypatch.setattr(transport, "GRACE_SECONDS", 0.1)
    stopped = threading.Event()
    threading.Timer(0.5, stopped.set).start()
    began = time.monotonic()
    with pytest.raises(CancelledError):
        stalled(600, stopped.is_set)
    assert time.monotonic() - began < 30, "and not when the server, or its connection, times out"


def test_a_connection_that_comes_too_late_is_closed(monkeypatch) -> None:
    released, closed = threading.Event(), threading.Event()

    class Late(httpcore2.NetworkStream):
        def close(self) -> None:
            closed.set()

    def connect(*args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        released.wait(60)
        return Late()

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect)
    with pytest.raises(ModelError):
        OpenAICompatible(Endpoint("mine", "http://127.0.0.1:9/late", KEY, timeout=0.5), "m").complete(SHORT)
    assert not closed.is_set()
    released.set()
    assert closed.wait(30)


def test_a_kept_connection_is_used_again(monkeypatch) -> None:
    """So a call waits in the thread that asked; and a forked child has a connection of its own."""
    made: list[int] = []
    connect = connections._in_own_thread  # noqa: SLF001 - nothing else tells

    def count(work: Callable[[], httpcore2.NetworkStream]) -> httpcore2.NetworkStream:
        made.append(os.getpid())
        return connect(work)

    monkeypatch.setattr(connections, "_in_own_thread", count)
    with ScriptedServer(lambda body, n: Reply(chat("4"))) as server:
        llm = OpenAICompatible(Endpoint("mine", server.url, KEY), "m")
        for _ in range(3):
            assert llm.complete(SHORT).text == "4"
        assert len(made) == 1
        if hasattr(os, "fork"):
            child = multiprocessing.get_context("fork").Process(target=_ask_anew, args=(llm, made))
            child.start()
            child.join(30)
            assert child.exitcode == 0 and llm.complete(SHORT).text == "4" and len(made) == 1


def _ask_anew(llm: OpenAICompatible, made: list[int]) -> None:
    llm.complete(SHORT)
    assert made[1:] == [os.getpid()]


def test_a_client_without_limits_waits_as_its_library_does() -> None:
    """As OpenAI's SDK uses it for batches."""
    with ScriptedServer(lambda body, n: Reply(chat("4"))) as server:
        answer = transport.client_for(server.url).post(f"{server.url}/x", json={}, timeout=30)
    assert answer.status_code == 200 and answer.json()["choices"]


def test_a_login_in_the_address_is_sent() -> None:
    heads: list[str] = []

    class Noted(ScriptedServer):
        def _send(self, handler: Any, reply: Reply) -> None:
            heads.append(handler.headers["Authorization"])
            super()._send(handler, reply)

    with Noted(lambda body, n: Reply(chat("4"))) as server:
        url = server.url.replace("://", "://somebody:a-pass%40word@")
        assert OpenAICompatible(Endpoint("mine", url, ""), "m").complete(SHORT).text == "4"
    assert heads == ["Basic " + base64.b64encode(b"somebody:a-pass@word").decode()]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n  \n"])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_that_ends_in_blanks_keeps_its_connection(monkeypatch, end: bytes, chunked: bool) -> None:
    made: list[int] = []
    connect = connections._in_own_thread  # noqa: SLF001 - nothing else tells
    monkeypatch.setattr(connections, "_in_own_thread", lambda work: made.append(1) or connect(work))
    whole = json.dumps(chat("4")).encode() + end

    def script(body: dict[str, Any], n: int) -> Reply:
        return Reply(iter([whole]), headers={"Transfer-Encoding": "chunked"}) if chunked else Reply(whole)

    with ScriptedServer(script) as server:
        llm = OpenAICompatible(Endpoint("mine", server.url, KEY), "m")
        for _ in range(5):
            assert llm.complete(SHORT).text == "4"
    assert len(made) == 1


def test_the_end_of_a_whole_answer_is_not_waited_for_long() -> None:
    def endless() -> Iterator[bytes]:
        yield json.dumps(chat("4")).encode() + b"\n"
        while True:
            time.sleep(0.05)
            yield b" "

    with ScriptedServer(lambda body, n: Reply(endless())) as server:
        llm = OpenAICompatible(Endpoint("mine", server.url, KEY, timeout=50), "m")
        assert llm.complete(SHORT).text == "4" and server.broken.wait(30)


def test_an_error_in_a_stream_leaves_nothing_open() -> None:
    """No connection that only a search for garbage would close, in whatever thread that runs."""
    with ScriptedServer(
        lambda body, n: Reply(trickle(b'data: {"error": {"message": "no", "code": 400}}\n\n', b": x\n\n"), kind=EVENTS)
    ) as server:
        gc.collect()
        gc.disable()
        try:
            with pytest.raises(ModelError):
                OpenAICompatible(Endpoint("mine", server.url, KEY, timeout=50), "m").complete(
                    SHORT, on_text=lambda text: None
                )
            assert server.broken.wait(30)
        finally:
            gc.enable()
