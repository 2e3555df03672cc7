"""Where language models are: named endpoints, and what a model spec means.

An endpoint is declared in the environment or in ``.streamlit/secrets.toml``::

    [endpoints.vllm]
    url = "http://gpu-box:8000/v1"
    key = "…"                # or key_env = "VLLM_KEY"; left out where none is needed
    workers = 32             # calls at a time, at most
    requests_a_minute = 500
    tokens_a_minute = 200000
    timeout = 600            # seconds for a whole answer
    thinking_tokens = 8192   # what an answer may be longer, for a model that thinks first
    adapt = ["no-logprobs"]  # what is sent otherwise, see `lusifer.llm.adaptations`

    LUSIFER_ENDPOINT_VLLM_URL=http://gpu-box:8000/v1     # the same by variables
    LUSIFER_ENDPOINT_VLLM_KEY=…

``openai`` is there from the start (``OPENAI_API_KEY``, ``OPENAI_BASE_URL``), as are ``ollama``
(``OLLAMA_HOST``) and ``file``, a model file on this machine; their other settings are made in the same way.
``recorded`` are the recordings (`lusifer.llm.recordings`), and ``files`` whatever answers questions that are handed
over as files (`lusifer.llm.batch_files`).
"""

from __future__ import annotations

import base64
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from lusifer import settings
from lusifer.errors import InvalidInputError
from lusifer.llm import adaptations
from lusifer.llm.redact import is_secret_name

OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_URL = "http://127.0.0.1:11434"
THINKING_TOKENS = 8192
"""What an answer of a model that was seen to think may be longer."""
Kind = Literal["openai", "ollama", "file", "recorded", "files"]
_FIELDS = {
    "URL": "url",
    "KEY": "key",
    "WORKERS": "workers",
    "RPM": "requests_a_minute",
    "TPM": "tokens_a_minute",
    "TIMEOUT": "timeout",
    "THINKING_TOKENS": "thinking_tokens",
    "ADAPT": "adapt",
}
"""Endings of variables, and the settings of an endpoint."""
_VARIABLE = re.compile(rf"LUSIFER_ENDPOINT_([A-Z0-9_]+?)_({'|'.join(_FIELDS)})$")
_PASTED = re.compile(r"/(chat/completions|completions|embeddings|models)/*$")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*$")


