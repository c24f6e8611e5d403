"""The children of a graph as Lava builds them, and how they answer for their variables."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.runtime.message_infrastructure.multiprocessing import MultiProcessing
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_to_np
from lava.magma.runtime.runtime_services import runtime_service
from numpy.typing import NDArray

from .channels import DirectChannel, Selector
from .integers import holds
from .workers import WorkerGroup, WorkerStatus, shared_array

Variables = dict[int, NDArray[np.float64]]


class Infrastructure(MultiProcessing):  # type: ignore[misc]
    """Children of a group of workers, and channels in memory without a name."""

    def __init__(self, workers: WorkerGroup, variables: Variables) -> None:
        super().__init__()
        self._workers = workers
        self._variables = variables
        self._smm = SimpleNamespace(create_shared_memory=_nameless_memory)

    def channel_class(self, channel_type: Any) -> Any:
        direct = channel_type == ChannelType.PyPy
        return DirectChannel if direct else super().channel_class(channel_type)

    def build_actor(self, target_fn: Any, builder: Any, exception_q: Any = None) -> None:
        model = getattr(builder, "proc_model", None)
        name = "Lava's runtime service" if model is None else model.__name__
        self._workers.start(name, lambda status: _counted(builder.build(), status, self._variables))

    def stop(self) -> None:
        self._workers.end()


def _nameless_memory(size: int) -> Any:
    return SimpleNamespace(buf=shared_array((size,), np.uint8).data)


def _counted(actor: Any, status: WorkerStatus, variables: Variables) -> Any:
    """Let an actor count its commands in its status, and answer for its variables at once."""
    runtime_service.CspSelector = Selector  # in this child only
    actor._selector = Selector()
    handlers = getattr(actor, "_cmd_handlers", {})  # a runtime service has none
    handlers.update(
        {
            MGMT_COMMAND.GET_DATA[0]: lambda: _give(actor, variables),
            MGMT_COMMAND.SET_DATA[0]: lambda: _take(actor, variables),
        }
    )

    def counted(handle: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            handle()
            status.count()

        return call

    for command, handle in handlers.items():
        handlers[command] = counted(handle)
    return actor


def _give(actor: Any, variables: Variables) -> None:
    var_id = int(actor.service_to_process.recv()[0])
    variables[var_id][...] = getattr(actor, actor.var_id_to_var_map[var_id])
    actor.process_to_service.send(enum_to_np(0))


def _take(actor: Any, variables: Variables) -> None:
    var_id = int(actor.service_to_process.recv()[0])
    actor.service_to_process.recv()
    name = actor.var_id_to_var_map[var_id]
    value = getattr(actor, name)
    if isinstance(value, np.ndarray):
        if not holds(value.dtype, variables[var_id]):
            actor.process_to_service.send(MGMT_RESPONSE.ERROR)
            return
        value[...] = variables[var_id]
    else:
        setattr(actor, name, type(value)(variables[var_id].item()))
    actor.on_var_update()
    actor.process_to_service.send(MGMT_RESPONSE.SET_COMPLETE)
