"""What the critic sees of an image: against a reference in numpy, its derivatives, how it is drawn, and ADA's p."""

import math

import numpy as np
import pytest
import torch

from tests.train.small import a_schedule, a_trainer, step, train, weights
from train.run import checkpoints
from train.step.augmentation import NUMBERS, TRANSFORMS, Augmentation
from train.step.config import StepConfig
from train.step.objectives import critic_loss

ALL = "color,translation,cutout"
CPU = torch.device("cpu")


def an_augmentation(names=ALL, p=1.0, processes=1):
    return Augmentation(StepConfig(augment=names, augment_p=p, loss="ns"), CPU, processes)


def drawn(count=6, size=8, channels=3, seed=0):
    """Images, and the numbers of their augmentation, in float64."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, channels, size, size, generator=generator, dtype=torch.float64)
    return images, torch.rand(count, len(TRANSFORMS), NUMBERS, generator=generator, dtype=torch.float64)


def color(image, first, second, third):
    image = image + first - 0.5
    grey = image.mean(0)
    image = np.stack([grey + (plane - grey) * 2 * second for plane in image])
    return image.mean() + (image - image.mean()) * (0.5 + third)


def translation(image, first, second, third):
    size = image.shape[-1]
    most = math.floor(size / 8 + 0.5)
    down, right = (math.floor(number * (2 * most + 1)) - most for number in (first, second))
    framed = np.pad(image, ((0, 0), (most, most), (most, most)))
    return framed[:, most - down : most - down + size, most - right : most - right + size]


def cutout(image, first, second, third):
    size = image.shape[-1]
    top, left = (math.floor(number * (size + 1)) - size // 4 for number in (first, second))
    image = image.copy()
    image[:, max(top, 0) : max(top + size // 2, 0), max(left, 0) : max(left + size // 2, 0)] = 0
    return image


REFERENCES = {"color": color, "translation": translation, "cutout": cutout}


@pytest.mark.parametrize("size", [4, 8, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("p", [1.0, 0.5])
@pytest.mark.parametrize("names", [*REFERENCES, ALL])
def test_transforms_are_those_of_the_reference(names, p, channels, size):
    images, numbers = drawn(20, size, channels)
    expected = []
    for image, rows in zip(images.numpy(), numbers.numpy(), strict=True):
        for (name, reference), (chance, *others) in zip(REFERENCES.items(), rows, strict=True):
            if name in names and chance < p:
                image = reference(image, *others)
        expected.append(image)
    found = an_augmentation(names, p)(images, numbers)
    torch.testing.assert_close(found, torch.from_numpy(np.stack(expected)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_stay_bit_for_bit_at_p_0_and_where_nothing_is_shifted(dtype):
    images, numbers = (tensor.to(dtype) for tensor in drawn(20))
    assert torch.equal(an_augmentation(p=0)(images, numbers), images)
    assert torch.equal(an_augmentation("translation")(images, torch.full_like(numbers, 0.5)), images)


def test_all_shifts_and_squares_are_as_likely():
    numbers = (torch.arange(9000) + 0.5) / 9000  # stands for uniform ones
    still = torch.full((9000,), 0.5)
    image = torch.zeros(9000, 1, 8, 8)
    image[:, :, 4, 4] = 1
    rows = torch.stack([torch.zeros(9000), numbers, still, still], 1)[:, None].expand(-1, len(TRANSFORMS), -1)
    moved = an_augmentation("translation")(image, rows)
    assert torch.equal(moved.sum((0, 1, 3)), torch.tensor([0.0, 0, 0, 3000, 3000, 3000, 0, 0]))
    left = an_augmentation("cutout")(torch.ones_like(image), rows)
    covered = (left[:, 0, :, 4] == 0).float().mean(0) * 9  # of nine places of the square's centre
    torch.testing.assert_close(covered, torch.tensor([3.0, 4, 4, 4, 4, 4, 4, 3]), rtol=1e-4, atol=0)


def test_first_and_second_derivatives_are_those_of_finite_differences():
    images, numbers = drawn(3, 4)
    augment = an_augmentation(p=0.7)
    assert 0 < (numbers[:, :, 0] < 0.7).sum() < 9

    def function(images):
        return augment(images, numbers) ** 3

    images.requires_grad_()
    assert torch.autograd.gradcheck(function, (images,))
    assert torch.autograd.gradgradcheck(function, (images,))


def test_r1_is_at_the_reals_before_they_are_augmented():
    """D(x) = sum of v * T(x)^2 / 2 has the gradient T'(v * T(x)); the adjoint of a shift is the shift back."""
    images, numbers = drawn(4)
    v = torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    augment = an_augmentation("translation")
    loss = critic_loss(
        StepConfig(loss="ns-r1", gamma=3.0),
        lambda images, batches=1: (v * images.square()).sum((1, 2, 3))[:, None] / 2,
        images, images, numbers, augment=lambda images: augment(images, numbers),
    )  # fmt: skip
    back = numbers.clone()
    back[:, 1, 1:] = 1 - numbers[:, 1, 1:]  # the whole numbers from -1 to 1 the other way round
    slopes = augment(v * augment(images, numbers), back)
    expected = 1.5 * slopes.square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(loss.statistics["penalty"], expected, rtol=1e-12, atol=0)


