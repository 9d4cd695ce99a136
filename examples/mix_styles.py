"""Give one face the coarse styles of another (Karras 2019, section 3.1): python examples/mix_styles.py [OUT]."""

import sys

import torch

from stylegan import Generator
from stylegrow import load_generator
from stylegrow.common.images import to_uint8
from stylegrow.rendering.grids import grid, save_png
from stylegrow.sampling.generation import latents

generator = load_generator("stylegan-toonhead64")
assert isinstance(generator, Generator)  # a ProGAN has no styles
with torch.inference_mode():
    w = generator.mapping(latents([31, 44], generator.z_dim))  # [2, w_dim]
    ws = generator.truncate(w, psi=0.7)  # [2, num_layers, w_dim]: one w a layer
    mixed = ws[:1].clone()
    mixed[:, :4] = ws[1:, :4]  # 4 and 8 px from the second face, everything finer from the first
    images = generator.synthesis(torch.cat([ws, mixed]), noise="const")  # [3, 3, 64, 64], nominal range -1 to 1
save_png(grid(to_uint8(images), columns=3), sys.argv[1] if len(sys.argv) > 1 else "mixed.png")
