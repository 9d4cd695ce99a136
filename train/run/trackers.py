"""The trackers of --log-with: TensorBoard, Weights & Biases, Trackio."""

import importlib.util
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from accelerate.tracking import filter_trackers
from PIL import Image

from stylegrow.common.errors import InputError
from train.config.run_config import RunConfig


def check_tracker(name: str) -> None:
    """InputError when the tracker's package is not installed."""
    if name != "none" and importlib.util.find_spec(name) is None:
        raise InputError(f"--log-with {name}: its package is not installed; pip install {name}")


def start_trackers(accelerator: Accelerator, config: RunConfig, run: Path) -> None:
    """Start the tracker of --log-with: files in the run folder, or a run of the folder's name elsewhere."""
    tracker = config.options.log_with
    if tracker == "none":
        return
    # Only now, since accelerate wants to know the folder before the tracker.
    accelerator.project_configuration.logging_dir = str(run)
    accelerator.log_with = filter_trackers(tracker, run)
    settings = {name: value for name, value in config.option_values().items() if isinstance(value, int | float | str)}
    names = {"wandb": {"name": run.name, "dir": str(run)}, "trackio": {"name": run.name}}
    project = tracker if tracker == "tensorboard" else "stylegrow"
    try:
        accelerator.init_trackers(project, config=settings, init_kwargs=names)
    except Exception as error:  # whatever the tracker's own package raises, such as that nobody is logged in
        accelerator.trackers.clear()
        raise InputError(f"--log-with {tracker}: cannot be started ({error}); set it up or leave it out") from error


def track_grid(accelerator: Accelerator, grid: Image.Image, images: int) -> None:
    """Show a snapshot grid in the trackers that take images."""
    pixels = np.asarray(grid.convert("RGB"))[None]
    for tracker in accelerator.trackers:
        if hasattr(tracker, "log_images"):
            layout = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            tracker.log_images({"fakes": pixels}, step=images, **layout)
