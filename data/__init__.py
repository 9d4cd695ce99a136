"""Images in, batches out: where pictures come from, how they are prepared and how they are shown."""
