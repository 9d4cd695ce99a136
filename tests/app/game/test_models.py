"""Games of real networks: of every kind of model, with the model's own critic."""

import gc
import weakref

import numpy as np
import pytest
import torch
from PIL import Image

import progan
import stylegan
from app.game.critic import Critic, find_critic
from app.game.game import Game
from app.game.real_images import RealImages, find_real_images
from app.game.rounds import GameModel, RoundSource
from stylegrow.common.errors import InputError
from stylegrow.models import save_model
from stylegrow.sampling.sampler import Sampler
from tests.app.game.stubs import chance
from tests.small_models import CLASSES, style


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        pixels = np.random.RandomState(number).randint(0, 256, (20, 20, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("name", ["style", "classes", "unnamed", "growing", "silent", "run"])
@pytest.mark.parametrize("mode", ["pair", "single", "odd"])
def test_every_kind_of_model_can_be_played(tmp_path, photos, sampler, name, mode):
    model = sampler(name)
    game, played = Game(tmp_path, rng=chance(3)), GameModel(model, find_real_images(model, photos))
    shown = game.new_round("me", played, mode)
    for path in shown.pictures:
        with Image.open(path) as image:
            assert image.size == (512, 512)
    result = game.answer("me", shown.id, shown.choices[0])
    assert result.critic is None  # saved without
    for caption, drawn in zip(result.captions, result.generated, strict=True):
        if drawn is not None and model.classes:
            assert CLASSES[drawn.label] in caption
        if drawn is not None and not model.styled:
            assert drawn.psi is None
    game.close()


def test_generated_pictures_are_those_of_their_seeds(photos, sampler):
    """What "Open in Generate" will show, also of a class whose name is another's number."""
    for name in ("classes", "growing"):
        model = sampler(name)
        pictures, images = GameModel(model, find_real_images(model, photos)).draw_round(4, "hard", set(), chance())
        for picture, drawn in zip(pictures, images.generated, strict=True):
            if drawn is not None:
                label = CLASSES[drawn.label] if model.classes else None
                (expected,) = model.images([drawn.seed], model.setting(psi=0.7, label=label))
                np.testing.assert_array_equal(picture, expected)
            assert picture.shape == (16, 16, 1 if name == "classes" else 3)


def critic_of(architecture, resolution=16, labels=0):
    torch.manual_seed(2)
    network = {"progan": progan, "stylegan": stylegan}[architecture].Discriminator
    return network(resolution, label_dim=labels, fmap_base=64, fmap_max=8)


def saved(folder, architecture, labels=0, critic=None, **training):
    generator = style(16, label_dim=labels)
    if architecture == "progan":
        generator = progan.Generator(16, z_dim=8, fmap_base=64, fmap_max=8, label_dim=labels)
    save_model(folder, generator, critic or critic_of(architecture, labels=labels), training=training)
    return Sampler(str(folder), "cpu")


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
@pytest.mark.parametrize("labels", [0, 3])
def test_the_critic_is_the_models_own(tmp_path, architecture, labels):
    model = saved(tmp_path / "model", architecture, labels, resolution=8, alpha=0.25)
    critic, network = find_critic(model), critic_of(architecture, labels=labels).eval()
    picture = np.random.RandomState(0).randint(0, 256, (8, 8, 3)).astype(np.uint8)
    image = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None] / 127.5 - 1
    with torch.inference_mode():
        if architecture == "progan":
            scores = network(image, alpha=0.25)
            expected = [float(scores[0] if labels else scores)] * 3
        elif labels:
            expected = [float(network(image, torch.eye(3)[[label]], 0.25)) for label in range(3)]
        else:
            expected = [float(network(image, alpha=0.25))] * 3
    assert [critic.score(picture, label) for label in range(3)] == pytest.approx(expected)
    assert critic.score(picture, None) == pytest.approx(max(expected))


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
def test_a_model_of_label_vectors_is_played_with_the_data_s_labels_and_without_critic(tmp_path, photos, architecture):
    small, values = (
        {"label_dim": 2, "label_kind": "vector"},
        {"min": [0, 1], "max": [2, 3], "examples": [[0, 3], [2, 1]]},
    )
    generator = style(16, **small)
    if architecture == "progan":
        generator = progan.Generator(16, z_dim=8, fmap_base=64, fmap_max=8, **small)
    network = {"progan": progan, "stylegan": stylegan}[architecture].Discriminator
    critic = network(16, fmap_base=64, fmap_max=8, **small)
    save_model(tmp_path / "model", generator, critic, classes=["a", "b"], label_values=values)
    model = Sampler(str(tmp_path / "model"), "cpu")
    assert find_critic(model) is None
    pictures, images = GameModel(model, find_real_images(model, photos)).draw_round(4, "hard", set(), chance())
    for picture, drawn in zip(pictures, images.generated, strict=True):
        if drawn is not None:
            (expected,) = model.images([drawn.seed], model.setting(psi=drawn.psi))
            np.testing.assert_array_equal(picture, expected)


def test_no_picture_has_the_margin_that_the_generator_does_not_draw(tmp_path, photos):
    save_model(tmp_path / "model", style(16, margin=2))
    model = Sampler(str(tmp_path / "model"), "cpu")
    reals, hard = find_real_images(model, photos), model.setting(psi=0.7)
    pictures, images = GameModel(model, reals).draw_round(2, "hard", set(), chance())
    for picture, drawn in zip(pictures, images.generated, strict=True):
        whole = reals.image(images.real) if drawn is None else next(iter(model.images([drawn.seed], hard)))
        np.testing.assert_array_equal(picture, whole[2:-2, 2:-2])


def test_a_model_that_is_still_growing_has_the_margin_of_its_stage(tmp_path, photos):
    save_model(tmp_path / "model", style(16, margin=4), training={"resolution": 8, "alpha": 1.0})
    model = Sampler(str(tmp_path / "model"), "cpu")
    pictures, images = GameModel(model, find_real_images(model, photos)).draw_round(2, "hard", set(), chance())
    (generated,) = (place for place, drawn in enumerate(images.generated) if drawn is not None)
    whole = next(iter(model.images([images.generated[generated].seed], model.setting(psi=0.7))))
    assert whole.shape[0] == 8
    np.testing.assert_array_equal(pictures[generated], whole[2:-2, 2:-2])


def test_a_critic_for_other_pictures_is_none(tmp_path):
    assert find_critic(saved(tmp_path / "larger", "progan", critic=critic_of("progan", 32))) is None
    model = saved(tmp_path / "damaged", "progan")
    (tmp_path / "damaged" / "discriminator.safetensors").write_bytes(b"no")
    assert find_critic(model) is None


def test_the_critic_is_told_classes_of_all_pictures_or_of_none(tmp_path, photos):
    """Else it would score those of known classes by another measure."""
    model, told = saved(tmp_path / "model", "stylegan", 3), []

    class Listening(Critic):
        def score(self, picture, label):
            told.append(label)
            return super().score(picture, label)

    for labels in (None, [1] * 20):
        played = GameModel(model, find_real_images(model, photos), chance(), start=[].append)
        played.reals = RealImages(20, played.reals.read, labels=labels)
        played.critic = Listening(model, critic_of("stylegan", labels=3).eval())
        told.clear()
        for count in (1, 2, 4):
            played.draw_round(count, "normal", set(), chance())
        assert len(told) == 1 + 2 + 4 + 2 * 12
        played._candidate("hard", chance())
        assert len(told) == 1 + 2 + 4 + 2 * 12 + 1
        assert set(told) == ({None} if labels is None else {1})


def test_the_critics_choice_is_its_highest_score(tmp_path, photos):
    model = saved(tmp_path / "model", "stylegan")
    game, played = Game(tmp_path, rng=chance()), GameModel(model, find_real_images(model, photos))
    for _ in range(5):
        shown = game.new_round("me", played, "odd")
        critic = game.answer("me", shown.id, "A").critic
        assert critic.scores["ABCD".index(critic.choice)] == max(critic.scores)
        assert critic.right == (critic.choice == game.answer("me", shown.id, "A").truth)
    game.close()


def test_source_are_made_once_and_go_with_their_engine(tmp_path, photos, sampler):
    model, source, game = sampler("growing"), RoundSource(photos), Game(tmp_path, rng=chance())
    played = source.of(model)
    assert source.of(model) is played
    assert source.of(sampler("growing")) is not played
    shown = game.new_round("me", played)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert game.answer("me", shown.id, "A").truth in "AB"
    with pytest.raises(InputError, match="The game needs real photos"):
        RoundSource().of(sampler("growing"))
    game.close()


def test_the_bundled_model_is_ready_to_play(tmp_path):
    model = Sampler("progan-toonhead64", "cpu")
    game, played = Game(tmp_path, rng=chance()), GameModel(model, find_real_images(model), start=[].append)
    assert (played.reals.noun, played.reals.count) == ("face", 100)
    shown = game.new_round("me", played, "critic")
    result = game.answer("me", shown.id, "A")
    assert result.critic is not None
    assert sorted(caption[:9] for caption in result.captions) == ["generated", "real face"]
    game.close()
