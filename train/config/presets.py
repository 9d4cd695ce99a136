"""Partial configurations, laid under the options that are given: the official programs', and this project's own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stylegrow.common.errors import InputError
from stylegrow.common.text import counted
from stylegrow.data.sources import TOONHEAD
from train.config.fields import as_given
from train.config.memory import room
from train.config.options import ABOUT, Options
from train.config.schedule import Schedule, resolutions, to_images
from train.step.config import PrecisionName

if TYPE_CHECKING:
    from stylegrow.data import Dataset


@dataclass(frozen=True)
class Preset:
    """Options for those that are not given, and what no option says.

    `batch`, a total over all processes, and `lr` hold at the resolutions that `batch_at` and `lr_at` do not name;
    `options_at` are further options for trainings to some full resolutions. The rates are for networks with
    or without the equalized learning rate, as `equalized_lr` says; WGAN-GP trains with `wgan_gp_lr` at most. `reason`
    is why the preset was chosen where none was named.
    """

    name: str
    options: Options
    batch: int
    batch_at: Mapping[int, int] = field(default_factory=dict)
    lr: float = 0.001
    lr_at: Mapping[int, float] = field(default_factory=dict)
    wgan_gp_lr: float = math.inf
    options_at: Mapping[int, Options] = field(default_factory=dict)
    mbstd_group: int = 4
    equalized_lr: bool = True
    reason: str = ""

    def under(self, options: Options) -> Options:
        """The given options, and this preset's where none is given."""
        return self.options.but(**options.given)

    def but(self, options: Options, **changes: Any) -> Preset:
        """The same with these options, and with other fields changed."""
        return replace(self, options=self.under(options), **changes)

    def at(self, resolution: int) -> Preset:
        """The same for trainings to this resolution."""
        return self.but(self.options_at.get(resolution, Options()))

    def schedule(self, resolution: int, options: Options | None = None) -> Schedule:
        """The schedule to `resolution`, under options of which --batch and --lr hold at all stages.

        ValueError where they make no schedule.
        """
        given = options or Options()
        start = given.given.get("start_resolution") or min(self.options.start_resolution, resolution)
        under, sizes = self.under(given), resolutions(start, resolution)
        return Schedule(
            resolution=resolution,
            start_resolution=start,
            stable_kimg=under.stable_kimg,
            fade_kimg=under.fade_kimg,
            batch={r: given.batch or self.batch_at.get(r, self.batch) for r in sizes},
            lr={r: given.lr or self.lr_at.get(r, self.lr) for r in sizes},
        )

    def kimg(self, schedule: Schedule) -> float:
        """The length of a run of this schedule: the preset's, or more where growing would leave less than a stage."""
        lengths = [s.growing_kimg + s.stable_kimg + s.fade_kimg for s in (self.schedule(schedule.resolution), schedule)]
        return max(self.options.kimg or 0, *lengths)

    def for_objective(self, options: Options) -> Preset:
        """The same with the learning rates that suit the objective of these options, and nothing of another objective.

        Weights that are clipped or normalised must be the effective ones, so that the equalized learning rate is off
        then, in both networks, and the rate is one of the papers' at all resolutions.
        """
        loss, normalised = self.under(options).loss, self.under(options).spectral_norm != "no"
        others = [name for name in self.options.given if ABOUT[name].loss not in (None, loss)]
        own = self.but(Options(**{name: getattr(Options, name) for name in others}))
        if self.equalized_lr and (loss == "wgan-clip" or normalised):
            lr = WGAN_LR if loss == "wgan-clip" else SNGAN_LR
            return own.but(Options(g_lr_ratio=1.0), equalized_lr=False, lr=lr, lr_at={})
        if loss != "wgan-gp":
            return own.but(Options(g_lr_ratio=1.0))
        lr_at = {r: min(lr, self.wgan_gp_lr) for r, lr in self.lr_at.items()}
        return replace(own, lr=min(self.lr, self.wgan_gp_lr), lr_at=lr_at)

    def for_length(self, options: Options, resolution: int) -> Preset:
        """The same with stages and blur that a shorter training of these options has time for, unless they are given.

        The full resolution keeps its share of the training, which is the preset's decision: all is shortened in the
        same proportion.
        """
        if options.kimg is None:
            return self
        start = min(options.given.get("start_resolution", self.options.start_resolution), resolution)
        schedule = self.schedule(resolution, Options(start_resolution=start))
        share = options.kimg / self.kimg(schedule)
        if share >= 1:
            return self
        stages = {"stable_kimg": schedule.stable_kimg, "fade_kimg": schedule.fade_kimg}
        lengths = {} if stages.keys() & options.given.keys() or not schedule.growing_kimg else stages
        if not isinstance(self.options.blur, str):
            lengths["blur"] = self.options.blur
        shorter: dict[str, Any] = {name: to_images(share * kimg) / 1000 for name, kimg in lengths.items()}
        return self.but(Options(**shorter))

    def changes(self, options: Options, resolution: int) -> list[str]:
        """What this preset, and then objective and length, set where no option is given: a line each."""

        def words(values: Mapping[str, Any]) -> list[str]:
            return [as_given(name, value) for name, value in values.items() if name not in options.given]

        asked = self.under(options)
        chosen = self.for_objective(options)
        by_objective = words(differing(chosen, self))
        if options.lr is None and (chosen.lr, chosen.lr_at) != (self.lr, self.lr_at):
            by_objective.append(f"learning rates up to {max([chosen.lr, *chosen.lr_at.values()]):g}")
        if chosen.equalized_lr != self.equalized_lr:
            by_objective.append("no equalized learning rate")
        normalised = "" if asked.spectral_norm == "no" else f" --spectral-norm {asked.spectral_norm}"
        by_length = differing(self.for_length(options, resolution), self)
        who_sets = {
            f"preset {self.name}": words({n: v for n, v in self.options.given.items() if n not in by_length}),
            f"--loss {asked.loss}{normalised}": by_objective,
            as_given("kimg", asked.kimg): words(by_length),
        }
        return [f"{who} sets: {', '.join(what)}" for who, what in who_sets.items() if what]


