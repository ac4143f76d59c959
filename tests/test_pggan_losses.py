"""Losses against hand calculations, penalties against closed forms in double precision."""

import math

import pytest
import torch

from cmrkit.pggan import losses
from cmrkit.pggan.networks import Discriminator
from cmrkit.pggan.recipe import quick

WEIGHT = torch.tensor([3.0, 4.0], dtype=torch.float64)


def linear(frames):
    """Critic whose gradient is (3, 4) everywhere: norm 5."""
    return frames.flatten(1) @ WEIGHT


def quadratic(frames):
    """Critic whose gradient is the frame itself."""
    return frames.flatten(1).square().sum(dim=1) / 2


def frames(*values):
    return torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1, 2)


def test_wasserstein_losses_by_hand():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.5, -0.5])
    assert losses.wgan_discriminator(real, fake).item() == pytest.approx(0 - 2 + 1e-3 * 5)
    assert losses.wgan_generator(fake).item() == 0.0


def test_non_saturating_losses_by_hand():
    real, fake = torch.tensor([0.0]), torch.tensor([math.log(3)])  # sigmoid(fake) = 3/4
    assert losses.ns_discriminator(real, fake).item() == pytest.approx(math.log(2) + math.log(4))
    assert losses.ns_generator(fake).item() == pytest.approx(math.log(4 / 3))


def test_gradient_penalty_of_a_linear_critic_is_its_norm_off_one():
    found = losses.gradient_penalty(linear, frames([1, 2]), frames([5, 0]), torch.zeros(1).double())
    assert found.item() == pytest.approx(16.0)  # (5 - 1) squared


def test_gradient_penalty_is_taken_between_real_and_generated_frames():
    mix = torch.tensor([0.25], dtype=torch.float64)
    found = losses.gradient_penalty(quadratic, frames([0, 0]), frames([12, 16]), mix)
    assert found.item() == pytest.approx(16.0)  # at (3, 4): norm 5


def test_r1_penalty_by_hand():
    found = losses.r1_penalty(quadratic, frames([3, 4], [0, 0]))
    assert found.item() == pytest.approx(25 / 2 / 2)


def test_penalty_is_safe_where_the_gradient_vanishes():
    weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    mix = torch.zeros(1, dtype=torch.float64)
    found = losses.gradient_penalty(
        lambda x: x.flatten(1) @ weight, frames([1, 2]), frames([3, 4]), mix
    )
    found.backward()
    assert found.item() == 1.0
    assert torch.equal(weight.grad, torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("name", ["gradient_penalty", "r1_penalty"])
def test_penalty_of_the_discriminator_has_the_right_derivative(name, monkeypatch):
    """Central differences in double precision, through the whole network."""
    recipe = quick(("4ch", "sax"), (1,), resolution=8, precision="fp32", widths=(4, 4))
    network = Discriminator(recipe, torch.Generator().manual_seed(0)).double()
    monkeypatch.setattr(Discriminator, "dtype", torch.float64)
    rng = torch.Generator().manual_seed(1)
    real, fake = torch.randn(2, 4, 2, 8, 8, generator=rng, dtype=torch.float64)
    view, mix = torch.tensor([0, 0, 1, 1]), torch.rand(4, generator=rng, dtype=torch.float64)

    def penalty():
        def discriminate(x):
            return network(x, view, 0.5)

        if name == "r1_penalty":
            return losses.r1_penalty(discriminate, real)
        return losses.gradient_penalty(discriminate, real, fake, mix)

    penalty().backward()
    for weight in (network.same[0].weight, network.down[0].weight, network.score.weight):
        place = (0,) * weight.ndim
        around = []
        for step in (1e-5, -1e-5):
            weight.data[place] += step
            around.append(penalty().item())
            weight.data[place] -= step
        slope = (around[0] - around[1]) / 2e-5
        assert weight.grad[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)
