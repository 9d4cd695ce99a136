"""The weights that NVIDIA published for ProGAN and StyleGAN, read without TensorFlow."""
