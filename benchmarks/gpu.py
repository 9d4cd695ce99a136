"""What a GPU makes of the training, in at most five minutes: `python -m benchmarks.gpu`.

It needs no network. Without a GPU the same code runs on the CPU with networks so small that its figures say nothing.
"""

from __future__ import annotations

import copy
import gc
import json
import math
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from benchmarks import ours, peer, scaling, training
from benchmarks.data_reading import painted
from benchmarks.timing import apart, machine, peak_memory, seconds_in_a_row
from progan import operations
from stylegrow.common.commandline import parse, run_command
from stylegrow.common.errors import InputError, RunError
from stylegrow.common.files import write_whole
from stylegrow.common.system import available_cpus
from stylegrow.common.tables import markdown_table
from stylegrow.common.text import one_line
from stylegrow.sampling.sampler import Sampler
from train.config.run_config import RunConfig
from train.distributed.processes import SingleProcess
from train.run import checkpoints, provenance
from train.run.statistics import read_lines
from train.step.batch_loader import Batch, BatchLoader
from train.step.computation import Computation
from train.step.graphs import EAGER_CALLS
from train.step.inputs import CriticInputs, StepInputs
from train.step.random_streams import RandomStreams
from train.step.trainer import Trainer

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Options:
    """Measure parity, CUDA graphs, resuming, steps and whole trainings on the GPU; prints one table at the end."""

    only: str = ""
    """Parts to run, with commas between; without it, all."""
    seconds: float = 300.0
    """Time for all of them."""
    peer: str | None = None
    """A checkout of rosinality/style-based-gan-pytorch, whose steps are timed as well."""
    out: str = "runs/gpu"
    """Folder for the figures, a JSON file for each part."""


@dataclass(frozen=True)
class Finding:
    """A row of the table: what was measured, in words, and the figures."""

    what: str
    words: str
    figures: Mapping[str, Any]


class SkippedError(Exception):
    """Why a part cannot run here."""


@dataclass(frozen=True)
class Setting:
    """Where a part runs, and until when, by time.monotonic()."""

    device: str
    peer: str | None
    ends: float

    @property
    def left(self) -> float:
        """Seconds that the part still has."""
        return self.ends - time.monotonic()

    @property
    def steps_a_phase(self) -> int:
        """Steps of a training that grows: on a GPU more than are called before a capture."""
        return 2 if self.dry else EAGER_CALLS + 3

    @property
    def dry(self) -> bool:
        """Whether there is no GPU, so that only the code is tried."""
        return self.device == "cpu"


SMALL = {"fmap_base": 32, "fmap_max": 8, "z_dim": 8}


# Parity with float64 ---------------------------------------------------------------------------------------------

# Name, the weights' type, whether their products are TF32, and the precision of the convolutions.
PRECISIONS: Mapping[str, tuple[torch.dtype, bool, Literal["no", "bf16"]]] = {
    "float64": (torch.float64, False, "no"),
    "float32": (torch.float32, False, "no"),
    "tf32": (torch.float32, True, "no"),
    "bf16": (torch.float32, False, "bf16"),
}
MODELS = ("progan-toonhead64", "stylegan-toonhead64")


