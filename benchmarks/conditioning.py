"""How a critic may learn whether a shower has its label: mechanisms side by side, the same networks, showers and steps.

python -m benchmarks.conditioning
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from torch import Tensor, nn
from tqdm import tqdm

import progan
from benchmarks import ours
from progan.energies import numbers_of
from progan.layers import Linear, Standardize, activation, cached_weights
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import InputError
from stylegrow.common.files import write_whole
from stylegrow.common.tables import markdown_table
from stylegrow.data import open_dataset
from stylegrow.physics.intensity import MIP_ROOT, Intensity, Root
from stylegrow.physics.observables import EnergyBins, Showers, energy_edges, hits, impact_correlation
from stylegrow.physics.tungsten import CALORIMETER
from train.step.config import StepConfig
from train.step.objectives import Critic, critic_loss, generator_loss

LABELS = 3  # energy and impact
HELD_OUT = 5  # one of so many showers is not trained on
Z_DIM = 32
EMBEDDING = 32  # numbers of a label's embedding, for the projection
LABEL_WEIGHT = 1.0  # of what the generator is told of labels beside its score
EMA = 0.01  # how far the average moves with each step


@dataclass(frozen=True)
class Options:
    """Train small ProGANs on calorimeter showers for equal times or steps; print how well each keeps its labels.

    Every training is kept when it ends: the same command goes on where it was stopped.
    """

    mechanisms: tuple[str, ...] = ()
    """those to compare (default: all)"""
    resolution: Annotated[int, tyro.conf.arg(metavar="INT")] = 16
    """of the showers, 32 at most"""
    seconds: Annotated[float, tyro.conf.arg(metavar="NUMBER")] = 240.0
    """CPU time of each training"""
    steps: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """of each training, in place of a time"""
    maps: Annotated[int, tyro.conf.arg(metavar="INT")] = 32
    """feature maps of every layer"""
    batch: Annotated[int, tyro.conf.arg(metavar="INT")] = 64
    """showers a step"""
    lr: Annotated[float, tyro.conf.arg(metavar="NUMBER")] = 0.003
    """learning rate, which falls to 0 over the second half"""
    gp_weight: Annotated[float, tyro.conf.arg(metavar="NUMBER")] = 0.7
    """of the gradient penalty: showers are a 14th as far from each other as faces, with which 10 is usual"""
    seed: Annotated[int, tyro.conf.arg(metavar="INT")] = 0
    """of weights, latents and the order of the showers"""
    data: str = "calorimeter"
    """the showers, or a folder in which they are prepared"""
    cache: Path | None = None
    """where they are kept (default: $STYLEGROW_CACHE, else ~/.cache/stylegrow)"""
    work: Path = Path("runs/conditioning")
    """folder in which trainings are kept"""

    def file(self, mechanism: str) -> Path:
        """The file that the result of a training is kept in."""
        length = f"{self.seconds:g}" if self.steps is None else f"{self.steps}steps"
        numbers = (self.maps, self.batch, self.lr, self.gp_weight, self.seed)
        parts = [mechanism.replace(" ", "_"), f"{self.resolution}", length, *(f"{number:g}" for number in numbers)]
        return self.work / f"{'-'.join(parts)}.json"


@dataclass(frozen=True)
class Data:
    """Showers as images [N, 3, r, r] and their labels [N, 3], with those that are not trained on apart."""

    images: Tensor
    labels: Tensor
    held_out: Showers
    edges: np.ndarray

    @property
    def label_arguments(self) -> dict[str, Any]:
        """What networks are told of the labels."""
        mean, deviation = self.labels.mean(dim=0).tolist(), self.labels.std(dim=0).tolist()
        return {"label_dim": LABELS, "label_kind": "vector", "label_mean": mean, "label_deviation": deviation}

    @property
    def sums_arguments(self) -> dict[str, Any]:
        """What networks are told of the channels' energies."""
        numbers = numbers_of(self.images, self.labels)
        mean, deviation = numbers.mean(dim=0).tolist(), numbers.std(dim=0).tolist()
        return {"channel_sums": True, "sums_mean": mean, "sums_deviation": deviation}


