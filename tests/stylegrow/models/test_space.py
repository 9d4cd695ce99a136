"""The folder of a Hugging Face Space: it installs the package, holds the models, and starts."""

import re
import runpy
from pathlib import Path

import pytest
from huggingface_hub import metadata_load

from stylegrow.common.errors import InputError, ModelError
from stylegrow.models import load_generator
from stylegrow.models.space import write_space

ADDRESS = "git+https://example.org/stylegrow@v1"


@pytest.fixture
def space(tmp_path):
    return tmp_path / "space"


def contents(folder):
    """What lies in a folder and below: files with their bytes, and folders."""
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_its_settings_and_files_are_those_of_a_space(models, space):
    write_space([str(models / "style"), str(models / "run"), "progan-toonhead64"], space, ADDRESS)
    header = metadata_load(space / "README.md")
    assert (header["sdk"], header["app_port"]) == ("docker", 7860)
    assert len(header["short_description"]) <= 60  # what the Hub takes
    assert "“Faces” by Zoë, CC BY 4.0" in (space / "README.md").read_text(encoding="utf-8")
    assert (space / "requirements.txt").read_text() == f"{ADDRESS}\n"
    assert re.match(r"FROM python:3\.\d+\n", (space / "Dockerfile").read_text())
    # No code beside the start, and of the models those that do not come with the package.
    assert [path.name for path in space.rglob("*.py")] == ["serve.py"]
    assert sorted(path.parent.name for path in space.rglob("config.json")) == ["run", "style"]
    source, copy = (load_generator(path).state_dict() for path in (models / "style", space / "models" / "style"))
    assert all(source[name].equal(copy[name]) for name in source)


def test_its_start_serves_the_models(models, space, monkeypatch):
    write_space([str(models / "silent"), "progan-toonhead64"], space, ADDRESS)
    monkeypatch.setattr("app.__main__.main", lambda words: print(*words) or 3)
    monkeypatch.setattr("sys.argv", ["serve.py", "--device", "cpu"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(space / "serve.py"), run_name="__main__")
    assert ended.value.code == 3
    served = runpy.run_path(str(space / "serve.py"))["MODELS"]
    assert served == ["models/silent", "progan-toonhead64"]
    assert all((space / name).is_dir() for name in served[:1])


def test_a_wheel_is_copied_beside(models, space, tmp_path):
    wheel = tmp_path / "stylegrow-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    write_space([str(models / "silent")], space, str(wheel))
    assert (space / "requirements.txt").read_text() == f"./{wheel.name}\n"
    assert (space / wheel.name).read_bytes() == b"wheel"


def test_an_earlier_one_is_replaced_and_its_repository_kept(models, space):
    (space / ".git").mkdir(parents=True)
    (space / ".git" / "HEAD").write_text("ref")
    (space / "README.md").write_text("what the Hub writes into a new Space")
    write_space([str(models / "style")], space, ADDRESS)
    (space / "stylegrow-0-py3-none-any.whl").write_bytes(b"old")
    write_space([str(models / "silent")], space, ADDRESS)
    assert [path.name for path in (space / "models").iterdir()] == ["silent"]
    assert list(space.glob("*.whl")) == []
    assert (space / ".git" / "HEAD").read_text() == "ref"
    assert metadata_load(space / "README.md")["sdk"] == "docker"


def test_what_fails_leaves_an_earlier_one_and_its_own_model_goes_into_the_next(models, space):
    write_space([str(models / "style")], space, ADDRESS)
    before = contents(space)
    with pytest.raises(InputError, match=r"^--package nothing\.whl: "):
        write_space([str(models / "silent")], space, "nothing.whl")
    assert contents(space) == before
    write_space([str(space / "models" / "style")], space, ADDRESS)
    assert contents(space) == before
    assert [path.name for path in space.parent.iterdir()] == ["space"]


def test_two_models_of_the_same_name_have_folders_of_their_own(models, space, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "silent").symlink_to(models / "silent")
    write_space([str(models / "silent"), str(tmp_path / "other" / "silent")], space, ADDRESS)
    assert len(list((space / "models").iterdir())) == 2


@pytest.mark.parametrize("place", ["mine", "file"])
@pytest.mark.parametrize("name", ["thesis.txt", "serve.py"])
def test_a_folder_of_something_else_is_left_alone(models, tmp_path, place, name):
    (tmp_path / "mine" / "models").mkdir(parents=True)
    (tmp_path / "mine" / name).write_text("years of work")
    (tmp_path / "file").write_text("")
    before = contents(tmp_path / "mine")
    with pytest.raises(InputError, match="--outdir"):
        write_space([str(models / "style")], tmp_path / place, ADDRESS)
    assert contents(tmp_path / "mine") == before


def test_an_installed_copy_asks_for_the_package(models, space, tmp_path, monkeypatch):
    monkeypatch.setattr("stylegrow.models.space.CHECKOUT", Path(tmp_path))
    with pytest.raises(InputError, match="--package"):
        write_space([str(models / "style")], space)
    assert not space.exists()


def test_no_such_model(space):
    with pytest.raises(ModelError, match="nobody"):
        write_space(["nobody"], space, ADDRESS)
    assert not space.exists()
