"""`python -m app space`: the folder it writes is a Hugging Face Space that starts, with nothing but itself."""

import re
import socket
import subprocess
import sys
from importlib.metadata import version

import httpx
import pytest
from huggingface_hub import metadata_load

from app.__main__ import main
from stylegrow.models import load_generator
from stylegrow.models.space import ROOT


@pytest.fixture
def write(models, tmp_path, capsys):
    """Runs the command on models of the fixtures; gives its status and what it said."""

    def run(*names, outdir=tmp_path / "space"):
        words = [word for name in names for word in ("--model", str(models / name))]
        status = main(["space", *words, "--outdir", str(outdir)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def header(folder):
    """The Space's settings."""
    return metadata_load(folder / "README.md")


def test_its_settings_and_files_are_those_of_a_space(write, tmp_path):
    status, out, err = write("style", "run")
    folder = tmp_path / "space"
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"wrote {folder}"
    told = header(folder)
    assert (told["sdk"], told["sdk_version"]) == ("gradio", version("gradio"))
    assert (folder / told["app_file"]).is_file()
    assert re.fullmatch(r"3\.\d+", told["python_version"])
    assert len(told["short_description"]) <= 60  # what the Hub takes
    assert "“Faces” by Zoë, CC BY 4.0" in (folder / "README.md").read_text(encoding="utf-8")
    needed = (folder / "requirements.txt").read_text().splitlines()
    assert set(needed) < set((ROOT / "requirements.txt").read_text().splitlines())
    assert {"torch", "av", "tyro", "dicebear-core"} <= {re.split("[<>=]", line)[0] for line in needed}
    assert (folder / "LICENSE").is_file()
    assert not [path for path in folder.rglob("*") if path.name in ("__pycache__", "tests", "train")]


def test_its_models_are_whole_and_only_those_that_were_asked_for(write, tmp_path, models):
    write("style", "run")
    folder = tmp_path / "space"
    assert sorted(path.parent.name for path in folder.rglob("config.json")) == ["run", "style"]
    source, copy = (load_generator(path).state_dict() for path in (models / "style", folder / "models" / "style"))
    assert all(source[name].equal(copy[name]) for name in source)


def test_it_starts_with_nothing_but_itself(write, tmp_path):
    write("silent")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve.py", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    served = subprocess.Popen(
        [sys.executable, *words], cwd=tmp_path / "space", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert f"Stylegrow is at http://127.0.0.1:{port}" in served.stdout.readline()
        config = httpx.get(f"http://127.0.0.1:{port}/config", trust_env=False).text
        assert "silent · StyleGAN · 8 px" in config
        assert str(ROOT) not in config
    finally:
        served.terminate()
        served.wait()


def test_an_earlier_one_is_replaced_and_its_repository_kept(write, tmp_path):
    folder = tmp_path / "space"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref")
    (folder / "README.md").write_text("what the Hub writes into a new Space")
    assert write("style")[0] == 0
    (folder / "app" / "gone.py").write_text("")
    assert write("silent")[0] == 0
    assert [path.name for path in (folder / "models").iterdir()] == ["silent"]
    assert not (folder / "app" / "gone.py").exists()
    assert (folder / ".git" / "HEAD").read_text() == "ref"
    assert header(folder)["sdk"] == "gradio"


def test_two_models_of_the_same_name_have_folders_of_their_own(write, tmp_path, models):
    other = tmp_path / "other" / "silent"
    other.mkdir(parents=True)
    for file in (models / "silent").iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    words = [word for model in (models / "silent", other) for word in ("--model", str(model))]
    assert main(["space", *words, "--outdir", str(tmp_path / "s")]) == 0
    assert len(list((tmp_path / "s" / "models").iterdir())) == 2


@pytest.mark.parametrize("place", ["mine", "file", ROOT, ROOT / "app" / "x"], ids=str)
def test_a_folder_of_something_else_is_left_alone(write, tmp_path, place):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("")
    status, out, err = write("style", outdir=tmp_path / place)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--outdir" in err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert not (ROOT / "serve.py").exists()


def test_no_such_model(write, tmp_path):
    status, _, err = write("nobody")
    assert (status, err.count("\n")) == (2, 1)
    assert not (tmp_path / "space").exists()
