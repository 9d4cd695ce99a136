"""Model folders in the Hugging Face Hub's layout: config.json, model and discriminator.safetensors, and README.md.

config.json holds `architecture` ("progan" or "stylegan"), `format_version`, `generator` and, where there is one,
`discriminator` (every constructor argument), `classes` (the labels' names, in order) and `training` (facts). Nothing
is ever pickled.
"""

from __future__ import annotations

import inspect
import json
import os
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stylegrow.architectures import ARCHITECTURES, architecture_of
from stylegrow.common.errors import ModelError
from stylegrow.common.files import new_folder, write_whole
from stylegrow.common.text import one_line
from stylegrow.models import hub
from stylegrow.models.cards import Picture, model_card

if TYPE_CHECKING:
    from torch import Tensor, nn

    from stylegrow.architectures import Discriminator, Generator

Storage = Literal["float32", "float16"]
PACKAGE = Path(__file__).parents[1]
# The bundled models: inside an installed package, beside that of a checkout.
ZOO = PACKAGE / "zoo" if (PACKAGE / "zoo").is_dir() else PACKAGE.parent / "zoo"
FORMAT_VERSION = 1
WEIGHTS = {"generator": "model.safetensors", "discriminator": "discriminator.safetensors"}
FILES = ("config.json", *WEIGHTS.values(), "README.md")
PICTURES = "*.png"  # that the card may show
LARGEST_NUMBER, LONGEST_VALUE = 1e12, 100  # of an argument: beyond them a network would only be slow to refuse it
KEYS = {"format_version": int, "architecture": str, "generator": dict, "classes": list, "training": dict}


