"""`stylegrow models`: list, show, import, copy, export and publish models, and write a Space that serves them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from stylegrow.common.commandline import Text
from stylegrow.common.errors import InputError, ModelError
from stylegrow.common.paths import expanded
from stylegrow.common.tables import text_table
from stylegrow.common.text import one_line, printable

MODEL = "a name in zoo/, a model folder, a run folder, or hf://user/repo[@revision]"
NEW = "the folder to make; it must not exist or be empty"

Model = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL", help=MODEL)]
NewFolder = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER", help=NEW)]
Flag = tyro.conf.FlagCreatePairsOff[bool]


@dataclass(frozen=True)
class List:
    """List the bundled models, or those of a folder of models or runs."""

    folder: Annotated[
        str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[FOLDER]", help_behavior_hint="(default: zoo/)")
    ] = None

    def run(self) -> int:
        """A line for each model: what to call it, and what it is. Models that cannot be read come last: status 1."""
        from stylegrow.models.folders import ZOO
        from stylegrow.models.info import models_in, read_info

        folder = ZOO if self.folder is None else expanded(self.folder)
        if not folder.is_dir():
            raise ModelError(f"{folder}: there is no such folder")
        if not (models := models_in(folder)):
            raise ModelError(f"{folder}: holds no model, nor any run that has one")
        rows, failures = [("MODEL", "ARCHITECTURE", "RESOLUTION", "KIMG", "DATA")], []
        for path in models:
            name = path.parent if path.name == "model" else path  # a run's newest model goes by the run's name
            try:
                rows.append((printable(name if self.folder else path.name), *read_info(path).summary()))
            except ModelError as error:
                failures.append(error)
        if len(rows) > 1:
            print(*text_table(rows), sep="\n")
        for failure in failures:
            print("error:", printable(one_line(failure)), file=sys.stderr)
        return 1 if failures else 0


@dataclass(frozen=True)
class Show:
    """Show what a model is, how it was trained and what its files hold."""

    model: Model

    def run(self) -> None:
        """Print it. Of the weights their files' heads are read, so that it takes no time."""
        from stylegrow.models.config import FORMAT_VERSION
        from stylegrow.models.folders import files_of
        from stylegrow.models.info import printable_fact, read_info
        from stylegrow.models.weights import WEIGHTS, count_parameters

        info = read_info(self.model)
        size, alpha = map(printable_fact, info.reached)
        print(f"{info.architecture}, format version {FORMAT_VERSION}: {printable(info.folder)}")
        print(f"stage reached: {size} px of {info.resolution}, alpha {alpha}")
        for role in WEIGHTS:
            if getattr(info, role):
                count = count_parameters(info.folder, role)
                print_facts(f"{role}: {count:,} trainable parameters", getattr(info, role))
        if (labels := info.label_space).kind == "vector":
            values = zip(labels.least, labels.most, labels.mean, labels.deviation, strict=True)
            shown = ["{:g} to {:g}, mean {:g}, deviation {:g}".format(*numbers) for numbers in values]
            print_facts("label vectors:", dict(zip(labels.names, shown, strict=True)))
        else:
            print(f"classes: {printable_fact(info.classes) if info.classes else 'none'}")
        print_facts("training:" if info.training else "training: nothing is known", info.training)
        sizes = {name: (info.folder / name).stat().st_size for name in files_of(info.folder)}
        print_facts("files:", {name: f"{size:,} bytes" for name, size in sizes.items()})


