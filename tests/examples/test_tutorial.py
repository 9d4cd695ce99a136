"""The tutorial's notebook runs from its first cell to its last, with trainings of a few steps."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples/tutorial.ipynb"


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs(committed):
    nbformat.validate(committed)
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_it_runs(committed, tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_QUICK", "1")
    monkeypatch.setenv("TUTORIAL_DATA", "toonhead")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # its working folder is another
    for name in ("STYLEGROW_CACHE", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    resources = {"metadata": {"path": str(tmp_path)}}
    done = NotebookClient(committed, timeout=600, kernel_name="python3", resources=resources).execute()
    shown = [cell for cell in done.cells if cell.cell_type == "code"][1:]  # the first defines show()
    for cell in shown:
        if "show(" in cell.source or "display(" in cell.source:
            assert any("image/png" in output.get("data", {}) for output in cell.outputs)
