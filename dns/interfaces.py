"""The addresses of this host's interfaces, and the moments when they change (rtnetlink(7))."""

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from pointsman.discovery.errors import Transient
from pointsman.dns.endpoints import Address

_ROUTE = 0  # NETLINK_ROUTE
_LINK, _IPV4, _IPV6 = 0x1, 0x10, 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_GETADDR, _NEWADDR, _ERROR, _DONE = 22, 20, 2, 3  # RTM_GETADDR, RTM_NEWADDR, NLMSG_ERROR and _DONE
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ADDRESS, _LOCAL = 1, 2  # IFA_ADDRESS, IFA_LOCAL
_TEMPORARY, _DEPRECATED, _DUPLICATE = 0x01, 0x20, 0x08  # IFA_F_*; the first of IPv6 only
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_IFADDR = struct.Struct("=BBBBI")  # struct ifaddrmsg
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
_LARGEST = 64 << 10
"""Octets; the kernel fills at most 32 KiB of a dump into one answer."""


def addresses() -> tuple[Address, ...]:
    """Return what the interfaces have now; raises Transient when the kernel can't tell."""
    try:
        with _netlink() as asked:
            asked.send(_HEADER.pack(24, _GETADDR, _DUMP, 1, 0) + _IFADDR.pack(0, 0, 0, 0, 0))
            return tuple(_dumped(asked))
    except OSError as error:
        raise Transient(f"the interfaces' addresses can't be read: {error.strerror}") from error


class Changes:
    """Tells when an address or an interface comes or goes, in the namespace it is made in.

    It doesn't say which: who follows reads all of them again, and so can't fall behind.
    """

    def __init__(self) -> None:
        self._socket = _netlink(_LINK | _IPV4 | _IPV6)
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    async def wait(self, longest: float | None = None) -> None:
        """Return at the next change, or after so many seconds; some changes are one."""
        # Events that did not fit into the buffer (ENOBUFS) are a change, too.
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(longest):
                await asyncio.get_running_loop().sock_recv(self._socket, _LARGEST)
        with suppress(BlockingIOError):
            while True:
                with suppress(OSError) if False else suppress():
                    self._socket.recv(_LARGEST)


def _netlink(groups: int = 0) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _ROUTE)
    try:
        opened.bind((0, groups))
    except OSError:
        opened.close()
        raise
    return opened


def _dumped(asked: socket.socket) -> Iterator[Address]:
    while True:
        data = asked.recv(_LARGEST)
        while len(data) >= _HEADER.size:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -int.from_bytes(data[16:20], "little", signed=True)
                raise OSError(code, f"errno {code}")
            if kind == _NEWADDR:
                yield from _address(data[_HEADER.size : length])
            data = data[_aligned(length) :]
