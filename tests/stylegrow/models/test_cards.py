"""The model card with pictures and numbers, and writing it anew."""

import json
import shlex
from dataclasses import asdict

import pytest
import torch
from PIL import Image

from progan import Generator
from stylegrow.common.errors import InputError, ModelError
from stylegrow.metrics.results import Result
from stylegrow.models import load_generator, read_config, save_model, write_card
from stylegrow.models.cards import CardImage, model_card
from stylegrow.models.evaluation import Evaluation, read_evaluation

SHARES = {
    "none": {"generated": 0.2, "floor": 0.5, "true": 0.4},
    "full": {"generated": 0.0, "floor": 0.1, "true": 0.1},
    "short": {"generated": 0.8, "floor": 0.4, "true": 0.5},
}
RESULTS = [
    Result("kid", 0.01234567, 0.0002, 2000, 0.0011, 0.00031, features="EfficientNet|Lite0"),
    Result("precision", 0.75, 0.9, 2000, better="higher", features="EfficientNet|Lite0"),
    Result("msssim", 0.3, 0.25, 2000, better="floor"),
    Result("ppl_z_full", 81.5, None, 2000),
    Result("attributes", 0.3, 0.1, 2000, details={"missing": ["beard full"]}),
    Result(
        "attributes_beard",
        0.3,
        0.1,
        2000,
        details={"attribute": "beard", "accuracy": 0.99, "missing": ["full"], "shares": SHARES},
    ),
]
BLURRED = [Result("kid", 0.05, 0.0002, 2000, 0.002, features="EfficientNet|Lite0"), Result("msssim", 0.26, 0.25, 2000)]


@pytest.fixture
def config():
    generator = Generator(resolution=8, fmap_base=32, fmap_max=8, z_dim=6)
    return {"architecture": "progan", "generator": asdict(generator.config), "classes": [], "training": {"kimg": 3}}


def evaluation(**changes):
    """What `stylegrow metrics --out` writes, read back."""
    content = {
        "options": {"model": "/home/me/secret", "trunc": None},
        "results": [one.to_json() for one in RESULTS],
        "anchors": {"blurred 1 px": [one.to_json() for one in BLURRED], "an hour": []},
    }
    return Evaluation.model_validate_json(json.dumps(content | changes))


