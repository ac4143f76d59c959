import threading

import pytest
import torch
import torch.nn.functional as F

from cmrkit.pggan.convolution import MAPWISE, by_eights, conv2d, gradient_of_frames_alone

SHAPES = pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (4, 2, 1), (1, 1, 0)])


def given(kernel):
    rng = torch.Generator().manual_seed(1)
    shapes = (4, 3, 8, 8), (5, 3, kernel, kernel), (5,)
    return [torch.randn(s, generator=rng, dtype=torch.double).requires_grad_() for s in shapes]


def as_on_a_gpu(x, weight, bias, stride, padding):
    maps = len(weight)
    x, weight, bias = by_eights(x, weight, bias)
    assert all(count % 8 == 0 for count in (*weight.shape[:2], len(bias)))
    return conv2d(x, weight, bias, stride, padding)[:, :maps]


OURS = pytest.mark.parametrize("ours", [conv2d, as_on_a_gpu])


def penalty(convolution, x, weight, bias, stride, padding):
    score = convolution(x, weight, bias, stride, padding).pow(3).sum()
    with gradient_of_frames_alone():
        (gradient,) = torch.autograd.grad(score, x, create_graph=True)
    return gradient.square().sum()


@OURS
@SHAPES
def test_its_gradients_are_those_of_torch(ours, kernel, stride, padding):
    inputs = given(kernel)
    found, expected = (
        torch.autograd.grad(f(*inputs, stride, padding).pow(2).sum(), inputs)
        for f in (ours, F.conv2d)
    )
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other)


@OURS
@SHAPES
def test_a_penalty_of_its_gradient_has_the_derivatives_of_torch(ours, kernel, stride, padding):
    inputs = given(kernel)
    found, expected = (
        torch.autograd.grad(penalty(f, *inputs, stride, padding), inputs) for f in (ours, F.conv2d)
    )
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other)


@pytest.mark.parametrize(("n_in", "n_out"), [(1, 16), (16, 6), (8, 16)])
def test_by_eights_without_a_bias_is_the_same(n_in, n_out):
    rng = torch.Generator().manual_seed(1)
    x, weight = (torch.randn(s, generator=rng) for s in ((2, n_in, 8, 8), (n_out, n_in, 3, 3)))
    assert torch.allclose(F.conv2d(*by_eights(x, weight, None))[:, :n_out], F.conv2d(x, weight))


@SHAPES
@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])  # the first copies them map by map
@pytest.mark.parametrize("of", [penalty, lambda f, *inputs: f(*inputs).pow(2).sum()])
def test_large_float32_frames_of_interleaved_maps_have_the_same_gradients(
    of, capability, kernel, stride, padding, monkeypatch
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    rng = torch.Generator().manual_seed(1)
    shapes = (2, 3, MAPWISE, MAPWISE), (5, 3, kernel, kernel), (5,)
    inputs = [torch.randn(s, generator=rng) for s in shapes]
    inputs[0] = inputs[0].to(memory_format=torch.channels_last)
    exact = [x.double().requires_grad_() for x in inputs]
    inputs = [x.requires_grad_() for x in inputs]
    found = torch.autograd.grad(of(conv2d, *inputs, stride, padding), inputs)
    expected = torch.autograd.grad(of(F.conv2d, *exact, stride, padding), exact)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() < 1e-4 * other.norm()


def test_weights_are_left_out_where_only_the_gradient_of_frames_is_asked_for():
    x, weight, bias = given(3)
    with gradient_of_frames_alone():
        found = torch.autograd.grad(
            conv2d(x, weight, bias).sum(), (x, weight), create_graph=True, allow_unused=True
        )
    assert found[0] is not None
    assert found[1] is None


def test_a_penalty_on_another_thread_does_not_take_the_gradients_of_weights():
    inside, done = threading.Event(), threading.Event()

    def penalty_elsewhere():
        with gradient_of_frames_alone():
            inside.set()
            done.wait(60)

    other = threading.Thread(target=penalty_elsewhere)
    other.start()
    inside.wait(60)
    x, weight, bias = given(3)
    conv2d(x, weight, bias).sum().backward()
    done.set()
    other.join()
    assert weight.grad is not None
    assert bias.grad is not None


def test_blocks_within_blocks_end_one_by_one():
    x, weight, bias = given(3)
    with gradient_of_frames_alone():
        with gradient_of_frames_alone():
            pass
        torch.autograd.grad(conv2d(x, weight, bias).sum(), x, create_graph=True)


def test_a_derivative_that_it_does_not_have_is_an_error_and_not_a_wrong_number():
    x, weight, bias = given(3)
    with pytest.raises(RuntimeError, match="gradient_of_frames_alone"):
        torch.autograd.grad(conv2d(x, weight, bias).pow(2).sum(), x, create_graph=True)
