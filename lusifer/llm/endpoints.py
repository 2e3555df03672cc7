"""Where language models are: named endpoints, and what a model spec means.

An endpoint is declared in the environment or in ``.streamlit/secrets.toml``::

    [endpoints.vllm]
    url = "http://gpu-box:8000/v1"
    key = "…"                # or key_env = "VLLM_KEY"; left out where none is needed
    workers = 32             # calls at a time, at most
    requests_a_minute = 500
    tokens_a_minute = 200000

    LUSIFER_ENDPOINT_VLLM_URL=http://gpu-box:8000/v1     # the same by variables
    LUSIFER_ENDPOINT_VLLM_KEY=…

``openai`` is there from the start (``OPENAI_API_KEY``, ``OPENAI_BASE_URL``), as are ``ollama``
(``OLLAMA_HOST``), ``file``, a model file on this machine, ``recorded``, the recordings (`lusifer.llm.recordings`), and
``files``, whatever answers questions that are handed over as files (`lusifer.llm.batch_files`).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lusifer import settings
from lusifer.errors import InvalidInputError

OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_URL = "http://127.0.0.1:11434"
Kind = Literal["openai", "ollama", "file", "recorded", "files"]
_VARIABLE = re.compile(r"LUSIFER_ENDPOINT_([A-Z0-9_]+?)_(URL|KEY|WORKERS|RPM|TPM)$")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*$")


@dataclass(frozen=True)
class Endpoint:
    """One server. ``key`` is kept out of every text that Python makes of it.

    ``workers`` is the most calls at a time; ``rpm`` and ``tpm`` are requests and tokens a minute,
    ``None`` for no limit of ours.
    """

    name: str
    url: str
    key: str = field(default="", repr=False, compare=False)
    kind: Kind = "openai"
    workers: int = 64
    rpm: int | None = None
    tpm: int | None = None

    @property
    def usable(self) -> bool:
        """Whether a call has a chance: OpenAI itself answers nobody without a key."""
        return bool(self.key) or self.url != OPENAI_URL


def load_endpoints(keys: Mapping[str, str] | None = None) -> dict[str, Endpoint]:
    """All endpoints by name.

    Args:
        keys: keys by endpoint name that go before the configured ones (a session's own).

    Raises:
        InvalidInputError: ``secrets.toml`` can't be read, or declares an endpoint without an address.
    """
    secrets = _secrets()
    endpoints: dict[str, Endpoint] = {
        "openai": Endpoint(
            "openai",
            (os.environ.get("OPENAI_BASE_URL") or secrets.get("OPENAI_BASE_URL") or OPENAI_URL).rstrip("/"),
            os.environ.get("OPENAI_API_KEY") or str(secrets.get("OPENAI_API_KEY") or ""),
        )
    }
    for name, fields in {**_from_file(secrets), **_from_environment()}.items():
        url = str(fields.get("url") or "").strip().rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise InvalidInputError(
                f"The endpoint {name!r} has no URL.",
                f"Set a URL that starts with http:// or https:// "
                f"(LUSIFER_ENDPOINT_{name.upper()}_URL, or url in secrets.toml).",
            )
        endpoints[name] = Endpoint(
            name,
            url,
            str(fields.get("key") or os.environ.get(str(fields.get("key_env")), "")),
            workers=_count(name, "workers", fields) or 64,
            rpm=_count(name, "requests_a_minute", fields),
            tpm=_count(name, "tokens_a_minute", fields),
        )
    # Ollama works one or a few requests at a time and queues the rest.
    endpoints["ollama"] = Endpoint("ollama", ollama_url(), kind="ollama", workers=8)
    endpoints["file"] = Endpoint("file", "", kind="file", workers=4)
    endpoints["recorded"] = Endpoint("recorded", "", kind="recorded")
    endpoints["files"] = Endpoint("files", "", kind="files")
    return {n: replace(e, key=((keys or {}).get(n) or e.key).strip()) for n, e in endpoints.items()}


def ollama_url() -> str:
    """``OLLAMA_HOST`` as an address, else Ollama's usual place on this machine."""
    host = (os.environ.get("OLLAMA_HOST") or "").strip().rstrip("/")
    if not host:
        return OLLAMA_URL
    if "://" not in host:
        host = f"http://{host}"
    # 0.0.0.0 is where a server listens, not where a client connects to.
    host = host.replace("//0.0.0.0", "//127.0.0.1")
    return host if re.search(r":\d+$", host) else f"{host}:11434"


def resolve(spec: str, keys: Mapping[str, str] | None = None) -> tuple[Endpoint, str]:
    """The endpoint and the model that a spec names (``ENDPOINT:MODEL``).

    Raises:
        InvalidInputError: it names none.
    """
    name, _, model = spec.partition(":")
    endpoints = load_endpoints(keys)
    if name not in endpoints or not model.strip():
        raise InvalidInputError(
            f"{spec!r} names no model.",
            f"Give builtin, or ENDPOINT:MODEL with one of the endpoints {', '.join(endpoints)}.",
        )
    return endpoints[name], model.strip()


def _secrets() -> dict[str, Any]:
    file = settings.home_dir() / ".streamlit" / "secrets.toml"
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The text of a TOML error names line and column and nothing of what stands there.
        raise InvalidInputError(f"{file} can't be read: {error}.", "Fix it, or move it away.") from None


def _from_file(secrets: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    tables = secrets.get("endpoints") or {}
    for name, fields in tables.items() if isinstance(tables, dict) else ():
        if not _NAME.match(str(name)) or not isinstance(fields, dict):
            raise InvalidInputError(
                f"secrets.toml has an endpoint named {name!r}.",
                "Names have lower-case letters, digits, dots and hyphens; the settings are a table.",
            )
    return {str(k): dict(v) for k, v in tables.items()} if isinstance(tables, dict) else {}


def _from_environment() -> dict[str, dict[str, Any]]:
    names = {"URL": "url", "KEY": "key", "WORKERS": "workers", "RPM": "requests_a_minute", "TPM": "tokens_a_minute"}
    fields: dict[str, dict[str, Any]] = {}
    for variable, value in os.environ.items():
        match = _VARIABLE.match(variable)
        if match and value:
            fields.setdefault(match[1].lower(), {})[names[match[2]]] = value
    return fields


def _count(endpoint: str, field: str, fields: Mapping[str, Any]) -> int | None:
    value = fields.get(field)
    if value is None:
        return None
    text = str(value).strip()
    # A limit that is mistyped and so ignored would be paid for.
    if not text.isdecimal() or int(text) < 1:
        raise InvalidInputError(
            f"The endpoint {endpoint!r} has {text!r} for {field}.",
            "Give a whole number of at least 1, or omit it.",
        )
    return int(text)
