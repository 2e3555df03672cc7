"""The child process of `lusifer.llm.local_file`: llama.cpp's server, until the parent is gone.

``python -m lusifer.llm.local_server FILE SLOTS`` prints ``LISTENING http://127.0.0.1:PORT``.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

CONTEXT = 8192
"""Tokens a slot."""


def _end_with_parent() -> None:
    sys.stdin.buffer.read()  # comes back when the parent closes the pipe or dies
    os._exit(0)


def main(path: str, slots: int) -> None:
    """Serve a GGUF file on a free port of loopback."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when the library is loaded
    import xllamacpp

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = slots
    params.n_ctx = CONTEXT * slots
    params.n_predict = 2048
    params.ui = False
    threads = os.cpu_count() or 2
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)
    print("LISTENING", server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