@dataclass(frozen=True)
class Endpoint:
    """One server. ``key`` is kept out of every text that Python makes of it.

    ``workers`` is the most calls at a time; ``rpm`` and ``tpm`` are requests and tokens a minute,
    ``None`` for no limit of ours. ``timeout`` is in seconds and for a whole answer (``None``: as the protocol has it);
    ``thinking_tokens`` is what an answer may be longer for a model that thinks first (``None``: once it was seen to);
    ``adapt`` are adaptations set by hand (`lusifer.llm.adaptations`).
    """

    name: str
    url: str
    key: str = field(default="", repr=False, compare=False)
    kind: Kind = "openai"
    workers: int = 64
    rpm: int | None = None
    tpm: int | None = None
    timeout: int | None = None
    thinking_tokens: int | None = None
    adapt: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a server must not get us to show or keep: the key, and the password and key that its address holds."""
        address = _parse(self.url)
        if address is None:
            return (self.key,) if self.key else ()
        user, password = unquote(address.username or ""), unquote(address.password or "")
        basic = base64.b64encode(f"{user}:{password}".encode()).decode() if user or password else ""
        keys = [value for name, value in parse_qsl(address.query) if is_secret_name(name)]
        return tuple(s for s in (self.key, password or user, basic, *keys) if s)

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
    openai_url = _address(os.environ.get("OPENAI_BASE_URL") or secrets.get("OPENAI_BASE_URL") or OPENAI_URL)
    _check_address(openai_url, "The endpoint 'openai'", "OPENAI_BASE_URL")
    endpoints: dict[str, Endpoint] = {
        "openai": Endpoint(
            "openai", openai_url, os.environ.get("OPENAI_API_KEY") or str(secrets.get("OPENAI_API_KEY") or "")
        ),
        # Ollama works one or a few requests at a time and queues the rest.
        "ollama": Endpoint("ollama", ollama_url(), kind="ollama", workers=8),
        "file": Endpoint("file", "", kind="file", workers=4),
        "recorded": Endpoint("recorded", "", kind="recorded"),
        "files": Endpoint("files", "", kind="files"),
    }
    builtin = dict(endpoints)
    for name, fields in _merged(_from_file(secrets), _from_environment()).items():
        known = builtin.get(name)
        url = _address(fields.get("url")) if name not in {"ollama", "file"} else ""
        variable = f"LUSIFER_ENDPOINT_{name.upper()}_URL, or url in secrets.toml"
        if known is None and not url.startswith(("http://", "https://")):
            raise InvalidInputError(
                f"The endpoint {name!r} has no URL.", f"Set a URL that starts with http:// or https:// ({variable})."
            )
        _check_address(url, f"The endpoint {name!r}", variable)
        key = str(fields.get("key") or os.environ.get(str(fields.get("key_env")), ""))
        base = known or Endpoint(name, url)
        endpoints[name] = replace(
            base,
            url=url or base.url,
            key=key or base.key,
            workers=_count(name, "workers", fields) or base.workers,
            rpm=_count(name, "requests_a_minute", fields),
            tpm=_count(name, "tokens_a_minute", fields),
            timeout=_count(name, "timeout", fields),
            thinking_tokens=_count(name, "thinking_tokens", fields, least=0),
            adapt=adaptations.parse(fields.get("adapt") or "", name),
        )
    last = ("ollama", "file", "recorded", "files")
    order = sorted(endpoints, key=lambda n: last.index(n) if n in last else -1)
    return {n: replace(endpoints[n], key=((keys or {}).get(n) or endpoints[n].key).strip()) for n in order}


def declare_endpoint(name: str, address: str) -> bool:
    """Declare a server that speaks the OpenAI protocol, for this process and those that it starts.

    Args:
        name: of the endpoint, in small letters.
        address: its URL; what is often pasted with it (quotes, the path of one question) is left out.

    Returns:
        Whether that is another address than before.

    Raises:
        InvalidInputError: it is no address of a server.
    """
    url = _address(address)
    parts = _parse(url)
    usable = parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    if not usable or any(character.isspace() for character in url):
        raise InvalidInputError(
            "This is no address of a server.",
            "Write http:// or https://, the server's name and its port, such as http://localhost:8000/v1.",
        )
    variable = f"LUSIFER_ENDPOINT_{name.upper()}_URL"
    is_new = os.environ.get(variable) != url
    os.environ[variable] = url
    return is_new


def _parse(url: str) -> SplitResult | None:
    """The parts of an address; ``None`` where its port or its IPv6 address is none."""
    try:
        parts = urlsplit(url)
        return parts if parts.port != -1 else None  # looked at here, where it may fail
    except ValueError:
        return None


def _check_address(url: str, whose: str, variable: str) -> None:
    """Hold an address against what one can be; it is not shown, since it may hold a password.

    Raises:
        InvalidInputError: it is none.
    """
    if _parse(url) is None:
        raise InvalidInputError(
            f"{whose} has an address whose server or port can't be read.",
            f"Write it as http://localhost:8000/v1 ({variable}).",
        )


def _address(value: Any) -> str:
    """An address without what is often pasted with it: blanks, quotes, the path of one question."""
    return _PASTED.sub("", str(value or "").strip().strip("'\"").rstrip("/")).rstrip("/")


def _merged(*sources: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings of endpoints; a later source goes before an earlier one, setting by setting."""
    merged: dict[str, dict[str, Any]] = {}
    for source in sources:
        for name, fields in source.items():
            merged[name] = {**merged.get(name, {}), **fields}
    return merged


def ollama_url() -> str:
    """``OLLAMA_HOST`` as an address, in every form that Ollama takes, else Ollama's usual place on this machine.

    ``HOST``, ``HOST:PORT``, ``:PORT``, an IPv6 address with or without brackets, each with or without a scheme and a
    path. Without a port it is Ollama's, or the scheme's where there is one; a port that is none is Ollama's. An address
    on which a server listens everywhere (``0.0.0.0``, ``::``) is asked on this machine.
    """
    value = (os.environ.get("OLLAMA_HOST") or "").strip().strip("'\"").strip()
    scheme, sep, rest = value.partition("://")
    if not sep:
        scheme, rest = "http", value
    scheme = scheme.lower()
    place, slash, path = rest.partition("/")
    port = {"http": "80", "https": "443"}.get(scheme, "11434") if sep else "11434"
    user, at, place = place.rpartition("@")
    if place.count(":") > 1 and "]" not in place:  # an IPv6 address alone
        host = place
    else:
        host, colon, given = place.rpartition(":") if not place.endswith("]") else (place, "", "")
        host = host if colon or place.endswith("]") else place
        if colon:
            port = given if given.isdecimal() and int(given) <= 65535 else "11434"
    host = host.strip("[]") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where a server listens
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{user}{at}{host}:{port}{slash}{path}".rstrip("/")


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
    fields: dict[str, dict[str, Any]] = {}
    for variable, value in os.environ.items():
        match = _VARIABLE.match(variable)
        if match and value:
            fields.setdefault(match[1].lower(), {})[_FIELDS[match[2]]] = value
    return fields


def _count(endpoint: str, field: str, fields: Mapping[str, Any], least: int = 1) -> int | None:
    value = fields.get(field)
    if value is None:
        return None
    text = str(value).strip()
    # A limit that is mistyped and so ignored would be paid for.
    if not text.isdecimal() or int(text) < least:
        raise InvalidInputError(
            f"The endpoint {endpoint!r} has {text!r} for {field}.",
            f"Give a whole number of at least {least}, or omit it.",
        )
    return int(text)
