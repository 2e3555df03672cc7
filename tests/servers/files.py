"""A real HTTP server on loopback that serves bytes, slowly or broken off on demand."""

from __future__ import annotations

import hashlib
import io
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class FileServer:
    """Serves ``files`` by path. ``cut`` ends each answer after so many bytes, ``pause`` slows it."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str]] = {}
        self.asked: list[str] = []
        self.cut: int | None = None
        self.pause = 0.0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                server.asked.append(self.path)
                found = server.files.get(self.path.partition("#")[0])
                if found is None:
                    self.send_error(404)
                    return
                body, kind = found
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                body = body[: server.cut] if server.cut is not None else body
                for at in range(0, len(body), 65536):
                    self.wfile.write(body[at : at + 65536])
                    time.sleep(server.pause)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)

    def __enter__(self) -> FileServer:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def add(self, path: str, body: bytes, kind: str = "application/octet-stream") -> str:
        """Serve a body at a path; returns its address."""
        self.files[path] = (body, kind)
        return self.url + path

    def add_index(self, wheel: bytes, name: str = "recbole-1.2.1-py3-none-any.whl") -> str:
        """A simple package index with one wheel; returns the index's address."""
        digest = hashlib.sha256(wheel).hexdigest()
        self.add(f"/files/{name}", wheel)
        page = f'<!DOCTYPE html><a href="/files/{name}#sha256={digest}">{name}</a>'
        self.add(f"/simple/{name.split('-')[0]}/", page.encode(), "text/html")
        return f"{self.url}/simple/"


def wheel_of(folder: Path, names: tuple[str, ...] = (".inter", ".item", ".user")) -> bytes:
    """A wheel laid out as RecBole's, with these data files in it and nothing to run."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as wheel:
        for ending in names:
            source = folder / f"ml-100k{ending}"
            wheel.write(source, f"recbole/dataset_example/ml-100k/{source.name}")
        info = "recbole-1.2.1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return out.getvalue()


def zip_of(folder: Path) -> bytes:
    """A zip laid out as GroupLens' own, with a path that must not be unpacked."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(folder.iterdir()):
            if source.is_file():
                archive.write(source, f"ml-100k/{source.name}")
        archive.writestr("ml-100k/../../escaped.txt", "no")
    return out.getvalue()
