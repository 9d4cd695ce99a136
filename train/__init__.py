"""Training: `train(architecture, Options(...))` from Python; progan.py and stylegan.py are the commands."""

from pathlib import Path

from train.config.options import Options

__all__ = ["Options", "train"]


def train(architecture: str, options: Options) -> Path | None:
    """Train a "progan", "stylegan" or "vae" in this process, and return the run's folder; None for a dry run.

    Raises InputError for options and data that cannot be used and RunError for a run that cannot go on. Ctrl-C and
    SIGTERM save the run and raise SystemExit.
    """
    from train.config.checks import checked
    from train.run.start import run

    folder, status = run(architecture, checked(options, architecture))
    if status:
        raise SystemExit(status)
    return folder
