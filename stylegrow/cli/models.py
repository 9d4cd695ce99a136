"""`stylegrow models`: list, show, import, copy and publish models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from stylegrow.common.errors import ModelError
from stylegrow.common.tables import text_table
from stylegrow.common.text import one_line, printable
from stylegrow.models import folders, hub
from stylegrow.models.markdown import fact_text

if TYPE_CHECKING:
    from torch import nn

MODEL = "a name in zoo/, a model folder, a run folder, or hf://user/repo[@revision]"
# Where models are under a folder of models, a folder of runs, a run, or a model.
PLACES = ("config.json", "*/config.json", "*/model/config.json", "models/*/config.json")


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise ModelError(f"{message}; {self.prog} --help lists the options")


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say. Returns 0, or 1 where a model of a list cannot be read. Raises ModelError, OSError."""
    options = parser().parse_args(arguments)
    status: int = options.command(options)
    return status


def parser() -> Parser:
    """The commands and their options."""
    whole = Parser(prog="stylegrow models", description=__doc__, allow_abbrev=False)
    commands = whole.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Any, text: str) -> Parser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(command=run)
        return added

    listing = command("list", list_models, "List the models of zoo/, or those of a folder of models or runs.")
    listing.add_argument("folder", nargs="?", metavar="FOLDER", help="default: zoo/")
    showing = command("show", show, "Show what a model is, how it was trained and what its files hold.")
    showing.add_argument("model", metavar="MODEL", help=MODEL)
    text = "Make a model folder of a .pkl that NVIDIA published for ProGAN or StyleGAN. No program in it is run."
    importing = command("import-official", import_official, text)
    importing.add_argument("file", metavar="FILE", help="the published file")
    importing.add_argument("out", metavar="OUT", help="the folder to make; it must not exist or be empty")
    copying = command("copy", copy, "Copy a model to a folder, with its card and the pictures beside it.")
    copying.add_argument("model", metavar="MODEL", help=MODEL)
    copying.add_argument("folder", metavar="FOLDER", help="the folder to make; it must not exist or be empty")
    text = "store weights as float16, if that changes no picture by more than a grey level in 8 bits"
    copying.add_argument("--float16", action="store_true", help=text)
    pushing = command("push", push, "Upload a model to the Hugging Face Hub, and make the repository if need be.")
    pushing.add_argument("model", metavar="MODEL", help=MODEL)
    pushing.add_argument("repo", metavar="user/repo")
    pushing.add_argument("--private", action="store_true", help="make a new repository private")
    pushing.add_argument("--revision", metavar="BRANCH", help="the branch to upload to. Default: main")
    pushing.add_argument("--message", metavar="TEXT", help="the commit's message")
    pushing.add_argument("--dry-run", action="store_true", help="only say what would be uploaded")
    return whole


def list_models(options: argparse.Namespace) -> int:
    """A line for each model: what to call it, and what it is. Models that cannot be read are named last: status 1."""
    folder = None if options.folder is None else Path(options.folder).expanduser()
    models = list(found(folder))
    if folder and not folder.is_dir():
        raise ModelError(f"{folder}: there is no such folder")
    if not models:
        raise ModelError(f"{folder or folders.ZOO}: holds no model, nor any run that has one")
    rows, failures = [("MODEL", "ARCHITECTURE", "RESOLUTION", "KIMG", "DATA")], []
    for name, folder in models:
        try:
            rows.append((printable(name), *row(folders.read_config(folder))))
        except ModelError as error:
            failures.append(error)
    for line in text_table(rows) if len(rows) > 1 else ():
        print(line)
    for failure in failures:
        print("error:", printable(one_line(failure)), file=sys.stderr)
    return 1 if failures else 0


def found(folder: Path | None) -> Iterator[tuple[str, Path]]:
    """(the name to give to other commands, the model folder) of every model of zoo/ or under a folder, in order."""
    for path in sorted({path.parent for place in PLACES for path in (folder or folders.ZOO).glob(place)}):
        name = path.parent if path.name == "model" else path  # a run's newest model goes by the run's name
        yield (path.name if folder is None else str(name)), path


