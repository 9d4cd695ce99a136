"""Pictures and figures from trained models: the engine, and the command line on it (`python -m app`)."""
