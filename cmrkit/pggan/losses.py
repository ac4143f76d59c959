"""Adversarial losses, and the gradient penalties that keep them in bounds."""

import torch
import torch.nn.functional as F

from cmrkit.pggan.convolution import gradient_of_frames_alone

DRIFT = 1e-3


def wgan_discriminator(real_score, fake_score):
    """Wasserstein critic loss with the drift term that keeps real scores near 0.

    Args:
        real_score, fake_score: [N] float32.

    Returns:
        scalar.

    Source: Gulrajani et al. 2017; drift: Karras et al. 2018, appendix A.1.
    """
    return (fake_score - real_score + DRIFT * real_score.square()).mean()


def wgan_generator(fake_score):
    """Wasserstein generator loss, a scalar."""
    return -fake_score.mean()


def gradient_penalty(discriminate, real, fake, mix):
    """How far the critic's gradient norm is from 1 between real and generated frames.

    Args:
        discriminate: frames to scores.
        real, fake: [N, C, R, R] float32.
        mix: [N] in 0 to 1, share of `fake`.

    Returns:
        scalar, differentiable in the critic's weights; its derivative is 0 where the norm is 0.

    Source: Gulrajani et al. 2017, equation 3.
    """
    frames = torch.lerp(real, fake, mix[:, None, None, None]).requires_grad_()
    gradient = _input_gradient(discriminate, frames)  # [N, C, R, R]
    norm = torch.linalg.vector_norm(gradient, dim=(1, 2, 3))  # [N]; subgradient 0 at 0
    return (norm - 1).square().mean()


def ns_discriminator(real_score, fake_score):
    """Non-saturating (logistic) discriminator loss, a scalar.

    Source: Goodfellow et al. 2014.
    """
    return (F.softplus(fake_score) + F.softplus(-real_score)).mean()


def ns_generator(fake_score):
    """Non-saturating generator loss, a scalar."""
    return F.softplus(-fake_score).mean()


def r1_penalty(discriminate, real):
    """Squared gradient norm at real frames, halved.

    Args:
        discriminate: frames to scores.
        real: [N, C, R, R] float32.

    Returns:
        scalar, differentiable in the discriminator's weights.

    Source: Mescheder et al. 2018, equation 9; applied every few steps as in Karras et al. 2020.
    """
    gradient = _input_gradient(discriminate, real.detach().requires_grad_())
    return gradient.square().sum(dim=(1, 2, 3)).mean() / 2


def _input_gradient(discriminate, frames):
    score = discriminate(frames).sum()
    with gradient_of_frames_alone():
        (gradient,) = torch.autograd.grad(score, frames, create_graph=True)
    return gradient