def save_model(
    folder: str | os.PathLike[str],
    generator: Generator,
    discriminator: Discriminator | None = None,
    *,
    training: Mapping[str, Any] | None = None,
    classes: Sequence[str] = (),
    card: str | None = None,
    dtype: Storage = "float32",
) -> None:
    """Write a model folder, or bring one up to date; it can be loaded at every moment, also when this is cut off.

    Weights are stored as `dtype`, equal ones as equal bytes; they are loaded as float32 in any case. `training` holds
    facts that JSON can hold; the card knows `data`, `credit` and `license` (a Hub identifier, such as "cc-by-4.0"), and
    the stage reached, `resolution` and `alpha`, and lists all others. `card` is the text of README.md in place of the
    one made from the facts. ModelError when the folder already holds a model with other constructor arguments, and
    for weights that float16 cannot hold; OSError when the folder cannot be written.
    """
    folder = Path(folder)
    config: dict[str, Any] = {
        "architecture": architecture_of(generator).name,
        "format_version": FORMAT_VERSION,
        "generator": generator.config,
        "classes": list(classes),
        "training": dict(training or {}),
    }
    files = {WEIGHTS["generator"]: encoded(generator, dtype)}
    if discriminator is not None:
        config["discriminator"] = discriminator.config
        files[WEIGHTS["discriminator"]] = encoded(discriminator, dtype)
    files["README.md"] = (model_card(config) if card is None else card).encode()
    # Last, since only a folder with a config.json is a model, and only what that names is read.
    files["config.json"] = (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()
    if folder.exists():
        _update(folder, files)
    else:
        with new_folder(folder) as partial:
            for name, content in files.items():
                (partial / name).write_bytes(content)


def write_card(
    folder: str | os.PathLike[str], *, pictures: Sequence[Picture] = (), numbers: Mapping[str, Any] | None = None
) -> None:
    """Replace README.md of a model folder by the card that model_card makes of its config.json and of these.

    ModelError, in one line, when there is no model, and for numbers of another shape or pictures that are not beside
    the card; OSError when it cannot be written.
    """
    folder = Path(folder)
    config = _read_config(folder)
    for file, _, _ in pictures:
        if not (folder / file).is_file():
            raise ModelError(f"{folder / file}: is missing, and the card is to show it")
    try:
        text = model_card(config, pictures=pictures, numbers=numbers)
    except KeyError as error:
        raise ModelError(f"{folder / 'config.json'}: generator lacks the argument {error}") from error
    write_whole(folder / "README.md", text.encode())


def files_of(folder: Path) -> list[str]:
    """The names of a model's files that are there: FILES, and the pictures beside them."""
    pictures = sorted(path.name for path in folder.glob(PICTURES) if not path.name.startswith("."))
    return [name for name in (*FILES, *pictures) if (folder / name).is_file()]


def encoded(network: nn.Module, dtype: Storage) -> bytes:
    """A network's weights as the content of a safetensors file. ModelError for those that float16 cannot hold.

    StyleGAN's mapping network and styles stay float32: every layer passes a rounded latent or style on, which alone
    changes images by several grey levels at 256 px, and they are a small part of the bytes.
    """
    import torch
    from safetensors.torch import save

    state = {}
    for name, tensor in network.state_dict().items():
        styled = name.startswith("mapping.") or ".style." in name
        kind = torch.float32 if styled else getattr(torch, dtype)
        state[name] = tensor.detach().to("cpu", kind).contiguous()
        if dtype == "float16" and not state[name].isfinite().all():
            largest = tensor.abs().max().item()
            raise ModelError(f"{name} cannot be stored as float16, its largest number is {largest:g}; use float32")
    return save(state, metadata={"format": "pt"})


def _update(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace the files one by one. The arguments stay the same, so weights of one save fit the config of another."""
    if not folder.is_dir():
        raise ModelError(f"{folder}: is a file; give a folder to save the model in")
    try:
        before = json.loads((folder / "config.json").read_bytes())
    except (FileNotFoundError, ValueError):
        before = None  # not a model that can be loaded, so there is nothing to keep
    after = json.loads(files["config.json"])
    for key in ("architecture", "format_version", "generator", "discriminator"):
        if isinstance(before, dict) and key in before and key in after and before[key] != after[key]:
            raise ModelError(f"{folder}: already holds a model with another {key}; save to a new folder")
    for name, content in files.items():
        write_whole(folder / name, content)
    if "discriminator" not in after:
        (folder / WEIGHTS["discriminator"]).unlink(missing_ok=True)


def is_empty_folder(out: Path) -> bool:
    """Whether `out` is there already; ModelError unless a model can be put there."""
    if out.is_dir():
        if any(out.iterdir()):
            raise ModelError(f"{out}: is not empty; give an empty folder, or one that does not exist yet")
        return True
    if out.exists() or out.is_symlink():
        raise ModelError(f"{out}: is a file; give a folder to save the model in")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir():
        raise ModelError(f"{out}: cannot be made, since {above} is a file")
    if not os.access(above, os.W_OK):
        raise ModelError(f"{out}: cannot be made, since {above} is not writable")
    return False


def load_generator(name_or_path: str | os.PathLike[str]) -> Generator:
    """The generator of a model, found as find_model does. In eval mode, float32, on the CPU.

    Its constructor arguments are its `config`. ModelError, in one line, for whatever cannot be found or read or does
    not fit.
    """
    return _load(name_or_path, "generator")


def load_discriminator(name_or_path: str | os.PathLike[str]) -> Discriminator:
    """The discriminator saved with a model, found and loaded as the generator is. ModelError if there is none."""
    return _load(name_or_path, "discriminator")


def find_model(name_or_path: str | os.PathLike[str]) -> Path:
    """The folder of a model: the one given, that in a run folder, that of this name in zoo/, or one from the Hub.

    `hf://user/repo` and `hf://user/repo@revision` are downloaded, once. ModelError, in one line, if there is none.
    """
    return _find(name_or_path, (*FILES, PICTURES))


def name_of(name_or_path: str | os.PathLike[str], folder: Path) -> str:
    """What to call a model that was found in `folder`: the Hub's reference, or the name of its model or run folder."""
    if hub.is_reference(name_or_path):
        return str(name_or_path)
    parts = folder.resolve().parts
    return parts[-2] if parts[-1] == "model" and len(parts) > 2 else parts[-1]


def read_config(name_or_path: str | os.PathLike[str]) -> dict[str, Any]:
    """A model's config.json, checked as far as that goes without its weights. ModelError as for load_generator."""
    return _read_config(_find(name_or_path, ["config.json"]))


def _find(name_or_path: str | os.PathLike[str], files: Sequence[str]) -> Path:
    """find_model, downloading no other files than these."""
    if hub.is_reference(name_or_path):
        return hub.fetch(name_or_path, files)
    path = Path(name_or_path).expanduser()
    candidates = [path, path / "model"]
    if len(path.parts) == 1 and not path.is_absolute():
        candidates.append(ZOO / path)
    try:
        for folder in candidates:
            if (folder / "config.json").is_file():
                return folder
        raise ModelError(f"{path}: {_why_no_model(path)}")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error


def _why_no_model(path: Path) -> str:
    if path.is_dir():
        return "holds neither config.json nor model/config.json, so it is no model or run folder"
    if path.suffix == ".pkl" and path.exists():
        return f"is no model folder; make one of it with stylegrow models import-official {path} FOLDER"
    if path.exists():
        whole = (path.parent / "config.json").is_file()
        return f"is a file; give {f'its folder, {path.parent}' if whole else 'the folder of config.json and weights'}"
    if hub.NAME.fullmatch(path.as_posix()):
        return f"there is no such folder; if you mean the model of that name on the Hub, write hf://{path.as_posix()}"
    names = ", ".join(sorted(found.parent.name for found in ZOO.glob("*/config.json"))) or "none yet"
    return f"there is no such folder, and no model of that name in zoo/ (there: {names})"


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: is not JSON ({one_line(error)})") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path}: is not a JSON object")
    for key, kind in KEYS.items():
        if not isinstance(config.get(key), kind):
            raise ModelError(f"{path}: {key!r} is {'missing' if key not in config else f'not of type {kind.__name__}'}")
        # Before the other keys, which another version may not have.
        if key == "format_version" and config[key] != FORMAT_VERSION:
            raise ModelError(f"{path}: format_version {config[key]} is unknown; this program reads {FORMAT_VERSION}")
        if key == "architecture" and config[key] not in ARCHITECTURES:
            raise ModelError(f"{path}: architecture {config[key]!r} is unknown; known: {', '.join(ARCHITECTURES)}")
    labels, classes = config["generator"].get("label_dim"), config["classes"]
    if classes and (len(classes) != labels or not all(isinstance(name, str) for name in classes)):
        raise ModelError(f"{path}: 'classes' is not the names of the generator's {labels} labels")
    return config


def _load(name_or_path: str | os.PathLike[str], role: str) -> Any:
    import torch

    folder = _find(name_or_path, ["config.json", WEIGHTS[role]])
    config = _read_config(folder)
    if not isinstance(config.get(role), dict):
        raise ModelError(f"{folder / 'config.json'}: the model has no {role}; it was saved without one")
    tensors = _read_weights(folder / WEIGHTS[role])
    with torch.random.fork_rng(devices=[]):  # drawing initial weights must not change what the caller draws
        # First without memory, so that absurd sizes in a config cost none.
        with torch.device("meta"):
            plan = _build(folder / "config.json", config, role).float()
        _check_fit(folder / WEIGHTS[role], plan.state_dict(), tensors)
        with torch.device("cpu"):
            network = _build(folder / "config.json", config, role).float()
    network.load_state_dict(tensors)
    return network.eval()


def _build(path: Path, config: Mapping[str, Any], role: str) -> nn.Module:
    network: Any = getattr(ARCHITECTURES[config["architecture"]], role)
    arguments = config[role]
    known = inspect.signature(network).parameters
    if known.keys() != arguments.keys():
        name = min(known.keys() ^ arguments.keys())
        raise ModelError(f"{path}: {role} {'lacks the' if name in known else 'has the unknown'} argument {name!r}")
    for name, value in arguments.items():
        if not _plausible(value, known[name].default):
            problem = f"{name} cannot be {reprlib.repr(value)}"
            raise ModelError(f"{path}: the arguments of {role} make no network ({problem})")
    try:
        return network(**arguments)
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise ModelError(f"{path}: the arguments of {role} make no network ({one_line(error)})") from error


def _plausible(value: Any, default: Any) -> bool:
    """Whether an argument is worth a try; networks check the values they know, and no more than that."""
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int | float):
        # A comparison with NaN is false.
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER
    return not isinstance(value, str | list | dict) or len(value) <= LONGEST_VALUE


def _read_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: is missing") from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: is damaged or no safetensors file ({one_line(error)})") from error


def _check_fit(path: Path, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    import torch

    for names, problem in (
        (wanted.keys() - found.keys(), "lacks"),
        (found.keys() - wanted.keys(), "has the unexpected"),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelError(f"{path}: {problem} {min(names)}{more}; it does not fit config.json")
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape:
            shapes = f"{list(found[name].shape)} does not fit config.json, which needs {list(tensor.shape)}"
            raise ModelError(f"{path}: {name} of shape {shapes}")
        if found[name].dtype not in (tensor.dtype, torch.float16):
            raise ModelError(f"{path}: {name} holds {found[name].dtype}, not {tensor.dtype}")