@contextmanager
def arithmetic(tf32: bool) -> Iterator[None]:
    """Whether a GPU multiplies float32 as TF32 inside the block."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def parity(setting: Setting) -> Iterator[Finding]:
    """Images, and the gradient of the critic's WGAN-GP loss, beside those of a CPU in float64."""
    resolution, batch = (8, 4) if setting.dry else (32, 8)
    for network in ("progan", "stylegan"):
        options: dict[str, Any] = {"batch": batch, "start_resolution": resolution, "fmap_base": 2048}
        config = ours.config_of(network, "toonhead", resolution, **options | (SMALL if setting.dry else {}))
        networks = networks_of(config, torch.float64)
        drawn = StepInputs(networks[0], config.step, RandomStreams(0), SingleProcess(), None)
        reals = torch.from_numpy(Noise(batch, resolution).read(np.arange(batch), resolution))
        inputs = drawn.for_critic(Batch(0, reals, np.arange(batch)), config.schedule.at(0))

        images, gradients = evaluated(config, networks, inputs, "cpu", "float64")
        for name in PRECISIONS:
            own_images, own_gradients = evaluated(config, networks, inputs, setting.device, name)
            figures = {
                "images": difference([own_images], [images]),
                "grey_levels": 127.5 * float((own_images.cpu().double() - images).abs().max()),
                "gradient": difference(own_gradients, gradients),
            }
            words = "images {images:.1e}, at most {grey_levels:.3f} grey levels, gradient {gradient:.1e}"
            yield Finding(f"{network}, {name}", words.format(**figures), figures)
    for model in MODELS:
        right, own = (generated(model, device) for device in ("cpu", setting.device))
        levels = int(np.abs(own - right).max())
        yield Finding(f"{model}, seeds 0 to 15", f"at most {levels} grey levels apart", {"grey_levels": levels})


def generated(model: str, device: str) -> np.ndarray:
    """The images of the first seeds, int [N, H, W, C], as users generate them."""
    sampler = Sampler(model, device)
    return np.stack([*sampler.images(range(16), sampler.setting())]).astype(int)


def evaluated(
    config: RunConfig, networks: tuple[Any, Any], inputs: CriticInputs, device: str, precision: str
) -> tuple[Tensor, list[Tensor]]:
    """The generator's images, and the gradients of the critic, on a device in one of PRECISIONS."""
    dtype, tf32, mixed = PRECISIONS[precision]
    layout = {"device": device, "dtype": dtype, "memory_format": torch.channels_last}
    generator, critic = (copy.deepcopy(network).to(**layout) for network in networks)
    generator.compute_dtype = critic.compute_dtype = torch.bfloat16 if mixed == "bf16" else None
    computation = Computation(generator, critic, config.step, torch.device(device))
    there = tree_map_only(Tensor, lambda one: one.to(device, dtype if one.is_floating_point() else one.dtype), inputs)
    with arithmetic(tf32):
        with torch.no_grad():
            images, _ = computation.generate(generator, there.fakes, there.images.shape[-1], 1.0)
        return images, computation.critic_gradients(there).gradients


def networks_of(config: RunConfig, dtype: torch.dtype) -> tuple[Any, Any]:
    """A run's networks with the weights of seed 0, and noise that is seen from the start."""
    torch.manual_seed(0)
    generator, critic = config.build()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("noise_strength"):
                parameter.normal_()
    return generator.to(dtype), critic.to(dtype)


