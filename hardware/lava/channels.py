"""Lava's channels without threads.

Lava has a thread at both ends of every channel, and a message takes four changes of thread. Here a
sender waits for a free slot, and a receiver for a message, on the semaphores of the channel
themselves, which halves the CPU time of a step.
"""

from __future__ import annotations

import math
import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.compiler.channels.interfaces import Channel
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort, Proto

from .integers import holds

_POLL_SECONDS = 0.001


class SendPort(CspSendPort):  # type: ignore[misc]
    """Sends at once if a slot is free, and nothing that the port's integers would cut off."""

    def send(self, data: Any) -> None:
        if isinstance(data, np.ndarray) and not holds(self._dtype, data):
            raise OverflowError(
                f"what {self._name} sends are not numbers of {np.dtype(self._dtype)}, which its "
                f"port has: fractions and overflows would be cut off"
            )
        super().send(data)

    def start(self) -> None:
        self._array = _slots(self)
        self._semaphore = self._ack

    def probe(self) -> bool:
        return _available(self._ack)


class RecvPort(CspRecvPort):  # type: ignore[misc]
    """Receives at once what has been sent."""

    def start(self) -> None:
        self._array = _slots(self)
        self._queue = _Arrivals(self._req)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether there is a message, after at most so many seconds."""
        if not self._req.acquire(True, timeout):
            return False
        self._req.release()
        return True

    @property
    def observer(self) -> Callable[[], Any] | None:
        """Called when a message arrives; only a selector that a model made itself asks for it."""
        return self._observer

    @observer.setter
    def observer(self, call: Callable[[], Any] | None) -> None:
        self._observer = call
        if call is not None:
            threading.Thread(target=self._observe, args=(call,), daemon=True).start()

    def _observe(self, call: Callable[[], Any]) -> None:
        while self._observer is call:
            if self.probe():
                call()
            time.sleep(_POLL_SECONDS)


class DirectChannel(Channel):  # type: ignore[misc]
    """What Lava's PyPyChannel is, with the ports above.

    Parameters
    ----------
    infrastructure, source, target, shape, dtype, size, *watchdogs
        As of PyPyChannel: names and shape of the ports, and the number of slots.
    """

    def __init__(
        self,
        infrastructure: Any,
        source: str,
        target: str,
        shape: tuple[int, ...],
        dtype: Any,
        size: int,
        *watchdogs: Any,
    ) -> None:
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        memory = infrastructure.smm.create_shared_memory(nbytes * size)
        proto = Proto(shape=shape, dtype=dtype, nbytes=nbytes)
        fork = multiprocessing.get_context("fork")
        messages, free = fork.Semaphore(0), fork.Semaphore(size)
        parts = memory, proto, size, messages, free
        self._source = SendPort(source, *parts, *watchdogs[:2])
        self._target = RecvPort(target, *parts, *watchdogs[2:])

    @property
    def src_port(self) -> SendPort:
        return self._source

    @property
    def dst_port(self) -> RecvPort:
        return self._target


class Selector:
    """What Lava's CspSelector is: wait for the first of several channels."""

    def select(self, *channel_actions: tuple[Any, Callable[[], Any]]) -> Any:
        """The result of the action of a channel that is ready."""
        (first, action), *others = channel_actions
        if not others and isinstance(first, RecvPort):
            first.wait()
            return action()
        while True:
            for channel, action in channel_actions:
                if channel.probe():
                    return action()
            time.sleep(_POLL_SECONDS)


class _Arrivals:
    """Messages that wait in a channel, as the queue that Lava's port asks."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def get(self, *, peek: bool = False) -> None:
        self._messages.acquire()
        if peek:
            self._messages.release()

    def qsize(self) -> int:
        return int(_available(self._messages))


def _available(semaphore: Any) -> bool:
    """Whether a semaphore could be acquired; only this process acquires it."""
    if not semaphore.acquire(False):
        return False
    semaphore.release()
    return True


def _slots(port: Any) -> list[Any]:
    return list(np.ndarray((port.size, *port.shape), port.d_type, buffer=port._shm.buf))