def differing(changed: Preset, original: Preset) -> dict[str, Any]:
    """The options of a preset that are not those of another."""
    return {name: v for name, v in changed.options.given.items() if v != getattr(original.options, name)}


def preset(architecture: str, name: str) -> Preset:
    """The architecture's preset of that name. InputError, naming those that exist, for an unknown one."""
    presets = PRESETS[architecture]
    if name not in presets:
        raise InputError(f"--preset {name}: there is none of this name; use one of {', '.join(presets)}")
    return presets[name]


def choose_preset(
    architecture: str,
    options: Options,
    dataset: Dataset,
    processes: int,
    precision: PrecisionName = "no",
    gpu: float | None = None,
) -> Preset:
    """The preset asked for, or that of the embedded faces, of small images, or of so many processes; for this data.

    `gpu` is the memory in gigabytes of the GPU that each process has, None on other devices.
    """
    if options.preset:
        return preset(architecture, options.preset).at(dataset.resolution)
    of_gpu, on_gpu = ("", "") if gpu is None else ("-gpu", " on a GPU")
    if dataset.source == TOONHEAD:
        name, reason = f"toonhead{of_gpu}", f"the embedded faces{on_gpu}"
    elif dataset.transform is not None:
        name, reason = "calorimeter", "the embedded showers"
    elif dataset.resolution <= 64 or architecture not in OFFICIAL_PREFIXES:
        name, reason = f"small{of_gpu}", f"small images{on_gpu}"
    elif gpu is None or options.batch:
        name, reason = preset_for(architecture, processes), "the official one by the number of processes"
    else:
        name = preset_with_room(architecture, options, dataset.resolution, processes, precision, gpu)
        reason = f"the largest official batches that {counted(processes, 'GPU')} of {gpu:.0f} GB can hold"
    return replace(preset(architecture, name).at(dataset.resolution), reason=reason)


