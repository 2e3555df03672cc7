"""A real server in public mode, asked as a browser would not: other sites, other names, uploads past the fields."""

from __future__ import annotations

import asyncio
import http.client
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import uvicorn
from streamlit import net_util
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from lusifer.llm.budget import PUBLIC_DAY_DOLLARS
from lusifer.ui import launcher, server
from tests.test_launcher import free_port, start, wait_for_line

MB = 2**20


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, list[str]]]:
    """The port of a public server on this machine, and what it printed."""
    port = free_port()
    child = start(tmp_path_factory.mktemp("data"), port, LUSIFER_PUBLIC="1", LUSIFER_HOSTS="lusifer.example.org")
    try:
        yield port, wait_for_line(child, "is ready at")
    finally:
        for process in [*psutil.Process(child.pid).children(recursive=True)] if child.poll() is None else []:
            process.kill()
        child.kill()
        child.wait()


def dial(port: int, host: str = "", origin: str | None = None) -> ClientConnection:
    """A session's connection, by the name of a host and from the page of a site."""
    return connect(
        f"ws://{host or 'localhost'}:{port}/_stcore/stream",
        sock=socket.create_connection(("127.0.0.1", port)),
        origin=Origin(origin) if origin else None,
        subprotocols=[Subprotocol("streamlit")],
        max_size=None,
        close_timeout=0.2,
    )


@pytest.mark.parametrize(
    "host", ["evil.test", "localhost.evil.test", "127.0.0.1.nip.test", "10.0.0.7", "lusifer.example.com"]
)
def test_a_name_that_was_turned_here_is_refused(public, host) -> None:
    """DNS rebinding: the page's site and the server have the same name, so that it looks like our own page."""
    with pytest.raises(InvalidStatus, match="403"):
        dial(public[0], host, f"http://{host}:{public[0]}")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "lusifer.example.org"])
def test_own_names_are_answered(public, host) -> None:
    with dial(public[0], host, f"http://{host}:{public[0]}"):
        pass


@pytest.mark.parametrize("origin", ["http://evil.test", "https://evil.test:8501", "http://10.0.0.7", "null"])
def test_a_foreign_page_is_refused_and_nobody_is_asked(public, origin, no_request_beyond_loopback) -> None:
    """The children of the tests write down whom they would have asked; that file is looked at here and at the end."""
    for _ in range(2):
        with pytest.raises(InvalidStatus, match="403"):
            dial(public[0], "localhost", origin)
    log: Path = no_request_beyond_loopback
    assert not log.exists() or not log.read_text()
    assert not any("external IP" in line for line in public[1])


def test_uploads_past_the_fields_are_small(public) -> None:
    port = public[0]
    with dial(port) as session_:
        message = BackMsg()
        message.rerun_script.query_string = ""
        session_.send(message.SerializeToString())
        answer = ForwardMsg()
        while answer.WhichOneof("type") != "new_session":
            answer.ParseFromString(bytes(session_.recv(timeout=30)))  # type: ignore[arg-type]
        session = answer.new_session.initialize.session_id
        client = http.client.HTTPConnection("localhost", port, timeout=30)
        client.request("GET", "/_stcore/health")
        reply = client.getresponse()
        reply.read()
        token = re.search(r"_streamlit_xsrf=([^;]+)", reply.headers["Set-Cookie"] or "")
        assert token

        def put(megabytes: float, *, chunked: bool = False) -> int:
            head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
            body = head + b"0" * int(megabytes * MB) + b"\r\n--x--\r\n"
            headers = {
                "X-Xsrftoken": token[1],
                "Cookie": f"_streamlit_xsrf={token[1]}",
                "Content-Type": "multipart/form-data; boundary=x",
            }
            client = http.client.HTTPConnection("localhost", port, timeout=30)
            try:
                client.request(
                    "PUT",
                    f"/_stcore/upload_file/{session}/f{megabytes}",
                    iter([body]) if chunked else body,
                    headers,
                    encode_chunked=chunked,
                )
                return client.getresponse().status
            except (BrokenPipeError, ConnectionResetError):  # it did not listen to the end
                return 413
            finally:
                client.close()

        assert put(1.9) == 204
        assert [put(size) for size in (2.1, 5)] == [413] * 2
        assert put(5, chunked=True) == 413


def test_a_missing_limit_is_said(public) -> None:
    assert any(f"${PUBLIC_DAY_DOLLARS:g} a day" in line and "LUSIFER_BUDGET_DAY" in line for line in public[1])


def test_a_session_keeps_few_uploads(monkeypatch) -> None:
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

    monkeypatch.setenv("LUSIFER_PUBLIC", "1")
    monkeypatch.setattr(server.config, "set_option", lambda *option: None)
    monkeypatch.setattr(MemoryUploadedFileManager, "add_file", MemoryUploadedFileManager.add_file)
    for name in ("get_external_ip", "get_internal_ip"):
        monkeypatch.setattr(net_util, name, getattr(net_util, name))
    monkeypatch.setattr(server, "_guarded", [])
    server.guard()
    manager = MemoryUploadedFileManager("/")
    for number in range(20):
        manager.add_file("s", UploadedFileRec(f"f{number}", "f", "", b"0" * 99))
        manager.add_file("other", UploadedFileRec("f", "f", "", b"0"))
    kept = [f"f{n}" for n in range(20) if manager.get_files("s", [f"f{n}"])]
    assert kept == ["f16", "f17", "f18", "f19"] and manager.get_files("other", ["f"])
    assert net_util.get_external_ip() is None and net_util.get_internal_ip() is None


def test_answers_in_two_pieces_wait_for_nobody(monkeypatch) -> None:
    """A socket as Streamlit opens it: asyncio leaves Nagle's algorithm on for its connections."""
    monkeypatch.setattr(uvicorn.Server, "startup", uvicorn.Server.startup)
    server.send_at_once()

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    async def undelayed(listening: socket.socket) -> int:
        made = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        made.config.load()
        made.lifespan = made.config.lifespan_class(made.config)
        await made.startup(sockets=[listening])
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readline()
        (connection,) = made.server_state.connections
        accepted = connection.transport.get_extra_info("socket")  # type: ignore[union-attr]
        found = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        await made.shutdown(sockets=[listening])
        return found

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        with ThreadPoolExecutor(1) as pool:  # a browser that other tests drive leaves its loop running in this thread
            assert pool.submit(lambda: asyncio.run(undelayed(listening))).result()


@pytest.mark.parametrize(
    ("host", "named", "allowed"),
    [
        ("localhost", "", {"localhost", "127.0.0.1", "::1"}),
        ("127.0.0.1", "a.org, b.org", {"localhost", "127.0.0.1", "::1", "a.org", "b.org"}),
        ("0.0.0.0", "", {"*"}),
        ("0.0.0.0", "a.org", {"localhost", "127.0.0.1", "::1", "a.org"}),
        ("10.0.0.7", "a.org", {"localhost", "127.0.0.1", "::1", "10.0.0.7", "a.org"}),
    ],
)
def test_names_by_which_a_server_is_asked(host, named, allowed, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_HOSTS", named)
    assert set(launcher.allowed_hosts(host)) == allowed
