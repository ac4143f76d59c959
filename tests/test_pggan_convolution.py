import pytest
import torch
import torch.nn.functional as F

from cmrkit.pggan.convolution import conv2d, gradient_of_frames_alone

SHAPES = pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (4, 2, 1), (1, 1, 0)])


def given(kernel):
    rng = torch.Generator().manual_seed(1)
    shapes = (4, 3, 8, 8), (5, 3, kernel, kernel), (5,)
    return [torch.randn(s, generator=rng, dtype=torch.double).requires_grad_() for s in shapes]


def penalty(convolution, x, weight, bias, stride, padding):
    score = convolution(x, weight, bias, stride, padding).pow(3).sum()
    with gradient_of_frames_alone():
        (gradient,) = torch.autograd.grad(score, x, create_graph=True)
    return gradient.square().sum()


@SHAPES
def test_its_gradients_are_those_of_torch(kernel, stride, padding):
    inputs = given(kernel)
    found, expected = (
        torch.autograd.grad(f(*inputs, stride, padding).pow(2).sum(), inputs)
        for f in (conv2d, F.conv2d)
    )
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other)


@SHAPES
def test_a_penalty_of_its_gradient_has_the_derivatives_of_torch(kernel, stride, padding):
    inputs = given(kernel)
    found, expected = (
        torch.autograd.grad(penalty(f, *inputs, stride, padding), inputs)
        for f in (conv2d, F.conv2d)
    )
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other)


def test_weights_are_left_out_where_only_the_gradient_of_frames_is_asked_for():
    x, weight, bias = given(3)
    with gradient_of_frames_alone():
        conv2d(x, weight, bias).sum().backward()
    assert x.grad is not None
    assert weight.grad is None


def test_a_derivative_that_it_does_not_have_is_an_error_and_not_a_wrong_number():
    x, weight, bias = given(3)
    with pytest.raises(RuntimeError, match="gradient_of_frames_alone"):
        torch.autograd.grad(conv2d(x, weight, bias).pow(2).sum(), x, create_graph=True)
