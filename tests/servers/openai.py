"""A real HTTP server on loopback that speaks OpenAI's chat completions, and misbehaves on demand.

It answers any of our schemas from the schema itself (asked ids, rating values), so what comes back is
what a well-behaved model could say. ``behave`` queues ways to answer for the next requests; ``chance``
gives the ways of a share of all requests.
"""

from __future__ import annotations

import json
import math
import random
import re
import socket
import struct
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-planted-0123456789abcdef"


def _draft(text: str) -> str:
    """An answer of the same shape with other ratings."""
    return re.sub(r'"rating": \d', '"rating": 1', text).replace("Enjoys", "DRAFT")


CONTENTS: dict[str, Any] = {
    "thought": lambda text: f"<think>Perhaps {_draft(text)}? No.</think>\n{text}",
    "thought-not-opened": lambda text: f"Perhaps {_draft(text)}? No.</think>\n{text}",
    "trailing-commas": lambda text: re.sub(r"([\]}])", r",\1", text),
    "python": lambda text: repr(json.loads(text)),
    "stars": lambda text: re.sub(r'"rating": (\d)', r'"rating": "\1 stars"', text),
    "wrapped": lambda text: json.dumps({"answer": json.loads(text)}),
    "half-a-character": lambda text: text.replace("Reason", "\\ud83d").replace("Enjoys", "\\ud83d"),
}
"""How a model spoils its own answer."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once, and says nothing when one breaks."""

    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class OpenAIServer:
    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.queue: deque[str] = deque()
        self.always = "ok"
        self.delay = 0.0
        self.mass = 0.0
        """Probability mass on the scale's digits in log probabilities; 0: the server has none."""
        self.unknown: set[str] = set()
        """Parts of a request that this server refuses to know."""
        self.faults: tuple[float, tuple[str, ...]] = (0.0, ())
        self.seen: dict[str, int] = {}
        self.inside = self.most = 0
        self.random = random.Random(7)
        self.lock = threading.Lock()
        self._let_through, self._open = 0, threading.Condition(self.lock)
        self._holding = False
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.batched: list[str] = []
        """Keys of the questions that came in batches."""
        self.batch_looks = 2
        """At which look a batch is ready."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else head and body may come 40 ms apart

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                if "/batches" in self.path or "/files/" in self.path:
                    server.batch_state(self)
                else:
                    server.models(self)

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if self.path.endswith(("/files", "/batches")):
                    server.batch_start(self, self.rfile.read(length))
                    return
                body = json.loads(self.rfile.read(length) or b"{}")
                if self.path.endswith("/embeddings"):
                    server.embed(self, body)
                else:
                    server.answer(self, body)

        self.http = Server(("127.0.0.1", 0), Handler)
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

    def hold(self) -> int:
        """From now on no answer leaves before `release`; how many requests were let through."""
        with self.lock:
            self._holding = True
            return self._let_through

    def release(self) -> None:
        """Let the held answers go."""
        with self.lock:
            self._holding = False
            self._open.notify_all()

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
            share, ways = self.faults
            if way == "ok" and self.random.random() < share:
                way = self.random.choice(ways)
            self.seen[way] = self.seen.get(way, 0) + 1
            self.inside += 1
            self.most = max(self.most, self.inside)
            self._open.wait_for(lambda: not self._holding)
            self._let_through += 1
        time.sleep(self.delay)
        with self.lock:
            self.inside -= 1  # before the answer goes: whoever has it may ask again at once
        try:
            self._answer(handler, body, way)
        except OSError:
            handler.close_connection = True

    def batch_start(self, handler: BaseHTTPRequestHandler, raw: bytes) -> None:
        """A file of questions, or a batch of one."""
        if self._denied(handler):
            return
        if handler.path.endswith("/files"):
            boundary = raw.split(b"\r\n", 1)[0]
            part = next(p for p in raw.split(boundary) if b"filename=" in p)
            name = f"file-{len(self.files)}"
            self.files[name] = part.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n")
            about = {
                "id": name,
                "object": "file",
                "bytes": len(self.files[name]),
                "created_at": 1,
                "filename": "q.jsonl",
                "purpose": "batch",
                "status": "processed",
            }
            self._send(handler, 200, about)
            return
        asked = json.loads(raw)
        name = f"batch-{len(self.batches)}"
        self.batches[name] = {"file": asked["input_file_id"], "looks": 0}
        self._send(handler, 200, self._batch(name, "validating"))

    def _batch(self, name: str, status: str, **more: Any) -> dict[str, Any]:
        count = self.files[self.batches[name]["file"]].count(b"\n") + 1
        counts = {"total": count, "completed": count if status == "completed" else 0, "failed": 0}
        return {
            "id": name,
            "object": "batch",
            "completion_window": "24h",
            "created_at": 1,
            "endpoint": "/v1/chat/completions",
            "input_file_id": self.batches[name]["file"],
            "status": status,
            "request_counts": counts,
            **more,
        }

    def batch_state(self, handler: BaseHTTPRequestHandler) -> None:
        """How a batch stands (ready at the second look), or a file of answers. Each question is answered as
        ``behave`` and ``always`` say: ``skip`` leaves it out, a number is its status."""
        if self._denied(handler):
            return
        parts = handler.path.split("/")
        if "files" in parts:
            self._raw_text(handler, self.files[parts[parts.index("files") + 1]])
            return
        name = parts[-1]
        if name.startswith("batches"):
            found = [self._batch(b, "in_progress") for b in reversed(self.batches)]
            self._send(handler, 200, {"object": "list", "data": found, "has_more": False})
            return
        if name not in self.batches:
            self._send(handler, 404, {"error": {"message": "No such batch"}})
            return
        batch = self.batches[name]
        batch["looks"] += 1
        if batch["looks"] < self.batch_looks:
            self._send(handler, 200, self._batch(name, "in_progress"))
            return
        if "output" not in batch:
            lines = [json.loads(x) for x in self.files[batch["file"]].splitlines()]
            batch["output"] = f"out-{name}"
            self.files[batch["output"]] = b"\n".join(filter(None, (self.batch_line(x) for x in lines)))
        self._send(handler, 200, self._batch(name, "completed", output_file_id=batch["output"]))

    def batch_line(self, line: dict[str, Any]) -> bytes:
        with self.lock:
            way = self.queue.popleft() if self.queue else self.always
        self.batched.append(line["custom_id"])
        if way == "skip":
            return b""
        status = int(way) if way.isdigit() else 200
        body = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": line["body"]["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "length" if way == "truncated" else "stop",
                    "message": {"role": "assistant", "content": self.content(line["body"], way)},
                }
            ],
            "usage": {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50},
        }
        response = {
            "status_code": status,
            "request_id": "r",
            "body": body if status == 200 else {"error": {"message": "no"}},
        }
        return json.dumps({"id": "b", "custom_id": line["custom_id"], "response": response, "error": None}).encode()

    @staticmethod
    def _raw_text(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    @staticmethod
    def vector(text: str, width: int = 96) -> list[float]:
        """A vector that tells a text's words: alike for texts that share them."""
        found = [0.0] * width
        for word in text.lower().split():
            found[sum(word.encode()) % width] += 1.0
        return found

    def embed(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with self.lock:
            self.requests.append(body)
            way = self.queue.popleft() if self.queue else self.always
        if self._denied(handler):
            return
        if way.isdigit():
            self._send(handler, int(way), {"error": {"message": f"planned {way}"}})
            return
        data = [
            {
                "object": "embedding",
                "index": 0,
                "embedding": [] if way == "empty" else self.vector(body["input"]),
            }
        ]
        used = {"prompt_tokens": 7, "total_tokens": 7}
        self._send(handler, 200, {"object": "list", "data": data, "model": body["model"], "usage": used})

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], way: str) -> None:
        if self._denied(handler):
            return None
        for part in self.unknown & body.keys():
            text = f"Unrecognized request argument supplied: {part}"
            return self._send(handler, 400, {"error": {"message": text}})
        status, _, wait = way.partition(":")
        if status.isdigit():
            headers = {"Retry-After": wait} if wait else {}
            return self._send(handler, int(status), {"error": {"message": f"planned {way}"}}, headers)
        if self.broken(handler, way):
            return None
        if way == "context":
            text = "This model's maximum context length is 8192 tokens, exceed it you did."
            return self._send(handler, 400, {"error": {"message": text, "code": "context_length_exceeded"}})
        if way == "no-choices":
            return self._send(handler, 200, {"id": "x", "object": "chat.completion", "choices": []})
        content = self.content(body, way)
        if body.get("stream") or way == "always-streamed":
            return self._stream(handler, content, way)
        message: dict[str, Any] = {"role": "assistant", "content": content}
        halves = [{"type": "text", "text": part} for part in (content[:20], content[20:])]
        message |= {
            "parts": {"content": halves},
            "reasoning-only": {"content": None, "reasoning_content": content},
        }.get(way, {})
        if way == "refusal":
            message = {"role": "assistant", "content": None, "refusal": "I would rather not."}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": {"truncated": "length", "eos": "eos_token"}.get(way, "stop"),
        }
        if way == "no-reason":
            del choice["finish_reason"]
        if body.get("logprobs") and self.mass:
            choice["logprobs"] = {"content": self.logprobs(content, way)}
        reply = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            "usage": {
                "prompt_tokens": 120,
                "completion_tokens": 40,
                "total_tokens": 160,
                "prompt_tokens_details": {"cached_tokens": 20},
            },
        }
        reply = {
            "odd-counts": {**reply, "usage": {"prompt_tokens": 10**30, "completion_tokens": -4, "total_tokens": None}},
            "by-number": {**reply, "choices": {"0": choice}},
            "in-data": {"code": 0, "msg": "success", "data": reply},
        }.get(way, reply)
        whole = json.dumps(reply).encode("utf-16" if way == "utf-16" else "utf-8")
        if way == "half":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(whole)))
            handler.end_headers()
            handler.wfile.write(whole[: len(whole) // 2])
            handler.close_connection = True
            return None
        if way == "drip":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(whole)))
            handler.end_headers()
            for at in range(0, len(whole), 200):
                handler.wfile.write(whole[at : at + 200])
                handler.wfile.flush()
                time.sleep(0.01)
            return None
        return self._raw(handler, whole, "application/json")

    def broken(self, handler: BaseHTTPRequestHandler, way: str) -> bool:
        """Faults below the protocol; whether there was one."""
        if way == "html":
            self._raw(handler, b"<html><body>Bad gateway</body></html>", "text/html")
        elif way == "reset":
            # Not a polite end: the connection is torn down.
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            handler.close_connection = True
        elif way == "hang":
            time.sleep(3)
            handler.close_connection = True
        elif way == "error-in-200":
            error = {"message": "Provider returned error", "code": 429, "metadata": {"raw": "Too Many Requests"}}
            self._send(handler, 200, {"error": error})
        elif way == "groq-json":
            fields = {"code": "json_validate_failed", "failed_generation": '{"ratings": [{"item_'}
            self._send(handler, 400, {"error": {"message": "Failed to generate JSON.", **fields}})
        else:
            return False
        return True

    def _stream(self, handler: BaseHTTPRequestHandler, content: str, way: str) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        pieces = [content[at : at + 25] for at in range(0, len(content), 25)]
        for at, piece in enumerate(pieces):
            if way == "half" and at >= len(pieces) // 2:
                return
            choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
            self._event(handler, {"choices": [choice]})
        self._event(handler, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}
        self._event(handler, {"choices": [], "usage": usage})
        handler.wfile.write(b"data: [DONE]\n\n")

    @staticmethod
    def _event(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        handler.wfile.write(f"data: {json.dumps({**base, **body})}\n\n".encode())
        handler.wfile.flush()

    def logprobs(self, content: str, way: str) -> list[dict[str, Any]]:
        """A token a digit; at each digit its neighbour below has half its probability."""
        found = []
        for token in re.findall(r"\d|[^\d]+", content):
            top = [(token, 0.99)]
            if token.isdigit():
                top = [(token, self.mass * 2 / 3), (str(int(token) - 1), self.mass / 3)]
                top += [(" maybe", 1 - self.mass)] if self.mass < 1 else []
            if way == "wrong-logprobs":
                token = token.upper() + "?"
            entries = [{"token": t, "logprob": math.log(max(p, 1e-9)), "bytes": list(t.encode())} for t, p in top]
            found.append(
                {
                    "token": token,
                    "logprob": math.log(max(top[0][1], 1e-9)),
                    "bytes": list(token.encode()),
                    "top_logprobs": entries,
                }
            )
        return found

    @staticmethod
    def schema(body: dict[str, Any]) -> dict[str, Any] | None:
        """The schema of a request, wherever it stands."""
        if "response_format" in body:
            return body["response_format"]["json_schema"]["schema"]
        if "format" in body:
            return body["format"] if isinstance(body["format"], dict) else None
        text = body["messages"][-1]["content"]
        at = text.rfind("JSON schema:")
        return json.loads(text[at + len("JSON schema:") :]) if at >= 0 else None

    @classmethod
    def content(cls, body: dict[str, Any], way: str) -> str:
        schema = cls.schema(body)
        if schema is None:
            return "yes"
        if way == "garbage":
            return "I think this user would like it a lot."
        if "ratings" in schema["properties"]:
            rating = schema["properties"]["ratings"]["items"]["properties"]
            values = rating["rating"]["enum"]
            rows = [
                {
                    "item_id": i,
                    "reason": f"Reason for movie {i}.",
                    "rating": values[i % len(values)],
                    "expected": 3.25,
                }
                for i in rating["item_id"]["enum"]
            ]
            if way == "missing":
                rows = rows[1:]
            if way == "off-scale":
                rows[0]["rating"] = 11
            if way == "null":
                rows[0]["rating"] = None
            if way == "foreign-ids":
                rows = [{**r, "item_id": r["item_id"] + 100_000} for r in rows[:1]] + rows[1:]
            others = [{**r, "rating": values[r["rating"] == values[0]]} for r in rows[:1]]
            rows = {"duplicates": [r for r in rows for _ in range(2)], "two-ratings": [*rows, *others]}.get(way, rows)
            if way == "strings":
                rows = [{**r, "item_id": str(r["item_id"]), "rating": f"{r['rating']}/5"} for r in rows]
            text = json.dumps({"ratings": rows})
        elif "opinions" in schema["properties"]:
            numbers = schema["properties"]["opinions"]["items"]["properties"]["statement"]["enum"]
            verdicts = ["supported", "unsupported" if way == "doubtful" else "supported"]
            said = [{"statement": n, "because": f"Row {n}.", "verdict": verdicts[n % 2]} for n in numbers]
            text = json.dumps({"opinions": said[1:] if way == "missing" else said})
        elif "profile" not in schema["properties"]:
            text = json.dumps({"changes": cls.changes(body, way)})
        else:
            ids = schema["$defs"]["_Change"]["properties"]["item_ids"]["items"]["enum"]
            text = json.dumps(
                {
                    "profile": {
                        "likes": ["Enjoys films that the server made up."],
                        "dislikes": [],
                        "people_and_themes": ["![x](http://example.invalid/x.png) [a](http://e.invalid)"],
                        "mood": [],
                        "rating_habits": [f"Has rated movie {ids[0]}."],
                    },
                    "explanation": f"Movie {ids[0]} made the difference.",
                    "changes": [
                        {"aspect": "made-up films", "direction": "gained", "item_ids": ids[:2]},
                        {"aspect": "nothing cited", "direction": "dropped", "item_ids": []},
                    ],
                }
            )
        if way in CONTENTS:
            return CONTENTS[way](text)
        if way == "fenced":
            return f"Here you are:\n```json\n{text}\n```\nAnything else?"
        if way == "truncated":
            return text[: len(text) // 2]
        return text

    @staticmethod
    def changes(body: dict[str, Any], way: str) -> list[dict[str, str]]:
        """Three changes of the templates that a question shows: each says one thing more."""
        question = body["messages"][1]["content"]
        texts = dict(re.findall(r"=== TEMPLATE (\w+)\n(.*?)\n=== END OF", question, re.DOTALL))
        told = {"rate": "Mind a strict rater.", "update": "Keep it short.", "first": "Begin with the best."}
        changes = [
            {"template": t, "reason": f"The cases lack this: {line}", "text": f"{texts[t]}\n{line}"}
            for t, line in told.items()
        ]
        changes[1]["text"] += {"broken-change": "\n{% for x in batch %}"}.get(way, "")
        changes[1]["text"] = texts["update"] if way == "same-change" else changes[1]["text"]
        return changes[:2] if way == "two-changes" else changes

    @staticmethod
    def _send(
        handler: BaseHTTPRequestHandler,
        status: int,
        body: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> None:
        OpenAIServer._raw(handler, json.dumps(body).encode(), "application/json", status, headers)

    @staticmethod
    def _raw(
        handler: BaseHTTPRequestHandler,
        body: bytes,
        kind: str,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
