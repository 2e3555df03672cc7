"""A real HTTP server on loopback that answers as a function says: for customs of servers that are one request long."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.servers.openai import OpenAIServer, Server


@dataclass
class Reply:
    """A body: bytes, text, or a value for JSON; an iterator is sent piece by piece without a length.

    That ends with the connection, unless the headers say ``chunked``.
    """

    body: Any
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[dict[str, Any], int], Any]
"""Makes the reply to a request (a `Reply`, or a value for JSON), told how many came before."""


class ScriptedServer:
    def __init__(self, script: Script, certificate: Path | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.hosts: list[str] = []
        self.broken = threading.Event()
        """Set when somebody left in the middle of an answer."""
        server, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                with lock:
                    number = len(server.requests)
                    server.requests.append(body)
                    server.paths.append(self.path)
                    server.hosts.append(self.headers.get("Host", ""))
                reply = script(body, number)
                server._send(self, reply if isinstance(reply, Reply) else Reply(reply))

            def do_POST(self) -> None:
                self.do_GET()

        self.http = Server(("127.0.0.1", 0), Handler)
        scheme, host = "http", "127.0.0.1"
        if certificate is not None:
            scheme, host = "https", "localhost"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.address = f"{scheme}://{host}:{self.http.server_port}"
        self.url = f"{self.address}/v1"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> ScriptedServer:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        handler.send_response(reply.status)
        handler.send_header("Content-Type", reply.kind)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if isinstance(reply.body, Iterator) and reply.headers.get("Transfer-Encoding") == "chunked":
            handler.end_headers()
            for piece in reply.body:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(0.02)  # the end comes a moment later
            handler.wfile.write(b"0\r\n\r\n")
            return
        if isinstance(reply.body, Iterator):
            handler.send_header("Connection", "close")
            handler.end_headers()
            handler.close_connection = True
            try:
                for piece in reply.body:
                    handler.wfile.write(piece)
                    handler.wfile.flush()
            except OSError:
                self.broken.set()
            return
        body = reply.body if isinstance(reply.body, bytes | str) else json.dumps(reply.body)
        content = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


def chat(content: Any, reason: Any = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion; without a reason (``...``) it has no such key."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    if reason is not ...:
        choice["finish_reason"] = reason
    usage = {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def good(body: dict[str, Any]) -> str:
    """What a well-behaved model answers."""
    return OpenAIServer.content(body, "ok")


def events(values: Iterable[Any]) -> Iterator[bytes]:
    """Values as server-sent events; text stands as it is."""
    for value in values:
        yield f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


def pieces(content: str, reason: Any = "stop") -> list[Any]:
    """A streamed completion in two pieces and an end."""
    half = len(content) // 2

    def piece(delta: dict[str, Any], end: Any = None) -> dict[str, Any]:
        return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}

    parts = [piece({"role": "assistant", "content": content[:half]}), piece({"content": content[half:]})]
    return [*parts, piece({}, reason), "[DONE]"] if reason is not ... else [*parts, "[DONE]"]


def trickle(first: bytes, endless: bytes, pause: float = 0.02) -> Iterator[bytes]:
    """A beginning, and then the same few bytes for ever."""
    yield first
    while True:
        time.sleep(pause)
        yield endless
