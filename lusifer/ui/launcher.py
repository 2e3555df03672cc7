"""Starting the app: the server, then one session, so that nobody's first request meets a cold start."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser

from lusifer import settings
from lusifer.errors import InvalidInputError


def launch_app(port: int, *, browser: bool = True) -> None:
    """Run the app on localhost until it is interrupted.

    Raises:
        InvalidInputError: the port is taken, or ``app.py`` is not here.
    """
    app = settings.project_dir() / "app.py"
    if not app.is_file():
        raise InvalidInputError(f"There is no app.py in {app.parent}.", "Run this in the project's folder.")
    with socket.socket() as probe:
        if probe.connect_ex(("localhost", port)) == 0:
            raise InvalidInputError(f"Port {port} is taken.", f"Stop what uses it, or give another: PORT={port + 1}.")
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(app),
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]
    child = subprocess.Popen(command, cwd=app.parent)
    threading.Thread(target=_open_browser, args=(port, child, browser), daemon=True).start()
    try:
        child.wait()
    except KeyboardInterrupt:
        child.terminate()
        child.wait(10)


def _open_browser(port: int, child: subprocess.Popen[bytes], browser: bool) -> None:
    if not wait_until_ready(port, child):
        return
    warm_up(port)
    print(f"Lusifer Explorer is ready at http://localhost:{port} (Ctrl+C stops it)", flush=True)
    if browser:
        webbrowser.open(f"http://localhost:{port}")


def wait_until_ready(port: int, child: subprocess.Popen[bytes] | None = None, seconds: float = 60) -> bool:
    """Wait until the server answers; whether it does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and (child is None or child.poll() is None):
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2) as r:
                if r.status == 200:
                    return True
        except OSError:
            time.sleep(0.15)
    return False


def warm_up(port: int) -> bool:
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
            f"ws://localhost:{port}/_stcore/stream",
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
    except Exception:  # the app works without; only the first link would be slower
        return False
    return False
