import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import stylegan
from stylegrow.cli.main import main
from stylegrow.models import folders, load_generator, save_model
from tests.stylegrow.models.helpers import SMALL, networks

ROOT = Path(__file__).parents[3]


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A zoo with one model, and a folder of two runs and a model."""
    g, d = networks()
    style = stylegan.Generator(z_dim=6, w_dim=6, mapping_layers=1, label_dim=2, **SMALL)
    facts = {"kimg": 150.0, "data": "toonhead, 9 pictures", "resolution": 8, "alpha": 1.0, "held_out": list(range(99))}
    save_model(tmp_path / "zoo" / "faces", g, d, training=facts)
    monkeypatch.setattr(folders, "ZOO", tmp_path / "zoo")
    runs = tmp_path / "runs"
    for name in ("model", "models/000002", "models/000004"):
        save_model(runs / "00001-run" / name, g, training=facts | {"kimg": 12.5, "resolution": 4})
    save_model(runs / "other", style, classes=["cats", "dogs"], training={"source": "cats.pkl"})
    (runs / "00000-begun").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *arguments, status=0):
    """What a command printed: all of it, or the one line of its error."""
    assert main(["models", *arguments]) == status
    out, err = capsys.readouterr()
    if status == 0:
        assert err == ""
        return out
    lines = err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_list_shows_the_zoo(models, capsys):
    header, line = said(capsys, "list").splitlines()
    assert header.split() == ["MODEL", "ARCHITECTURE", "RESOLUTION", "KIMG", "DATA"]
    assert line.split() == ["faces", "progan", "8", "px", "150", "toonhead,", "9", "pictures"]


def test_list_shows_a_folder_of_runs_and_models_by_names_that_load(models, capsys):
    lines = [line.split() for line in said(capsys, "list", "runs").splitlines()[1:]]
    run, other = os.path.join("runs", "00001-run"), os.path.join("runs", "other")  # noqa: PTH118
    assert lines == [
        [run, "progan", "8", "px,", "at", "4", "12.5", "toonhead,", "9", "pictures"],
        [other, "stylegan", "8", "px", "-", "cats.pkl"],
    ]
    for name in (run, other):
        said(capsys, "show", name)


def test_list_shows_the_snapshots_of_a_run_and_a_single_model(models, capsys):
    lines = said(capsys, "list", "runs/00001-run").splitlines()[1:]
    assert [Path(line.split()[0]).name for line in lines] == ["00001-run", "000002", "000004"]
    lines = said(capsys, "list", "runs/other").splitlines()[1:]
    assert [Path(line.split()[0]).name for line in lines] == ["other"]


def test_a_damaged_model_does_not_hide_the_others(models, capsys):
    (models / "runs" / "other" / "config.json").write_text("{")
    assert main(["models", "list", "runs"]) == 1
    out, err = capsys.readouterr()
    assert "00001-run" in out
    assert "other" not in out
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "other" in err


def test_what_models_say_cannot_steer_the_terminal(models, capsys):
    path = models / "zoo" / "faces" / "config.json"
    config = json.loads(path.read_text())
    config["training"] = {"data": "a\x1b[2Jb\u009b1m", "\x1b]0;x\x07": "\x1b", "kimg": "\x07"}
    path.write_text(json.dumps(config))
    for command in (["list"], ["show", "faces"]):
        out = said(capsys, *command)
        assert all(character.isprintable() or character == "\n" for character in out)
        assert "a\\x1b[2Jb\\x9b1m" in out


def test_show_tells_everything(models, capsys):
    out = said(capsys, "show", "faces")
    g = load_generator("faces")
    for words in (
        "progan, format version 1",
        "stage reached: 8 px of 8, alpha 1",
        f"generator: {sum(p.numel() for p in g.parameters()):,} trainable parameters",
        "discriminator: ",
        "classes: none",
        "fmap_base          32",
        "99, listed in config.json",
        f"{(models / 'zoo' / 'faces' / 'model.safetensors').stat().st_size:,} bytes",
        "README.md",
    ):
        assert words in out


def test_show_counts_neither_noise_maps_nor_averages(models, capsys):
    out = said(capsys, "show", "runs/other")
    style = load_generator("runs/other")
    count = sum(p.numel() for p in style.parameters())
    assert count < sum(tensor.numel() for tensor in style.state_dict().values())
    assert f"generator: {count:,} trainable parameters" in out
    assert "classes: cats, dogs" in out
    assert "blur_filter           1, 2, 1" in out


def test_show_says_what_is_damaged(models, capsys):
    (models / "zoo" / "faces" / "discriminator.safetensors").write_bytes(b"x")
    assert "discriminator.safetensors" in said(capsys, "show", "faces", status=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lst"], ["lst", "list"]),
        (["show"], ["MODEL"]),
        (["show", "nobody"], ["nobody", "(there: faces)"]),
        (["show", "me/faces"], ["hf://me/faces"]),
        (["show", "faces", "--colour"], ["--colour"]),
        (["show", "line\nend"], ["line"]),
        (["list", "nowhere"], ["nowhere", "no such folder"]),
        (["list", "runs/00000-begun"], ["00000-begun", "no model"]),
        (["push", "faces"], ["user/repo"]),
        (["push", "faces", "faces"], ["write user/repo"]),
        (["push", "faces", "me/faces", "--priv"], ["--priv"]),
        (["push", "nobody", "me/faces", "--dry-run"], ["nobody"]),
        (["import-official", "x.pkl"], ["OUT"]),
        (["copy", "faces"], ["FOLDER"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(models, capsys, arguments, words):
    line = said(capsys, *arguments, status=2)
    assert all(word in line for word in words)


def test_import_official_converts_and_says_what_it_was(capsys, tmp_path):
    file = ROOT / "tests" / "oracle" / "pickles" / "progan2018_32.pkl"
    assert said(capsys, "import-official", str(file), str(tmp_path / "out")) == f"{tmp_path / 'out'}: progan of 32 px\n"


def test_push_uploads_a_model_that_loads(models, capsys, fake_hub):
    url = said(capsys, "push", "faces", "me/faces", "--private", "--revision", "v2", "--message", "again")
    assert url == "https://hub.test/me/faces/tree/v2\n"
    assert fake_hub.calls == [
        ("create_repo", "me/faces", True),
        ("create_branch", "me/faces", "v2"),
        ("upload_folder", "me/faces", "v2", "again"),
    ]
    assert "progan" in said(capsys, "show", "hf://me/faces@v2")
    said(capsys, "push", "faces", "me/faces")
    assert fake_hub.calls[-1] == ("upload_folder", "me/faces", None, "progan, 8 px, 150 kimg")
    (models / "zoo" / "faces" / "model.safetensors").write_bytes(b"x")
    before = list(fake_hub.calls)
    assert "model.safetensors" in said(capsys, "push", "faces", "me/faces", status=2)
    assert fake_hub.calls == before


def test_pictures_are_pushed_and_a_lost_critic_does_not_stay(models, capsys, fake_hub):
    said(capsys, "push", "faces", "me/faces")
    (models / "zoo" / "faces" / "discriminator.safetensors").unlink()
    config = json.loads((models / "zoo" / "faces" / "config.json").read_text())
    del config["discriminator"]
    (models / "zoo" / "faces" / "config.json").write_text(json.dumps(config))
    (models / "zoo" / "faces" / "grid.png").write_text("picture")
    said(capsys, "push", "faces", "me/faces")
    there = {path.name for path in fake_hub.branch("me/faces", None).iterdir()}
    assert there == {"config.json", "model.safetensors", "README.md", "grid.png"}


def test_a_dry_run_lists_the_files_and_asks_nobody(models, capsys, fake_hub):
    (models / "zoo" / "faces" / "notes.txt").write_text("mine")
    (models / "zoo" / "faces" / "grid.png").write_text("picture")
    out = said(capsys, "push", "faces", "me/faces", "--dry-run")
    wanted = ["config.json", "model.safetensors", "discriminator.safetensors", "README.md", "grid.png"]
    assert [line.split()[-1] for line in out.splitlines()[:-1]] == wanted
    assert "me/faces" in out
    assert fake_hub.calls == []


def test_a_reader_that_has_seen_enough_hears_no_complaint():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        command = [sys.executable, "-m", "stylegrow", "models", "list"]
        ended = subprocess.run(command, cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.stderr == ""
    assert ended.returncode != 0


def test_listing_does_not_load_torch():
    code = (
        "import sys; from stylegrow.cli.main import main; sys.exit(main(['models', 'list']) or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0