def row(config: dict[str, Any]) -> tuple[str, str, str, str]:
    """Architecture, resolution, kimg and data, as they are listed."""
    facts = config["training"]
    full = config["generator"].get("resolution", "?")
    reached = facts.get("resolution", full)
    resolution = f"{full} px" if reached == full else f"{full} px, at {reached}"
    kimg, data = facts.get("kimg", "-"), facts.get("data", facts.get("source", "-"))
    return config["architecture"], value(resolution), value(kimg), value(data)


def value(fact: Any) -> str:
    """A fact in one line that a terminal can show."""
    return f"{fact:.10g}" if isinstance(fact, float) else printable(fact_text(fact))


def show(options: argparse.Namespace) -> int:
    """Everything about a model. Its weights are read, so that what is shown is known to load."""
    folder = folders.find_model(options.model)
    config = folders.read_config(folder)
    networks: dict[str, nn.Module] = {"generator": folders.load_generator(folder)}
    if "discriminator" in config:
        networks["discriminator"] = folders.load_discriminator(folder)
    facts, generator = config["training"], config["generator"]
    size = facts.get("resolution", generator["resolution"])
    print(f"{config['architecture']}, format version {config['format_version']}: {printable(folder)}")
    print(f"stage reached: {value(size)} px of {generator['resolution']}, alpha {value(facts.get('alpha', 1))}")
    for role, network in networks.items():
        count = sum(parameter.numel() for parameter in network.parameters())
        print_facts(f"{role}: {count:,} trainable parameters", config[role])
    print(f"classes: {value(config['classes']) if config['classes'] else 'none'}")
    print_facts("training:" if facts else "training: nothing is known", facts)
    sizes = {name: (folder / name).stat().st_size for name in folders.files_of(folder)}
    print_facts("files:", {name: f"{size:,} bytes" for name, size in sizes.items()})
    return 0


def print_facts(title: str, facts: dict[str, Any]) -> None:
    """A title and a line for each fact under it."""
    print(title)
    width = max(map(len, facts), default=0)
    for name, fact in facts.items():
        print(f"  {printable(name):{width}}  {value(fact)}")


def import_official(options: argparse.Namespace) -> int:
    """Convert a published file."""
    from stylegrow.models.official import importing

    importing.import_official(options.file, options.out)
    config = folders.read_config(options.out)
    print(f"{printable(options.out)}: {config['architecture']} of {config['generator']['resolution']} px")
    return 0


def copy(options: argparse.Namespace) -> int:
    """Copy a model that loads; say how large it is and what half of the bits do to its pictures."""
    from stylegrow.models.copies import IMAGES, copy_model

    copied = copy_model(options.model, options.folder, float16=options.float16)
    if options.float16:
        print(f"largest change of {IMAGES} pictures: {copied.change} of 255 grey levels")
    print(f"{printable(options.folder)}: {copied.after / 1e6:.2f} MB; it was {copied.before / 1e6:.2f} MB")
    return 0


def push(options: argparse.Namespace) -> int:
    """Upload a model that loads."""
    hub.check_repo(options.repo)
    folder = folders.find_model(options.model)
    config = folders.read_config(folder)
    folders.load_generator(folder)  # what does not load here would not load anywhere
    if "discriminator" in config:
        folders.load_discriminator(folder)
    if options.dry_run:
        for name in folders.files_of(folder):
            print(f"{(folder / name).stat().st_size:>15,} bytes  {name}")
        print(f"would be uploaded to {options.repo}; leave out --dry-run to do so")
        return 0
    architecture, resolution, kimg, _ = row(config)
    message = options.message or f"{architecture}, {resolution}, {kimg} kimg"
    files = dict.fromkeys([*folders.FILES, *folders.files_of(folder)])
    print(hub.push(folder, [*files], options.repo, private=options.private, revision=options.revision, message=message))
    return 0
