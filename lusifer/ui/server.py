"""The app's server: Streamlit's, told what it must not do before it answers anybody.

``python -m lusifer.ui.server run app.py …`` takes what ``streamlit run`` takes. Where somebody starts ``streamlit run
app.py`` itself, the first session does the same.
"""

from __future__ import annotations

import logging

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


def main() -> None:
    """Streamlit's command line."""
    from streamlit.web.cli import main as run

    settings.configure_logging()
    guard()
    run(prog_name="streamlit")


if __name__ == "__main__":
    main()
