"""The process that sends one message with apprise: an `Order` on standard input, a `Report` on standard output.

It is a process of its own because the library is large, has many plugins, and a plugin that hangs can be ended with it.
An audit hook (PEP 578), which cannot be removed, lets it connect only to public addresses and start no other program.
The hook sees the actual address of each connection, so neither a redirect nor a name that changes its address leads
elsewhere.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import msgspec

from holdfast.service.notify.apprise_sender import SECONDS_MAX, SERVICES, Order, Report
from holdfast.service.notify.egress import is_public, is_usual_port

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RUNNING = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn"})


class Refused(OSError):
    """The hook did not allow it."""


class Guard:
    """The audit hook. `refused`: it stood in the way of something."""

    def __init__(self, allow_private: bool) -> None:
        self.allow_private = allow_private
        self.refused = False
        self.refused_port = 0

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _RUNNING or (event in _CONNECTING and not self._is_allowed(args[1])):
            self.refused = True
            raise Refused("not allowed here")

    def _is_allowed(self, address: object) -> bool:
        match address:
            case (str(host), int(port), *_):
                if not is_usual_port(port):
                    self.refused_port = port
                    return False
                return self.allow_private or is_public(host)
        return False


def main() -> None:
    """Do what standard input says."""
    signal.alarm(int(SECONDS_MAX) + 5)  # whoever started us may be gone
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    answers = os.dup(1)
    silence = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(silence, fd)
    os.write(answers, msgspec.json.encode(_done(order)))


def _done(order: Order) -> Report:
    import apprise
    from apprise.common import NotifyFormat, NotifyType, PersistentStoreMode

    if order.url.partition("://")[0] not in SERVICES:
        return Report(is_understood=False)
    guard = Guard(order.allow_private)
    sys.addaudithook(guard)
    asset = apprise.AppriseAsset(
        app_id="Holdfast",
        app_desc="Holdfast",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        storage_mode=PersistentStoreMode.MEMORY,
        service_timeout=SECONDS_MAX,
        pgp_autogen=False,
        pem_autogen=False,
        async_mode=False,
    )
    service = apprise.Apprise.instantiate(order.url, asset=asset)
    if service is None or isinstance(service, list | tuple):
        return Report(is_understood=False)
    if order.only_check:
        return Report(is_understood=True)
    message = apprise.Apprise(asset=asset)
    message.add(service)
    urgency = NotifyType(order.urgency)
    is_sent = bool(
        message.notify(title=order.title, body=order.body, notify_type=urgency, body_format=NotifyFormat.TEXT)
    )
    return Report(is_understood=True, is_sent=is_sent, refused=guard.refused, refused_port=guard.refused_port)


if __name__ == "__main__":
    main()
