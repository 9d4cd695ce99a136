"""The models that the app offers."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.web.models import NO_MODEL, Models
from stylegrow.common.errors import InputError, ModelError
from stylegrow.models.folders import ZOO
from stylegrow.models.info import BUNDLED
from stylegrow.sampling import sampler


def test_cards_tell_without_the_weights(models):
    offered = Models([str(models / name) for name in ("style", "classes", "run", "one-style", "silent")])
    style, classes, run, one, silent = offered.cards.values()
    assert offered.first == "style"
    assert (style.network, style.resolution, style.layers, style.stages) == ("StyleGAN", 64, 10, [4, 8, 16, 32, 64])
    assert (style.styled, style.mixable, style.noisy, style.labels) == (True, True, True, [])
    assert classes.labels == [("cat", "0"), ("2", "1"), ("öwl", "2")]
    assert (run.name, run.styled, run.mixable, run.noisy) == ("run", False, False, False)
    assert (one.mixable, silent.noisy, style.bundled) == (False, False, False)
    assert style.title() == "style · StyleGAN · 64 px"


def test_the_title_tells_what_training_did(models, tmp_path):
    shutil.copytree(models / "style", tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text(encoding="utf-8"))
    config["training"] |= {"kimg": 1234.5}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert Models([str(tmp_path / "m")]).cards["m"].title() == "m · StyleGAN · 64 px · 1,234 kimg"


def test_the_bundled_models_are_the_default():
    offered = Models()
    assert list(offered.cards) == [name for name in BUNDLED if (ZOO / name / "config.json").exists()]
    assert all(card.bundled for card in offered.cards.values())


def test_a_folder_offers_its_models_and_runs_and_leaves_out_what_is_broken(models, tmp_path, capsys):
    shutil.copytree(models / "style", tmp_path / "b-model")
    shutil.copytree(models / "run", tmp_path / "a-run")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert list(Models(folder=str(tmp_path)).cards) == ["a-run", "b-model"]
    assert "note: left out" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"--models-dir .* is no folder"):
        Models(folder=str(tmp_path / "file"))


def test_equal_names_are_told_apart_and_equal_folders_offered_once(models, tmp_path):
    shutil.copytree(models / "style", tmp_path / "style")
    offered = Models([str(models / "style"), str(tmp_path / "style"), str(models / "style")])
    assert list(offered.cards) == ["style", "style (2)"]
    assert offered.cards["style (2)"].folder == tmp_path / "style"


def test_what_is_no_model_is_said_in_the_words_of_the_specification(models, tmp_path):
    with pytest.raises(InputError) as raised:
        Models([str(tmp_path)])
    assert str(raised.value) == f"{tmp_path} is not a model folder: config.json is missing."
    shutil.copytree(models / "style", tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | {"format_version": 3}), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        Models([str(tmp_path / "m")])
    assert str(raised.value) == f"{tmp_path / 'm'} was saved by format 3; this version reads 1."
    with pytest.raises(ModelError, match="there is no such folder"):
        Models([str(tmp_path / "nowhere")])


def test_without_a_model(tmp_path):
    none = Models(folder=str(tmp_path))
    assert none.first is None
    for ask in (none.card, none.sampler):
        with pytest.raises(InputError) as raised:
            ask("style")
        assert str(raised.value) == NO_MODEL


@pytest.mark.parametrize("name", [None, "", "nobody", "../style", ["style"], {"style": 1}])
def test_only_names_of_the_list_are_known(models, name):
    offered = Models([str(models / "style")], device="cpu")
    with pytest.raises(InputError, match="no such model"):
        offered.sampler(name)
    assert offered.seconds(name) is None


@pytest.fixture
def loads(monkeypatch):
    """The folders of the samplers that are loaded, in their order."""
    seen = []
    whole = sampler.Sampler.__init__

    def counted(self, model, *more):
        seen.append(model.rpartition("/")[2].rpartition("\\")[2])
        whole(self, model, *more)

    monkeypatch.setattr(sampler.Sampler, "__init__", counted)
    return seen


def test_two_models_are_in_memory_and_the_one_unused_for_longest_goes(models, loads):
    offered = Models([str(models / name) for name in ("style", "growing", "silent")], device="cpu")
    first = offered.sampler("style")
    offered.sampler("growing")
    assert offered.sampler("style") is first
    assert offered.seconds("style") > 0
    offered.sampler("silent")
    assert (offered.seconds("growing"), offered.sampler("style")) == (None, first)
    assert loads == ["style", "growing", "silent"]
    offered.sampler("growing")
    assert loads == ["style", "growing", "silent", "growing"]


def test_a_model_that_was_slow_when_it_was_loaded_is_measured_again_and_a_very_slow_one_is_not(models, monkeypatch):
    ticks, now = iter(()), 0.0

    def clock():
        nonlocal now
        now += next(ticks)
        return now

    monkeypatch.setattr("app.web.models.time.perf_counter", clock)
    offered = Models([str(models / name) for name in ("style", "growing")], device="cpu")
    ticks = iter([0, 1.5])  # one image, which alone takes as long as may be tried
    offered.sampler("style")
    assert offered.seconds("style") == 1.5
    ticks = iter([0, 0.25] * 4)
    assert (offered.measured_again("style"), offered.seconds("style")) == (0.25, 0.25)
    for seconds in (0.5, 0.125):  # what a request took
        offered.drew("style", seconds)
        assert offered.seconds("style") == min(0.25, seconds)
    offered.drew("nobody", 1.0)
    assert offered.seconds("nobody") is None
    ticks = iter([0, 1.25])
    assert (offered.measured_again("style"), offered.seconds("style")) == (0.125, 0.125)
    ticks = iter([0, 3.0])
    offered.sampler("growing")
    assert offered.measured_again("growing") == 3.0  # and no tick is left for another image


def test_many_who_ask_at_once_get_one_engine(models, loads):
    offered = Models([str(models / "classes")], device="cpu")
    with ThreadPoolExecutor(8) as pool:
        samplers = set(pool.map(lambda _: offered.sampler("classes"), range(16)))
    assert (len(samplers), loads) == (1, ["classes"])


def test_a_model_that_went_away_is_named_without_its_path(models, tmp_path, capsys):
    shutil.copytree(models / "style", tmp_path / "m")
    offered = Models([str(tmp_path / "m")], device="cpu")
    (tmp_path / "m" / "model.safetensors").unlink()
    with pytest.raises(InputError, match='"m" cannot be loaded') as raised:
        offered.sampler("m")
    assert str(tmp_path) not in str(raised.value)
    assert str(tmp_path) in capsys.readouterr().err
