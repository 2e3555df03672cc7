"""The way to a server: proxies and certificates of the environment, as other programs take them.

Addresses of this machine use no proxy. A proxy or certificate file that can't be used is an error that names its
variable, when an address needs it; what no address needs is only logged.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import ssl
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from lusifer.errors import ModelError
from lusifer.llm.redact import redact

log = logging.getLogger(__name__)
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR")
"""Variables that name trusted certificates; the first that is set counts."""
_told: set[str] = set()
_SCHEMES = {"http": "http", "https": "https", "socks": "socks5h", "socks5": "socks5", "socks5h": "socks5h"}


def is_local(host: str) -> bool:
    """Whether a host is this machine."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def proxy_for(url: str) -> tuple[str, str] | None:
    """The proxy of an address and the variable that names it; ``None`` for no proxy.

    ``HTTPS_PROXY``, ``HTTP_PROXY`` by the address's scheme, else ``ALL_PROXY``; small letters go before capitals, as
    with curl. ``NO_PROXY`` lists hosts, domains, ``HOST:PORT`` or networks that use none, or ``*``.

    Raises:
        ModelError: the proxy is of a kind that nothing here speaks.
    """
    address = urlsplit(url)
    host = address.hostname or ""
    if is_local(host) or _is_excluded(host, address.port):
        return None
    for name in (f"{address.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            value = os.environ.get(variable, "").strip().strip("'\"")
            if value:
                scheme, sep, rest = value.partition("://")
                known = _SCHEMES.get(scheme.lower()) if sep else "http"
                if known is None or not (rest if sep else value).strip("/"):
                    raise ModelError(
                        f"{variable} is {redact(value)!r}, a proxy that can't be used.",
                        f"Set {variable} to http://HOST:PORT or socks5://HOST:PORT, or exclude {host} by NO_PROXY.",
                        kind="unreachable",
                    )
                return f"{known}://{(rest if sep else value).rstrip('/')}", variable
    return None


def _is_excluded(host: str, port: int | None) -> bool:
    host = host.lower().rstrip(".")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        ip = None
    for entry in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").replace(" ", ",").split(","):
        name = entry.strip().lower()
        if name == "*":
            return True
        if "/" in name and ip is not None:
            try:
                if ip in ipaddress.ip_network(name, strict=False):
                    return True
            except ValueError:
                pass
            continue
        if name.count(":") == 1:
            name, _, only = name.partition(":")
            if only != str(port):
                continue
        name = name.strip("[]").removeprefix("*").lstrip(".")
        if name and (host == name or host.endswith(f".{name}")):
            return True
    return False


def trusted_certificates(url: str) -> ssl.SSLContext | bool:
    """What an address's certificate is verified with: the file or folder that a variable names, else the system's.

    Raises:
        ModelError: the variable names nothing that can be read, and the address needs it.
    """
    variable = next((v for v in CERTIFICATE_VARIABLES if os.environ.get(v, "").strip()), "")
    if not variable:
        return True
    path = Path(os.path.expandvars(os.environ[variable].strip().strip("'\""))).expanduser()
    try:
        return _context(str(path), path.is_dir())
    except (OSError, ssl.SSLError) as error:
        problem = (
            f"{variable} names {path}, which is no file of certificates ({error.strerror or type(error).__name__})."
        )
        if urlsplit(url).scheme != "https":
            if problem not in _told:
                _told.add(problem)
                log.warning("%s It is not needed for %s.", problem, redact(url))
            return True
        raise ModelError(
            problem, f"Set {variable} to a PEM file that exists, or unset it.", kind="unreachable"
        ) from None


@lru_cache(maxsize=8)
def _context(path: str, folder: bool) -> ssl.SSLContext:
    return ssl.create_default_context(capath=path) if folder else ssl.create_default_context(cafile=path)