@dataclass(frozen=True)
class ImportOfficial:
    """Make a model folder of a .pkl that NVIDIA published for ProGAN or StyleGAN. No program in it is run."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE", help="the published file")]
    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUT", help=NEW)]

    def run(self) -> None:
        """Convert it, and say what it was."""
        from stylegrow.models.info import read_info
        from stylegrow.models.official.importing import import_official

        import_official(self.file, self.out)
        info = read_info(self.out)
        print(f"{printable(self.out)}: {info.architecture} of {info.resolution} px")


@dataclass(frozen=True)
class Copy:
    """Copy a model to a folder, with its card and the images beside it."""

    model: Model
    folder: NewFolder
    float16: Flag = False
    """store weights as float16 (the first stages' as float32, if need be) where that changes no image by more than a
    grey level in 8 bits"""
    margin: Annotated[int | None, tyro.conf.arg(metavar="PX", help_behavior_hint="(default: as it is)")] = None
    """pixels at each edge that are to repeat the nearest within, which hides a frame; 0 for none"""
    repeat_edges_from: Annotated[
        int | None, tyro.conf.arg(metavar="STAGE", help_behavior_hint="(default: as it is)")
    ] = None
    """a StyleGAN's first stage whose layers are to repeat the edges of their maps, so that they draw no frame;
    0 for none"""

    def run(self) -> None:
        """Copy a model that loads; say how large it is and what half of the bits do to its images."""
        from stylegrow.models.copies import IMAGES, copy_model

        copied = copy_model(
            self.model,
            self.folder,
            float16=self.float16,
            margin=self.margin,
            repeat_edges_from=self.repeat_edges_from,
        )
        if self.float16:
            print(f"largest change of {IMAGES} images: {copied.change} of 255 grey levels")
        print(f"{printable(self.folder)}: {copied.after / 1e6:.2f} MB; it was {copied.before / 1e6:.2f} MB")


@dataclass(frozen=True)
class Export:
    """Write a generator as ONNX: generator.onnx, or mapping.onnx and synthesis.onnx, for any batch."""

    model: Model
    folder: NewFolder

    def run(self) -> None:
        """Write the files, and say what each takes."""
        from stylegrow.models.exporting import export_onnx

        for name, inputs in export_onnx(self.model, self.folder).items():
            print(f"wrote {printable(Path(self.folder) / name)}: takes {', '.join(inputs)}")


@dataclass(frozen=True)
class Colours:
    """Fit the layers to images of a model's smaller stages to its final images: growth.safetensors.

    Growth is then shown in true colours without fitting them each time. The final image does not change.
    """

    model: Model

    def run(self) -> None:
        """Write them beside the model."""
        from stylegrow.sampling import true_colours
        from stylegrow.sampling.sampler import Sampler

        sampler = Sampler(self.model)
        path = true_colours.write(sampler.folder, sampler.fit_colours(), sampler.weights)
        print(f"wrote {printable(path)}")


@dataclass(frozen=True)
class Push:
    """Upload a model to the Hugging Face Hub, and make the repository if need be."""

    model: Model
    repo: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="user/repo")]
    private: Flag = False
    """make a new repository private"""
    revision: Text = None
    """the branch to upload to (default: main)"""
    message: Text = None
    """the commit's message"""
    dry_run: Flag = False
    """only say what would be uploaded"""

    def run(self) -> None:
        """Upload a model that loads."""
        from stylegrow.models import folders, hub
        from stylegrow.models.info import read_info

        hub.check_repo(self.repo)
        info = read_info(self.model)
        folders.load_networks(info.folder)  # what does not load here would not load anywhere
        here = folders.files_of(info.folder)
        if self.dry_run:
            for name in here:
                print(f"{(info.folder / name).stat().st_size:>15,} bytes  {name}")
            print(f"would be uploaded to {self.repo}; leave out --dry-run to do so")
            return
        architecture, resolution, kimg, _ = info.summary()
        message = self.message or f"{architecture}, {resolution}, {kimg} kimg"
        files = [*dict.fromkeys([*folders.FILES, *here])]
        where: dict[str, Any] = {"private": self.private, "revision": self.revision}
        with tempfile.TemporaryDirectory() as public:
            for name in here:
                Path(public, name).write_bytes(folders.public_content(info.folder, name))
            print(hub.push(Path(public), files, self.repo, message=message, **where))


@dataclass(frozen=True, kw_only=True)
class Space:
    """A folder that is a Hugging Face Space of the browser app, ready to be uploaded."""

    model: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL"), tyro.conf.UseAppendAction] = ()
    """a model that the Space offers; repeatable (default: the bundled models)"""
    outdir: str = "out/space"
    """folder for the Space; an earlier one is replaced"""
    package: Text = None
    """what the Space installs: a git address, a wheel, or a name and version (default: a wheel of this checkout)"""

    def run(self) -> None:
        """Write it, and say how to publish it."""
        from stylegrow.models.space import write_space

        if not self.outdir:
            raise InputError("--outdir '': is empty; name a folder")
        write_space(self.model, Path(self.outdir), self.package)
        print(f"wrote {printable(self.outdir)}")
        print("to publish: hf repos create USER/NAME --type space --sdk docker")
        print("            hf upload USER/NAME FOLDER . --type space")


def print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """A title and a line for each fact under it."""
    from stylegrow.models.info import printable_fact

    print(title)
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        print(f"  {printable(name):{width}}  {printable_fact(value)}")
