"""Signals and a launcher that has gone, as requests to stop."""

import signal
import threading

import pytest

from train.distributed import stopping
from train.distributed.stopping import StopRequest


@pytest.fixture
def stop():
    """A request to stop, and the signals given back after it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    request = StopRequest(None)
    yield request
    request.close()
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_a_process_at_first_and_are_then_noted(stop, number, status):
    with pytest.raises(SystemExit) as ending:
        signal.raise_signal(number)
    assert ending.value.code == status
    assert stop.status is None
    stop.defer()
    signal.raise_signal(number)
    assert stop.status == status
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert stop.status == status


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no such signal here")
def test_a_closed_terminal_stops_a_training_unless_nohup_is_used():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        for handler, status in ((signal.SIG_IGN, None), (signal.SIG_DFL, 129)):
            signal.signal(signal.SIGHUP, handler)
            request = StopRequest(None)
            request.defer()
            signal.raise_signal(signal.SIGHUP)
            assert request.status == status
            request.close()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("deferred", [False, True])
def test_a_launcher_that_goes_is_a_request_to_stop(monkeypatch, deferred):
    monkeypatch.setattr(stopping, "SECONDS_BETWEEN_LOOKS", 0.001)
    goes = threading.Event()

    class Launched:
        @property
        def gone(self):
            return goes.is_set()

    def after_it_has_gone():
        goes.set()
        request._watcher.join()
        return request.status

    request = StopRequest(Launched())
    assert request.status is None
    if deferred:
        request.defer()
        assert after_it_has_gone() == 143
    else:
        with pytest.raises(SystemExit, match="143"):
            after_it_has_gone()
    request.close()
