import json
import re
import shutil

import pytest
from PIL import Image

from stylegrow.cli.main import main
from stylegrow.cli.metrics import Options, held_out_of, open_model
from stylegrow.common.text import with_deviation
from stylegrow.data import open_dataset
from stylegrow.data.trained_on import faces_of
from stylegrow.metrics.results import Result, attribute_table, table
from stylegrow.models import save_model
from tests.stylegrow.data.image_files import folder_of
from tests.stylegrow.metrics.conftest import a_generator


@pytest.fixture
def model(tmp_path):
    facts = {"resolution": 64, "alpha": 1.0, "held_out": [f"toonhead-{i:05d}" for i in range(30)]}
    save_model(tmp_path / "model", a_generator("stylegan"), training=facts)
    return tmp_path / "model"


def run(capsys, *arguments):
    """(exit status, standard output, standard error) of the command."""
    status = main(["metrics", *[str(argument) for argument in arguments]])
    return status, *capsys.readouterr()


def test_a_table_with_floors_anchors_and_files(faces, quick, model, tmp_path, capsys):
    out, figure = tmp_path / "result.json", tmp_path / "figure.png"
    status, said, problem = run(
        capsys, "--model", model, "--data", faces.path, "--cache", tmp_path, "--samples", 24, "--anchors",
        "--metrics", "kid,swd,attributes,neighbours", "--trunc", 0.7, "--out", out, "--figure", figure,
    )  # fmt: skip
    assert status == 0, problem
    lines = said.splitlines()
    assert "psi 0.7" in lines[0]
    assert "kid, neighbours: by Averages" in said
    header = next(line for line in lines if line.startswith("metric"))
    columns = re.split("  +", header)
    assert columns == ["metric", "value", "floor", "blurred 1 px", "noise of 1 grey level", "samples", "better"]
    kid = next(line for line in lines if line.startswith("kid "))
    assert kid.count("±") == 4
    assert kid.split()[-2:] == ["24", "lower"]
    assert any(line.startswith("hair_color ") and "%" in line for line in lines)
    content = json.loads(out.read_text())
    assert content["options"]["samples"] == 24
    names = [result["name"] for result in content["results"]]
    assert names[:2] == ["kid", "swd_64"]
    assert names[-1] == "neighbours"
    assert set(content["anchors"]["blurred 1 px"][0]) >= {"value", "floor", "samples", "deviation"}
    # Those that the model says were held out are the floor of its neighbours.
    assert content["results"][-1]["samples"] == 24
    assert not set(content["results"][-1]["details"]["nearest"]) & {f"toonhead-{i:05d}" for i in range(30)}
    with Image.open(figure) as image:
        assert image.text["Source"] == faces.credit  # some of the pictures are the artist's


def test_other_models_are_measured_beside(faces, quick, model, tmp_path, capsys):
    save_model(tmp_path / "an hour", a_generator("progan"))
    itself = model.rename(tmp_path / "itself")
    others = [tmp_path / "an hour", itself, tmp_path / "1" / "twin", tmp_path / "2" / "twin"]
    for twin in others[2:]:
        save_model(twin, a_generator("progan"))
    out = tmp_path / "result.json"
    status, said, problem = run(
        capsys, "--model", itself, "--data", faces.path, "--cache", tmp_path, "--samples", 24,
        "--metrics", "kid,swd", "--beside", ",".join(map(str, others)), "--out", out,
    )  # fmt: skip
    assert status == 0, problem
    assert "an hour" in next(line for line in said.splitlines() if line.startswith("metric"))
    content = json.loads(out.read_text())
    assert list(content["anchors"]) == ["an hour", "itself", *map(str, others[2:])]  # those of one name by their paths
    values = {name: [one["value"] for one in found] for name, found in content["anchors"].items()}
    assert values["itself"] == [one["value"] for one in content["results"]]  # the same pictures in every column
    assert values["an hour"] != values["itself"]


def test_a_model_of_another_size_is_not_measured_beside(faces, model, tmp_path, capsys):
    save_model(tmp_path / "small", a_generator("stylegan", resolution=32))
    status, _, said = run(
        capsys, "--model", model, "--data", faces.path, "--cache", tmp_path, "--beside", tmp_path / "small"
    )
    assert status == 2
    assert said.count("\n") == 1
    assert "its resolution is 32, the other model's 64; leave it out" in said


def test_held_out_pictures_of_other_data_are_not_believed(faces):
    assert held_out_of(faces, {"held_out": ["toonhead-00003", "other"]}) is None
    assert held_out_of(faces, {}) is None
    assert held_out_of(faces, {"held_out": ["toonhead-00003", "toonhead-00001"]}).tolist() == [3, 1]


def a_run(tmp_path, source):
    """A model in a run's folder, and the data set of the run."""
    dataset = open_dataset(source, resolution=64, cache=tmp_path / "cache", workers=1, quiet=True)
    held_out = [dataset.names[int(index)] for index in dataset.split()[1]]
    facts = {"data": f"{dataset.name}, 60 pictures", "held_out": held_out}
    save_model(tmp_path / "run" / "model", a_generator("progan"), training=facts)
    data = {"prepared": str(dataset.path), "source": str(source), "held_out": held_out}
    (tmp_path / "run" / "options.json").write_text(json.dumps({"data": data}))
    return tmp_path / "run", dataset


