"""The addresses of this host's interfaces, and the moments when they change (rtnetlink(7))."""

import asyncio
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from pointsman.discovery.errors import Transient
from pointsman.dns.endpoints import Address

_ROUTE = 0  # NETLINK_ROUTE
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_NEWADDR, _GETADDR = 20, 22  # RTM_*
_ERROR, _DONE = 2, 3  # NLMSG_*
_DUMP, _INTERRUPTED = 0x301, 0x10  # NLM_F_REQUEST | NLM_F_DUMP, NLM_F_DUMP_INTR
_ADDRESS, _LOCAL = 1, 2  # IFA_*; the former is the other end's, where there is the latter
_TEMPORARY, _DUPLICATE, _DEPRECATED = 0x01, 0x08, 0x20  # IFA_F_*, of IPv6
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_IFADDR = struct.Struct("=BBBBI")  # struct ifaddrmsg
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
_LARGEST = 64 << 10
"""Octets; the kernel fills at most 32 KiB of a dump into one answer."""
_TRIES = 10
"""Readings that a change may cut short before it is given up for now."""


def addresses() -> tuple[Address, ...]:
    """Return what the interfaces have now; raises Transient when the kernel can't tell."""
    try:
        for _ in range(_TRIES):
            if (found := _read()) is not None:
                return found
    except OSError as error:
        raise Transient(f"the addresses of interfaces can't be read: {error.strerror}") from error
    raise Transient("the addresses of interfaces can't be read: they don't stop changing")


class Changes:
    """Tells that an address or an interface has come or gone, in the namespace it is made in.

    It doesn't tell which: who follows reads all of them again, and so never falls behind.
    """

    def __init__(self) -> None:
        """Begin to listen; raises Transient when this process may not."""
        try:
            self._socket = _netlink(_GROUPS)
        except OSError as error:
            why = f"changes of interfaces can't be followed: {error.strerror}"
            raise Transient(why) from error
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
        """Return after a change, or after so many seconds; changes close together are one."""
        # Events that found no room (ENOBUFS) are a change as well.
        with suppress(OSError):
            async with asyncio.timeout(longest):
                await asyncio.get_running_loop().sock_recv(self._socket, _LARGEST)
        with suppress(OSError):
            while True:
                self._socket.recv(_LARGEST)


def _netlink(groups: int = 0) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _ROUTE)
    try:
        opened.bind((0, groups))
    except OSError:
        opened.close()
        raise
    return opened


def _read() -> tuple[Address, ...] | None:
    """Return all addresses, None when a change cut the reading short."""
    found: list[Address] = []
    interrupted = 0
    with _netlink() as asked:
        size = _HEADER.size + _IFADDR.size
        asked.send(_HEADER.pack(size, _GETADDR, _DUMP, 1, 0) + _IFADDR.pack(0, 0, 0, 0, 0))
        while True:
            for kind, flags, body in _messages(asked.recv(_LARGEST)):
                interrupted |= flags & _INTERRUPTED
                if kind == _DONE:
                    return None if interrupted else tuple(found)
                if kind == _ERROR:
                    code = -int.from_bytes(body[:4], sys.byteorder, signed=True)
                    raise OSError(code, os.strerror(code))
                if kind == _NEWADDR:
                    found += _address(body)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, flags and body of each message."""
    at = 0
    while at < len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        yield kind, flags, data[at + _HEADER.size : at + length]
        at += _aligned(length)


def _address(body: bytes) -> Iterator[Address]:
    family, _, flags, _, index = _IFADDR.unpack_from(body)
    own: dict[int, bytes] = {}
    at = _IFADDR.size
    while at < len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        own[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    packed = own.get(_LOCAL) or own.get(_ADDRESS)
    if family not in (socket.AF_INET, socket.AF_INET6) or not packed:
        return
    six = family == socket.AF_INET6
    if six and flags & _DUPLICATE:  # another host has it
        return
    with suppress(OSError):  # the interface is gone since
        yield Address(
            socket.if_indextoname(index),
            index,
            str(ipaddress.ip_address(packed)),
            lasting=not (six and flags & (_TEMPORARY | _DEPRECATED)),
        )


def _aligned(length: int) -> int:
    return (length + 3) & ~3
