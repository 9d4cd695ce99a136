"""Generate the faces of eight seeds with a model that comes with the project: python examples/sample.py [OUT]."""

import sys

from stylegrow import load_generator, sample
from stylegrow.rendering.grids import grid, save_png

generator = load_generator("stylegan-toonhead64")
images = sample(generator, range(8), psi=0.7)  # uint8 [8, 64, 64, 3]
save_png(grid(images, columns=4), sys.argv[1] if len(sys.argv) > 1 else "sample.png")
