"""The training step: networks, objectives, random numbers and batches."""
