"""Train a VAE: python train/vae.py [OPTIONS]."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a script, Python looks in train/ first, where `import vae` would find this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from train.command import main

    sys.exit(main("vae", "Train a variational autoencoder (Kingma and Welling 2014) of a ProGAN's stages."))
