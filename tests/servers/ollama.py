"""A real HTTP server on loopback that speaks Ollama's protocol; held against recorded answers of one."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.servers.openai import OpenAIServer, Server

STAMP = "2026-11-23T13:04:48.487098281Z"


class OllamaServer(OpenAIServer):
    """``behave`` as its base; further ways: ``not-done`` (a stream that ends early)."""

    def __init__(self) -> None:
        super().__init__()
        self.http.server_close()
        self.models_there = ["qwen05:latest"]
        self.digest = "f47d5c74a2d5482eb1dfbfd30552d581d5a3b129bc44bd48e8fb1733e406099a"
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                server.get(self)

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                if self.path == "/api/pull":
                    server.pull(self, body)
                elif self.path == "/api/embed":
                    server.requests.append(body)
                    vector = server.vector(body["input"], 64)
                    server._json(
                        self,
                        {"model": body["model"], "embeddings": [vector], "prompt_eval_count": 5},
                    )
                else:
                    server.answer(self, body)

        self.http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        import threading

        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/":
            return self._raw(handler, b"Ollama is running", "text/plain; charset=utf-8")
        if handler.path == "/api/version":
            return self._json(handler, {"version": "0.33.0-local"})
        if handler.path == "/api/ps":
            return self._json(handler, {"models": []})
        models = [
            {
                "name": n,
                "model": n,
                "modified_at": STAMP,
                "size": 491400218,
                "digest": self.digest,
                "details": {
                    "parent_model": "",
                    "format": "gguf",
                    "family": "qwen2",
                    "families": ["qwen2"],
                    "parameter_size": "630.17M",
                    "quantization_level": "Q4_K_M",
                    "context_length": 32768,
                    "embedding_length": 896,
                },
                "capabilities": ["completion"],
            }
            for n in self.models_there
        ]
        return self._json(handler, {"models": models})

    def pull(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        name = body["model"]
        if name == "nope":
            return self._json(handler, {"error": "pull model manifest: file does not exist"}, 500)
        parts = [{"status": "pulling manifest"}]
        parts += [{"status": "pulling abc", "completed": n, "total": 100} for n in (20, 60, 100)]
        self._lines(handler, [*parts, {"status": "success"}])
        self.models_there.append(name)
        return None

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], way: str) -> None:
        if "model" not in body:
            return self._json(handler, {"error": "model is required"}, 400)
        model = body["model"]
        if model not in self.models_there and f"{model}:latest" not in self.models_there:
            return self._json(handler, {"error": f"model '{model}' not found"}, 404)
        if body.get("top_logprobs", 0) > 20:
            return self._json(handler, {"error": "top_logprobs must be between 0 and 20"}, 400)
        kind = body.get("format")
        if isinstance(kind, str) and kind not in {"", "json"}:
            text = f'invalid format: {json.dumps(json.dumps(kind))}; expected "json" or a valid JSON Schema object'
            return self._json(handler, {"error": text}, 500)
        if isinstance(kind, dict) and kind.get("type") == "nonsense":
            return self._json(handler, {"error": '{"error":{"code":400,"message":"JSON schema error"}}'}, 400)
        if way == "context":
            text = (
                '{"error":{"code":400,"message":"request (6030 tokens) exceeds the available context size '
                '(2048 tokens), try increasing it"}}'
            )
            return self._json(handler, {"error": text}, 400)
        if way.isdigit():
            return self._json(handler, {"error": f"planned {way}"}, int(way))
        if self.broken(handler, way):
            return None
        if not body.get("messages"):
            return self._json(
                handler,
                {
                    "model": model,
                    "created_at": STAMP,
                    "message": {"role": "assistant", "content": ""},
                    "done": True,
                    "done_reason": "unload",
                },
            )
        content = self.content(body, way)
        whole: dict[str, Any] = {
            "model": model,
            "created_at": STAMP,
            "message": {"role": "assistant", "content": content},
            "done": True,
            "done_reason": "length" if way == "truncated" else "stop",
        }
        counts = {
            "total_duration": 739579197,
            "load_duration": 905017,
            "prompt_eval_count": 27,
            "prompt_eval_duration": 121262000,
            "eval_count": 10,
            "eval_duration": 611282000,
        }
        if body.get("logprobs") and self.mass:
            whole["logprobs"] = self.logprobs(content, way)
        if body.get("stream") is False:
            return self._json(handler, {**whole, **counts})
        pieces = [content[at : at + 20] for at in range(0, len(content), 20)]
        lines = [
            {"model": model, "created_at": STAMP, "message": {"role": "assistant", "content": p}, "done": False}
            for p in pieces
        ]
        last = {**whole, "message": {"role": "assistant", "content": ""}, **counts}
        return self._lines(handler, lines if way == "not-done" else [*lines, last])

    @classmethod
    def content(cls, body: dict[str, Any], way: str) -> str:
        kind = body.get("format")
        if isinstance(kind, dict) and "rating" in kind.get("properties", {}):
            return '{"rating": 4, "why": "it is good"}'
        return '{"rate": 5}' if kind == "json" else super().content(body, way)

    def _lines(self, handler: BaseHTTPRequestHandler, parts: list[dict[str, Any]]) -> None:
        body = b"".join(json.dumps(p).encode() + b"\n" for p in parts)
        self._raw(handler, body, "application/x-ndjson")

    def _json(self, handler: BaseHTTPRequestHandler, body: Any, status: int = 200) -> None:
        self._raw(handler, json.dumps(body).encode(), "application/json; charset=utf-8", status)
