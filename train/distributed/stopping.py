"""When a process of a training is to end before its work is done."""

import _thread
import signal
import threading
from types import FrameType

from train.distributed.launcher import Launcher

SECONDS_BETWEEN_LOOKS = 0.5  # at the launcher


class StopRequest:
    """Notices that this process should end: SIGTERM, Ctrl-C, a closed terminal, or a launcher that has gone.

    At first any of these ends the process where it stands. After `defer` it only sets `status`, until then None, to the
    exit status that belongs to the reason: the loop looks at it after every step and saves the state first. A second
    signal changes nothing.
    """

    def __init__(self, launcher: Launcher | None) -> None:
        self.status: int | None = None
        self._deferred = False
        numbers = [signal.SIGTERM, signal.SIGINT]
        # nohup has SIGHUP ignored, and Windows has none.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        self._before = {number: signal.signal(number, self._receive) for number in numbers}
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, args=(launcher,), name="launcher", daemon=True)
        if launcher is not None:
            self._watcher.start()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if not self._deferred:
            raise SystemExit(128 + number)
        self.status = self.status or 128 + number

    def _watch(self, launcher: Launcher) -> None:
        """In a thread of its own: when the launcher has gone, do as if it had passed SIGTERM on."""
        while not self._closed.wait(SECONDS_BETWEEN_LOOKS):
            if launcher.gone:
                return _thread.interrupt_main(signal.SIGTERM)

    def defer(self) -> None:
        """From now on there is something to save first."""
        self._deferred = True

    def close(self) -> None:
        """Restore the handlers of the signals."""
        self._closed.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)
