"""Progressive growing as a pure function of the reals shown to the critic.

Karras et al. 2018 ("Progressive Growing of GANs"), section 2 and appendix A: every resolution is first trained alone
for `stable_kimg` thousand images, then the next one is faded in over `fade_kimg`, and so on until the full
resolution, which is trained to the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

FIRST_PHASE = -1  # the rest of a fade that training begins in


def to_images(kimg: float) -> int:
    """Thousands of images as a whole number of images: all comparisons are made in these, so no boundary can drift."""
    return round(kimg * 1000)


@dataclass(frozen=True)
class Stage:
    """What holds at one moment of training.

    `alpha` from 0 to 1 is how far the newest block is faded in. `phase` is 2k while the k-th resolution (from 0) is
    trained alone, 2k + 1 while the next is faded in, and -1 in the rest of a fade that training begins in; Adam is
    reset wherever it changes, which is at both ends of every fade. `blur` is whether networks that have a low-pass
    filter use it.
    """

    resolution: int
    alpha: float
    batch: int
    lr: float
    phase: int
    blur: bool = True


@dataclass(frozen=True)
class PhaseRow:
    """One line of the schedule's table. `iterations` are critic steps, a batch of reals each."""

    phase: int
    start_kimg: float
    end_kimg: float
    resolution: int
    fading: bool
    batch: int
    lr: float
    iterations: int


@dataclass(frozen=True)
class Schedule:
    """When to grow, and the total batch and the learning rate at each resolution.

    `resolution` and `start_resolution` are powers of two; `batch` and `lr` hold a value for every one between them. A
    `fade_kimg` of 0 jumps to the next resolution, a `stable_kimg` of 0 fades without a pause, and with both 0 there
    is no growing at all: the full resolution is trained from the start. `start_alpha` is how far the block of
    `start_resolution` is faded in before; the rest of its fade comes first. Over the last `lr_decay_kimg` of a training
    of `kimg` the learning rates fall linearly to 0, as in Gulrajani et al. 2017's program for CIFAR-10. Low-pass
    filters are used after `blur_kimg`. ValueError for lengths, resolutions or tables that make no schedule.
    """

    resolution: int
    start_resolution: int
    stable_kimg: float
    fade_kimg: float
    batch: Mapping[int, int]
    lr: Mapping[int, float]
    kimg: float = 0.0
    lr_decay_kimg: float = 0.0
    start_alpha: float = 1.0
    blur_kimg: float = 0.0

    def __post_init__(self) -> None:
        for name in ("resolution", "start_resolution"):
            value = getattr(self, name)
            if value < 4 or value & (value - 1):
                raise ValueError(f"{name} {value} is not a power of two from 4 up")
        if self.start_resolution > self.resolution:
            raise ValueError(f"start_resolution {self.start_resolution} is above resolution {self.resolution}")
        for name in ("stable_kimg", "fade_kimg", "lr_decay_kimg", "blur_kimg"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} {value} is not a length of training: give 0 or more")
        if self.lr_decay_kimg > self.kimg:
            raise ValueError(f"lr_decay_kimg {self.lr_decay_kimg:g} is above the length {self.kimg:g}")
        if not 0 <= self.start_alpha <= 1:
            raise ValueError(f"start_alpha {self.start_alpha} is not from 0 to 1")
        for name in ("batch", "lr"):
            missing = [
                r for r in resolutions(self.start_resolution, self.resolution) if not getattr(self, name).get(r, 0) > 0
            ]
            if missing:
                raise ValueError(f"{name} has no value above 0 for resolution {missing[0]}")

    @property
    def _steps(self) -> int:
        """How many times the network grows."""
        return (self.resolution // self.start_resolution).bit_length() - 1

    @property
    def _first_fade(self) -> int:
        """How many images the fade takes that training begins in."""
        return round((1 - self.start_alpha) * to_images(self.fade_kimg))

    @property
    def growing_kimg(self) -> float:
        """Thousands of images after which the full resolution is faded in completely."""
        return (self._first_fade + self._steps * (to_images(self.stable_kimg) + to_images(self.fade_kimg))) / 1000

    def at(self, images: int) -> Stage:
        """The stage in which the next batch is taken when the critic has seen `images` reals.

        As in the official program, whose level of detail is log2(full / resolution) + 1 - alpha, a fade has begun
        once the stable images are exceeded, not when they are reached, and is over (alpha exactly 1) when its last
        image has been seen.
        """
        stable, fade = to_images(self.stable_kimg), to_images(self.fade_kimg)
        period = stable + fade
        since = images - self._first_fade
        grown, within = divmod(since, period) if period else (self._steps, 0)
        if since < 0:
            stage = self._stage(FIRST_PHASE, 1 + since / fade)
        elif grown >= self._steps:
            stage = self._stage(2 * self._steps, 1.0)
        elif within <= stable:
            stage = self._stage(2 * grown, 1.0)
        else:
            stage = self._stage(2 * grown + 1, (within - stable) / fade)
        stage = replace(stage, blur=images >= to_images(self.blur_kimg))
        left, decay = to_images(self.kimg) - images, to_images(self.lr_decay_kimg)
        return replace(stage, lr=stage.lr * max(left, 0) / decay) if decay and left < decay else stage

    def resolution_in(self, phase: int) -> int:
        """The resolution of a phase; a fade has that of what is being faded in."""
        return self.start_resolution << ((phase + 1) // 2)

    def _stage(self, phase: int, alpha: float) -> Stage:
        resolution = self.resolution_in(phase)
        return Stage(resolution, alpha, self.batch[resolution], self.lr[resolution], phase)

    def _spans(self, total: int) -> Iterator[tuple[int, int, int, int]]:
        """Each phase of `total` images: number, start and end in images, and the last count of images that is in it."""
        stable, fade, first = to_images(self.stable_kimg), to_images(self.fade_kimg), self._first_fade
        if first:
            yield FIRST_PHASE, 0, first, first - 1
        for k in range(self._steps):
            start = first + k * (stable + fade)
            yield 2 * k, start, start + stable, start + stable if fade else start + stable - 1
            yield 2 * k + 1, start + stable, start + stable + fade, start + stable + fade - 1
        yield 2 * self._steps, first + self._steps * (stable + fade), total, total - 1

    def phases(self, kimg: float) -> list[PhaseRow]:
        """The whole of a training of `kimg` as a table, with the batches that will really be taken in each phase.

        Rows follow each other without a gap. A fade that is shorter than a batch may get no iteration.
        """
        total, seen, rows = to_images(kimg), 0, []
        for phase, start, end, last in self._spans(total):
            stage = self._stage(phase, 1.0)
            end, last = min(end, total), min(last, total - 1)
            iterations = max(0, (last - seen) // stage.batch + 1)
            seen += iterations * stage.batch
            if start < end or iterations:
                row = (stage.resolution, phase % 2 == 1, stage.batch, stage.lr, iterations)
                rows.append(PhaseRow(phase, start / 1000, end / 1000, *row))
        return rows

    def for_processes(self, processes: int) -> Schedule:
        """The same schedule with batches rounded down to multiples of `processes`, at least one image for each."""
        batch = {r: max(b // processes, 1) * processes for r, b in self.batch.items()}
        return replace(self, batch=batch)


def resolutions(start_resolution: int, resolution: int) -> list[int]:
    """The powers of two from `start_resolution` to `resolution`."""
    return [1 << k for k in range(start_resolution.bit_length() - 1, resolution.bit_length())]