class Mechanism:
    """A critic without labels, and what is added to it. `networks` holds all that is trained with the critic.

    `sums_in` says which networks are told of the channels' energies.
    """

    sums_in: tuple[str, ...] = ()

    def __init__(self, shared: Mapping[str, Any], labels: Mapping[str, Any]) -> None:
        self.standardize = Standardize(progan.DiscriminatorConfig(**shared, **labels))
        self.networks = nn.ModuleDict({"critic": self.make(shared, labels)})

    def make(self, shared: Mapping[str, Any], _labels: Mapping[str, Any]) -> nn.Module:
        """The critic."""
        return progan.Discriminator(**shared)

    def critic(self, labels: Tensor) -> Critic:
        """The critic's scores of images with these labels."""
        return self.networks["critic"]

    def shown(self, images: Tensor, labels: Tensor) -> Tensor:
        """What the critic is shown of images."""
        return images

    def critic_term(self, reals: Tensor, fakes: Tensor, labels: Tensor) -> Tensor | float:
        """What is added to the critic's loss."""
        return 0.0

    def generator_term(self, fakes: Tensor, labels: Tensor) -> Tensor | float:
        """What is added to the generator's loss."""
        return 0.0


class Dense(Mechanism):
    """The label as an input of the dense layer, as the project's critics have it."""

    def make(self, shared: Mapping[str, Any], labels: Mapping[str, Any]) -> nn.Module:
        return progan.Discriminator(**shared, **labels)

    def critic(self, labels: Tensor) -> Critic:
        critic = self.networks["critic"]
        return lambda images, *, batches=1: critic(images, labels, batches=batches)


class DenseAndSums(Dense):
    """The energies of the channels beside it, which the penalty mixes and bounds by themselves."""

    sums_in: tuple[str, ...] = ("critic",)

    def shown(self, images: Tensor, labels: Tensor) -> Tensor:
        critic = cast(progan.Discriminator, self.networks["critic"])
        return critic.with_sums(images, labels)


class SumsFirst(DenseAndSums):
    """The generator draws these energies first, too, and scales its images to them: the project's --channel-sums."""

    sums_in = ("critic", "generator")


class Maps(Mechanism):
    """The label as constant maps beside the image, at the first layer (Reed et al. 2016 have it further inside)."""

    def make(self, shared: Mapping[str, Any], _labels: Mapping[str, Any]) -> nn.Module:
        return progan.Discriminator(**{**shared, "image_channels": shared["image_channels"] + LABELS})

    def critic(self, labels: Tensor) -> Critic:
        maps, critic = self.standardize(labels)[:, :, None, None], self.networks["critic"]

        def scores(images: Tensor, *, batches: int = 1) -> Any:
            beside = maps.repeat(batches, 1, 1, 1).expand(-1, -1, *images.shape[2:])
            return critic(torch.cat([images, beside], dim=1), batches=batches)

        return scores


class Projection(Mechanism):
    """An inner product of features and an embedding of the label is added to the score (Miyato & Koyama 2018)."""

    def make(self, shared: Mapping[str, Any], _labels: Mapping[str, Any]) -> nn.Module:
        critic = progan.Discriminator(**shared, label_dim=EMBEDDING)  # its label logits are the features
        embedding = nn.ModuleList([Linear(LABELS, EMBEDDING), Linear(EMBEDDING, EMBEDDING, gain=1.0)])
        return nn.ModuleDict({"features": critic, "embedding": embedding})

    def critic(self, labels: Tensor) -> Critic:
        network = cast(nn.ModuleDict, self.networks["critic"])
        hidden, output = cast(nn.ModuleList, network["embedding"])

        def scores(images: Tensor, *, batches: int = 1) -> Tensor:
            embedded = output(activation(hidden(self.standardize(labels)), "lrelu")).repeat(batches, 1)
            own, features = network["features"](images, batches=batches)
            return own + (features * embedded).sum(dim=1, keepdim=True)

        return scores


class Auxiliary(Mechanism):
    """The critic also predicts the label, of reals and fakes, and the generator learns to be predicted (Odena 2017)."""

    def make(self, shared: Mapping[str, Any], _labels: Mapping[str, Any]) -> nn.Module:
        return progan.Discriminator(**shared, label_dim=LABELS)

    def critic(self, labels: Tensor) -> Critic:
        critic = self.networks["critic"]
        return lambda images, *, batches=1: critic(images, batches=batches)[0]

    def critic_term(self, reals: Tensor, fakes: Tensor, labels: Tensor) -> Tensor:
        return self.errors(reals, labels).mean() + self.errors(fakes, labels).mean()

    def generator_term(self, fakes: Tensor, labels: Tensor) -> Tensor:
        return LABEL_WEIGHT * self.errors(fakes, labels).mean()

    def errors(self, images: Tensor, labels: Tensor) -> Tensor:
        """The mean squared error of each predicted component [3], in standard deviations of the data."""
        predicted = self.networks["critic"](images)[1]
        return F.mse_loss(predicted, self.standardize(labels), reduction="none").mean(dim=0)


