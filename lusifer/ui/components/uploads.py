"""What comes in by a page's upload: held against its limit here, since the browser's is only the browser's word."""

from __future__ import annotations

from streamlit.runtime.uploaded_file_manager import UploadedFile

from lusifer.errors import InvalidInputError


def read_upload(file: UploadedFile, most: int) -> bytes:
    """The content of an uploaded file.

    Raises:
        InvalidInputError: it has more bytes than ``most``.
    """
    if file.size > most:
        raise InvalidInputError(f"{file.name[:60]} has more than {most / 1e6:g} MB.", "Upload a smaller file.")
    return file.getvalue()
