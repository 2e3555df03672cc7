"""A real HTTP server on loopback that speaks what we use of TMDB's protocol, and misbehaves on demand."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.openai import OpenAIServer, Server

KEY = "0123456789abcdef0123456789planted"
TOKEN = "eyJhbGciOi.eyJhdWQiOiJwbGFudGVk.c2lnbmF0dXJl"
MOVIES: dict[int, dict[str, Any]] = {
    862: {"title": "Toy Story", "original_title": "Toy Story", "release_date": "1995-11-22"},
    902: {
        "title": "The City of Lost Children",
        "original_title": "La Cité des enfants perdus",
        "release_date": "1995-05-16",
    },
    11: {"title": "Star Wars", "original_title": "Star Wars", "release_date": "1977-05-25"},
    5: {"title": "Four Rooms", "original_title": "Four Rooms", "release_date": "1995-12-09"},
    13: {"title": "Léon: Der Profi", "original_title": "Léon", "release_date": "1994-09-14"},
    607: {"title": "Men in Black", "original_title": "Men in Black", "release_date": "1997-07-02"},
    12: {"title": "Finding Something Else", "original_title": "x", "release_date": "2003-01-01"},
}

ALTERNATIVES = {13: ("The Professional", "Leon")}


class TMDBServer(OpenAIServer):
    """``behave`` and ``always`` as its base; ``asked`` holds the paths asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.http.server_close()
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                server.get(self)

        self.http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        with self.lock:
            self.asked.append(handler.path)
            way = self.queue.popleft() if self.queue else self.always
        token = handler.headers.get("Authorization") == f"Bearer {TOKEN}"
        if query.get("api_key") != KEY and not token:
            body = {"success": False, "status_code": 7, "status_message": "Invalid API key."}
            return self._send(handler, 401, body)
        status, _, wait = way.partition(":")
        if status.isdigit():
            body = {"success": False, "status_code": 25, "status_message": "planned"}
            return self._send(handler, int(status), body, {"Retry-After": wait} if wait else {})
        if self.broken(handler, way):
            return None
        if parts.path == "/search/movie":
            words = set(query["query"].lower().split())
            found = [
                {"id": i, **m}
                for i, m in MOVIES.items()
                if words & set(" ".join((m["title"], m["original_title"], *ALTERNATIVES.get(i, ()))).lower().split())
                and ("year" not in query or m["release_date"].startswith(query["year"]))
            ]
            return self._send(handler, 200, {"page": 1, "results": found})
        if parts.path.endswith("/alternative_titles"):
            number = int(parts.path.split("/")[-2])
            others = [{"iso_3166_1": "US", "title": title, "type": ""} for title in ALTERNATIVES.get(number, ())]
            return self._send(handler, 200, {"id": number, "titles": others})
        movie = MOVIES.get(int(parts.path.rsplit("/", 1)[1]))
        if movie is None:
            body = {"success": False, "status_code": 34, "status_message": "Not found."}
            return self._send(handler, 404, body)
        number = int(parts.path.rsplit("/", 1)[1])
        more = {
            "id": number,
            "overview": f"The story of {movie['title']}.",
            "tagline": None,
            "poster_path": f"/poster{number}.jpg",
            "credits": {
                "cast": [{"name": f"Actor {n}"} for n in range(9)],
                "crew": [{"name": "A Writer", "job": "Writer"}, {"name": "A Director", "job": "Director"}],
            },
            "keywords": {"keywords": [{"name": "toy"}, {"name": "friendship"}]},
        }
        return self._send(handler, 200, {**movie, **more})
