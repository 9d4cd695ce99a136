"""The rooms: which way imports point, and that importing them is quick and harmless."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each room may import of the others. "stylegrow" alone is what stands in its __init__.py.
NETWORKS = {"progan", "stylegan", "vae"}
GROUND = NETWORKS | {"stylegrow.common"}
LIBRARY = GROUND | {
    f"stylegrow.{room}" for room in ("architectures", "data", "models", "sampling", "rendering", "metrics", "physics")
}
ALLOWED = {
    "progan": set(),
    "stylegan": {"progan"},
    "vae": {"progan"},
    "stylegrow": LIBRARY,
    "stylegrow.common": set(),
    "stylegrow.architectures": GROUND,
    "stylegrow.data": {"stylegrow.common", "stylegrow.physics"},
    "stylegrow.physics": {"stylegrow.common"},
    "stylegrow.models": GROUND | {"stylegrow.architectures"},
    "stylegrow.sampling": GROUND | {"stylegrow.architectures", "stylegrow.physics", "stylegrow.models"},
    "stylegrow.rendering": LIBRARY - {"stylegrow.data", "stylegrow.metrics"},
    "stylegrow.metrics": LIBRARY,
    "stylegrow.cli": LIBRARY | {"stylegrow"},
    "stylegrow.__main__": {"stylegrow.cli"},
    "train": LIBRARY | {"stylegrow"},
    "app": LIBRARY | {"stylegrow"},
}
TOPS = {"progan", "stylegan", "vae", "stylegrow", "train", "app", "tests", "benchmarks", "examples"}
FILES = [path for top in sorted(TOPS - {"tests"}) for path in sorted((ROOT / top).rglob("*.py"))]


def imported(path: Path) -> Iterator[str]:
    """All that a file imports, anywhere in it: "os.path", or "stylegrow.common.text.printable"."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str:
    """The room of a dotted name: its package, of stylegrow the module or package below it."""
    room = ".".join(name.split(".")[:2])
    return room if room in ALLOWED else name.split(".")[0]


def named(path: Path) -> str:
    """A file's module, or the package whose __init__.py it is."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_point_one_way(path):
    room = room_of(named(path))
    others = {room_of(name) for name in imported(path) if name.split(".")[0] in TOPS} - {room}
    if room in ALLOWED:
        assert others <= ALLOWED[room]
    else:  # what is run from a checkout
        assert "tests" not in others


def test_no_circle_of_imports_in_the_training():
    """Not even of types alone."""
    modules = {named(path): path for path in FILES if named(path).startswith("train.")}
    graph = {
        module: {one for name in imported(path) for one in (name, name.rpartition(".")[0]) if one in modules}
        for module, path in modules.items()
    }
    assert list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", [path for path in FILES if room_of(named(path)) in NETWORKS], ids=named)
def test_networks_need_torch_alone(path):
    assert {name.split(".")[0] for name in imported(path)} - sys.stdlib_module_names - NETWORKS <= {"torch"}


@pytest.mark.parametrize(
    "statement",
    [
        "import stylegrow",
        "import stylegrow.cli.main, stylegrow.rendering.grids",
        "import train.config.options",
        "import train.command",
        "from stylegrow.cli.main import main; main(['--help'])",
    ],
)
def test_what_answers_at_once_does_not_load_torch(statement):
    code = f"import sys; {statement}; print(); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(ended.stdout.splitlines()[-1].split()) & {"torch", "torchvision", "dicebear", "accelerate", "gradio"}
