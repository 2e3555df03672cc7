"""The way to a server: deadlines, limits and cancels on servers that never end; proxies and certificates."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lusifer.errors import CancelledError, ModelError
from lusifer.llm import Endpoint, Message, network, ollama, transport
from lusifer.llm.endpoints import ollama_url
from lusifer.llm.network import is_local, proxy_for, trusted_certificates
from lusifer.llm.openai_compatible import OpenAICompatible
from tests.servers.openai import KEY
from tests.servers.scripted import Reply, ScriptedServer, chat, events, pieces, trickle

ASK = [Message("user", "Rate.")]
VARIABLES = [v for n in ("http", "https", "all", "no") for v in (f"{n}_proxy", f"{n}_proxy".upper())]


@pytest.fixture
def clean(monkeypatch):
    for name in (*VARIABLES, *network.CERTIFICATE_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def model(server: ScriptedServer, **options: Any) -> OpenAICompatible:
    return OpenAICompatible(Endpoint("mine", server.url, KEY, timeout=1), "m", **options)


PIECE = json.dumps(pieces("xx")[0])
ENDLESS = {
    "json": (b'{"choices": [', b" ", "application/json"),
    "events": (b": hello\n\n", f"data: {PIECE}\n\n".encode(), "text/event-stream"),
    "comments": (b": hello\n\n", b": still there\n\n", "text/event-stream"),
    "one-line": (b"data: ", b"x", "text/event-stream"),
    "nothing": (b"", b"", "application/json"),
}


@pytest.mark.parametrize(("first", "endless", "kind"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.timeout(60)
def test_a_trickle_ends(first, endless, kind, streamed) -> None:
    with ScriptedServer(lambda body, n: Reply(trickle(first, endless), kind=kind)) as server:
        with pytest.raises(ModelError) as failed:
            model(server).complete(ASK, **({"on_text": lambda text: None} if streamed else {}))
        assert failed.value.kind == "timeout" and "timeout" in failed.value.fix
        assert not endless or server.broken.wait(30), "and the server is left"


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.timeout(60)
def test_an_answer_without_end_is_left(status, monkeypatch) -> None:
    monkeypatch.setattr(transport, "MAX_BYTES", 100_000)
    flood = trickle(b"{", b"x" * 50_000, 0)
    with ScriptedServer(lambda body, n: Reply(flood, status)) as server:
        with pytest.raises(ModelError) as failed:
            OpenAICompatible(Endpoint("mine", server.url, KEY), "m").complete(ASK)
        assert failed.value.kind == ("invalid" if status == 200 else "server") and len(str(failed.value)) < 2000
        assert server.broken.wait(30)


@pytest.mark.parametrize("way", ["silent", "trickle", "stream", "headers", "flood", "late"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.timeout(60)
def test_a_cancel_ends_a_call(way, streamed, monkeypatch) -> None:
    """Whatever the server does, and also where its answer would come later: nobody waits for it."""
    monkeypatch.setattr(transport, "GRACE_SECONDS", 0.1)
    stopped, released = threading.Event(), threading.Event()

    def script(body: dict[str, Any], n: int) -> Reply:
        stopped.set()
        if way in {"silent", "late"}:
            released.wait(50)
            return Reply(chat("x"))
        if way == "headers":
            return Reply(iter(lambda: released.wait(50) and b"", b""))
        if way == "flood":
            return Reply(trickle(b"{", b" " * 1000, 0.001))
        kind = "text/event-stream" if way == "stream" else "application/json"
        return Reply(trickle(b"data: {}\n\n" if way == "stream" else b"{", b"\n", 0.01), kind=kind)

    with ScriptedServer(script) as server:
        llm = OpenAICompatible(Endpoint("mine", server.url, KEY, timeout=50), "m", stopped.is_set)
        options: dict[str, Any] = {"on_text": lambda text: None} if streamed else {}
        with pytest.raises(CancelledError) as ended:
            llm.complete(ASK, **options)
        assert ended.value.may_be_paid and not released.is_set()
        with pytest.raises(CancelledError) as ended:
            llm.complete(ASK, **options)
        assert not ended.value.may_be_paid and len(server.requests) == 1, "after it no call is made"
        released.set()


def test_an_answer_that_is_on_its_way_when_somebody_cancels_is_kept() -> None:
    stopped = threading.Event()

    def script(body: dict[str, Any], n: int) -> Reply:
        stopped.set()
        return Reply(chat("paid for"))

    with ScriptedServer(script) as server:
        llm = OpenAICompatible(Endpoint("mine", server.url, KEY), "m", stopped.is_set)
        assert llm.complete(ASK).text == "paid for"
        with pytest.raises(CancelledError):
            llm.complete(ASK)
        assert len(server.requests) == 1, "after it no call is made"


def test_a_stream_that_breaks_off_is_none() -> None:
    broken = list(events(pieces("xx", ...)))[:2]
    with ScriptedServer(lambda body, n: Reply(iter(broken), kind="text/event-stream")) as server:
        with pytest.raises(ModelError) as failed:
            model(server).complete(ASK, on_text=lambda text: None)
    assert failed.value.kind == "reset" and failed.value.text == "xx"


# ---- proxies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "0.0.0.0", "app.localhost"])
def test_addresses_of_this_machine_use_no_proxy(clean, host) -> None:
    clean.setenv("HTTP_PROXY", "http://proxy:1")
    clean.setenv("ALL_PROXY", "socks://proxy:2")
    assert is_local(host)
    assert proxy_for(f"http://{f'[{host}]' if host == '::1' else host}:8000/v1") is None
    assert proxy_for("http://gpu-box:8000/v1") == ("http://proxy:1", "HTTP_PROXY")


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("socks://proxy:7891/", "socks5h://proxy:7891"),
        ("socks5://me:pw@proxy:7891", "socks5://me:pw@proxy:7891"),
        ("SOCKS5H://proxy:1", "socks5h://proxy:1"),
        ("proxy:3128", "http://proxy:3128"),
        (" 'http://proxy:3128/' ", "http://proxy:3128"),
    ],
)
def test_forms_of_a_proxy(clean, value, proxy) -> None:
    clean.setenv("all_proxy", value)
    assert proxy_for("https://api.example/v1") == (proxy, "all_proxy")
    transport.client_for("https://api.example/v1")


@pytest.mark.parametrize("value", ["socks4://proxy:1", "ftp://proxy", "http://", "socks5://proxy:port"])
def test_a_proxy_that_cant_be_used_names_its_variable(clean, value) -> None:
    clean.setenv("HTTPS_PROXY", value)
    with pytest.raises(ModelError, match="HTTPS_PROXY") as failed:
        OpenAICompatible(Endpoint("mine", "https://api.example/v1", KEY), "m").complete(ASK)
    assert failed.value.kind == "unreachable" and failed.value.fix


@pytest.mark.parametrize(
    ("excluded", "is_used"),
    [
        ("gpu-box", False),
        (".example, gpu-box:8000", False),
        ("gpu-box:9", True),
        ("*", False),
        ("box", True),
        ("10.0.0.0/8", True),
        ("", True),
    ],
)
def test_hosts_without_a_proxy(clean, excluded, is_used) -> None:
    clean.setenv("http_proxy", "http://proxy:1")
    clean.setenv("NO_PROXY", excluded)
    assert (proxy_for("http://gpu-box:8000") is not None) == is_used
    clean.setenv("NO_PROXY", "10.0.0.0/8,.example")
    assert proxy_for("http://10.2.3.4") is None and proxy_for("http://a.example") is None


def test_a_question_goes_through_the_proxy(clean) -> None:
    with ScriptedServer(lambda body, n: chat("yes")) as proxy:
        clean.setenv("HTTP_PROXY", proxy.address)
        answer = OpenAICompatible(Endpoint("mine", "http://far.example/v1", KEY), "m").complete(ASK)
        assert answer.text == "yes" and proxy.paths == ["http://far.example/v1/chat/completions"]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_a_proxy_that_is_not_there_is_named(clean, variable) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        clean.setenv(variable, f"http://me:planted-secret@127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ModelError, match="through the proxy") as failed:
            OpenAICompatible(Endpoint("mine", "http://far.example/v1", KEY), "m").complete(ASK)
    assert variable in failed.value.fix and "planted-secret" not in repr(failed.value)


def test_a_socks_proxy_is_spoken_to(clean) -> None:
    """A small SOCKS 5 server that answers the question itself, whatever it is connected to."""
    body = json.dumps(chat("by socks")).encode()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(3)
            peer.sendall(b"\x05\x00")
            asked = peer.recv(300)
            peer.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            heard.append(asked)
            peer.recv(65536)
            peer.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            peer.recv(1)

    heard: list[bytes] = []
    threading.Thread(target=serve, daemon=True).start()
    clean.setenv("ALL_PROXY", f"socks://127.0.0.1:{listener.getsockname()[1]}/")
    answer = OpenAICompatible(Endpoint("mine", "http://far.example/v1", KEY), "m").complete(ASK)
    assert answer.text == "by socks" and b"far.example" in heard[0], "and the proxy looks the name up"
    listener.close()


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTP_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_offering_ollama_never_fails(clean, variable) -> None:
    clean.setenv(variable, "/nowhere/certificates.pem" if "PROXY" not in variable else "socks9://nobody:1")
    tags = {"models": [{"model": "a:latest", "digest": "x"}]}
    with ScriptedServer(lambda body, n: tags) as server:
        assert ollama.list_running(Endpoint("ollama", server.address, kind="ollama")) == ["a:latest"]
    for body in ([], {"models": None}, {"models": [None, {}]}, "<html>"):
        with ScriptedServer(lambda sent, n, body=body: body) as server:
            assert ollama.list_running(Endpoint("ollama", server.address, kind="ollama")) == []
    assert ollama.list_running(Endpoint("ollama", "http://[::1:99", kind="ollama")) == []


# ---- certificates -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,DNS:far.example",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


@pytest.mark.parametrize("variable", network.CERTIFICATE_VARIABLES[:3])
def test_a_certificate_of_ones_own(clean, certificate, variable) -> None:
    with ScriptedServer(lambda body, n: chat("yes"), certificate) as server:
        with pytest.raises(ModelError, match="certificate") as failed:
            model(server).complete(ASK)
        assert failed.value.kind == "unreachable" and "SSL_CERT_FILE" in failed.value.fix
        clean.setenv(variable, str(certificate.parent / "cert.pem"))
        assert model(server).complete(ASK).text == "yes"


@contextlib.contextmanager
def encrypted_proxy(certificate: Path, server: str, *, most_bytes: int = 2**40) -> Iterator[str]:
    """The address of a proxy that speaks TLS and connects everybody to one server; it reads so many bytes at most."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["http/1.1"])
    ended = threading.Event()

    def carry(source: socket.socket, target: socket.socket, most: int) -> None:
        with contextlib.suppress(OSError):
            while most > 0 and (piece := source.recv(65536)):
                target.sendall(piece)
                most -= len(piece)
            ended.wait(60)

    def serve(caller: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(caller, server_side=True) as inside:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += inside.recv(1)
            asked.append(head.split(b"\r\n")[0].decode())
            with socket.create_connection((urlsplit(server).hostname, urlsplit(server).port)) as outside:
                inside.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=carry, args=(outside, inside, 2**40), daemon=True).start()
                carry(inside, outside, most_bytes)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
    assert set(asked) == {"CONNECT far.example:443 HTTP/1.1"}


