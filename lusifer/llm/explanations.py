"""Errors of servers and connections as ones with a cause and a way out: what the server said, and what to do."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lusifer.errors import LusiferError, ModelError
from lusifer.llm.endpoints import Endpoint
from lusifer.llm.network import proxy_for
from lusifer.llm.redact import redact
from lusifer.llm.server_errors import ServerError
from lusifer.llm.transport import MAX_BYTES, DeadlineError, TooLongError, UnreadableError

FEWER = "Rate fewer items per call, read a shorter history, or choose a model with a longer context."


def _names(endpoint: Endpoint) -> tuple[str, str]:
    """What sets an endpoint's address and its key."""
    if endpoint.name == "openai":
        return "OPENAI_BASE_URL", "OPENAI_API_KEY"
    if endpoint.kind == "ollama":
        return "OLLAMA_HOST", "the key of Ollama"
    return f"the url of endpoint {endpoint.name}", f"the key of endpoint {endpoint.name}"


def explain(error: ServerError, endpoint: Endpoint, model: str) -> ModelError:
    """What a server said as an error with a kind and a way out, without secrets."""
    variable, key = _names(endpoint)
    server = redact(endpoint.url, *endpoint.secrets)
    said = (redact(error.text, *endpoint.secrets) or "it said nothing").rstrip(".") + "."
    status = f"answered {error.status}" if error.status else "answered with an error"
    answered = f"{server} {status}: {said}"
    texts: dict[str, tuple[str, str, str]] = {
        "json": (
            "invalid",
            f"The model's answer did not fit the schema: {said}",
            "Ask again, or choose another model.",
        ),
        "credit": (
            "auth",
            f"{server} reports that the account has no credit left: {said}",
            "Top it up, or choose another model.",
        ),
        "context": ("context", f"The prompt is too long for {endpoint.name}:{model}: {said}", FEWER),
        "rate-limit": (
            "rate-limit",
            f"{server} limits the rate of calls: {said}",
            "Wait a minute, or raise the limit of your account.",
        ),
        "unloaded": (
            "not-found",
            f"{server} has no model loaded: {said}",
            "Load the model in the server, or choose one that is loaded.",
        ),
        "policy": (
            "not-found",
            answered,
            "Change that setting in your account at the server, or choose another model.",
        ),
        "redirect": (
            "not-found",
            f"{server} {status}: it sends questions on {said} This is not followed.",
            f"Set {variable} to the address that answers, if you trust it.",
        ),
        "auth": (
            "auth",
            f"{server} did not accept the key ({status.removeprefix('answered ')}): {said}",
            f"Check {key}: it may be mistyped, expired, or for another project.",
        ),
        "server": ("server", answered, "Try again later."),
        "model": (
            "not-found",
            f"{server} has no model {model!r}: {said}",
            "List the server's models and choose one of them.",
        ),
        "path": (
            "not-found",
            f"There is nothing to ask at {server}, which {status}: {said}",
            f"Check {variable}: {_other_address(endpoint.url)}. If the address is right, the server may have no "
            f"model {model!r}: list its models.",
        ),
    }
    texts["missing"] = (
        "not-found",
        answered,
        f"Check {variable} and the model {model!r} (list the server's models), and what your account may use.",
    )
    other = ("bad-request", answered, "Choose another model or settings.")
    kind, message, fix = texts.get(error.kind, other)
    waits = kind in {"rate-limit", "server"}
    return ModelError(
        message, fix, kind=kind, retry_after=error.retry_after if waits else None, text=error.failed or ""
    )


def _other_address(url: str) -> str:
    path = urlsplit(url).path.rstrip("/")
    if re.search(r"/v\d+\w*$", path):
        return "most servers answer at an address that ends with /v1, some at another one"
    return f"most servers answer at {redact(url).rstrip('/')}/v1"


def explain_failure(error: BaseException, endpoint: Endpoint, seconds: float) -> LusiferError:
    """A connection's failure, or an answer that can't be read, as an error with a way out."""
    if isinstance(error, LusiferError):
        return error
    variable, _ = _names(endpoint)
    server = redact(endpoint.url, *endpoint.secrets)
    names, detail = _classes(error), redact(_cause(error), *endpoint.secrets)[:300].rstrip(".") + "."
    proxy = proxy_for(endpoint.url)
    by_proxy = f" The proxy of {proxy[1]} was used ({redact(proxy[0])})." if proxy else ""
    certificate = "CERTIFICATE_VERIFY_FAILED" in detail or "SSLCertVerificationError" in names
    # The first that applies: whether it does, its kind, what is wrong, and the way out.
    rules: tuple[tuple[bool, str, str, str], ...] = (
        (
            isinstance(error, DeadlineError) or bool(names & {"ReadTimeout", "WriteTimeout"}),
            "timeout",
            f"{server} did not answer within {seconds:.0f} seconds.",
            f"Try again, choose a smaller model, or set a longer timeout for the endpoint {endpoint.name}.",
        ),
        (
            isinstance(error, TooLongError),
            "invalid",
            f"{server} sent more than {MAX_BYTES // 2**20} MB for one answer.",
            "Choose another model or server.",
        ),
        (
            isinstance(error, UnreadableError) and bool(re.match(r"\s*<", str(error))),
            "invalid",
            f"{server} answered with a web page instead of JSON.",
            f"Check {variable}: {_other_address(endpoint.url)}.",
        ),
        (
            isinstance(error, UnreadableError) and not str(error).strip(),
            "invalid",
            f"{server} returned an empty answer.",
            "Ask again.",
        ),
        (
            isinstance(error, UnreadableError),
            "invalid",
            f"{server} returned an unreadable answer: {detail}",
            "Ask again.",
        ),
        (
            certificate,
            "unreachable",
            f"The certificate of {server} can't be verified: {detail}",
            "Set SSL_CERT_FILE to a PEM file with the certificate that signed it, or use an address that it is for.",
        ),
        (
            "SSL" in detail and "ConnectError" in names,
            "unreachable",
            f"{server} can't be reached by TLS: {detail}",
            f"Check whether {variable} should begin with http:// instead of https://.",
        ),
        (
            "ProxyError" in names or (proxy is not None and "ConnectError" in names),
            "unreachable",
            f"{server} can't be reached through the proxy {redact(proxy[0]) if proxy else ''}: {detail}",
            f"Check {proxy[1] if proxy else 'the proxy variables'}, or exclude the server by NO_PROXY.",
        ),
        (
            bool(
                names
                & {"ConnectError", "ConnectTimeout", "UnsupportedProtocol", "InvalidURL", "ConnectionRefusedError"}
            ),
            "unreachable",
            f"{server} can't be reached.{by_proxy}",
            f"Check that the server is running and that {variable} names it.",
        ),
        ("TimeoutException" in names, "timeout", f"{server} stopped responding.{by_proxy}", "Try again."),
        (
            bool(names & {"TransportError", "ConnectionError"}),
            "reset",
            f"{server} closed the connection before it had answered.{by_proxy}",
            "Try again.",
        ),
        (True, "invalid", f"{server} returned an unreadable answer: {detail}", "Ask again."),
    )
    kind, message, fix = next(rule[1:] for rule in rules if rule[0])
    return ModelError(message, fix, kind=kind)


def _classes(error: BaseException | None) -> set[str]:
    """Names of the classes of an error and of what caused it: SDKs bring HTTP libraries of their own."""
    names: set[str] = set()
    while error is not None:
        names |= {kind.__name__ for kind in type(error).__mro__}
        error = error.__cause__ or error.__context__
    return names


def _cause(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