def difference(found: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    """The norm of all differences, relative to that of what is right."""
    pairs = [
        (one.detach().cpu().double(), other.detach().cpu().double()) for one, other in zip(found, right, strict=True)
    ]
    squares = sum(float((one - other).square().sum()) for one, other in pairs)
    return math.sqrt(squares / sum(float(other.square().sum()) for _, other in pairs))


# A training over two fades ---------------------------------------------------------------------------------------

PHASES = 5


@dataclass(frozen=True)
class Noise:
    """Images without meaning, as a data set gives them."""

    transform = None

    count: int
    resolution: int

    def read(self, indices: np.ndarray, resolution: int) -> np.ndarray:
        """uint8 [n, 3, r, r]."""
        numbers = np.random.default_rng(resolution)
        return numbers.integers(0, 256, (self.count, 3, resolution, resolution), dtype=np.uint8)[indices]


class Grown:
    """A training from 8 to 32 px, or from 4 to 16, all that is random in it fixed."""

    def __init__(
        self, setting: Setting, network: str, precision: str, cuda_graphs: str = "yes", deterministic: bool = False
    ) -> None:
        dtype, self.tf32, mixed = PRECISIONS[precision]
        resolution, batch = (16, 4) if setting.dry else (32, 8)
        kimg = setting.steps_a_phase * batch / 1000
        options: dict[str, Any] = {
            "start_resolution": resolution // 4, "stable_kimg": kimg, "fade_kimg": kimg, "batch": batch,
            "cuda_graphs": cuda_graphs, "mixed_precision": mixed, "deterministic": deterministic,
        }  # fmt: skip
        config = ours.config_of(network, "toonhead", resolution, **options | (SMALL if setting.dry else {}))
        data: Any = Noise(64, resolution)
        processes = SingleProcess(setting.device)
        self.trainer = Trainer(*networks_of(config, dtype), config.schedule, config.step, RandomStreams(0), processes)
        self.loader = BatchLoader(data, np.arange(data.count), config.schedule, RandomStreams(0), 0, 1)
        self.losses: list[Tensor] = []

    def train(self, steps: int) -> Grown:
        """So many steps from where it stands."""
        batches = self.loader.batches(self.trainer.images, pin=self.trainer.processes.device.type == "cuda")
        with arithmetic(self.tf32):
            for batch in islice(batches, steps):
                self.losses.append(torch.stack([*self.trainer.step([batch]).values()]).clone())
        batches.close()
        return self

    def compared(self, other: Grown) -> dict[str, float]:
        """How far its losses and its weights are from another's."""
        weights = [checkpoints.state_of(one.trainer) for one in (self, other)]
        found, right = ([state[name] for name in sorted(state)] for state in weights)
        steps = min(len(self.losses), len(other.losses))
        return {
            "losses": difference(self.losses[-steps:], other.losses[-steps:]),
            "weights": difference(found, right),
        }


APART = "losses {losses:.1e}, weights {weights:.1e} apart"


def graphs(setting: Setting) -> Iterator[Finding]:
    """A training over two fades with CUDA graphs, beside one without; and how far two without are apart."""
    cases = [("stylegan", "float64"), ("progan", "bf16"), ("stylegan", "float32"), ("stylegan", "bf16")]
    steps = PHASES * setting.steps_a_phase
    for network, precision in cases[: 2 if setting.dry else None]:
        eager = Grown(setting, network, precision, "no").train(steps)
        own = Grown(setting, network, precision, "yes").train(steps)
        figures: dict[str, Any] = own.compared(eager)
        again = Grown(setting, network, precision, "no").train(steps).compared(eager)
        captured = own.trainer.graphs.enabled
        words = f"{APART.format(**figures)}; two eager ones: {APART.format(**again)}{'' if captured else '; no graphs'}"
        figures |= {"captured": captured, "two_eager": again}
        yield Finding(f"{network}, {precision}, graphs and eager", words, figures)


def resume(setting: Setting) -> Iterator[Finding]:
    """A training that is interrupted in a fade, saved, and continued, beside one that is not; and two that are not.

    All are `--deterministic`, so that there should be no difference.
    """
    steps = PHASES * setting.steps_a_phase
    for network, precision in [("stylegan", "float64"), ("stylegan", "bf16")][: 1 if setting.dry else None]:
        grown = partial(Grown, setting, network, precision, deterministic=True)
        whole = grown().train(steps)
        again = grown().train(steps).compared(whole)
        first = grown().train(4 * setting.steps_a_phase - 1)
        resumed = grown()
        with tempfile.TemporaryDirectory() as folder:
            saved = checkpoints.save(Path(folder) / "checkpoints", first.trainer, 1)
            checkpoints.restore(resumed.trainer, checkpoints.read(saved))
        figures: dict[str, Any] = resumed.train(steps - len(first.losses)).compared(whole)
        words = f"{APART.format(**figures)}; two whole ones: {APART.format(**again)}"
        yield Finding(f"{network}, {precision}, resumed and not", words, figures | {"two_whole": again})


# Steps -----------------------------------------------------------------------------------------------------------

# Names of networks' sizes: the preset, and other options.
SIZES: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "faces": ("toonhead", {"fmap_base": 2048, "fmap_max": 128}),
    "official": ("official", {}),
    "small": ("toonhead", SMALL),
}


