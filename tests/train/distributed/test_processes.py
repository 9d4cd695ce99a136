"""One process alone, and errors on their way to other processes."""

import signal

import pytest
import torch

from stylegrow.common.errors import InputError, RunError
from train.distributed.processes import Processes, SingleProcess, portable


def test_one_process_does_what_several_would(environment):
    """The interface is the same, and nothing is read, copied or written."""
    tensor = torch.empty(3, device="meta")
    SingleProcess().all_reduce_mean([tensor])
    with Processes() as alone:
        assert (alone.rank, alone.count, alone.is_main) == (0, 1, True)
        alone.all_reduce_mean([tensor])
        alone.broadcast([tensor])
        for call in (alone.together, alone.on_main, alone.machine_by_machine):
            assert call(lambda: 7) == 7
            with pytest.raises(RunError, match="disk"):
                call(lambda: (_ for _ in ()).throw(RunError("disk")))
        assert alone.stop_status() is None
        alone.stop.defer()
        signal.raise_signal(signal.SIGTERM)
        assert alone.stop_status() == 143


def test_errors_that_cannot_travel_go_as_their_text():
    class Local(Exception):
        """Of a class that the other process cannot import."""

    error = InputError("--data")
    assert portable(error) is error
    assert portable(None) is None
    sent = portable(Local("odd"))
    assert (type(sent), str(sent)) == (RunError, "odd")