class Constrainer(Auxiliary):
    """A network of its own learns the labels of reals, and fakes are to have its errors there (Erdmann et al. 2018)."""

    def __init__(self, shared: Mapping[str, Any], labels: Mapping[str, Any]) -> None:
        super().__init__(shared, labels)
        self.networks["constrainer"] = progan.Discriminator(**shared, label_dim=LABELS, mbstd_features=0)
        self.of_reals = torch.ones(LABELS)

    def make(self, shared: Mapping[str, Any], _labels: Mapping[str, Any]) -> nn.Module:
        return progan.Discriminator(**shared)

    def critic(self, labels: Tensor) -> Critic:
        return self.networks["critic"]

    def critic_term(self, reals: Tensor, fakes: Tensor, labels: Tensor) -> Tensor:
        errors = self.errors(reals, labels)
        self.of_reals = torch.lerp(self.of_reals, errors.detach(), 0.1)  # of one batch they scatter too much
        return errors.mean()

    def generator_term(self, fakes: Tensor, labels: Tensor) -> Tensor:
        return LABEL_WEIGHT * (self.errors(fakes, labels) - self.of_reals).abs().mean()

    def errors(self, images: Tensor, labels: Tensor) -> Tensor:
        predicted = self.networks["constrainer"](images)[1]
        return F.mse_loss(predicted, self.standardize(labels), reduction="none").mean(dim=0)


MECHANISMS: dict[str, type[Mechanism]] = {
    "dense": Dense,
    "dense and sums": DenseAndSums,
    "sums first": SumsFirst,
    "maps": Maps,
    "projection": Projection,
    "auxiliary": Auxiliary,
    "constrainer": Constrainer,
}