@dataclass(frozen=True)
class Case:
    """A step to be timed: ours with CUDA graphs, these of PyTorch's operators alone, or without; or the peer's."""

    size: str
    resolution: int
    batch: int
    how: Literal["graphs", "operators", "eager", "peer"] = "graphs"
    network: str = "stylegan"

    def __str__(self) -> str:
        return f"{self.network}, {self.size}, {self.resolution} px, batch {self.batch}, {self.how}"


CASES = [  # the most important first, should time not do for all
    Case("faces", 64, 32),
    Case("faces", 256, 16),
    Case("official", 64, 32),
    Case("official", 256, 16),
    Case("official", 64, 32, "peer"),
    Case("official", 256, 16, "peer"),
    Case("faces", 64, 32, "operators"),
    Case("faces", 256, 16, "operators"),
    Case("faces", 64, 32, "eager"),
    Case("official", 64, 32, "eager"),
    Case("faces", 64, 32, network="progan"),
    Case("official", 64, 32, network="progan"),
    Case("faces", 256, 16, network="progan"),
    Case("official", 256, 16, network="progan"),
]
SECONDS_TIMED, SECONDS_A_CASE = 2.0, 15.0


def steps(setting: Setting) -> Iterator[Finding]:
    """Speed, memory, kernels and waits of steps on noise, each case in a process of its own."""
    cases = CASES if setting.peer else [case for case in CASES if case.how != "peer"]
    if setting.dry:
        cases = list(dict.fromkeys(replace(case, size="small", resolution=8, batch=4) for case in cases))
    failed: list[str] = []
    for case in cases:
        if setting.left < SECONDS_A_CASE:
            yield Finding(str(case), "left out, there is no time", {})
            continue
        try:
            figures = apart(measured, case, setting.device, setting.peer, 0.1 if setting.dry else SECONDS_TIMED)
        except RuntimeError as error:  # out of memory, perhaps: the other cases go on
            failed.append(str(case))
            yield Finding(str(case), f"failed: {one_line(error)}", {})
            continue
        words = (
            "{images_a_second:,.0f} images/s, {ms:.1f} ms, {memory_gb:.2f} GB, {kernels:,.0f} kernels, "
            "{idle:.1%} of the time without one, {waits} waits"
        )
        yield Finding(str(case), words.format(**figures), asdict(case) | figures)
    if failed:
        raise RunError(f"not measured: {'; '.join(failed)}")


def measured(case: Case, device: str, folder: str | None, seconds: float) -> dict[str, Any]:
    """The figures of a case, in this process."""
    preset, options = SIZES[case.size]
    if case.how == "peer":
        watch = training.Options(peer=folder, device=device)  # type: ignore[arg-type]
        step = training.iteration(watch, "peer", preset, case.resolution, case.batch)
        for _ in range(3):
            step()
    else:
        styles = {"mixing": 0.9} if case.network == "stylegan" else {}
        own = ours.Training(
            case.network, preset, case.resolution, case.batch, SingleProcess(device), mixed_precision="bf16",
            cuda_graphs="no" if case.how == "eager" else "yes", **options, **styles,
        )  # fmt: skip
        if case.how == "operators":
            operations.kernels = None
        own.warm_up()
        step = own.step
    each = seconds_in_a_row(step, seconds, device)
    figures: dict[str, Any] = {"images_a_second": case.batch / each, "ms": 1000 * each}
    figures |= {"memory_gb": peak_memory(device) / 1e9, "waits": training.waits_for_gpu(step) if device != "cpu" else 0}
    return figures | watched(step, device, each, 1 if device == "cpu" else 5)