@pytest.mark.parametrize("variable", network.CERTIFICATE_VARIABLES[:3])
def test_an_encrypted_proxy_leads_to_an_encrypted_server(clean, certificate, variable) -> None:
    """Both are verified by the certificate that a variable names."""
    clean.setenv(variable, str(certificate.parent / "cert.pem"))
    with ScriptedServer(lambda body, n: chat("yes"), certificate) as server:
        with encrypted_proxy(certificate, server.address) as proxy:
            clean.setenv("HTTPS_PROXY", proxy)
            llm = OpenAICompatible(Endpoint("mine", "https://far.example/v1", KEY), "m")
            assert [llm.complete(ASK).text for _ in range(3)] == ["yes"] * 3
            long = [Message("user", "x" * 3_000_000)]
            assert llm.complete(long).text == "yes"
        assert len(server.requests[-1]["messages"][0]["content"]) == 3_000_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("way", ["cancel", "deadline"])
def test_an_encrypted_proxy_that_stops_reading_is_left(clean, certificate, way, monkeypatch) -> None:
    monkeypatch.setattr(transport, "GRACE_SECONDS", 0.1)
    clean.setenv("SSL_CERT_FILE", str(certificate.parent / "cert.pem"))
    stopped, long = threading.Event(), [Message("user", "x" * 30_000_000)]
    before = set(threading.enumerate())
    with (
        ScriptedServer(lambda body, n: chat("yes"), certificate) as server,
        encrypted_proxy(certificate, server.address, most_bytes=100_000) as proxy,
    ):
        clean.setenv("HTTPS_PROXY", proxy)
        seconds = 600 if way == "cancel" else 2
        llm = OpenAICompatible(Endpoint("mine", "https://far.example/v1", KEY, timeout=seconds), "m", stopped.is_set)
        if way == "cancel":
            threading.Timer(1.0, stopped.set).start()
        with pytest.raises((CancelledError, ModelError)) as failed:
            llm.complete(long)
        assert isinstance(failed.value, CancelledError) == (way == "cancel")
        writers = [t for t in set(threading.enumerate()) - before if t.name == "lusifer-connect"]
        for thread in writers:
            thread.join(30)
        assert not any(t.is_alive() for t in writers)


