"""Train a ProGAN: python train/progan.py [OPTIONS]."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a script, Python looks in train/ first, where `import progan` would find this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from train.command import main

    sys.exit(main("progan", "Train a progressively growing GAN (Karras et al. 2018)."))
