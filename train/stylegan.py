"""Train a StyleGAN: python train/stylegan.py [OPTIONS]."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a script, Python looks in train/ first, where `import stylegan` would find this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from train.command import main

    sys.exit(main("stylegan", "Train a style-based GAN (Karras et al. 2019)."))
