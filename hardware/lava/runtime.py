"""Lava's runtime with every wait watched, every failure carried over, and nothing left behind.

The parts of Lava 0.10.0 that create channels and actors are used; all that waits is replaced.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_to_np
from lava.magma.runtime.runtime import Runtime
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import spmatrix

from .actors import Infrastructure, Variables
from .integers import holds
from .workers import LavaError, LavaTimeoutError, WorkerGroup, shared_array

_POLL_SECONDS = 0.02
_STOP_SECONDS = 1.0  # of patience with models that are told to stop


class GuardedRuntime(Runtime):  # type: ignore[misc]
    """A compiled Lava graph whose every end is an end of all its processes.

    Lava's own methods (``Process.run``, ``wait``, ``pause``, ``stop``, ``Var.get``, ``Var.set``)
    call this object, so that they are guarded too.

    Parameters
    ----------
    executable
        What Lava's compiler made of the processes.
    workers : WorkerGroup
        The children; shared with the `Session`, which ends them if it is forgotten.
    timeout
        Seconds without any progress after which the graph is given up.
    """

    def __init__(self, executable: Any, workers: WorkerGroup, timeout: float) -> None:
        super().__init__(executable, ActorType.MultiProcessing)
        self._executable: Any
        self._messaging_infrastructure: Any
        self._open_ports: list[Any]
        self._is_running: bool
        self.exception_q: list[Any]
        self.runtime_to_service: list[Any]
        self.service_to_runtime: list[Any]
        self._workers = workers
        self._timeout = timeout
        self._over = ""  # why there is no graph any more
        _require_whole_starts(executable)
        self._variables: Variables = {
            var_id: shared_array(model.shape)
            for var_id, model in executable.node_configs[0].var_models.items()
            if not issubclass(model.dtype, (str, spmatrix))
        }

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Build channels and children; returns when every model is built."""
        with self._ended_by_error(), _resources():
            self._build_watchdog_manager()
            self._messaging_infrastructure = Infrastructure(self._workers, self._variables)
            self._build_channels()
            self._build_sync_channels()
            self._build_processes()
            self._build_runtime_services()
            self.exception_q = []  # Lava's queues of exceptions; the statuses replace them
            self._start_ports()
            self._wait_until(self._models_built)
            self._is_initialized = True

    def start(self, run_condition: Any) -> None:
        self._require_idle()
        self._is_started = True
        with self._ended_by_error():
            self._run(run_condition)

    def _get_resp_for_run(self) -> None:
        """Wait for the end of a run; Lava calls it for a blocking run and for ``wait``."""
        if not self._is_running:
            return
        with self._ended_by_error():
            for port in self.service_to_runtime:
                answer = self._receive(port)
                if answer == MGMT_RESPONSE.REQ_PAUSE[0]:
                    return self.pause()
                if answer == MGMT_RESPONSE.REQ_STOP[0]:
                    return self.stop()
                if answer != MGMT_RESPONSE.DONE[0]:
                    raise self._unexpected("run", answer)
        self._is_running = False

    def pause(self) -> None:
        if not self._is_running:
            return
        with self._ended_by_error():
            self._command(MGMT_COMMAND.PAUSE, MGMT_RESPONSE.PAUSED)
        self._is_running = False

    def stop(self) -> None:
        """Let the models stop; those that do not are killed."""
        if self._over:
            return
        self._timeout = min(self._timeout, _STOP_SECONDS)
        self._workers.dismissed = True
        try:
            self._command(MGMT_COMMAND.STOP, MGMT_RESPONSE.TERMINATED)
        except LavaTimeoutError:
            self.end("it was stopped in a step")
        finally:
            self.end("it was stopped", grace=_STOP_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether this process has a graph to end: not after the end, not in a forked child."""
        return not self._over and self._workers.owner == os.getpid()

    @property
    def pids(self) -> list[int]:
        return self._workers.pids

    def end(self, reason: str, grace: float = 0.0) -> None:
        """End the children and the threads, and let go of the memory."""
        if not self.alive:
            return
        self._over = reason
        self._is_started = self._is_running = False
        self._workers.end(grace)
        for port in [*self._open_ports, *self._external_ports()]:
            port.join()
            if port.thread is not None:
                port.thread.join(_POLL_SECONDS)
        self._open_ports = []
        self.runtime_to_service = self.service_to_runtime = []
        self._variables = {}
        self._executable = self._messaging_infrastructure = None

    def get_var(self, var_id: int, idx: Any = None) -> NDArray[np.float64]:
        """Values of a variable, as float64 like in Lava, read from shared memory."""
        self._require_idle()
        with self._ended_by_error():
            model = self._var_model(var_id)
            service = self._ask(model, MGMT_COMMAND.GET_DATA)
            self._receive(service)  # the number of values that follow one by one: none
            values = self._variables[var_id].copy()
        return values if idx is None else values[idx]

    def set_var(self, var_id: int, value: ArrayLike, idx: Any = None) -> None:
        """Set a variable through shared memory.

        Raises
        ------
        ValueError
            If the value has not the shape of the variable, or is none that its integers hold. The
            graph goes on.
        """
        self._require_idle()
        model = self._var_model(var_id)
        if idx is not None:
            changed = self.get_var(var_id)
            changed[idx] = value
            value = changed
        if np.shape(value) != model.shape:
            raise ValueError(
                f"Var {model.name!r} of {self._process_name(model)} has shape {model.shape}, "
                f"the new value has shape {np.shape(value)}"
            )
        self._variables[var_id][...] = value
        with self._ended_by_error():
            service = self._ask(model, MGMT_COMMAND.SET_DATA, 0)
            answer = self._receive(service)
            if answer not in (MGMT_RESPONSE.SET_COMPLETE[0], MGMT_RESPONSE.ERROR[0]):
                raise self._unexpected("Var.set", answer)
        if answer == MGMT_RESPONSE.ERROR[0]:
            raise ValueError(
                f"Var {model.name!r} of {self._process_name(model)} keeps its value: the new one "
                f"is not finite, has a fraction, or is beyond the integers that its model holds"
            )

    def _ask(self, model: Any, command: Any, *more: int) -> Any:
        request = self.runtime_to_service[model.runtime_srv_id]
        request.send(command)
        for number in (model.proc_id, model.var_id, *more):
            request.send(enum_to_np(number))
        return self.service_to_runtime[model.runtime_srv_id]

    def _var_model(self, var_id: int) -> Any:
        model = self._executable.node_configs[0].var_models.get(var_id)
        if model is None:
            raise ValueError("this Var belongs to a process whose model does not hold it")
        if var_id not in self._variables:
            raise TypeError(f"Var {model.name!r} of {self._process_name(model)} is not an array")
        return model

    def _process_name(self, model: Any) -> str:
        names = {p.id: type(p).__name__ for p in self._executable.process_list}
        return names.get(model.proc_id, "a process")

    def _command(self, command: Any, expected: Any) -> None:
        """Send to all services; answers to what went before are passed over."""
        for port in self.runtime_to_service:
            port.send(command)
        for port in self.service_to_runtime:
            while self._receive(port) != expected[0]:
                pass

    def _receive(self, port: Any) -> float:
        self._wait_until(port.wait)
        return float(port.recv()[0])

    def _models_built(self, timeout: float) -> bool:
        time.sleep(timeout)
        return self._workers.ready

    def _wait_until(self, ready: Callable[[float], bool]) -> None:
        """Watch the children while waiting; `ready` waits for at most so many seconds."""
        progress, limit = -1, 0.0
        while not ready(_POLL_SECONDS):
            self._workers.check()
            if self._workers.progress != progress:
                progress = self._workers.progress
                limit = time.monotonic() + self._timeout
            elif time.monotonic() > limit:
                raise LavaTimeoutError(
                    f"the graph did nothing for {self._timeout:g} s and was ended. If a step may "
                    f"take that long, give Session a longer timeout. {self._workers.stacks()}"
                )

    def _require_idle(self) -> None:
        if self._over:
            raise LavaError(f"the graph is over: {self._over}. Build a new process and a Session")
        if self._is_running:
            raise LavaError("the graph is running: call wait() or pause() first")

    def _unexpected(self, what: str, answer: float) -> LavaError:
        self._workers.wait_for_reports()  # a child that failed explains more
        return LavaError(f"Lava answered {answer:g} to {what}; the graph was ended")

    @contextlib.contextmanager
    def _ended_by_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.end(f"it ended with {type(error).__name__}")
            raise

    def _external_ports(self) -> list[Any]:
        """Ends of the channels between processes and plain Python."""
        if self._executable is None:
            return []
        ports = [
            getattr(port, name, None)
            for process in self._executable.process_list
            for port in [*process.in_ports, *process.out_ports]
            for name in ("external_pipe_csp_send_port", "external_pipe_csp_recv_port")
        ]
        return [port for port in ports if port is not None]


@contextlib.contextmanager
def _resources() -> Iterator[None]:
    """Say in one line what the operating system did not give."""
    try:
        yield
    except LavaError:
        raise  # one of them is a TimeoutError, which is an OSError
    except OSError as error:
        raise LavaError(
            f"the processes of a Lava graph cannot be set up: {error.strerror or error}. They need "
            f"semaphores, which lie in /dev/shm: it has to be there, writable, and not full; and "
            f"room for small files in {tempfile.gettempdir()}. backend='emulator' needs neither"
        ) from error


def _require_whole_starts(executable: Any) -> None:
    """Raise where a Var starts with what the integers of its model would cut off in silence."""
    for process, builder in executable.proc_builders.items():
        for name, start in getattr(builder, "vars", {}).items():
            kind = getattr(builder.proc_model, name)
            if issubclass(kind.cls, np.ndarray) and not holds(kind.d_type, start.value):
                raise ValueError(
                    f"Var {name!r} of {type(process).__name__} does not start with numbers of "
                    f"{np.dtype(kind.d_type)}, which its model {builder.proc_model.__name__} has: "
                    f"fractions and overflows would be cut off; give it whole numbers, or choose "
                    f"a model in float"
                )