@pytest.mark.parametrize("variable", network.CERTIFICATE_VARIABLES)
@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_certificate_file_that_is_none_names_its_variable(clean, tmp_path, variable, content) -> None:
    file = tmp_path / "ca.pem"
    if content and variable != "SSL_CERT_DIR":
        file.write_text(content)
    clean.setenv(variable, str(file))
    with pytest.raises(ModelError, match=variable) as failed:
        OpenAICompatible(Endpoint("mine", "https://api.example/v1", KEY), "m").complete(ASK)
    assert failed.value.kind == "unreachable" and str(file) in failed.value.message
    assert trusted_certificates("http://box/v1") is True, "where nothing is verified none is needed"


def test_a_server_without_tls_is_named(clean) -> None:
    with ScriptedServer(lambda body, n: chat("yes")) as server:
        with pytest.raises(ModelError, match="http://") as failed:
            OpenAICompatible(Endpoint("mine", server.url.replace("http", "https"), KEY), "m").complete(ASK)
    assert failed.value.kind == "unreachable"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        (":99", "http://127.0.0.1:99"),
        ("0.0.0.0:99", "http://127.0.0.1:99"),
        ("'box'", "http://box:11434"),
        (" box:99 ", "http://box:99"),
        ("http://box", "http://box:80"),
        ("https://box", "https://box:443"),
        ("https://box:1/ollama/", "https://box:1/ollama"),
        ("box/ollama", "http://box:11434/ollama"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::]:99", "http://[::1]:99"),
        ("http://[fe80::1]:99", "http://[fe80::1]:99"),
        ("box:port", "http://box:11434"),
        ("box:99999", "http://box:11434"),
        ("HTTP://Box:1", "http://Box:1"),
    ],
)
def test_forms_of_ollama_host(clean, host, url) -> None:
    clean.setenv("OLLAMA_HOST", host)
    assert ollama_url() == url


@pytest.mark.timeout(300)
def test_nothing_waits_for_a_thread_that_was_left() -> None:
    """A process ends though a server still answers somebody who has left."""
    with ScriptedServer(lambda body, n: Reply(trickle(b"{", b" ", 0.5))) as server:
        code = (
            "from lusifer.llm import Endpoint, Message\nfrom lusifer.llm.openai_compatible import OpenAICompatible\n"
            f"OpenAICompatible(Endpoint('x', {server.url!r}, timeout=1), 'm').complete([Message('user', 'x')])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 1 and "did not answer within 1 seconds" in done.stderr
