"""Model folders in the Hugging Face Hub's layout: config.json, the weights as .safetensors, and README.md.

config.json holds `architecture` ("progan", "stylegan" or "vae"), `format_version`, `generator` and, where there is one,
`discriminator` or a VAE's `encoder` (every constructor argument), `classes` (the labels' names, in order), for label
vectors `label_values` (`min` and `max` of each component, `examples` of the training's vectors, where known `units`),
for showers `transform` (the name of what their energies are stored by, in stylegrow.physics.intensity) and `training`
(facts). Nothing is ever pickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegrow.architectures import ARCHITECTURES, architecture_of
from stylegrow.common.errors import ModelError
from stylegrow.common.files import new_folder, write_whole
from stylegrow.common.held_out import public_facts
from stylegrow.common.paths import expanded
from stylegrow.common.schema import read_json
from stylegrow.models import hub
from stylegrow.models.cards import ELSEWHERE, CardImage, model_card
from stylegrow.models.config import FORMAT_VERSION, all_arguments, read_config_of, roles_of
from stylegrow.models.evaluation import Evaluation
from stylegrow.models.weights import DIRECTIONS, GROWTH, WEIGHTS, Storage, encode, load_network

if TYPE_CHECKING:
    import vae
    from stylegrow.architectures import Discriminator, Generator, Partner

PACKAGE = Path(__file__).parents[1]
# The bundled models: inside an installed package, beside that of a checkout.
ZOO = PACKAGE / "zoo" if (PACKAGE / "zoo").is_dir() else PACKAGE.parent / "zoo"
FILES = ("config.json", *WEIGHTS.values(), GROWTH, DIRECTIONS, "README.md")
IMAGES = "*.png"  # beside the card, which may show them


def save_model(
    folder: str | os.PathLike[str],
    generator: Generator,
    discriminator: Partner | None = None,
    *,
    training: Mapping[str, Any] | None = None,
    classes: Sequence[str] = (),
    label_values: Mapping[str, Any] | None = None,
    transform: str | None = None,
    card: str | None = None,
    dtype: Storage = "float32",
) -> None:
    """Write a model folder, or bring one up to date; it can be loaded at every moment, also when this is cut off.

    `discriminator` is the network that the generator was trained with, or in its place the encoder of a VAE.

    Weights are stored as `dtype`, equal ones as equal bytes; they are loaded as float32 in any case. `training` holds
    facts that JSON can hold; the card knows `data`, `credit` and `license` (a Hub identifier, such as "cc-by-4.0"), and
    the stage reached, `resolution` and `alpha`, and lists all others. `classes` are the names of the classes or of the
    components of label vectors, `label_values` what these are like, `transform` names what made grey levels of energies
    (see above). `card` is the text of README.md in
    place of the one made from the facts. ModelError when the folder already holds a model with other constructor
    arguments, and for weights that float16 cannot hold; OSError when the folder cannot be written.
    """
    folder = Path(folder)
    architecture = architecture_of(generator)
    config: dict[str, Any] = {
        "architecture": architecture.name,
        "format_version": FORMAT_VERSION,
        "generator": asdict(generator.config),
        "classes": list(classes),
        **({"label_values": dict(label_values)} if label_values else {}),
        **({"transform": transform} if transform else {}),
        "training": public_facts(training or {}),
    }
    files = {WEIGHTS["generator"]: encode(generator, dtype)}
    if discriminator is not None:
        config[architecture.partner] = asdict(discriminator.config)
        files[WEIGHTS[architecture.partner]] = encode(discriminator, dtype)
    files["README.md"] = (model_card(config) if card is None else card).encode()
    # Last, since only a folder with a config.json is a model, and only what that names is read.
    files["config.json"] = encoded(config)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        _update(folder, files)
    else:
        create(folder, files)


def create(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a folder that is new or empty: all of them or, when that fails, none."""
    with new_folder(folder) as partial:
        for name, content in files.items():
            (partial / name).write_bytes(content)


def write_card(folder: Path, *, images: Sequence[CardImage] = (), evaluation: Evaluation | None = None) -> None:
    """Replace README.md of a model folder by the card that model_card makes of its config.json and of these.

    ModelError, in one line, when there is no model, and for images that are not beside the card; OSError when it
    cannot be written.
    """
    config = read_config_of(folder)
    for image in images:
        if not (folder / image.file).is_file():
            raise ModelError(f"{folder / image.file}: is missing, and the card is to show it")
    card = model_card(config, name=name_in_card(folder), images=images, evaluation=evaluation)
    write_whole(folder / "README.md", card.encode())


def files_of(folder: Path) -> list[str]:
    """The names of a model's files that are there: FILES, and the images beside them.

    ModelError for a link out of the folder, other than one into the Hub's cache: whoever made the folder would have
    any file of this machine copied or uploaded as part of the model.
    """
    images = sorted(path.name for path in folder.glob(IMAGES) if not path.name.startswith("."))
    names = [name for name in (*FILES, *images) if (folder / name).is_file()]
    for name in names:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()) and not hub.is_cached(path):
            raise ModelError(f"{folder / name}: is a link to a file elsewhere; put the file itself there")
    return names


def public_content(folder: Path, name: str) -> bytes:
    """The content of a model's file as others may have it: an earlier version's config.json names held-out images."""
    content = (folder / name).read_bytes()
    if name != "config.json":
        return content
    config = read_json(folder / name, dict[str, Any])
    public = config | {"training": public_facts(config["training"])}
    return content if public == config else encoded(public)