def watched(step: Callable[[], object], device: str, seconds: float, steps: int) -> dict[str, float]:
    """What the profiler sees in a step: kernels, on a CPU operators; and the share of its `seconds` without any."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    here = DeviceType.CPU if device == "cpu" else DeviceType.CUDA
    with profile(activities=[ProfilerActivity.CPU if device == "cpu" else ProfilerActivity.CUDA]) as profiled:
        for _ in range(steps):
            step()
        if device != "cpu":
            torch.cuda.synchronize()
    events = profiled.events() or []
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in events
        if event.device_type == here
        and not event.cpu_children
        and not event.is_user_annotation
        and not event.name.startswith(("Memcpy", "Memset"))
    )
    busy, reached = 0.0, -math.inf
    for start, end in spans:
        busy += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    calls = sum("Synchronize" in event.name for event in events)  # the profiler's own are among them
    return {
        "kernels": len(spans) / steps,
        "busy_ms": busy / steps / 1000,
        "idle": max(1 - busy / steps / 1e6 / seconds, 0.0),
        "idle_while_profiled": 1 - busy / (reached - spans[0][0]) if spans else 1.0,
        "calls_to_synchronize": calls / steps,
    }


# Whole trainings -------------------------------------------------------------------------------------------------

SECONDS_OF_TRAINING = 75.0  # from the start of the command
PATIENCE = 60.0  # seconds for it to save and end


def train(setting: Setting, resolution: int, batch: int) -> Iterator[Finding]:
    """A minute of `train/stylegan.py` at a resolution, of the faces, or of painted images where none can draw them."""
    drawn = not setting.dry and all(find_spec(name) for name in ("dicebear", "dicebear_styles", "resvg"))
    sizes = SMALL if setting.dry else SIZES["faces"][1]
    resolution, batch, kimg = (8, 4, 0.04) if setting.dry else (resolution, batch, 100_000)
    with tempfile.TemporaryDirectory() as folder:
        given = {"preset": "toonhead", "mixing": 0.9, "batch": batch, "kimg": kimg, "out": folder, "cache": folder}
        given |= {"resolution": resolution, "start_resolution": resolution, **sizes}
        if not drawn:
            given |= {"data": str(painted(40 if setting.dry else 1000, resolution, Path(folder)))}
        words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        began = time.monotonic()
        text = run_for([sys.executable, "train/stylegan.py", *words], min(setting.left, SECONDS_OF_TRAINING))
        seconds = time.monotonic() - began
        ticks = [tick for stats in Path(folder).glob("*/stats.jsonl") for tick in read_lines(stats)]
    if not ticks:
        raise RunError(f"the training did not begin within {seconds:.0f} s: {text[-500:]}")
    figures: dict[str, Any] = {
        "images_a_second": median(tick["img_per_sec"] for tick in ticks[1:] or ticks),  # the first one captures graphs
        "seconds": ticks[-1]["elapsed_sec"],
        "start_and_end": seconds - ticks[-1]["elapsed_sec"],
        "memory_gb": ticks[-1]["memory_gb"],
    }
    found = (
        "{images_a_second:,.0f} images/s over {seconds:.0f} s of training, {memory_gb:.2f} GB; "
        "{start_and_end:.0f} s to start and to end"
    )
    what = f"stylegan, faces, {resolution} px, batch {batch}{'' if drawn else ', on painted images'}"
    yield Finding(what, found.format(**figures), figures | {"ticks": ticks})


def run_for(words: Sequence[str], seconds: float) -> str:
    """What a command prints that is asked to end after so long. RunError where it fails."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, text=True)
        try:
            process.wait(max(seconds, 1.0))
        except subprocess.TimeoutExpired:
            process.terminate()
        try:
            status = process.wait(PATIENCE)
        finally:
            process.kill()
        output.seek(0)
        text = output.read()
    if status not in (0, 143):
        raise RunError(f"{Path(words[1]).name} ended with status {status}: {text[-500:]}")
    return text


