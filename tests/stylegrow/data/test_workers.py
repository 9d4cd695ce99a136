"""Tasks over several processes, also when one of them is killed."""

import os
import signal
from multiprocessing.connection import Connection

import pytest

from stylegrow.common.errors import DataError
from stylegrow.data.workers import Workers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")


def double(factor, number):
    return factor * number


def killed_at_three(shared, number):
    """A task whose process is killed at the third, when half of the result is written."""

    def write_half(connection, content):
        os.write(connection.fileno(), bytes(content)[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    if number == 3:
        Connection._send = write_half
    return b"x" * 1000


def test_results_come_in_order():
    with Workers(2, 2) as workers:
        assert list(workers.map(double, ((number,) for number in range(20)))) == list(range(0, 40, 2))


def test_a_worker_killed_within_its_result_ends_the_work_with_a_line():
    with pytest.raises(DataError, match="a worker process died"), Workers(2, None) as workers:
        list(workers.map(killed_at_three, ((number,) for number in range(20))))
