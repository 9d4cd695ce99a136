"""Small models with random weights, as folders: a StyleGAN, one with classes, one still growing, a grey ProGAN."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import progan
import stylegan
from app.game.game import Game
from stylegrow.models import save_model
from stylegrow.sampling.engine import Engine
from tests.app.stubs import Clock, chance


@dataclass(frozen=True)
class Served:
    """A running app: its address, its page (gr.Blocks), its models, and the folder of the files it makes."""

    url: str
    demo: Any
    models: Any
    files: Path


CLASSES = ["cat", "2", "öwl"]
CREDIT = "“Faces” by Zoë, CC BY 4.0"


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from threads, and lose much where other tests run at the same time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def lively(generator: stylegan.Generator) -> stylegan.Generator:
    """A new network whose styles and noise change the image, as training would have made them."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("noise_strength", "bias")):
                parameter.normal_(0, 0.3)
            elif name.endswith("style.weight"):
                parameter.normal_(0, 2)
            elif "to_image" in name:
                parameter.mul_(0.3)
        generator.w_avg.normal_(0, 0.2)
    return generator


def style(resolution: int = 32, **arguments: object) -> stylegan.Generator:
    small = {"z_dim": 8, "w_dim": 8, "mapping_layers": 2, "mapping_fmaps": 8, "fmap_base": 64, "fmap_max": 8}
    return lively(stylegan.Generator(resolution, **(small | arguments)))  # type: ignore[arg-type]


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the models are in."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "style", style(64), training={"credit": CREDIT})
    save_model(folder / "classes", style(16, label_dim=3, image_channels=1), classes=CLASSES)
    save_model(folder / "unnamed", style(8, label_dim=2))
    save_model(folder / "growing", style(32), training={"resolution": 16, "alpha": 0.5})
    save_model(folder / "silent", style(8, use_noise=False))
    save_model(folder / "one-style", style(8, use_styles=False, const_input=False))
    grey = progan.Generator(16, z_dim=8, fmap_base=64, fmap_max=8, image_channels=1)
    save_model(folder / "run" / "model", grey)
    return folder


@pytest.fixture(scope="package")
def engine(models: Path) -> Callable[[str], Engine]:
    """The engine of a model by its name, on the CPU."""
    return lambda name: Engine(str(models / name), "cpu")


@pytest.fixture(scope="package")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The browser app on the models of the fixtures, the StyleGAN first, for all tests of the package."""
    from app.web.models import Models
    from app.web.options import Serve
    from app.web.server import build_app, launch

    files = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(files))
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("HF_HUB_OFFLINE", "1")
        names = ["style", "classes", "growing", "silent", "one-style", "run"]
        options = Serve(model=tuple(str(models / name) for name in names), device="cpu", runs=str(files / "runs"))
        loaded = Models(options.model, device="cpu")
        loaded.engine(loaded.first)
        demo = build_app(loaded, options, files)
        yield Served(launch(demo, options).rstrip("/"), demo, loaded, files)
        demo.close(verbose=False)


@pytest.fixture
def small_files(monkeypatch):
    """The game's pictures at 8 px, which takes no time."""
    monkeypatch.setattr("app.game.anti_cheat.SMALLEST_SHOWN", 8)


@pytest.fixture
def clock():
    """A clock that goes on when it is told to."""
    return Clock()


@pytest.fixture
def game(tmp_path, clock):
    """The game, with chances that are the same every time."""
    game = Game(tmp_path, rng=chance(), clock=clock)
    yield game
    game.close()