def nccl(setting: Setting) -> Iterator[Finding]:
    """Steps of several processes, a GPU and a batch of 32 images each, beside one."""
    cards = 2 if setting.dry else torch.cuda.device_count()
    if cards < 2:
        raise SkippedError("this machine has one GPU")
    sizes = ["--resolution", "8", "--steps", "2"] if setting.dry else ["--resolution", "64", "--steps", "100"]
    base = 0.0
    for processes in (1, cards):
        own = (4 if setting.dry else 32) * processes
        words = ["--network", "stylegan", "--mixed-precision", "bf16", *sizes, "--batch", str(own)]
        found = scaling.launch(words, processes, max(available_cpus() // processes, 1))
        speed = found["batch"] / found["seconds"]
        base = base or speed
        figures = dict(found) | {"images_a_second": speed, "of_linear": speed / base / processes}
        text = f"{speed:,.0f} images/s, {figures['of_linear']:.2f} of linear"
        yield Finding(f"{processes} of {cards} cards, batch {own}", text, figures)


# The command -----------------------------------------------------------------------------------------------------


def train64(setting: Setting) -> Iterator[Finding]:
    """At 64 px."""
    return train(setting, 64, 32)


def train256(setting: Setting) -> Iterator[Finding]:
    """At 256 px."""
    return train(setting, 256, 16)


# With the seconds that each takes of the 300.
PARTS: Mapping[str, tuple[Callable[[Setting], Iterator[Finding]], float]] = {
    "parity": (parity, 15),
    "graphs": (graphs, 35),
    "resume": (resume, 15),
    "steps": (steps, 125),
    "train64": (train64, 50),
    "train256": (train256, 50),
    "nccl": (nccl, 10),
}


def parts_of(only: str) -> list[str]:
    """The names of the parts that are asked for. InputError for one that there is not."""
    names = [name.strip() for name in only.split(",") if name.strip()] or list(PARTS)
    for name in names:
        if name not in PARTS:
            raise InputError(f"--only {name}: there is no such part; give some of {','.join(PARTS)}")
    return names


def main() -> int:
    """The command line; returns the exit status."""
    options = parse(Options, "python -m benchmarks.gpu")
    names, out = parts_of(options.only), Path(options.out)
    if options.peer:
        peer.model(options.peer)  # SystemExit now, not after minutes, where it is none
    out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where = f"{provenance.hardware(torch.device(device), 1)}; {machine(available_cpus(), device)}"
    print(f"{where}{'' if device == 'cuda' else chr(10) + 'no GPU: a dry run with networks of no size'}", flush=True)
    ends, rows, failed = time.monotonic() + options.seconds, [], False
    for index, name in enumerate(names):
        part, seconds = PARTS[name]
        left = sum(PARTS[other][1] for other in names[index:])
        setting = Setting(device, options.peer, time.monotonic() + (ends - time.monotonic()) * seconds / left)
        findings: list[Finding] = []
        began = time.monotonic()
        try:
            for finding in part(setting):
                findings.append(finding)
                print(f"{name}: {finding.what}: {finding.words}", flush=True)
        except (SkippedError, ImportError) as reason:
            findings.append(Finding("skipped", str(reason), {}))
            print(f"{name}: skipped: {reason}", flush=True)
        except Exception as error:  # the other parts go on
            traceback.print_exc()
            findings.append(Finding("failed", one_line(error), {}))
            failed = True
        took = time.monotonic() - began
        print(f"{name}: {took:.0f} s", flush=True)
        content = {"part": name, "where": where, "seconds": took, "findings": [asdict(one) for one in findings]}
        write_whole(out / f"{name}.json", json.dumps(content, indent=1).encode())
        rows += [[name, finding.what, finding.words] for finding in findings]
        gc.collect()
        torch.cuda.empty_cache()
    table = markdown_table(["part", "what", "found"], rows, padded=False)
    write_whole(out / "table.md", f"{where}\n\n{table}\n".encode())
    print(f"\n{table}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(run_command(main))
