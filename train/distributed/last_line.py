"""Says a line once a process has ended: `python last_line.py PID LINE`. By itself, so that it starts at once."""

import subprocess
import sys
import time

import psutil

LONGEST = 60.0  # seconds; torchrun gives its processes 30 to end


def say_after(pid: int, line: str) -> None:
    """Have a process of its own, which outlives this one and its launcher, write a line on stderr after another ends.

    That is how it comes after what a launcher writes about its processes.
    """
    words = [sys.executable, __file__, str(pid), line]
    subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)


def ends(pid: int, seconds: float) -> bool:
    """Whether a process has ended, or does so in the next seconds."""
    latest = time.monotonic() + seconds
    while _is_running(pid):
        if time.monotonic() > latest:
            return False
        time.sleep(0.02)
    return True


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # which has ended, though nobody has asked how
    except psutil.Error:
        return False


if __name__ == "__main__":
    ends(int(sys.argv[1]), LONGEST)
    print(sys.argv[2], file=sys.stderr)
