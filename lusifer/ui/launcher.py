"""Starting the app: the server, then one session, so that nobody's first request meets a cold start."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from types import FrameType

from lusifer import settings
from lusifer.errors import InvalidInputError

logger = logging.getLogger(__name__)
STOP_SECONDS = 5.0
"""How long the server may take to end after it was asked to; then it is killed."""
LAUNCHER_VARIABLE = "LUSIFER_LAUNCHER"
"""Environment variable with the process that starts a server, which the server does not outlive."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine that no other machine can take."""
WILDCARDS = {"": "localhost", "0.0.0.0": "localhost", "::": "localhost"}  # noqa: S104
"""Addresses that mean every interface, and the one under which this machine reaches them."""


def launch_app(port: int, *, host: str = "localhost", browser: bool = True) -> int:
    """Run the app until it ends, is interrupted or is told to stop; the server's exit code.

    SIGINT, SIGTERM and SIGHUP end the server too, at the latest after `STOP_SECONDS`; where the launcher is killed, the
    server ends by itself.

    Args:
        port: where it answers.
        host: the interface that it answers on; every other than ``localhost`` lets other machines in.
        browser: open a browser window on it.

    Raises:
        InvalidInputError: the address is taken or is none of this machine's.
    """
    check_address(host, port)
    app = settings.app_file()
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "browser.gatherUsageStats": "false",
        # What the server prints as its address. Bound to every interface it would ask an outside service for it.
        "browser.serverAddress": WILDCARDS.get(host, host),
    }
    command = [sys.executable, "-m", "lusifer.ui.server", "run", str(app)]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command += [part for name in allowed_hosts(host) for part in ("--server.allowedHosts", name)]
    # In the app's own folder: a .streamlit/ in the folder that somebody started this from is none of ours.
    environment = settings.child_environment(**{LAUNCHER_VARIABLE: str(os.getpid())})
    child = subprocess.Popen(command, cwd=app.parent, env=environment)
    with _signals_passed_on(child):
        threading.Thread(target=_open_browser, args=(host, port, child, browser), daemon=True).start()
        try:
            code = child.wait()
        except KeyboardInterrupt:
            code = stop_server(child)
    return code if code >= 0 else 128 - code


def allowed_hosts(host: str) -> list[str]:
    """The names by which browsers may ask the server; a page of another site whose name was turned here may not.

    On this machine alone these are its own names and those of ``LUSIFER_HOSTS`` (a proxy's). Where other machines are
    let in, nobody knows how they call this one: all, unless ``LUSIFER_HOSTS`` says which.
    """
    named = settings.allowed_hosts()
    if host in LOOPBACK:
        return [*LOOPBACK, *named]
    return [*LOOPBACK, *([] if host in WILDCARDS else [host]), *named] if named else ["*"]


def stop_server(child: subprocess.Popen[bytes]) -> int:
    """End the server: ask, wait `STOP_SECONDS`, kill. Its exit code; interrupting again kills at once."""
    with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
        child.terminate()
        return child.wait(STOP_SECONDS)
    child.kill()
    return child.wait()


@contextlib.contextmanager
def _signals_passed_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """While this holds, a signal that ends the launcher interrupts its wait, so that the server is ended as well."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last two are POSIX's and Windows' own
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # nohup, a shell's "&"
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if child.poll() is None:
            stop_server(child)


def check_address(host: str, port: int) -> None:
    """Make sure that a server can listen there.

    Raises:
        InvalidInputError: it is taken (the text says by which program, where the system tells), is none of this
            machine's addresses, or may not be used.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError) as error:
        raise InvalidInputError(
            f"{host}:{port} is no address of this machine ({error}).", "Give another --host."
        ) from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # a connection that ended a moment ago takes no address; elsewhere this means more
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                with contextlib.suppress(OSError):
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(address)
                continue
            except OSError as error:
                number, reason = error.errno, error.strerror
        if number == errno.EADDRINUSE:
            raise InvalidInputError(
                f"{address[0]}:{port} is taken by {_describe_listener(port) or 'another program'}.",
                f"Stop it, or give another port: {_other_port(port + 1)}.",
            )
        if number == errno.EACCES:
            raise InvalidInputError(
                f"You may not listen on port {port}.", f"Take one above 1023: {_other_port(max(port, 8501))}."
            )
        if family == socket.AF_INET6 and len(found) > 1:
            continue  # a machine without IPv6 still has the other
        raise InvalidInputError(f"{address[0]} is no address of this machine ({reason}).", "Give another --host.")


def _other_port(port: int) -> str:
    return f"PORT={port} make run, or --port {port}" if settings.checkout_dir() else f"--port {port}"


def _describe_listener(port: int) -> str:
    """The program that listens on a port, as far as the system tells this user; "" where it does not."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (process {connection.pid})"
    return ""


def _open_browser(host: str, port: int, child: subprocess.Popen[bytes], browser: bool) -> None:
    host = WILDCARDS.get(host, host)
    if not wait_until_ready(port, child, host=host):
        return
    warm_up(port, host=host)
    url = _url("http", host, port)
    print(f"Lusifer Explorer is ready at {url} (Ctrl+C stops it)", flush=True)
    if browser:
        webbrowser.open(url)


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def wait_until_ready(
    port: int, child: subprocess.Popen[bytes] | None = None, seconds: float = 60, *, host: str = "localhost"
) -> bool:
    """Wait until the server answers; whether it does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and (child is None or child.poll() is None):
        try:
            with urllib.request.urlopen(f"{_url('http', host, port)}/_stcore/health", timeout=2) as r:
                if r.status == 200:
                    return True
        except OSError:
            time.sleep(0.15)
    return False


def warm_up(port: int, *, host: str = "localhost") -> bool:
    """Open one session and let it run ``app.py`` once.

    Until some session has done so, Streamlit does not know the pages and answers a direct link to
    one with a "page not found" dialog; and imports and data are loaded by then. Whether it worked.
    """
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    message = BackMsg()
    message.rerun_script.query_string = ""
    try:
        with connect(
            f"{_url('ws', host, port)}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
        ) as socket_:
            socket_.send(message.SerializeToString())
            until = time.monotonic() + 30
            while time.monotonic() < until:
                data = socket_.recv(timeout=30)
                answer = ForwardMsg()
                answer.ParseFromString(data if isinstance(data, bytes) else data.encode())
                if answer.WhichOneof("type") == "script_finished":
                    return True
    except Exception as error:  # the app works without; only the first link would be slower
        logger.info("No first session could be opened: %s", error)
        return False
    return False
