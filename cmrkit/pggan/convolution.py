"""A convolution for networks whose gradient is itself differentiated, as the penalties do.

torch differentiates the gradient by the frames once more with a convolution whose kernel is the
whole batch: a fifth of a step of WGAN-GP at 64 x 64 pixels on a processor. The same derivative is
the convolution's own gradient by its weights, with other signals in its two places, and for that
there is fast code: 1.3 times the images a second at 64 x 64, 1.6 times at 256 x 256.
"""

import threading
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

MAPWISE = 128  # pixels a side from which float32 weight gradients on AVX2 take one map at a time

_within = {"blocks": 0}  # of all threads: on a GPU the backward pass runs on a thread of autograd's
_lock = threading.Lock()


@contextmanager
def gradient_of_frames_alone():
    """Within it a backward pass that is itself differentiated (`create_graph`) leaves weights out.

    Autograd tells a layer not whether they count. A plain backward pass is as ever, so that another
    thread that trains meanwhile keeps its gradients.

    Source: the same need is met the same way by `no_weight_gradients` in the code of Karras et al.,
    Training generative adversarial networks with limited data, NeurIPS 2020.
    """
    with _lock:
        _within["blocks"] += 1
    try:
        yield
    finally:
        with _lock:
            _within["blocks"] -= 1


def conv2d(x, weight, bias, stride=1, padding=0):
    """`torch.nn.functional.conv2d`; its input gradient is differentiable by signal and weights.

    Args:
        x: [N, A, R, R].
        weight: [B, A, K, K].
        bias: [B], or None.
        stride, padding: pixels, in both directions.

    Returns:
        [N, B, R', R'].

    Raises:
        RuntimeError: a backward pass with `create_graph` outside `gradient_of_frames_alone`; the
            gradient by the weights cannot be differentiated again.
    """
    maps = len(weight)
    if x.is_cuda:
        x, weight, bias = by_eights(x, weight, bias)
    y = _Convolution.apply(x, weight, bias, (stride, stride), (padding, padding))
    return y if y.shape[1] == maps else y[:, :maps]


def by_eights(x, weight, bias):
    """A convolution's arguments with maps of zeros, in and out, up to a multiple of 8.

    A GPU's tensor cores take maps by eights: with the 1 to 6 channels of a frame, and with the 513
    maps that the minibatch standard deviation leaves, cuDNN goes slower ways (2.6 % of a step of
    WGAN-GP at paper size, 256 x 256, on an H200).

    Args:
        x, weight, bias: as for `conv2d`.
    """
    b, a = weight.shape[:2]
    last = torch.channels_last
    if a % 8:
        x = F.pad(x, (0, 0, 0, 0, 0, -a % 8)).contiguous(memory_format=last)
    if a % 8 or b % 8:
        weight = F.pad(weight, (0, 0, 0, 0, 0, -a % 8, 0, -b % 8)).contiguous(memory_format=last)
    if b % 8 and bias is not None:
        bias = F.pad(bias, (0, -b % 8))
    return x, weight, bias


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, stride, padding):
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        by_x = by_weight = by_bias = None
        if ctx.needs_input_grad[0]:
            by_x = _InputGradient.apply(grad, weight, x, ctx.stride, ctx.padding)
        differentiated = torch.is_grad_enabled()
        if differentiated and ctx.needs_input_grad[1] and not _within["blocks"]:
            raise RuntimeError("create_graph: only within gradient_of_frames_alone")
        if ctx.needs_input_grad[1] and not differentiated:
            wanted, biases = [False, True, ctx.needs_input_grad[2]], [len(weight)]
            _, by_weight, by_bias = _convolution_backward(grad, x, weight, biases, ctx, wanted)
        return by_x, by_weight, by_bias, None, None


class _InputGradient(torch.autograd.Function):
    """Linear in the gradient and in the weights; of x only the shape counts."""

    @staticmethod
    def forward(ctx, grad, weight, x, stride, padding):
        ctx.save_for_backward(grad, weight)
        ctx.stride, ctx.padding = stride, padding
        return _convolution_backward(grad, x, weight, None, ctx, [True, False, False])[0]

    @staticmethod
    @once_differentiable
    def backward(ctx, signal):
        grad, weight = ctx.saved_tensors
        by_grad = F.conv2d(signal, weight, None, ctx.stride, ctx.padding)
        wanted = [False, True, False]
        by_weight = _convolution_backward(grad, signal, weight, None, ctx, wanted)[1]
        return by_grad, by_weight, None, None, None


def _convolution_backward(grad, x, weight, biases, ctx, wanted):
    """Gradients by x, weight and bias, those that are wanted.

    Choice: on AVX2 oneDNN's float32 gradient by the weights slows down with the size of frames
    whose maps are interleaved (channels last): from 89 GFLOP/s at 32 x 32 pixels to 19 at 256 x
    256, where maps one after the other take 53, their copying included. At 64 x 64 the copying
    costs what it gains. On AVX-512 nothing slows down: 266 GFLOP/s interleaved at 256 x 256, 130
    map by map.
    """
    if not wanted[0] and _slow_interleaved(x):
        grad, x, weight = _map_by_map(grad), _map_by_map(x), weight.contiguous()
    return torch.ops.aten.convolution_backward(
        grad, x, weight, biases, ctx.stride, ctx.padding, (1, 1), False, (0, 0), 1, wanted
    )


def _slow_interleaved(x):
    large = x.dtype == torch.float32 and x.device.type == "cpu" and x.shape[-1] >= MAPWISE
    return large and torch.backends.cpu.get_cpu_capability() == "AVX2"


def _map_by_map(x):
    """The same [N, C, R, R], contiguous; by way of its rows, which fit into the caches."""
    return x.transpose(1, 2).contiguous().transpose(1, 2).contiguous()
