"""Watches ZooKeeper for the masters, in a thread of its own."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, KazooException, NoAuthError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from pointsman.discovery import leader
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Master

log = logging.getLogger("pointsman.zookeeper")

LOOK = 10.0
"""Seconds after which it is looked anew even if no watch fired."""
ANSWER = 5.0
"""Seconds to wait for an answer."""
RETRY = 1.0
"""Seconds to wait after a failure."""


class Missing(Transient):
    """ZooKeeper has no such path."""


class NoRight(Transient):
    """ZooKeeper does not let us read the path."""


def masters_now(url: leader.Url) -> tuple[Master, ...]:
    """Return the masters that stand there now, the leader first.

    Raises Missing, NoRight, and Transient when ZooKeeper does not answer.
    """
    asking = ZooKeeper(url, lambda _: None)
    try:
        return asking.once()
    except NoNodeError as error:
        raise Missing(f"ZooKeeper at {url.hosts} has no {url.path}") from error
    except (NoAuthError, AuthFailedError) as error:
        raise NoRight(f"ZooKeeper at {url.hosts} refuses us {url.path}") from error
    except (KazooException, KazooTimeoutError) as error:
        raise Transient(f"ZooKeeper at {url.hosts} does not answer") from error


class ZooKeeper:
    """Tells of the masters whenever they change; while ZooKeeper is away, the last ones stand."""

    def __init__(self, url: leader.Url, changed: Callable[[tuple[Master, ...]], None]) -> None:
        """Take what is to be called, in the thread, with the masters, the leader first."""
        self._url = url
        self._changed = changed
        self._look = threading.Event()
        self._closing = False
        auth = [("digest", url.credential)] if url.credential else None
        # kazoo itself logs every attempt to connect; what counts is said here.
        logging.getLogger("kazoo").setLevel(logging.CRITICAL)
        self._client = KazooClient(hosts=url.hosts, timeout=ANSWER, auth_data=auth)
        self._client.add_listener(lambda _: self._look.set())
        self._thread = threading.Thread(target=self._run, name="zookeeper", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._client.start_async()
        self._thread.start()

    def once(self) -> tuple[Master, ...]:
        """Return the masters that are there now, without watching; raises what kazoo does."""
        try:
            self._client.start(int(ANSWER))
            return self._masters()
        finally:
            self._client.stop()
            self._client.close()

    def close(self) -> None:
        """Watch no more."""
        self._closing = True
        self._look.set()
        self._thread.join()
        self._client.stop()
        self._client.close()

    def _run(self) -> None:
        known: tuple[Master, ...] = ()
        complaint = ""
        while not self._closing:
            self._look.clear()
            problem = ""
            try:
                found = self._masters()
            except NoNodeError:
                found, problem = (), f"has no {self._url.path}"
            except (KazooException, KazooTimeoutError) as error:
                found, problem = known, f"does not answer ({type(error).__name__})"
            if problem != complaint:
                log.log(
                    logging.WARNING if problem else logging.INFO,
                    "ZooKeeper at %s %s", self._url.hosts, problem or "answers again",
                )  # fmt: skip
                complaint = problem
            if found and found != known:
                known = found
                self._changed(found)
            self._look.wait(RETRY if problem else LOOK)

    def _masters(self) -> tuple[Master, ...]:
        """Return the masters that are there now, and have the next change wake the thread."""
        # kazoo has no types for what its answers hold.
        asked: Any = self._client.get_children_async(self._url.path, watch=self._wake)
        znodes = {}
        for name in leader.candidates(asked.get(timeout=ANSWER)):
            read: Any = self._client.get_async(f"{self._url.path}/{name}")
            try:
                znodes[name], _ = read.get(timeout=ANSWER)
            except NoNodeError:
                continue  # it went in between: the watch fires
        return leader.masters(znodes)

    def _wake(self, _: object) -> None:
        self._look.set()
