"""Options and data become a run's configuration without gaps."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar, get_args, get_type_hints

import pytest

import progan
import stylegan
from benchmarks.mutations import mutated_json
from progan.layers import Blur
from stylegrow.common.errors import InputError
from train.config.memory import room
from train.config.options import Options
from train.config.presets import PRESETS
from train.config.run_config import RunConfig, make_run_config


class Images:
    """As much of a data set as a configuration asks for."""

    transform, sided = None, ()

    def __init__(self, resolution=64, name="mine", count=400, channels=3, classes=(), embedded=False):
        self.resolution, self.name, self.channels = resolution, name, channels
        self.source, self.path, self.credit = (name if embedded else f"/images/{name}"), f"/cache/{name}", None
        self.attributes = ("class",) if classes else ()
        self.choices = "choose from class" if classes else "it has no labels"
        self.names, self._classes = [f"{i}.png" for i in range(count)], classes

    def classes(self, attribute):
        return self._classes

    def label_kind(self, attribute):
        return "classes"

    def split(self, holdout):
        out = 20 if holdout is None else holdout
        return range(out, len(self.names)), range(out)


def config_for(images=None, processes=1, precision="no", architecture="progan", gpu=None, **options):
    return make_run_config(architecture, Options(**options), images or Images(), processes, precision, gpu)


@pytest.mark.parametrize(
    ("images", "processes", "preset"),
    [
        (Images(name="toonhead", embedded=True), 1, "toonhead"),
        (Images(name="toonhead"), 1, "small"),
        (Images(64), 8, "small"),
        (Images(256), 1, "v2-1gpu"),
        (Images(1024), 8, "v2-8gpus"),
        (Images(128), 3, "v2-2gpus"),
    ],
)
def test_the_preset_is_that_of_the_data_or_the_processes(images, processes, preset):
    assert config_for(images, processes).options.preset == preset


@pytest.mark.parametrize(
    ("images", "processes", "gpu", "preset"),
    [
        (Images(256, name="toonhead", embedded=True), 1, 16.0, "toonhead-gpu"),
        (Images(64), 8, 16.0, "small-gpu"),
        # By formula an image of 256 px takes 0.4 GB in bf16, one of 1024 px 1.6 GB.
        (Images(256), 1, 12.0, "v2-4gpus"),
        (Images(256), 1, 80.0, "v2-8gpus"),
        (Images(1024), 1, 8.0, "v2-1gpu"),
        (Images(1024), 1, 24.0, "v2-2gpus"),
        (Images(1024), 1, 40.0, "v2-4gpus"),
        (Images(1024), 2, 40.0, "v2-8gpus"),
        (Images(1024), 4, 8.0, "v2-4gpus"),
    ],
)
def test_on_gpus_it_is_that_of_their_memory(images, processes, gpu, preset):
    config = config_for(images, processes, "bf16", gpu=gpu)
    assert config.options.preset == preset
    assert config.options.batch_per_device is None


def test_a_batch_that_is_given_says_nothing_about_rates():
    config = config_for(Images(1024), 1, "bf16", gpu=80.0, batch=8)
    assert (config.options.preset, config.schedule.lr[1024]) == ("v2-1gpu", 0.0015)


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_batches_without_room_are_accumulated(architecture):
    config = config_for(Images(1024), 2, "bf16", architecture, gpu=40.0, batch=64)
    size = config.options.batch_per_device
    assert size in (8, 16)  # of 32, in the critic's groups of 4
    assert size <= room(architecture, config.options, 1024, "bf16", 40.0) < 2 * size
    assert config.schedule.batch[1024] == 64
    given = config_for(Images(1024), 2, "bf16", architecture, gpu=40.0, batch=64, batch_per_device=4)
    assert given.options.batch_per_device == 4
    least = config_for(Images(1024), 1, "no", architecture, gpu=1.0, batch=64)
    assert least.options.batch_per_device == 4


def test_no_option_that_a_preset_knows_is_left_open():
    config = config_for(Images(256))
    open_ones = {name for name, value in config.option_values().items() if value is None}
    tables, choices = (
        {"batch", "lr"},
        {"data", "cache", "cond", "holdout", "desc", "workers", "resume", "init_from", "processes"},
    )
    others = {
        "norm",
        "mixing",
        "mapping_layers",
        "mapping_lrmul",
        "repeat_edges_from",
        "noise_lr_ratio",
        "beta",
    }
    nothing = {"metrics_kimg", "metrics_samples"}
    assert open_ones == tables | choices | others | nothing | {"batch_per_device"}
    assert config.options.snapshot_kimg == config.options.checkpoint_kimg == 50
    assert config_for(Images(256), kimg=10).options.snapshot_kimg == 0.5


def test_a_margin_leaves_something_of_the_images():
    assert config_for(Images(32), margin=15).generator.margin == 15
    with pytest.raises(InputError, match=r"--margin 16: .* 32 px"):
        config_for(Images(32), margin=16)


@pytest.mark.parametrize(("architecture", "largest"), [("progan", (4, 0)), ("stylegan", (0, 64))])
def test_drawn_faces_have_edges_by_their_size(architecture, largest):
    def edges(preset, **options):
        found = [config_for(Images(r), architecture=architecture, preset=preset, **options) for r in (32, 64, 256)]
        assert all(one.generator.margin == one.options.margin for one in found)
        if architecture == "stylegan":
            assert all(one.generator.repeat_edges_from == one.options.repeat_edges_from for one in found)
        return [(one.options.margin, one.options.repeat_edges_from or 0) for one in found]

    assert edges("toonhead") == edges("toonhead-gpu") == [(0, 0), (2, 0), largest]
    assert edges("toonhead", margin=1) == [(1, 0), (1, 0), (1, largest[1])]
    assert edges("small") == [(0, 0), (0, 0), (0, 0)]


def test_a_stylegan_of_drawn_faces_has_a_shallow_mapping_network():
    def layers(preset, **options):
        return config_for(Images(64), architecture="stylegan", preset=preset, **options).generator.mapping_layers

    assert layers("toonhead") == layers("toonhead-gpu") == 2
    assert layers("small") == 8
    assert layers("toonhead", mapping_layers=3) == 3


def test_styles_scale_maps_normalised_over_the_image_or_over_the_channels_of_a_pixel():
    def normalised(**options):
        generator = config_for(Images(64), architecture="stylegan", **{"preset": "small"} | options).generator
        return generator.instance_norm, generator.pixelnorm

    assert normalised() == normalised(norm="instance") == (True, False)
    assert normalised(norm="pixel") == normalised(preset="toonhead") == (False, True)
    assert normalised(preset="toonhead", norm="instance") == normalised(preset="toonhead-gpu") == (True, False)
    assert config_for(architecture="progan").generator.pixelnorm


def test_options_win_over_the_preset():
    given = {"kimg": 3.0, "stable_kimg": 0.5, "fade_kimg": 0.0, "fmap_base": 256, "fmap_max": 16, "z_dim": 24}
    config = config_for(batch=6, lr=0.01, start_resolution=16, snapshot_kimg=1.0, ema_kimg=0.0, **given)
    assert {name: getattr(config.options, name) for name in given} == given
    assert config.options.ema_kimg == 0
    assert config.options.checkpoint_kimg == 1
    assert config.schedule.batch == {16: 6, 32: 6, 64: 6}
    assert set(config.schedule.lr.values()) == {0.01}
    assert vars(config.generator).items() >= {
        "resolution": 64, "label_dim": 0, "image_channels": 3, "fmap_base": 256, "fmap_max": 16, "z_dim": 24,
        "equalized_lr": True,
    }.items()  # fmt: skip
    assert vars(config.discriminator).items() >= {
        "resolution": 64, "label_dim": 0, "image_channels": 3, "fmap_base": 256, "fmap_max": 16, "mbstd_group": 4,
        "equalized_lr": True,
    }.items()  # fmt: skip
    assert config.images == 3000


def test_stylegan_s_mapping_is_as_wide_as_its_latents():
    config = config_for(architecture="stylegan", z_dim=24)
    assert [getattr(config.generator, name) for name in ("z_dim", "w_dim", "mapping_fmaps")] == [24] * 3
    assert config.schedule.start_resolution == 8
    assert config_for(architecture="stylegan", start_resolution=4).schedule.start_resolution == 4
    generator, discriminator = config.build()
    assert (generator.z_dim, generator.w_dim, discriminator.resolution) == (24, 24, 64)


def test_the_mapping_network_learns_at_the_papers_rate_or_one_that_is_given():
    for given, lrmul in ((None, 0.01), (0.25, 0.25)):
        config = config_for(architecture="stylegan", mapping_lrmul=given)
        assert config.options.mapping_lrmul == lrmul
        generator, _ = config.build()
        assert generator.config.mapping_lrmul == lrmul
        assert generator.mapping.layers[0].lrmul == lrmul


def test_both_networks_filter_where_they_rescale_or_neither_does():
    for architecture, by_itself in (("stylegan", True), ("progan", False)):
        for given, there in ((None, by_itself), ("auto", by_itself), ("yes", True), ("no", False)):
            config = config_for(architecture=architecture, blur=given)
            assert config.options.blur == ("yes" if there else "no")
            assert config.schedule.blur_kimg == 0
            for network in config.build():
                assert any(isinstance(module, Blur) for module in network.modules()) == there


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_filters_that_are_used_later_are_there_from_the_start(architecture):
    config = config_for(architecture=architecture, blur=2.5)
    assert (config.options.blur, config.schedule.blur_kimg) == (2.5, 2.5)
    assert config.generator.blur_filter == config.discriminator.blur_filter == [1, 2, 1]


def test_rates_are_those_that_the_objective_bears():
    for loss, rate in (("wgan-gp", 0.002), ("ns-r1", 0.003)):
        config = config_for(Images(512), architecture="stylegan", loss=loss)
        assert config.options.preset == "stylegan-1gpu"
        assert config.schedule.lr[512] == rate


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_a_config_is_read_as_it_was_written(tmp_path, architecture):
    config = config_for(Images(classes=("a", "b")), architecture=architecture, cond="class", kimg=1.5, out="/runs")
    config.write(tmp_path)
    assert RunConfig.read(tmp_path) == config


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
@pytest.mark.parametrize("loss", get_args(get_type_hints(Options)["loss"]))
def test_a_run_of_any_preset_and_objective_can_be_resumed(tmp_path, architecture, loss):
    for preset in PRESETS[architecture]:
        config = config_for(architecture=architecture, loss=loss, preset=preset, out="/runs")
        config.write(tmp_path)
        assert RunConfig.read(tmp_path) == config, preset


def test_the_config_knows_the_data():
    data = config_for(Images(classes=("a", "ü")), cond="class", holdout=2).data
    assert data["classes"] == ["a", "ü"]
    assert data["held_out"] == ["0.png", "1.png"]
    assert data["pictures"] == 398


@pytest.mark.parametrize(
    ("options", "images", "words"),
    [
        ({"start_resolution": 128}, Images(64), ["--start-resolution 128", "above resolution 64"]),
        ({"kimg": 2.0, "lr_decay_kimg": 3.0}, Images(64), ["--lr-decay-kimg 3", "at most", "2 kimg"]),
        ({"fmap_base": 31}, Images(64), ["--fmap-base 31", "at least 32"]),
        ({"cond": "class"}, Images(), ["--cond class", "no labels"]),
        ({"cond": "hair"}, Images(classes=("a",)), ["--cond hair", "choose from class"]),
    ],
)
def test_what_does_not_fit_the_data_is_refused(options, images, words):
    with pytest.raises(InputError) as caught:
        config_for(images, **options)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_batch_has_to_be_shared_evenly():
    assert config_for(processes=2, batch=6).schedule.batch[64] == 6
    with pytest.raises(InputError, match=r"^--batch 5: 2 processes cannot share it; give a multiple of 2$"):
        config_for(processes=2, batch=5)
    assert all(batch % 3 == 0 for batch in config_for(Images(256), processes=3).schedule.batch.values())


@pytest.mark.parametrize(
    ("given", "least"),
    [
        ({"batch": 16}, 4),
        ({"batch": 6}, 3),  # 4 do not divide it
        ({"batch": 5}, 1),
        ({"batch": 8, "processes": 4}, 2),
        ({"preset": "v1-1gpu"}, 16),
        ({}, 4),
    ],
)
def test_parts_of_a_batch_hold_whole_groups_of_the_critic(given, least):
    assert config_for(**given).least_at_once == least
    assert config_for(**given, batch_per_device=least).at_once(64) == least
    if least > 1:
        with pytest.raises(InputError, match=rf"^--batch-per-device {least - 1}: .*give at least {least}$"):
            config_for(**given, batch_per_device=least - 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("[]", "another version"),
        ("{", "cannot be read"),
        ('{"format_version": 2}', "another version"),
        ('{"format_version": 1}', "is damaged"),
        ('{"format_version": 1, "options": {}, "schedule": {"batch": {}, "lr": {}}}', "is damaged"),
    ],
)
def test_an_unreadable_config_is_one_line(tmp_path, text, words):
    (tmp_path / "options.json").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        RunConfig.read(tmp_path)
    assert str(tmp_path / "options.json") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("kimg", "many"), ("kimg", -1), ("colour", 3), ("loss", "lsgan")])
def test_options_edited_to_nonsense_are_refused(tmp_path, name, value):
    config_for().write(tmp_path)
    content = json.loads((tmp_path / "options.json").read_text())
    content["options"][name] = value
    (tmp_path / "options.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="is damaged"):
        RunConfig.read(tmp_path)


def test_a_folder_without_options_is_no_run(tmp_path):
    with pytest.raises(InputError, match="is not a run folder"):
        RunConfig.read(tmp_path)


class TestInitFrom:
    """A configuration that starts from a model takes its networks' arguments."""

    SHARED: ClassVar = {"resolution": 64, "fmap_base": 128, "fmap_max": 12}

    @pytest.fixture(autouse=True)
    def model(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        self.write("model", progan, z_dim=20, fused_scale=False)
        self.write("styled", stylegan, mapping_lrmul=0.05, blur_filter=None)

    def write(self, name, package, training=None, **arguments):
        """A model's config.json."""
        self.generator = package.GeneratorConfig(**self.SHARED, **arguments)
        self.discriminator = package.DiscriminatorConfig(**self.SHARED, mbstd_group=8)
        networks = {"generator": asdict(self.generator), "discriminator": asdict(self.discriminator)}
        content = {"architecture": package.__name__, "format_version": 1, "classes": []}
        content["training"] = {"resolution": 32} if training is None else training
        Path(name).mkdir()
        (Path(name) / "config.json").write_text(json.dumps(content | networks))

    def test_networks_and_stage_are_the_model_s(self):
        config = config_for(init_from="model")
        assert config.generator == progan.GeneratorConfig(**self.SHARED, z_dim=20, fused_scale=False)
        assert config.discriminator == progan.DiscriminatorConfig(**self.SHARED, mbstd_group=8)
        options = config.options
        assert (options.fmap_base, options.fmap_max, options.z_dim, options.start_resolution) == (128, 12, 20, 32)
        clipped = config_for(init_from="model", loss="wgan-clip")
        assert clipped.generator == replace(config.generator, equalized_lr=False)
        assert clipped.discriminator == replace(config.discriminator, equalized_lr=False)
        assert config_for(init_from="model", start_resolution=4).schedule.start_resolution == 4

    def test_its_margin_stays_as_wide_a_part_of_the_image(self):
        self.write("framed", progan, margin=3)
        for resolution, margin in ((64, 3), (128, 6), (32, 1)):
            config = config_for(Images(resolution), init_from="framed")
            assert (config.options.margin, config.generator.margin) == (margin, margin)
        for margin in (0, 5):
            assert config_for(init_from="framed", margin=margin).generator.margin == margin
        assert config_for(init_from="model", margin=1).generator.margin == 1

    def test_its_edges_stay_repeated_or_not_unless_that_is_asked_for(self):
        for name, first in (("plain", 0), ("repeating", 16)):
            self.write(name, stylegan, w_dim=20, mapping_fmaps=20, repeat_edges_from=first)
            config = config_for(Images(64), architecture="stylegan", preset="toonhead", init_from=name)
            assert config.generator.repeat_edges_from == config.options.repeat_edges_from == first
            asked = config_for(Images(64), architecture="stylegan", init_from=name, repeat_edges_from=32)
            assert asked.generator.repeat_edges_from == 32

    @pytest.mark.parametrize(("norm", "other"), [("instance", "pixel"), ("pixel", "instance")])
    def test_its_norm_stays(self, norm, other):
        self.write("normal", stylegan, w_dim=20, instance_norm=norm == "instance", pixelnorm=norm == "pixel")
        config = config_for(Images(64), architecture="stylegan", init_from="normal")
        assert (config.options.norm, config.generator.pixelnorm) == (norm, norm == "pixel")
        with pytest.raises(InputError, match=rf"--norm {other}: the model of --init-from has {norm}"):
            config_for(Images(64), architecture="stylegan", init_from="normal", norm=other)

    @pytest.mark.parametrize("given", [{"fmap_base": 512, "fmap_max": 24}, {"fmap_base": 384, "fmap_max": 36}])
    def test_larger_widths_may_be_given(self, given):
        config = config_for(init_from="model", **given)
        assert config.generator == replace(progan.GeneratorConfig(**self.SHARED, z_dim=20, fused_scale=False), **given)
        assert config.discriminator == replace(progan.DiscriminatorConfig(**self.SHARED, mbstd_group=8), **given)
        assert {name: getattr(config.options, name) for name in given} == given

    def test_its_critic_sees_sums_or_not_as_before(self):
        assert not config_for(init_from="model").options.channel_sums
        with pytest.raises(InputError, match=r"--channel-sums: the model of --init-from has False"):
            config_for(init_from="model", channel_sums=True)

    @pytest.mark.parametrize("package", [progan, stylegan])
    @pytest.mark.parametrize("resolution", [16, 64, 256])
    def test_only_what_the_data_decides_differs_from_the_model_s_networks(self, package, resolution):
        self.write("other", package, pixelnorm=True, fmap_decay=0.5)
        images = Images(resolution, channels=1, classes=("a", "b"))
        config = config_for(images, architecture=package.__name__, init_from="other", cond="class")
        data = {"resolution": resolution, "image_channels": 1, "label_dim": 2}
        assert config.generator == replace(self.generator, **data)
        assert config.discriminator == replace(self.discriminator, **data)

    @pytest.mark.parametrize(
        ("training", "resolution", "start"),
        [
            ({"resolution": 64, "alpha": 1.0}, 256, (64, 1.0)),
            ({"resolution": 32, "alpha": 0.25}, 256, (32, 0.25)),
            ({"resolution": 32, "alpha": 0.25}, 32, (32, 0.25)),
            ({"resolution": 32, "alpha": 0.25}, 16, (16, 1.0)),
            ({}, 256, (64, 1.0)),  # no stage is known, so the whole network is trained
            ({}, 8, (8, 1.0)),
        ],
    )
    def test_growing_goes_on_at_the_stage_of_the_model(self, training, resolution, start):
        self.write("at", progan, training)
        schedule = config_for(Images(resolution), init_from="at", fade_kimg=1.0, stable_kimg=0.0).schedule
        assert (schedule.start_resolution, schedule.start_alpha) == start
        assert (schedule.at(0).resolution, schedule.at(0).alpha) == start

    def test_a_given_start_is_trained_alone_first(self):
        self.write("fading", progan, {"resolution": 32, "alpha": 0.25})
        stage = config_for(init_from="fading", start_resolution=32).schedule.at(0)
        assert (stage.resolution, stage.alpha) == (32, 1.0)

    def test_a_stylegan_s_filters_and_mapping_network_are_as_before(self):
        config = config_for(architecture="stylegan", init_from="styled")
        assert config.generator == self.generator
        assert (config.options.mapping_lrmul, config.options.blur) == (0.05, "no")
        smooth = config_for(architecture="stylegan", init_from="styled", blur="yes")
        assert smooth.generator == replace(self.generator, blur_filter=[1, 2, 1])
        assert smooth.discriminator.blur_filter == [1, 2, 1]
        later = config_for(architecture="stylegan", init_from="styled", blur=3)
        assert (later.generator, later.schedule.blur_kimg) == (smooth.generator, 3)
        with pytest.raises(InputError, match=r"--mapping-lrmul 0.1: the model of --init-from has 0.05"):
            config_for(architecture="stylegan", init_from="styled", mapping_lrmul=0.1)

    @pytest.mark.parametrize(
        ("options", "images", "words"),
        [
            ({"z_dim": 512}, Images(64), ["--z-dim 512", "has 20"]),
            ({"fmap_base": 64}, Images(256), ["--fmap-base 64", "has 128"]),
            ({"fmap_base": 192}, Images(64), ["--fmap-base 192", "no multiple", "128", "12"]),
            ({"fmap_base": 256, "fmap_max": 18}, Images(64), ["--fmap-base 256 --fmap-max 18", "no multiple"]),
            ({"fmap_max": 24}, Images(64), ["--fmap-max 24", "12 feature maps at 16 px cannot become 16"]),
            ({}, Images(1024), ["--fmap-base 128", "1024 px", "--resolution"]),
            ({"init_from": "styled"}, Images(64), ["--init-from styled", "stylegan"]),
        ],
    )
    def test_what_does_not_fit_it_is_refused(self, options, images, words):
        with pytest.raises(InputError) as caught:
            config_for(images, **{"init_from": "model"} | options)
        for word in words:
            assert word in str(caught.value)


def test_the_step_s_configuration_is_part_of_the_options():
    step = config_for(loss="ns-r1", gamma=2.0, n_critic=3, mirror=True, batch_per_device=4, precision="bf16").step
    assert (step.loss, step.gamma, step.n_critic, step.mirror) == ("ns-r1", 2.0, 3, True)
    assert (step.batch_per_device, step.mixed_precision, step.mixing) == (4, "bf16", 0.9)


def test_damaged_options_are_read_or_refused_in_one_line(tmp_path):
    config_for(Images(32, classes=("a", "b")), architecture="stylegan", cond="class", loss="ns-r1").write(tmp_path)
    path = tmp_path / "options.json"
    content, refusals = path.read_bytes(), []
    for damaged in mutated_json(content, 400, 0):
        path.write_bytes(damaged)
        try:
            RunConfig.read(tmp_path)
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 200
    assert not [said for said in refusals if "\n" in said or str(path) not in said]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("data", "held_out"), [1]),
        (("data", "pictures"), "many"),
        (("data", "prepared"), None),
        (("generator", "fmap_max"), "many"),
        (("generator", "fused_scale"), None),
        (("discriminator", "colour"), 1),
        (("schedule", "batch"), {"4": "many"}),
        (("schedule", "stable_kimg"), None),
        (("hardware",), [[]]),
        (("processes",), 0),
        (("command",), 5),
        (("options", "betas"), [[[]], 1]),
    ],
)
def test_values_of_other_types_are_refused(tmp_path, place, value):
    config_for().write(tmp_path)
    content = json.loads((tmp_path / "options.json").read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "options.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="is damaged"):
        RunConfig.read(tmp_path)
