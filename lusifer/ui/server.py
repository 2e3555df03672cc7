"""The app's server: Streamlit's, told what it must not do before it answers anybody.

``python -m lusifer.ui.server run app.py …`` takes what ``streamlit run`` takes. Where somebody starts ``streamlit run
app.py`` itself, the first session does the same.
"""

from __future__ import annotations

import logging
import socket

import uvicorn
from streamlit import config, net_util
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from lusifer import settings
from lusifer.llm.budget import PUBLIC_DAY_DOLLARS, SpendingLimit, operator_budget

log = logging.getLogger(__name__)
PUBLIC_UPLOAD_MB = 2
"""The largest file that a stranger may upload, by a field or by the server's own address for uploads."""
PUBLIC_UPLOADS = 4
"""How many files of a session are kept on a public server: with the next one the oldest goes."""
_add_file = MemoryUploadedFileManager.add_file
_start_listening = uvicorn.Server.startup
_guarded: list[bool] = []


def guard() -> None:
    """Keep the server from asking anybody for this machine's address, and bound what strangers leave in its memory.

    Whoever comes with a foreign ``Origin`` makes Streamlit ask an outside service for the address by which other
    networks know this machine, in the thread that answers everybody. Doing this again changes nothing.

    Raises:
        InvalidInputError: a limit or switch of the operator can't be read.
    """
    net_util.get_external_ip = net_util.get_internal_ip = _ask_nobody
    if not settings.is_public() or _guarded:
        return
    day = operator_budget().day
    config.set_option("server.maxUploadSize", PUBLIC_UPLOAD_MB)
    MemoryUploadedFileManager.add_file = _add_public_file  # type: ignore[method-assign, assignment]
    _guarded.append(True)
    if day == SpendingLimit(PUBLIC_DAY_DOLLARS):
        log.warning("Visitors may spend $%g a day, all together. LUSIFER_BUDGET_DAY changes it.", PUBLIC_DAY_DOLLARS)


def _ask_nobody() -> None:
    """In the place of Streamlit's question: the address is not known."""


def _add_public_file(manager: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
    """Keep an uploaded file; the oldest of its session goes for it where there are many."""
    _add_file(manager, session_id, file)
    held = list(manager.file_storage.get(session_id, ()))
    for file_id in held[:-PUBLIC_UPLOADS]:
        manager.remove_file(session_id, file_id)


def send_at_once() -> None:
    """Let the server send what it has to say without waiting for the other side's word (``TCP_NODELAY``).

    A file is sent in two pieces, its headers and itself. Streamlit opens its socket without naming the protocol, so
    asyncio does not know it as TCP's and leaves Nagle's algorithm on: the second piece waits until the browser has
    acknowledged the first, which it puts off by 40 ms. A page takes a hundred files. Doing this again changes nothing.
    """
    uvicorn.Server.startup = _start_undelayed  # type: ignore[method-assign, assignment]


async def _start_undelayed(server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
    """Start as uvicorn does; connections take the option from the socket that they were accepted from."""
    for listening in sockets or ():
        if listening.family in {socket.AF_INET, socket.AF_INET6}:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await _start_listening(server, sockets)


def main() -> None:
    """Streamlit's command line."""
    from streamlit.web.cli import main as run

    settings.configure_logging()
    guard()
    send_at_once()
    run(prog_name="streamlit")


if __name__ == "__main__":
    main()
