"""The training program: options, growth schedule, objectives, loop, checkpoints and reports."""