def test_a_run_is_measured_against_its_own_images(quick, tmp_path, capsys):
    run_folder, dataset = a_run(tmp_path, folder_of(tmp_path / "mine", 80, (64, 64)))
    words = ("--cache", tmp_path, "--samples", 24, "--metrics", "kid")
    results = []
    for more in ((), ("--data", dataset.path)):
        status, said, problem = run(capsys, "--model", run_folder, *words, *more, "--out", tmp_path / "result.json")
        assert status == 0, problem
        assert f"against {dataset.name}, " in said
        results.append(json.loads((tmp_path / "result.json").read_text())["results"])
    assert results[0] == results[1]


def test_a_model_whose_images_are_not_at_hand_asks_for_them(tmp_path, capsys):
    source = folder_of(tmp_path / "mine", 80, (64, 64))
    run_folder, dataset = a_run(tmp_path, source)
    copied = shutil.copytree(run_folder / "model", tmp_path / "copied")
    save_model(tmp_path / "bare", a_generator("progan"))
    shutil.rmtree(dataset.path)
    capsys.readouterr()
    for model, words in (
        (run_folder, ("give --data", str(source))),
        (copied, ("mine, 60 pictures", "--data")),
        (tmp_path / "bare", ("does not tell its training data", "--data")),
    ):
        status, _, problem = run(capsys, "--model", model, "--cache", tmp_path)
        assert (status, problem.count("\n")) == (2, 1)
        assert all(word in problem for word in words)


@pytest.mark.parametrize(
    ("facts", "numbers"),
    [
        ({"data": "toonhead, 9 pictures", "held_out": ["toonhead-00003", "toonhead-12345"]}, [3, 12345]),
        ({"data": "toonhead, 9 pictures"}, []),
        ({"data": "toonhead, 9 pictures", "held_out": ["toonhead-00003.png"]}, None),
        ({"data": "toonhead, 9 pictures", "held_out": "all"}, None),
        ({"data": "toonheads, 9 pictures", "held_out": []}, None),
        ({}, None),
    ],
)
def test_models_of_the_embedded_faces(facts, numbers):
    assert faces_of(facts) == numbers


def test_the_stage_that_a_model_reached(tmp_path):
    save_model(tmp_path / "model", a_generator("stylegan"), training={"resolution": 16, "alpha": 0.5})
    _, setting = open_model(str(tmp_path / "model"), Options(model=""), None)
    assert (setting.resolution, setting.alpha, setting.psi, setting.noise) == (16, 0.5, 1.0, "random")
    save_model(tmp_path / "other", a_generator("stylegan"), training={"resolution": 17, "alpha": 0.5})
    _, setting = open_model(str(tmp_path / "other"), Options(model="", trunc=0.7), None)
    assert (setting.resolution, setting.psi) == (None, 0.7)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--metrics", "fd,lpips"], "--metrics lpips: there is no such metric"),
        (["--metrics", ","], "--metrics: names none"),
        (["--metrics", "fid"], "--metrics fid: is by Inception's features"),
        (["--samples", "0"], "--samples 0: give a whole number of at least 1"),
        (["--samples", "many"], "--samples: cannot be read as INT"),
        (["--seed", "-1"], "--seed -1: give"),
        (["--features", "/no/such/file"], "--features /no/such/file: there is no such file"),
        (["--model", "/no/such/model"], "/no/such/model: there is no such folder"),
        (["--data", "/no/such/data"], "/no/such/data"),
        (["--out", "/no/such/folder/x.json"], "--out /no/such/folder/x.json: there is no such folder"),
        (["--samples", "1000"], "--samples 1000: give a number from 20 to 65"),
        (["--sample", "9"], "--sample"),
        (["--trunc", "nan"], "--trunc nan: "),
        (["--out", "."], "--out .: is a folder"),
    ],
)
def test_mistakes_are_one_line(faces, model, tmp_path, capsys, arguments, problem):
    if "--model" not in arguments:
        arguments = [*arguments, "--model", model]
    if "--data" not in arguments:
        arguments = [*arguments, "--data", faces.path]
    status, said, error = run(capsys, *arguments, "--cache", tmp_path)
    assert status == 2
    assert said == ""
    assert error.startswith("error: ")
    assert problem in error
    assert error.count("\n") == 1


def test_a_progan_is_not_truncated(faces, tmp_path, capsys):
    save_model(tmp_path / "progan", a_generator("progan"))
    status, _, error = run(capsys, "--model", tmp_path / "progan", "--data", faces.path, "--trunc", 0.5)
    assert (status, error) == (2, "error: --trunc 0.5: is for StyleGAN, and this model is a ProGAN; leave it out\n")


def test_numbers_as_they_are_printed():
    assert with_deviation(None) == "-"
    assert with_deviation(0.123456) == "0.1235"
    assert with_deviation(1.5, 0.25) == "1.5 ± 0.25"
    lines = table([Result("ppl_z_full", 123.4, None, 1000), Result("recall", 0.5, 0.9, 100, better="higher")])
    assert [line.split() for line in lines] == [
        ["metric", "value", "floor", "samples", "better"],
        ["ppl_z_full", "123.4", "-", "1,000", "lower"],
        ["recall", "0.5", "0.9", "100", "higher"],
    ]


def test_the_table_of_attributes():
    shares = {"a": {"generated": 0.0, "true": 0.5}, "b": {"generated": 1.0, "true": 0.5}}
    details = {"attribute": "hair", "accuracy": 0.987, "missing": ["a"], "shares": shares}
    lines = attribute_table([Result("kid", 1, 0, 1), Result("attributes_hair", 0.5, 0, 1, details=details)])
    assert lines[1].split() == ["hair", "98.7%", "a", "a", "x0.00", "b", "x2.00"]
    assert attribute_table([Result("kid", 1, 0, 1)]) == []