def section(card, title):
    """The text under a heading."""
    return card.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(card, first):
    """The cells of the table whose first column has this title, without its heading."""
    lines = card.splitlines()
    place = next(index for index, line in enumerate(lines) if line.startswith(f"| {first} |"))
    assert set(lines[place + 1]) == {"|", "-"}
    found = []
    for line in lines[place + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def test_without_numbers_and_pictures_the_card_has_no_place_for_them(config):
    card = model_card(config)
    assert "How good" not in card
    assert "Pictures" not in card
    assert model_card(config, images=(), evaluation=None) == card


def test_numbers_stand_beside_their_floors_and_anchors(config):
    found = rows(model_card(config, evaluation=evaluation()), "metric")
    assert found == [
        ["kid", "0.01235 ± 0.0011", "0.0002 ± 0.00031", "0.05 ± 0.002", "-", "2,000", "lower"],
        ["precision", "0.75", "0.9", "-", "-", "2,000", "higher"],
        ["msssim", "0.3", "0.25", "0.26", "-", "2,000", "near floor"],
        ["ppl_z_full", "81.5", "-", "-", "-", "2,000", "lower"],
        ["attributes", "0.3", "0.1", "-", "-", "2,000", "lower"],
    ]
    assert "| metric | value | floor | blurred 1 px | an hour | samples | better |" in model_card(
        config, evaluation=evaluation()
    )


def test_attributes_have_a_table_of_their_own(config):
    """0.2 / 0.4 is 0.5, 0 / 0.1 is 0, 0.8 / 0.5 is 1.6."""
    (row,) = rows(model_card(config, evaluation=evaluation()), "attribute")
    assert row == ["beard", "0.3", "0.1", "full", "full x0.00", "short x1.60"]


def test_no_attributes_no_table_of_them(config):
    text = section(model_card(config, evaluation=evaluation(results=[RESULTS[0].to_json()])), "How good it is")
    assert "attribute" not in text


def test_the_features_and_the_floor_are_explained(config):
    text = section(model_card(config, evaluation=evaluation()), "How good it is")
    assert "The features of kid, precision are those of EfficientNet\\|Lite0." in text
    assert text.count("The floor is what as many other real pictures") == 1
    assert "psi" not in text
    assert "truncation psi 0.7" in model_card(config, evaluation=evaluation(options={"trunc": 0.7}))


def test_paths_of_whoever_measured_stay_out(config):
    assert "secret" not in model_card(config, evaluation=evaluation())


def test_cells_cannot_break_the_table(config):
    results = [Result("a|b\nc", 1.0, None, 10).to_json()]
    anchors = {"x|y\n\nz": results}
    card = model_card(config, evaluation=evaluation(results=results, anchors=anchors))
    assert "| a\\|b c | 1 | - | 1 | 10 | lower |" in card
    assert "| floor | x\\|y z | samples |" in card


def changed(**changes):
    return {"results": [RESULTS[0].to_json() | changes]}


def attribute(**changes):
    return {"results": [RESULTS[-1].to_json() | {"details": dict(RESULTS[-1].details) | changes}]}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], ""),
        ({}, "results"),
        ({"results": {}}, "results"),
        ({"results": []}, "results"),
        ({"results": ["kid"]}, "results.0"),
        (changed(name=None), "results.0.name"),
        (changed(value="0.1"), "results.0.value '0.1'"),
        (changed(floor=[1]), "floor"),
        (changed(deviation=True), "deviation True"),
        (changed(samples=1.5), "samples 1.5"),
        (changed(better="more"), "better 'more'"),
        (changed(features=1), "features"),
        (changed(details=[]), "details"),
        (attribute(missing="full"), "missing"),
        (attribute(shares={"none": {"generated": 1}}), "shares.none.true"),
        (attribute(shares={"none": {"generated": 1, "true": 0}}), "shares.none.true 0"),
        (changed() | {"anchors": []}, "anchors"),
        (changed() | {"anchors": {"x\ny": [1]}}, "anchors.x"),
    ],
)
def test_files_of_another_shape_are_refused_in_one_line(tmp_path, found, words):
    (tmp_path / "numbers.json").write_text(json.dumps(found))
    with pytest.raises(InputError) as raised:
        read_evaluation(tmp_path / "numbers.json")
    assert "numbers.json" in str(raised.value)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_pictures_have_captions_and_commands(config):
    command = "stylegrow grid --model m --seeds 0-31 --out 'a b.png'"
    pictures = [CardImage("a b.png", "not [chosen]\nat all", command), CardImage("mix.png", "styles")]
    text = section(model_card(config, images=pictures), "Pictures")
    assert text.startswith("\n![not \\[chosen\\] at all](a%20b.png)\n\nnot \\[chosen\\] at all\n\n```sh\n")
    assert f"```sh\n{command}\n```" in text
    assert text.endswith("![styles](mix.png)\n\nstyles\n")


def test_the_command_of_the_training_is_a_block_of_its_own(config):
    command = shlex.join(["accelerate", "launch", "train/progan.py", "--desc", "a|b```c"])
    card = model_card(config | {"training": {"command": command, "kimg": 3}})
    assert f"````sh\n{command}\n````" in card
    assert "| command |" not in card
    assert "| kimg | 3 |" in card


def test_a_card_is_written_anew(tmp_path):
    torch.manual_seed(0)
    generator = Generator(resolution=8, fmap_base=32, fmap_max=8, z_dim=6)
    save_model(tmp_path / "m", generator, training={"kimg": 3}, card="# Mine\n")
    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    Image.new("RGB", (8, 8)).save(tmp_path / "m" / "grid.png")
    write_card(tmp_path / "m", images=[CardImage("grid.png", "uncurated")], evaluation=evaluation())
    config = read_config(tmp_path / "m")
    wanted = model_card(config, images=[CardImage("grid.png", "uncurated")], evaluation=evaluation())
    assert (tmp_path / "m" / "README.md").read_text(encoding="utf-8") == wanted
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "m" / name).read_bytes() == before[name]
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == sorted([*before, "grid.png"])
    load_generator(tmp_path / "m")


def test_a_card_that_cannot_be_made_leaves_the_old_one(tmp_path):
    save_model(tmp_path / "m", Generator(resolution=8, fmap_base=32, fmap_max=8, z_dim=6), card="# Mine\n")
    with pytest.raises(ModelError, match=r"grid\.png: is missing"):
        write_card(tmp_path / "m", images=[CardImage("grid.png", "uncurated")])
    with pytest.raises(ModelError, match=r"config\.json"):
        write_card(tmp_path)
    assert (tmp_path / "m" / "README.md").read_text() == "# Mine\n"
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    del config["generator"]["resolution"]
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"generator\.resolution"):
        write_card(tmp_path / "m")
