"""The memory that a training step takes beside the networks, by formula, and how many images a GPU has room for."""

from progan.config import stages
from stylegrow.architectures import ARCHITECTURES
from train.config.options import Options
from train.step.config import PrecisionName

# What a step holds at its peak of its layers' outputs, fitted to real steps on a CPU from 32 to 256 px, wide and
# narrow, in both precisions: so many times those of one evaluation of both networks, before and after each
# nonlinearity. A critic step holds those of reals, fakes and interpolates, and the gradient penalty's own. Fitted to
# ProGAN; StyleGAN's steps take 0.75 to 1.2 times as much, and on a GPU both take less than half.
EVALUATIONS = 2.4
ROOM = 0.9  # of a GPU's memory, less what networks of the official width and their optimizers take
NETWORKS = 2.0  # GB


def outputs(architecture: str, fmap_base: int, fmap_max: int, resolution: int) -> int:
    """How many numbers the layers of both networks put out for one image of this resolution, to a few percent."""
    each = 14 if ARCHITECTURES[architecture].has_styles else 10
    return each * sum(r * r * min(2 * fmap_base // r, fmap_max) for r in stages(resolution))


def activations(architecture: str, options: Options, resolution: int, precision: PrecisionName) -> float:
    """Gigabytes of an image's activations in a step at this resolution."""
    width = 2 if precision == "bf16" else 4
    return EVALUATIONS * width * outputs(architecture, options.fmap_base, options.fmap_max, resolution) / 1e9


def room(architecture: str, options: Options, resolution: int, precision: PrecisionName, gpu: float) -> int:
    """How many images a GPU of so many gigabytes has room for at once."""
    each = activations(architecture, options, resolution, precision)
    return max(int((ROOM * gpu - NETWORKS) / each), 0) if each else 0
