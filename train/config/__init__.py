"""What a run is told and what it does: options, presets, schedule."""
