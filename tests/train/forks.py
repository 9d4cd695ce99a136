"""Processes of their own that are forked from one which has imported everything already; on Unix."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["train.run.start", "torch._dynamo"])  # which optimizers import
