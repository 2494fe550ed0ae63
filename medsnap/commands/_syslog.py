"""One message to a syslog daemon: this machine's own, a socket, or a host by UDP (RFC 5424, 5426)."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from medsnap.errors import CannotCreate, IoFailed, UsageError

LOCAL = Path("/dev/log")
MAX_UDP = 2048  # bytes that a receiver SHOULD take (RFC 5426, section 3.2)
_PRIORITY = 13 * 8 + 5  # facility "log audit", severity "notice" (RFC 5424, section 6.2.1)
_PORT = 514
_WAIT = 5.0  # seconds
_HOW = "local, /path/of/a/socket, or udp://HOST[:PORT]"


def message(text: str, now: datetime, kind: str) -> bytes:
    """Frame a text of printable ASCII; the receiver knows who sent it, so no host name is given."""
    at = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"<{_PRIORITY}>1 {at} - medsnap - {kind} - {text}".encode("ascii")


def send(target: str, data: bytes) -> str:
    """Send one datagram; returns what is known of its arrival. Raises UsageError, IoFailed, CannotCreate."""
    if target == "local" or target.startswith("/"):
        path = LOCAL if target == "local" else Path(target)
        _to_socket(path, data)
        return f"handed to {path}"
    host, port = _address(target)
    if len(data) > MAX_UDP:
        raise CannotCreate(f"the message exceeds the {MAX_UDP} bytes that a syslog receiver takes by UDP")
    try:
        [(family, kind, _, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        with socket.socket(family, kind) as out:
            out.settimeout(_WAIT)
            out.sendto(data, address)
    except OSError as failure:
        raise IoFailed(
            f"nothing could be sent: {failure.strerror or 'no such host'}",
            where=target,
            hint="check the name and the network",
        ) from failure
    return f"sent to {host}, which does not answer by UDP: look whether it is there"


def _address(target: str) -> tuple[str, int]:
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "udp" or not host or parts.path.strip("/") or parts.query or parts.username:
        raise UsageError("this is no syslog that medsnap knows", hint=f"give {_HOW}")
    return host, port


def _to_socket(path: Path, data: bytes) -> None:
    family = getattr(socket, "AF_UNIX", None)  # not on Windows
    if family is None:
        raise UsageError("this system has no local syslog", hint="give udp://HOST[:PORT]")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as out:
            out.settimeout(_WAIT)
            out.connect(str(path))
            out.send(data)
    except OSError as failure:
        raise IoFailed(
            f"the syslog socket takes nothing: {failure.strerror or 'no such socket'}",
            where=str(path),
            hint="is a syslog daemon running here? else give udp://HOST[:PORT]",
        ) from failure