def read(options: Options) -> Data:
    """The showers, simulated where they are not prepared yet. DataError."""
    dataset = open_dataset(options.data, cache=options.cache)
    training, held_out = dataset.split(len(dataset) // HELD_OUT)
    levels, others = (pooled(dataset.read(one, CALORIMETER.cells), options.resolution) for one in (training, held_out))
    labels, apart = (torch.from_numpy(dataset.labels("electron", one)) for one in (training, held_out))
    energy, *impact = apart.double().numpy().T
    showers = Showers(deposits(others), energy, np.stack(impact, axis=1))
    return Data(torch.from_numpy(levels).float() / 127.5 - 1, labels, showers, energy_edges(energy))


def pooled(levels: np.ndarray, resolution: int) -> np.ndarray:
    """Grey levels [N, 3, r, r] of the mean energies, not rounded, of those of all cells [N, 3, 32, 32]."""
    width = CALORIMETER.cells // resolution
    squares = np.square(levels, dtype=np.float64).reshape(len(levels), -1, resolution, width, resolution, width)
    return np.sqrt(squares.mean(axis=(3, 5)))


def deposits(levels: np.ndarray) -> np.ndarray:
    """Deposits [N, 3, r, r] in MIP of grey levels, each the sum over those of the 32 x 32 cells that one covers."""
    cells = (CALORIMETER.cells // levels.shape[-1]) ** 2
    scales = [replace(scale, most=cells * scale.most) for scale in cast(Sequence[Root], MIP_ROOT.scales)]
    return Intensity("joined", scales).decode(levels)


class Game:
    """A generator and a mechanism in training, on showers in an order of their own."""

    def __init__(self, mechanism: str, options: Options, data: Data) -> None:
        torch.manual_seed(options.seed)
        self.options, self.data, self.config = options, data, StepConfig(gp_weight=options.gp_weight)
        maps, resolution = options.maps, options.resolution
        shared: dict[str, Any] = {
            "resolution": resolution,
            "image_channels": 3,
            "fmap_base": maps * resolution,
            "fmap_max": maps,
        }
        kind = MECHANISMS[mechanism]
        of_critic, of_generator = (
            data.label_arguments | (data.sums_arguments if name in kind.sums_in else {})
            for name in ("critic", "generator")
        )
        self.generator = progan.Generator(**shared, z_dim=Z_DIM, **of_generator)
        ours.begin_with(data.images.mean(dim=(0, 2, 3)), self.generator)
        self.average = copy.deepcopy(self.generator).eval()
        self.mechanism = kind(shared, of_critic)
        self.g_adam, self.d_adam = (
            torch.optim.Adam(network.parameters(), options.lr, self.config.betas, fused=True)
            for network in (self.generator, self.mechanism.networks)
        )

    def step(self, rate: float) -> None:
        """One step of both networks, at `rate` times the learning rate."""
        for adam in (self.d_adam, self.g_adam):
            adam.param_groups[0]["lr"] = rate * self.options.lr
        networks, (reals, labels) = self.mechanism.networks, self.draw()
        with torch.no_grad(), cached_weights(self.generator):
            fakes = self.generator(torch.randn(len(labels), Z_DIM), labels)
        mix = torch.rand(len(reals), 1, 1, 1)
        reals, fakes = (self.mechanism.shown(images, labels) for images in (reals, fakes))
        self.d_adam.zero_grad()
        with cached_weights(networks):
            loss = critic_loss(self.config, self.mechanism.critic(labels), reals, fakes, mix)
            (loss.value + self.mechanism.critic_term(reals, fakes, labels)).backward()
        self.d_adam.step()
        _, labels = self.draw()
        self.g_adam.zero_grad()
        networks.requires_grad_(False)
        with cached_weights(self.generator), cached_weights(networks):
            fakes = self.generator(torch.randn(len(labels), Z_DIM), labels)
            fakes = self.mechanism.shown(fakes, labels)
            loss = generator_loss(self.config, self.mechanism.critic(labels), fakes)
            (loss.value + self.mechanism.generator_term(fakes, labels)).backward()
        networks.requires_grad_(True)
        self.g_adam.step()
        with torch.no_grad():
            for own, new in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                own.lerp_(new, EMA)

    def draw(self) -> tuple[Tensor, Tensor]:
        """A batch of showers and their labels."""
        chosen = torch.randint(len(self.data.images), (self.options.batch,))
        return self.data.images[chosen], self.data.labels[chosen]

    @torch.inference_mode()
    def showers(self) -> Showers:
        """As many as are held out, with the same labels."""
        real = self.data.held_out
        assert real.impact is not None
        labels = torch.from_numpy(np.column_stack([real.energy, real.impact])).float()
        parts = [self.average(torch.randn(len(part), Z_DIM), part) for part in labels.split(128)]
        return real._replace(deposits=deposits(((torch.cat(parts) + 1) * 127.5).numpy()))


def train(mechanism: str, options: Options, data: Data) -> dict[str, Any]:
    """Train for the steps or the seconds; what the generator makes of labels that are held out."""
    game, start, steps = Game(mechanism, options, data), time.process_time(), 0

    def done() -> float:
        return (time.process_time() - start) / options.seconds if options.steps is None else steps / options.steps

    while (share := done()) < 1:
        game.step(min(1.0, 2 * (1 - share)))
        steps += 1
    seconds = time.process_time() - start
    return {"steps": steps, "seconds": seconds} | figures(game.showers(), data.edges)


def figures(showers: Showers, edges: np.ndarray) -> dict[str, Any]:
    """What is compared of showers."""
    bins = EnergyBins.of(showers, edges)
    return {
        "response": bins.response.tolist(),
        "resolution": bins.resolution.tolist(),
        "hits": float(hits(showers.deposits).sum(axis=1).mean()),
        "impact": impact_correlation(showers),
    }


def table(options: Options, results: Mapping[str, Mapping[str, Any]], data: Data) -> str:
    """A row for each mechanism under the truth's."""
    spans = [f"{low:.0f}-{high:.0f} GeV" for low, high in zip(data.edges, data.edges[1:], strict=False)]
    rows = [
        [
            name,
            f"{one['steps']:,}" if "steps" in one else "",
            *(f"{mean:.1f}, {width:.1%}" for mean, width in zip(one["response"], one["resolution"], strict=True)),
            f"{one['hits']:.0f}",
            f"{one['impact']:.3f}",
        ]
        for name, one in {"truth": figures(data.held_out, data.edges), **results}.items()
    ]
    length = f"{options.seconds:g} CPU seconds" if options.steps is None else "equal steps"
    titles = [length, "steps", *spans, "hits", "impact"]
    return markdown_table(titles, rows)


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.conditioning")
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    data, results = read(options), {}
    for mechanism in tqdm(options.mechanisms or MECHANISMS, unit="training", disable=None):
        if mechanism not in MECHANISMS:
            raise InputError(f"--mechanisms {mechanism}: is none of {', '.join(MECHANISMS)}")
        path = options.file(mechanism)
        if not path.is_file():
            write_whole(path, json.dumps(train(mechanism, options, data)).encode())
        results[mechanism] = json.loads(path.read_bytes())
    print(table(options, results, data))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
