"""One thread a process: the tests compute so little that threads would only wait for each other."""

import os

# Before torch is imported, here and in the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