def test_the_gradient_penalty_is_between_augmented_images():
    images, numbers = drawn(4)
    augment = an_augmentation()
    fakes = augment(images.flip(0), numbers.flip(0))
    mix = numbers[:, :1, :1, None]
    loss = critic_loss(
        StepConfig(loss="wgan-gp"),
        lambda images, batches=1: images.square().sum((1, 2, 3))[:, None] / 2,
        images, fakes, mix, augment=lambda images: augment(images, numbers),
    )  # fmt: skip
    slopes = augment(images, numbers) * (1 - mix) + fakes * mix
    expected = 10 * (slopes.square().sum((1, 2, 3)).sqrt() - 1).square().mean()
    torch.testing.assert_close(loss.statistics["penalty"], expected, rtol=1e-12, atol=0)


def test_reals_and_fakes_draw_from_one_distribution_and_each_image_for_itself():
    schedule = a_schedule(batch=50, stable=9)
    trainer, loader = a_trainer(schedule=schedule, augment="cutout")
    found = {"reals": [], "fakes": [], "generator's": []}
    for images in range(0, 3000, 50):
        critics = trainer.inputs.for_critic(loader.read(images), schedule.at(images))
        found["reals"].append(critics.augment_reals)
        found["fakes"].append(critics.augment_fakes)
        found["generator's"].append(trainer.inputs.for_generator(images, schedule.at(images), 50).augment)
    numbers = torch.stack([torch.cat(one).flatten(1) for one in found.values()], 1).flatten(1)  # [3000, 3 * 12]
    assert len(numbers.unique()) > 0.99 * numbers.numel()
    torch.testing.assert_close(numbers.mean(0), torch.full_like(numbers[0], 0.5), rtol=0, atol=0.025)
    torch.testing.assert_close(numbers.std(0), torch.full_like(numbers[0], 12**-0.5), rtol=0, atol=0.015)
    torch.testing.assert_close(torch.corrcoef(numbers.T), torch.eye(36).double(), rtol=0, atol=0.1)


@pytest.mark.parametrize("processes", [1, 2])
def test_p_moves_towards_the_target_by_the_images_shown(processes):
    """By 4 batches in 500,000 images every 4 steps: up where more than 60 % + ... of the signs are right, else down."""
    augment = an_augmentation(p="ada", processes=processes)
    share, moved = 50 // processes, []
    for sign in [1.0] * 8 + [0.6] * 4 + [1.0, 1.0, 0.5, 0.0] * 2 + [0.6001] * 4 + [1.0, 1.0, 0.3, 0.1]:
        augment.adjust(torch.tensor(sign), share)
        moved.append(float(augment.p) * 500_000 / 200)
    expected = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5]
    assert moved == pytest.approx(expected)


def test_p_stays_a_probability_and_settles_where_the_signs_mean_is_the_target():
    augment = an_augmentation(p="ada")
    for _ in range(8):
        augment.adjust(torch.tensor(-1.0), 1000)
    assert float(augment.p) == 0
    for _ in range(400):
        augment.adjust(1 - augment.p, 1000)  # a critic that knows less, the more is changed
    assert float(augment.p) == pytest.approx(0.4, abs=0.009)
    for _ in range(400):
        augment.adjust(torch.tensor(1.0), 1000)
    assert float(augment.p) == 1


@pytest.mark.parametrize("architecture", ["progan", "stylegan"])
@pytest.mark.parametrize("loss", ["wgan-gp", "ns-r1"])
def test_training_at_p_0_is_training_without(architecture, loss):
    found = []
    for augment, p in (("no", 1.0), (ALL, 0.0)):
        config = {"loss": loss, "architecture": architecture, "dtype": torch.float32, "mirror": True}
        found.append(weights(train(*a_trainer(augment=augment, augment_p=p, **config), 7)))
    assert all(torch.equal(found[0][name], value) for name, value in found[1].items())


def test_what_is_reported():
    fixed = step(*a_trainer(augment="color", augment_p=0.25))
    assert (float(fixed["D/augment_p"]), "D/sign_real" in fixed) == (0.25, False)
    follows = step(*a_trainer(augment="color", augment_p="ada", loss="hinge"))
    assert float(follows["D/augment_p"]) == 0
    assert -1 <= float(follows["D/sign_real"]) <= 1
    assert "D/augment_p" not in step(*a_trainer())


def test_a_run_goes_on_with_its_p(tmp_path):
    """In the middle of four steps, and with a p at which something happens."""
    config = {"augment": ALL, "augment_p": "ada", "loss": "ns-r1", "dtype": torch.float32}
    straight, loader = a_trainer(**config)
    straight.computation.augmentation.p.fill_(0.5)
    train(straight, loader, 2)
    checkpoints.save(tmp_path, straight, keep=1)
    train(straight, loader, 3)
    resumed, loader = a_trainer(**config, seed=1)
    checkpoints.restore(resumed, checkpoints.read_newest(tmp_path, print))
    train(resumed, loader, 3)
    after = checkpoints.state_of(straight)
    assert after.keys() == checkpoints.state_of(resumed).keys()
    assert all(torch.equal(after[name], value) for name, value in checkpoints.state_of(resumed).items())
    assert float(after["augmentation.p"]) in (pytest.approx(0.5 + 64 / 500_000), pytest.approx(0.5 - 64 / 500_000))
