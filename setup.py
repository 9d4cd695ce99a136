"""The packages that are installed; pyproject.toml holds everything else."""

from setuptools import find_packages, setup

ROOMS = ("progan", "stylegan", "vae", "stylegrow", "train", "app")

setup(
    packages=[*find_packages(include=[*ROOMS, *(f"{room}.*" for room in ROOMS)]), "stylegrow.zoo"],
    # The bundled models are installed inside the library, so that no other package's zoo/ is mistaken for theirs.
    package_dir={"stylegrow.zoo": "zoo"},
)
