"""Loaded by every Python child process of the tests: a connection beyond loopback fails, and is noted."""

import os
import socket
import sys

LOG = os.environ.get("LUSIFER_GUARD_LOG", "")
_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


def _local(host):
    if host is None:
        return True
    host = host.decode() if isinstance(host, bytes) else str(host)
    return host in {"", "localhost", "::1", "0.0.0.0", "::"} or host.startswith("127.")


def _refuse(host):
    if LOG:
        with open(LOG, "a", encoding="utf-8") as log:
            log.write(f"{host} {' '.join(sys.argv)}\n")
    raise OSError(f"The tests allow no request beyond loopback: {host}")


def _check(address):
    if isinstance(address, tuple) and not _local(address[0]):
        _refuse(address[0])


def connect(self, address):
    _check(address)
    return _connect(self, address)


def connect_ex(self, address):
    _check(address)
    return _connect_ex(self, address)


def getaddrinfo(host, *args, **kwargs):
    if not _local(host):
        _refuse(host)
    return _getaddrinfo(host, *args, **kwargs)


def install():
    socket.socket.connect = connect
    socket.socket.connect_ex = connect_ex
    socket.getaddrinfo = getaddrinfo


install()
