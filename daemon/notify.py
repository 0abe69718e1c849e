"""Messages to systemd (sd_notify): plain datagrams, and nothing at all when nobody listens."""

from __future__ import annotations

import os
import socket
import time


def ready() -> bool:
    """Start-up (or a reload) is complete. Each verb returns whether somebody was told."""
    return _send("READY=1")


def status(text: str) -> bool:
    """One line about what goes on, shown by `systemctl status`."""
    return _send("STATUS=" + " ".join(text.split()))


def extend_start(seconds: float) -> bool:
    """The start goes on and needs more time: systemd waits that much longer from now."""
    return _send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")


def watchdog() -> bool:
    """Still alive and useful. Due at least every `watchdog_interval_s`."""
    return _send("WATCHDOG=1")


def reloading() -> bool:
    """The configuration is being read again; `ready` ends that."""
    return _send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping() -> bool:
    """The way down has begun."""
    return _send("STOPPING=1")


def watchdog_interval_s() -> float | None:
    """How often to call `watchdog`: half the time systemd allows. None when it does not watch."""
    pid = os.environ.get("WATCHDOG_PID", "")
    allowed_us = os.environ.get("WATCHDOG_USEC", "")
    if not allowed_us.isdecimal() or int(allowed_us) == 0 or pid not in ("", str(os.getpid())):
        return None
    return int(allowed_us) / 1_000_000 / 2


def _send(*assignments: str) -> bool:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return False
    where = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)  # a deaf systemd must not stop the daemon
            channel.sendto("\n".join(assignments).encode("utf-8", "replace"), where)
    except OSError:
        return False
    return True
