"""The processes of one training: which one this is, and what they exchange.

Networks are not wrapped: a growing network leaves parameters unused at every stage and its critic is differentiated
twice, so gradients are averaged once a step, by hand, in one message (see `Processes.all_reduce_mean`).
"""

import contextlib
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import accelerate
import torch
import torch.distributed as dist
from torch import Tensor

from stylegrow.common.errors import RunError
from stylegrow.common.text import one_line, printable
from train.distributed import last_line
from train.distributed.devices import interface_between_machines, use_cpu
from train.distributed.launcher import Launcher, threads
from train.distributed.stopping import StopRequest

T = TypeVar("T")
# On the board: the message of the process that fails first, the main one's number, and who tells the user of an end.
FAILURE, MAIN, TELLER = "stylegrow/failure", "stylegrow/main", "stylegrow/teller"
DYING = 2.0  # seconds that a process may take from its last message to its end


class SingleProcess:
    """One process that trains by itself; the interface of several."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.rank, self.count = 0, 1

    def all_reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        """Average the tensors in place over all processes."""

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Give all processes the main one's tensors, in place."""

    def shard(self, whole: Tensor) -> Tensor:
        """This process's part of what was drawn for the whole batch.

        Every count-th sample: the strided groups of the minibatch standard deviation stay whole that way, and so do
        they when a shard is accumulated in parts (see Computation.parts).
        """
        return whole[self.rank :: self.count]


