"""Image generators: load, sample, evaluate and render them."""
