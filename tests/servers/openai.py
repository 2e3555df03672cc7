"""A real HTTP server on loopback that speaks OpenAI's chat completions, and misbehaves on demand.

It answers any of our schemas from the schema itself (asked ids, rating values), so what comes back is
what a well-behaved model could say. ``behave`` queues ways to answer for the next requests.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-planted-0123456789abcdef"


class OpenAIServer:
    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.queue: deque[str] = deque()
        self.always = "ok"
        self.delay = 0.0
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                server.models(self)

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                server.answer(self, json.loads(self.rfile.read(length) or b"{}"))

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)

    def __enter__(self) -> OpenAIServer:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def behave(self, *ways: str) -> None:
        """Queue how the next requests are answered; after that, ``always``."""
        self.queue.extend(ways)

    def models(self, handler: BaseHTTPRequestHandler) -> None:
        if self._denied(handler):
            return
        models = [{"id": n, "object": "model", "created": 0, "owned_by": "test"} for n in "ba"]
        self._send(handler, 200, {"object": "list", "data": models})

    def _denied(self, handler: BaseHTTPRequestHandler) -> bool:
        sent = handler.headers.get("Authorization", "")
        if sent in {f"Bearer {KEY}", "Bearer none"}:
            return False
        shown = sent.removeprefix("Bearer ")
        message = f"Incorrect API key provided: {shown}. Find yours in the settings."
        self._send(handler, 401, {"error": {"message": message, "code": "invalid_api_key"}})
        return True

    def answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with self.lock:
            self.requests.append(body)
            way = self.queue.popleft() if self.queue else self.always
        if self.delay:
            time.sleep(self.delay)
        if self._denied(handler):
            return None
        if way.isdigit():
            return self._send(handler, int(way), {"error": {"message": f"planned {way}"}})
        if way == "html":
            return self._raw(handler, b"<html><body>Bad gateway</body></html>", "text/html")
        if way == "reset":
            handler.close_connection = True
            return None
        if way == "no-choices":
            return self._send(handler, 200, {"id": "x", "object": "chat.completion", "choices": []})
        content = self.content(body, way)
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if way == "refusal":
            message = {"role": "assistant", "content": None, "refusal": "I would rather not."}
        reply = {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [
                {
                    "index": 0, "message": message,
                    "finish_reason": "length" if way == "truncated" else "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160,
                "prompt_tokens_details": {"cached_tokens": 20},
            },
        }  # fmt: skip
        return self._send(handler, 200, reply)

    @staticmethod
    def content(body: dict[str, Any], way: str) -> str:
        schema = body["response_format"]["json_schema"]["schema"]
        if way == "garbage":
            return "I think this user would like it a lot."
        if "ratings" in schema["properties"]:
            rating = schema["properties"]["ratings"]["items"]["properties"]
            rows = [
                {
                    "item_id": i, "reason": f"Reason for movie {i}.",
                    "rating": rating["rating"]["enum"][i % len(rating["rating"]["enum"])],
                    "expected": 3.25,
                }
                for i in rating["item_id"]["enum"]
            ]  # fmt: skip
            if way == "missing":
                rows = rows[1:]
            if way == "off-scale":
                rows[0]["rating"] = 11
            if way == "strings":
                rows = [
                    {**r, "item_id": str(r["item_id"]), "rating": f"{r['rating']}/5"} for r in rows
                ]
            text = json.dumps({"ratings": rows})
        else:
            ids = schema["$defs"]["_Change"]["properties"]["item_ids"]["items"]["enum"]
            text = json.dumps(
                {
                    "profile": {
                        "likes": ["Enjoys films that the server made up."], "dislikes": [],
                        "people_and_themes": ["![x](http://example.invalid/x.png) [a](http://e.invalid)"],
                        "mood": [], "rating_habits": [f"Has rated movie {ids[0]}."],
                    },
                    "explanation": f"Movie {ids[0]} made the difference.",
                    "changes": [
                        {"aspect": "made-up films", "direction": "gained", "item_ids": ids[:2]},
                        {"aspect": "nothing cited", "direction": "dropped", "item_ids": []},
                    ],
                }
            )  # fmt: skip
        if way == "fenced":
            return f"Here you are:\n```json\n{text}\n```\nAnything else?"
        if way == "truncated":
            return text[: len(text) // 2]
        return text

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
        OpenAIServer._raw(handler, json.dumps(body).encode(), "application/json", status)

    @staticmethod
    def _raw(handler: BaseHTTPRequestHandler, body: bytes, kind: str, status: int = 200) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        if status == 429:
            handler.send_header("Retry-After", "0")
        handler.end_headers()
        handler.wfile.write(body)
