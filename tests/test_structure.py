"""The rooms: which way imports point, and that importing them is quick and harmless."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each room may import of the others.
ALLOWED = {
    "progan": set(),
    "stylegan": {"progan"},
    "zoo": {"progan", "stylegan"},
    "data": set(),
    "metrics": {"progan", "stylegan", "zoo", "data"},
    "train": {"progan", "stylegan", "zoo", "data", "metrics"},
    "app": {"progan", "stylegan", "zoo", "data", "metrics"},
}
NETWORKS = {"progan", "stylegan"}
FILES = [path for room in ALLOWED for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Top-level names of all modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    others = imported(path) & (ALLOWED.keys() | {"tests", "benchmarks"}) - {room}
    assert others <= ALLOWED[room]


@pytest.mark.parametrize("path", [p for p in FILES if p.relative_to(ROOT).parts[0] in NETWORKS], ids=str)
def test_networks_need_torch_alone(path):
    outside = imported(path) - sys.stdlib_module_names - NETWORKS
    assert outside <= {"torch"}


def modules_after(statement: str) -> set[str]:
    """The modules that a new interpreter holds after a statement."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    "statement", ["import data", "import zoo", "import metrics", "import train.config.options", "import train.command"]
)
def test_what_answers_at_once_does_not_load_torch(statement):
    assert not modules_after(statement) & {"torch", "dicebear", "accelerate"}