class Processes(SingleProcess):
    """This process among those that train together, on the device that accelerate gives it.

    To be used in a `with` block: at its end each waits for the last, and the main one receives an error of another.
    """

    def __init__(self) -> None:
        self.launcher = Launcher.find()
        if interface := interface_between_machines():
            os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
        # The networks choose their precision themselves, layer by layer (see progan.layers), so accelerate need not.
        self.accelerator = accelerate.Accelerator(cpu=use_cpu(), mixed_precision="no")
        super().__init__(self.accelerator.device)
        self.rank, self.count = self.accelerator.process_index, self.accelerator.num_processes
        if self.device.type == "cpu" and (number := threads(self.launcher)):
            torch.set_num_threads(number)
        self.stop = StopRequest(self.launcher)
        self._asked = torch.zeros(1)
        self._fetched = Fetched(self._asked)
        self._known: Exception | None = None  # the error that all processes have raised
        if self.count > 1:
            self._board = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
            if self.is_main:
                self._board.set(MAIN, str(os.getpid()))
            # For what takes as long as it takes, such as preparing images; a death among the processes still ends
            # the wait.
            self._patient: Any = dist.new_group(backend="gloo", timeout=timedelta(days=365))
            self._main_pid = int(self._board.get(MAIN))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                # A launcher ends all when the first has ended, so none may do so while the main one still writes.
                self.together(lambda: None)
            elif self.count > 1:
                if self._is_news(error):
                    with contextlib.suppress(RuntimeError):  # where the board has gone
                        self._board.compare_set(FAILURE, "", f"process {self.rank}: {error}")
                if self._is_teller(error) and not self.is_main:
                    self._tell(error)
        finally:
            for tracker in self.accelerator.trackers:
                tracker.finish()
            if error is None:
                self.accelerator.state.destroy_process_group()
            if self.stop.status is None:  # a process that is stopping is not to be interrupted while it ends
                self.stop.close()

    def _is_news(self, error: BaseException) -> bool:
        """Whether this error should be sent to the other processes: it is no exit, and not one that they sent."""
        return isinstance(error, Exception) and not isinstance(error, LostError) and error is not self._known

    def _is_teller(self, error: BaseException) -> bool:
        """Whether this process is to tell the user: the main one is, or where that is dead, one other."""
        if not self.is_main:
            with_main = self.rank == self.accelerator.local_process_index  # on one machine
            if not (isinstance(error, LostError) and with_main and last_line.ends(self._main_pid, DYING)):
                return False
        try:
            return self._board.compare_set(TELLER, "", str(self.rank)) == str(self.rank).encode()
        except RuntimeError:  # the board was in the main process: no launcher has another
            return True

    def _tell(self, error: BaseException) -> None:
        """In place of the main process, and as the last that is said."""
        line = f"error: {printable(one_line(error))}"
        if self.launcher is None:
            print(line, file=sys.stderr, flush=True)
        else:
            last_line.say_after(self.launcher.pid, line)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def all_reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        """Average the tensors in place over all processes.

        All travels as one message, with a flag that asks all to stop. Every process must bring tensors of the same
        shapes in the same order.
        """
        if self.count == 1:
            return
        # Filled, and not copied, which would wait for a GPU.
        self._asked = torch.full((1,), float(self.stop.status is not None), device=self.device)
        with self._message([*tensors, self._asked]) as content:
            dist.all_reduce(content)
            content /= self.count

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Give all processes the main one's tensors, in place."""
        if self.count > 1:
            with self._message(tensors) as content:
                dist.broadcast(content, src=0)

    @contextlib.contextmanager
    def _message(self, parts: Sequence[Tensor]) -> Iterator[Tensor]:
        """The tensors as one vector of the first one's type; what it holds at the end is written back to them."""
        content = torch.empty(sum(part.numel() for part in parts), dtype=parts[0].dtype, device=self.device)
        views = [
            view.view_as(part) for view, part in zip(content.split([p.numel() for p in parts]), parts, strict=True)
        ]
        with torch.no_grad():
            for view, part in zip(views, parts, strict=True):
                view.copy_(part)
            with self._connection():
                yield content
            for view, part in zip(views, parts, strict=True):
                part.copy_(view)

    def stop_status(self) -> int | None:
        """The exit status with which all processes are to end after this step, or None to go on.

        To be asked for once a step. Of several processes with GPUs it is that of the step before, so that none waits
        for its GPU to finish this one.
        """
        if self.count == 1:
            return self.stop.status
        before, self._fetched = self._fetched, Fetched(self._asked)
        asked = before if self.device.type == "cuda" else self._fetched
        return (self.stop.status or 128 + signal.SIGTERM) if asked.value() > 0 else None

    def together(self, function: Callable[[], T]) -> T:
        """This process's result of `function`, which all call, however long it takes; the first error is everyone's."""
        result, error = attempt(function)
        if self.count > 1:
            errors: list[Exception | None] = [None] * self.count
            with self._connection():
                dist.all_gather_object(errors, portable(error), group=self._patient)
            # One's own, where there is one, still has its traceback.
            error = error or next((one for one in errors if one is not None), None)
        return self._result(result, error)

    def gather(self, function: Callable[[], T]) -> list[T]:
        """Every process's result of `function`, in the order of their ranks; otherwise as `together`."""
        results = [self.together(function)] * self.count
        if self.count > 1:
            with self._connection():
                dist.all_gather_object(results, results[0], group=self._patient)
        return results

    def on_main(self, function: Callable[[], T]) -> T:
        """The result of `function`, which the main process alone calls; its error is everyone's."""
        result, error = attempt(function) if self.is_main else (None, None)
        if self.count > 1:
            outcome: list[Any] = [result, portable(error)]
            with self._connection():
                dist.broadcast_object_list(outcome, group=self._patient)
            result, error = outcome[0], error or outcome[1]
        return self._result(result, error)

    def machine_by_machine(self, function: Callable[[], T]) -> T:
        """As `together`, but one process of each machine calls it before the others do, who find its work done."""
        first = self.accelerator.is_local_main_process
        done = self.together(lambda: function() if first else None)
        return self.together(lambda: done if first else function())  # type: ignore[return-value]

    def _result(self, result: T | None, error: Exception | None) -> T:
        """The result that a function had in this process, or its error, which all processes raise."""
        if error is not None:
            self._known = error
            raise error
        return result  # type: ignore[return-value]

    @contextlib.contextmanager
    def _connection(self) -> Iterator[None]:
        """Turns what a broken connection raises into one line: why the process failed that was the first to do so."""
        try:
            yield
        except RuntimeError as error:
            cause = "another process of this training has ended; continue with --resume"
            with contextlib.suppress(RuntimeError):
                if self._board.check([FAILURE]):
                    cause = self._board.get(FAILURE).decode()
            raise LostError(cause) from error


class Fetched:
    """A number [1] on its way from a device, which goes on meanwhile."""

    def __init__(self, tensor: Tensor) -> None:
        self._copy = tensor.to("cpu", non_blocking=True)
        self._arrived = torch.cuda.Event() if tensor.is_cuda else None
        if self._arrived is not None:
            self._arrived.record()

    def value(self) -> float:
        """The number, once it is here."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return float(self._copy)


class LostError(RunError):
    """The connection to the other processes has broken."""


def attempt(function: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """(the result, None), or (None, the error)."""
    try:
        return function(), None
    except Exception as error:  # handed to the caller, who raises it
        return None, error


def portable(error: Exception | None) -> Exception | None:
    """The error in a form that can be sent to other processes."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever pickling raises
        return RunError(str(error))
    return error