def preset_with_room(
    architecture: str, options: Options, resolution: int, processes: int, precision: PrecisionName, gpu: float
) -> str:
    """Name of the official preset with the largest batches that so many GPUs of `gpu` GB take at once, with its rates.

    At least the one for that many.
    """
    name = preset_for(architecture, processes)
    for count in OFFICIAL_BATCHES:
        larger = preset_for(architecture, max(count, processes))
        asked = preset(architecture, larger).under(options)
        batches = preset(architecture, larger).schedule(resolution).batch
        if all(b // processes <= room(architecture, asked, r, precision, gpu) for r, b in batches.items()):
            name = larger
    return name


def preset_for(architecture: str, processes: int) -> str:
    """Name of the official preset for that many processes: the one for the largest GPU count that is not above it."""
    count = max(count for count in OFFICIAL_BATCHES if count <= processes)
    return f"{OFFICIAL_PREFIXES[architecture]}-{count}gpu{'s' if count > 1 else ''}"


# Both official programs', by the number of GPUs: the batch at the resolutions with one of their own, and at all others.
OFFICIAL_BATCHES: Mapping[int, tuple[Mapping[int, int], int]] = {
    1: ({4: 128, 8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4}, 4),
    2: ({4: 256, 8: 256, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8}, 8),
    4: ({4: 512, 8: 256, 16: 128, 32: 64, 64: 32, 128: 16}, 16),
    8: ({4: 512, 8: 256, 16: 128, 32: 64, 64: 32}, 32),
}
OFFICIAL_PREFIXES = {"progan": "v2", "stylegan": "stylegan"}
PROGAN_LR: Mapping[int, Mapping[int, float]] = {
    1: {1024: 0.0015},
    2: {512: 0.0015, 1024: 0.002},
    4: {256: 0.0015, 512: 0.002, 1024: 0.003},
    8: {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003},
}
STYLEGAN_LR = PROGAN_LR[8]  # with any number of GPUs
# What fits one GPU, where steps of few pixels would leave it idle: of the embedded faces and of small images.
GPU_BATCHES: Mapping[int, int] = {4: 64, 8: 64, 16: 64}
GPU_BATCH = 32
GPU_FACES = 256  # the embedded faces' resolution there
WGAN_LR = 0.00005  # Arjovsky et al. 2017, algorithm 1
SNGAN_LR = 0.0002  # Miyato et al. 2018, setting C of table 1 and all of section 4.2


def named(presets: Iterable[Preset]) -> dict[str, Preset]:
    """The presets by their names."""
    return {entry.name: entry for entry in presets}


PROGAN = named(
    [
        # The paper's own program.
        Preset(
            "v1-1gpu",
            Options(kimg=19000, stable_kimg=800, fade_kimg=800, mixed_precision="no"),
            batch=16,
            batch_at={256: 14, 512: 6, 1024: 3},
            mbstd_group=16,
        ),
        *(
            Preset(preset_for("progan", count), Options(kimg=12000), batch, batch_at, lr_at=PROGAN_LR[count])
            for count, (batch_at, batch) in OFFICIAL_BATCHES.items()
        ),
        # The embedded faces to 64 px on two processor cores.
        Preset(
            "toonhead",
            Options(
                kimg=150,
                stable_kimg=8,
                fade_kimg=8,
                fmap_base=2048,  # at 32 px, after 44 kimg, KID of a StyleGAN was 0.094, with half of the maps 0.131
                fmap_max=128,
                z_dim=128,
                # After 48 and 72 kimg at 64 px the mean of averages from the last 16 kimg had as good a KID as one of
                # 1 kimg, 0.102 for 0.103 and 0.077 for 0.072, and 45 % for 33 % and 49 % for 46 % of intact faces.
                ema_rampup=0.05,
                # Steps of one size leave the generator far behind the critic: at 32 px, after 16 kimg, KID was 0.47,
                # with steps four times the critic's 0.25, and the estimated distance 5.2 and 2.2.
                g_lr_ratio=4,
                blur="no",
            ),
            # At 32 px, after 36 kimg, KID was 0.123, in batches of 8 at 0.0015 0.134 after 1.15 times as long; at 64 px
            # 10 kimg took it from 0.071 to 0.062, where 48 of those, at rates that fell, had made 0.074 of 0.077.
            batch=16,
            lr=0.003,
            # What is uneven in the corners is nearly all a frame: 1.6 grey levels at 64 px, and 0.2 within.
            # Without blur outlines stay frayed from 64 px on, but with it drawings get their edges later: at 32 px,
            # after 18 kimg, KID was 0.283, without 0.194; with blur in the layers of 64 px alone, 22 kimg after these
            # had begun, 0.174, without 0.147. Begun 50 kimg after them, it had made outlines clean 10 kimg later, and
            # taken the distance from 3.4 to 2.8; 22 kimg later KID had gone from 0.099 to 0.072.
            options_at={r: Options(margin=margin, blur=112) for r, margin in ((64, 2), (128, 2), (256, 4))},
        ),
        # The embedded showers on one processor core: ten minutes to 16 px, half an hour to 32 px.
        Preset(
            "calorimeter",
            Options(
                kimg=240,
                stable_kimg=120,
                fade_kimg=6,
                start_resolution=16,  # steps of fewer pixels take a core hardly less time
                fmap_base=384,
                fmap_max=48,
                z_dim=64,
                channel_sums=True,
                gp_weight=0.7,  # two showers lie a 14th as far apart as two faces
                ema_kimg=4,
            ),
            batch=16,  # after 40 kimg at 16 px, KPD was 0.004, with 32 after 36 kimg 0.013
            lr=0.002,
        ),
        # One's own images at low resolution on one modest machine.
        Preset(
            "small",
            Options(kimg=1200, stable_kimg=100, fade_kimg=100, fmap_base=4096, fmap_max=256, z_dim=256, ema_kimg=5),
            batch=16,
            batch_at={4: 64, 8: 64, 16: 64, 32: 32},
        ),
    ]
)

STYLEGAN = named(
    [
        *(
            Preset(
                preset_for("stylegan", count),
                Options(kimg=25000, start_resolution=8),
                batch,
                batch_at,
                lr_at=STYLEGAN_LR,
                wgan_gp_lr=0.002,
            )
            for count, (batch_at, batch) in OFFICIAL_BATCHES.items()
        ),
        # At 32 px, after 22 kimg, with steps 2, 4 and 8 times the critic's, KID was 0.26, 0.19 and 0.155, and the
        # estimated distance 5.1, 3.0 and 2.4; at 64 px, from 96 kimg on, 8 and 4 times gave distances of 5.5 and 4.1.
        # Twice the rates of both take KID from 0.31 to 0.226 in the first 10 kimg after the fade to 64 px, these to
        # 0.245; but in the fade itself they lead to 0.41.
        # Noise has to be learned slowly: drawn faces leave nothing to chance, and speckles come first.
        PROGAN["toonhead"].but(
            Options(
                stable_kimg=10,
                fade_kimg=10,
                start_resolution=8,
                # Eight layers that learn so fast leave 14 of z's 128 dimensions, two leave 51: at 32 px, after 12 kimg,
                # KID was 0.318 and 0.252, after 24 kimg 0.170 and 0.165, and 52 % and none of the images had a sibling.
                # Just after the fade to 64 px, 8 kimg later, KID was 0.287 with both, and 39 % and none had one.
                mapping_layers=2,
                mapping_lrmul=0.1,
                noise_lr_ratio=0.01,
                # AdaIN divides a map by how much it varies over the image, so that colours depend on all shapes: halos
                # and clouds where all is flat. Normalised over the channels of a pixel, KID at 32 px after 24 kimg was
                # 0.146 and 0.090 in two runs, the estimated distance 3.4 where it was 5.1; 88 kimg later, at 64 px, KID
                # was 0.085, where AdaIN had 0.131 after 180 in all. Mixtures keep flat colours.
                norm="pixel",
                mixing=0.5,  # KID was the same without, 0.130 and 0.131 after 44 kimg, but mixtures tear
            ),
            batch=8,
            batch_at={8: 16},
            lr=0.002,
            # Repeated from 32 px on, corners at 256 px have 0.2 grey levels, but in a quarter of the faces hair then
            # reaches the upper edge; from 64 px on they have 1.0. With a margin alone they have 2.2, and streaks.
            options_at={**PROGAN["toonhead"].options_at, 256: Options(repeat_edges_from=64, blur=112)},
        ),
        PROGAN["calorimeter"].but(Options(kimg=600, fade_kimg=30, start_resolution=8, mixing=0.0), batch=32),
        PROGAN["small"].but(Options(start_resolution=8)),
    ]
)


def for_gpus(presets: Mapping[str, Preset], **styles: Any) -> Iterator[Preset]:
    """The presets of the embedded faces, which `styles` are options of, and of small images for a GPU.

    The faces' is for a quarter of an hour. At 32 px, after 48 kimg with 128 maps, KID of a StyleGAN was 0.32, 0.22 and
    0.15 with batches of 64, 32 and 16, which take as long a step, at a rate of 0.002; at 0.001, 0.002 and 0.004, in
    batches of 32, 0.29, 0.22 and 0.16; with both, after 37 kimg, 0.13. A generator with steps 2, 4 and 8 times the
    critic's had 0.28, 0.22 and 0.19 and ever more faces that resemble another; a penalty's weight of 1 in place of 10
    gave 0.18 and with the higher rate 0.15; letting the rates fall to 0 over the last half was worse. Long stages pay:
    at 64 px, at a constant 0.003 and an average of 10 kimg, 300 kimg more took KID from 0.061 to 0.038; at 256 px it
    was 0.13 after 142 and 205 kimg at 128 and 256 px, and 0.19 after 100 and 47. All with AdaIN.
    """
    faces = Options(kimg=1200, stable_kimg=120, fade_kimg=20, fmap_base=4096, ema_kimg=10, **styles)
    sizes = {r: options.but(**styles) for r, options in presets["toonhead"].options_at.items()}
    yield presets["toonhead"].but(
        faces, name="toonhead-gpu", batch=16, batch_at={}, lr=0.003, lr_at={256: 0.002}, options_at=sizes
    )
    yield presets["small"].but(Options(), name="small-gpu", batch=GPU_BATCH, batch_at=GPU_BATCHES)


def papers(small: Preset) -> Iterator[Preset]:
    """The objectives as in their papers: loss, learning rate, Adam and critic steps, without growing.

    Networks, precision and averaging are this project's. RMSProp, the optimizer of two of the papers, is Adam with
    betas 0 and 0.99, which corrects for the start of the averages besides.
    """
    # A start above all resolutions stands for no growth.
    base = small.but(Options(start_resolution=1024, z_dim=128), batch=64, batch_at={}, equalized_lr=False)
    yield base.but(Options(loss="ns", betas=(0.5, 0.999)), name="dcgan", batch=128, lr=0.0002)
    yield base.but(Options(loss="wgan-clip", n_critic=5), name="wgan", lr=WGAN_LR)
    yield base.but(Options(n_critic=5, betas=(0.0, 0.9)), name="wgan-gp", lr=0.0001)
    yield base.but(Options(loss="ns-r1"), name="r1", lr=0.0001)
    yield base.but(Options(loss="hinge", spectral_norm="critic", betas=(0.5, 0.999)), name="sngan", lr=SNGAN_LR)


# Encoder and decoder are not opponents, so that both take Adam's usual averages and one rate.
BOTH_AT_ONCE = Options(betas=(0.9, 0.99))
VAE = named(
    [
        Preset(
            "toonhead",
            BOTH_AT_ONCE.but(
                kimg=150, stable_kimg=6, fade_kimg=6, fmap_base=2048, fmap_max=128, z_dim=128, ema_kimg=1.0
            ),
            batch=16,
            lr=0.002,
        ),
        PROGAN["small"].but(BOTH_AT_ONCE, lr=0.002),
    ]
)
VAE |= named(
    [VAE["toonhead"].but(Options(kimg=250, stable_kimg=15, fade_kimg=15, z_dim=64, ema_kimg=2.0), name="calorimeter")]
)
# ProGAN's blur begins where it does on a CPU, after three quarters.
PROGAN |= named([*for_gpus(PROGAN, blur=900), *papers(PROGAN["small"])])
STYLEGAN |= named([*for_gpus(STYLEGAN, blur="yes", norm="instance", mixing=0.5), *papers(STYLEGAN["small"])])
VAE |= named(for_gpus(VAE))
PRESETS: Mapping[str, Mapping[str, Preset]] = {"progan": PROGAN, "stylegan": STYLEGAN, "vae": VAE}
