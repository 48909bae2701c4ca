"""Hosts on a private network: a network namespace for each, joined by a bridge in the first. Linux only.

It is invisible outside and leaves nothing: a namespace exists as long as a process keeps it open.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Host:
    """A network namespace. The first host has the bridge; others are joined to it by a cable of two ends."""

    def __init__(self, number: int, first: Host | None = None) -> None:
        """Raises PermissionError where the kernel allows this user no namespaces."""
        self.address = f"10.99.0.{number}"
        self._first = first
        self._end = f"cable{number}"
        self._namespace = _new_namespace()
        with self.inside():
            _ip("link set lo up")
        if first is None:
            self._be_first()
        else:
            self._join(first)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Move the calling thread and its child processes to this host within the block."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _enter(self._namespace)
            yield
        finally:
            _enter(before)
            os.close(before)

    def cut_off(self) -> None:
        """Drop all packets to and from this host without any notice."""
        self._set_cable("down")

    def join_again(self) -> None:
        self._set_cable("up")

    def close(self) -> None:
        os.close(self._namespace)

    def _be_first(self) -> None:
        with self.inside():
            _ip("link add bridge0 type bridge")
            _ip(f"address add {self.address}/24 dev bridge0")
            _ip("link set bridge0 up")

    def _join(self, first: Host) -> None:
        theirs = f"/proc/{os.getpid()}/fd/{self._namespace}"
        with first.inside():
            _ip(f"link add {self._end} type veth peer name eth0 netns {theirs}")
            _ip(f"link set {self._end} master bridge0 up")
        with self.inside():
            _ip(f"address add {self.address}/24 dev eth0")
            _ip("link set eth0 up")

    def _set_cable(self, state: str) -> None:
        assert self._first is not None
        with self._first.inside():
            _ip(f"link set {self._end} {state}")


def _new_namespace() -> int:
    """Open a new network namespace. It is created on a thread that ends, because the thread moves into it."""
    made: list[int | OSError] = []

    def make() -> None:
        try:
            _checked(_libc.unshare(CLONE_NEWNET))
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        except OSError as problem:
            made.append(problem)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    (found,) = made
    if isinstance(found, OSError):
        raise found
    return found


def _enter(namespace: int) -> None:
    _checked(_libc.setns(namespace, CLONE_NEWNET))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True, capture_output=True)  # noqa: S607
