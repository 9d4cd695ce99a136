"""A training run around its steps: the loop, checkpoints, snapshots, reports."""