def encoded(config: Mapping[str, Any]) -> bytes:
    """A configuration as the content of config.json."""
    return (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()


def _update(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace the files one by one.

    The arguments stay the same, but for a low-pass filter, so that weights of one save fit the config of another.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: is a file; give a folder to save the model in")
    try:
        before = read_json(folder / "config.json", dict[str, Any])
    except (FileNotFoundError, ValueError):
        before = {}  # not a model that can be loaded, so there is nothing to keep
    after = json.loads(files["config.json"])
    for key in ("architecture", "format_version", *WEIGHTS):
        if key not in before or key not in after:
            continue
        earlier, later = before[key], after[key]
        if isinstance(earlier, dict):
            earlier = all_arguments(earlier, ARCHITECTURES[after["architecture"]].config_class(key))
            earlier["blur_filter"] = later["blur_filter"]
        if earlier != later:
            raise ModelError(f"{folder}: already holds a model with another {key}; save to a new folder")
    for name, content in files.items():
        write_whole(folder / name, content)
    for role, name in WEIGHTS.items():
        if role not in after:
            (folder / name).unlink(missing_ok=True)


def check_new_folder(out: Path) -> None:
    """ModelError unless `out` is an empty folder or one that can be made."""
    if out.is_dir():
        if any(out.iterdir()):
            raise ModelError(f"{out}: is not empty; give an empty folder, or one that does not exist yet")
    elif out.exists() or out.is_symlink():
        raise ModelError(f"{out}: is a file; give a folder to save the model in")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir():
        raise ModelError(f"{out}: cannot be made, since {above} is a file")
    if not os.access(above, os.W_OK):
        raise ModelError(f"{out}: cannot be made, since {above} is not writable")


def load_generator(name_or_path: str | os.PathLike[str]) -> Generator:
    """The generator of a model, found as find_model does. In eval mode, float32, on the CPU.

    Its constructor arguments are its `config`. ModelError, in one line, for whatever cannot be found or read or does
    not fit.
    """
    folder = _find(name_or_path, ["config.json", WEIGHTS["generator"]])
    return load_network(folder, read_config_of(folder), "generator")


def load_discriminator(name_or_path: str | os.PathLike[str]) -> Discriminator:
    """The discriminator saved with a model, found and loaded as the generator is. ModelError if there is none."""
    folder = _find(name_or_path, ["config.json", WEIGHTS["discriminator"]])
    return load_network(folder, read_config_of(folder), "discriminator")


def load_encoder(name_or_path: str | os.PathLike[str]) -> vae.Encoder:
    """The encoder saved with a VAE, found and loaded as the generator is. ModelError if there is none."""
    folder = _find(name_or_path, ["config.json", WEIGHTS["encoder"]])
    return load_network(folder, read_config_of(folder), "encoder")


def load_networks(folder: Path) -> dict[str, Any]:
    """All networks of a model folder, by their roles in config.json. ModelError as for each."""
    config = read_config_of(folder)
    return {role: load_network(folder, config, role) for role in roles_of(config)}


def find_model(name_or_path: str | os.PathLike[str]) -> Path:
    """The folder of a model: the one given, that in a run folder, that of this name in zoo/, or one from the Hub.

    `hf://user/repo` and `hf://user/repo@revision` are downloaded, once. ModelError, in one line, if there is none.
    """
    return _find(name_or_path, (*FILES, IMAGES))


def name_of(name_or_path: str | os.PathLike[str], folder: Path) -> str:
    """What to call a model that was found in `folder`: the Hub's reference, or the name of its model or run folder."""
    if hub.is_reference(name_or_path):
        return str(name_or_path)
    parts = folder.resolve().parts
    return parts[-2] if parts[-1] == "model" and len(parts) > 2 else parts[-1]


def is_bundled(folder: Path) -> bool:
    """Whether this is a model that comes with the project."""
    return folder.resolve().parent == ZOO.resolve()


def name_in_card(folder: Path) -> str:
    """What the code and the commands on the card of this folder's model call it: its name, where it is bundled."""
    return folder.name if is_bundled(folder) else ELSEWHERE


def read_config(name_or_path: str | os.PathLike[str]) -> dict[str, Any]:
    """A model's config.json, checked as far as that goes without its weights. ModelError as for load_generator."""
    return read_config_of(_find(name_or_path, ["config.json"]))


def _find(name_or_path: str | os.PathLike[str], files: Sequence[str]) -> Path:
    """find_model, downloading no other files than these."""
    if hub.is_reference(name_or_path):
        return hub.fetch(name_or_path, files)
    path = expanded(name_or_path)
    candidates = [path, path / "model"]
    if len(path.parts) == 1 and not path.is_absolute():
        candidates.append(ZOO / path)
    try:
        for folder in candidates:
            if (folder / "config.json").is_file():
                return folder
        if path.is_dir():
            raise ModelError(f"{path} is not a model folder: config.json is missing.")
        raise ModelError(f"{path}: {_why_no_model(path)}")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error


def _why_no_model(path: Path) -> str:
    if path.suffix == ".pkl" and path.exists():
        return f"is no model folder; make one of it with stylegrow models import-official {path} FOLDER"
    if path.exists():
        whole = (path.parent / "config.json").is_file()
        return f"is a file; give {f'its folder, {path.parent}' if whole else 'the folder of config.json and weights'}"
    if hub.NAME.fullmatch(path.as_posix()):
        return f"there is no such folder; if you mean the model of that name on the Hub, write hf://{path.as_posix()}"
    names = ", ".join(sorted(found.parent.name for found in ZOO.glob("*/config.json"))) or "none yet"
    return f"there is no such folder, and no model of that name in zoo/ (there: {names})"
