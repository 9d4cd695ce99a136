"""Train a small StyleGAN from Python, then sample from it: python examples/train_small.py [FOLDER OF IMAGES].

A minute on one core, on the embedded faces or on your images. The options are those of the command line, which
`python train/stylegan.py --help` lists.
"""

import sys

import numpy as np

from stylegrow import sample
from train import Options, train


def main(data: str | None = None, out: str = "runs", kimg: float = 2.0) -> np.ndarray:
    """Images uint8 [4, 16, 16, 3] of a StyleGAN that has seen so many thousands of images."""
    options = Options(data=data, out=out, resolution=16, kimg=kimg, preset="toonhead")
    run = train("stylegan", options)
    assert run is not None, "only a dry run has no folder"
    return sample(run, range(4))


if __name__ == "__main__":  # preparing the images starts processes that import this file
    print(main(sys.argv[1] if len(sys.argv) > 1 else None).shape)
