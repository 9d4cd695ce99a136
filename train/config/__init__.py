"""What a run does, and how it is decided: options, presets, schedule, data, the networks' configurations."""
