"""Where torchvision's small data sets are on this machine; Fashion-MNIST (Xiao et al. 2017) may be downloaded."""

import http.client
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from stylegrow.common.errors import DataError
from stylegrow.common.files import new_folder
from stylegrow.common.text import one_line, printable
from stylegrow.data.sources import CIFAR_10, FASHION_MNIST, MNIST, cifar

PACKAGE = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
ADVICE = "install Debian's package dataset-fashion-mnist, or give a folder with its files"
LOCAL = {MNIST: "MNIST/raw", CIFAR_10: cifar.FOLDER}  # where they are in torchvision's root
SECONDS = 30.0  # without an answer


def find(downloads: Path | None) -> Path:
    """The folder of the training files: of Debian's package, of torchvision, or a download kept under `downloads`.

    torchvision's is looked for where programs put it: FashionMNIST/raw in the working or the home folder, or in the
    folders data and datasets there. DataError where there are no files and none can be had.
    """
    roots = [*usual_roots(), *([downloads / "torchvision"] if downloads else [])]
    for folder in (PACKAGE, *filter(None, map(of_torchvision, roots))):
        if all(_holds(folder, name) for name in FILES):
            return folder
    if downloads is None:
        raise DataError(f"--data {FASHION_MNIST}: is not on this machine: {ADVICE}")
    return download(downloads)


def of_torchvision(root: Path) -> Path | None:
    """The folder in which torchvision, given this root, keeps the files; None where it has none."""
    folder = root / "FashionMNIST" / "raw"
    return folder if _holds(folder, FILES[0]) else None


def find_local(name: str) -> Path:
    """The folder in which torchvision has put one of the data sets of LOCAL. DataError where there is none."""
    for folder in (root / LOCAL[name] for root in usual_roots()):
        if folder.is_dir():
            return folder
    advice = f"download it with torchvision.datasets.{name.upper().replace('-', '')}, or give the folder with its files"
    raise DataError(f"--data {name}: is not on this machine (as data/{LOCAL[name]}, for example): {advice}")


def usual_roots() -> Iterator[Path]:
    """Folders that programs give torchvision as root."""
    for find_top in (Path.cwd, Path.home):
        try:
            top = find_top()
        except (OSError, RuntimeError):  # a working folder that has been removed, a user without a home
            continue
        yield from (top, top / "data", top / "datasets")


def download(downloads: Path) -> Path:
    """The folder of torchvision's download, which appears whole and checked or not at all. Raises DataError."""
    from filelock import FileLock
    from torchvision.datasets import FashionMNIST

    root, waited = downloads / "torchvision", socket.getdefaulttimeout()
    try:
        downloads.mkdir(parents=True, exist_ok=True)
        with FileLock(downloads / f"{FASHION_MNIST}.lock"):
            if not of_torchvision(root):  # else another process has downloaded it
                print(f"downloading {FASHION_MNIST}", file=sys.stderr, flush=True)
                socket.setdefaulttimeout(SECONDS)
                with new_folder(root) as partial:
                    FashionMNIST(partial, download=True)
    except (RuntimeError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        problem = f"cannot be downloaded ({printable(one_line(error))})"
        raise DataError(f"--data {FASHION_MNIST}: is not on this machine and {problem}: {ADVICE}") from error
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise DataError(f"{printable(downloads)} cannot be written ({reason}): choose another --cache") from error
    finally:
        socket.setdefaulttimeout(waited)
    return root / "FashionMNIST" / "raw"


def _holds(folder: Path, name: str) -> bool:
    """Whether a file is there, packed or not."""
    return any((folder / f"{name}{ending}").is_file() for ending in ("", ".gz"))
