"""CUDA graphs: a training step recorded once and replayed, so that no kernel waits for Python."""

import warnings

import torch

from cmrkit.pggan.data import Draws

PLAIN_STEPS = 3  # before recording: they choose algorithms, compile kernels, allocate Adam's state
UNRECORDED = "This instance was constructed with capturable=True"  # torch's warning begins so


class RecordedStep:
    """A training step that replays itself.

    The first steps of a kind are real training steps, run plainly; then the step is recorded, which
    computes nothing, and replayed from there on. Steps in a fade and after it, with a penalty and
    without, are different recordings that share their memory.

    Args:
        step: function of `Draws`, alpha and whether to penalise; launches work on the device, waits
            for nothing, and returns a tensor.
    """

    def __init__(self, step):
        self.step = step
        self.stream = torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()
        self.plain_steps = {}
        self.recordings = {}
        self.recordable = True

    def __call__(self, draws, alpha, penalise):
        kind = (alpha is not None, penalise)
        if kind not in self.recordings:
            done = self.plain_steps.get(kind, 0)
            if done < PLAIN_STEPS or not self.recordable:
                self.plain_steps[kind] = done + 1
                return self._run_plainly(draws, alpha, penalise)
            self._record(kind, draws, alpha, penalise)
            return self(draws, alpha, penalise)
        graph, inputs, result = self.recordings[kind]
        for kept, new in zip(inputs, _tensors(draws, alpha), strict=True):
            kept.copy_(new)
        graph.replay()
        return result

    def _run_plainly(self, draws, alpha, penalise):
        # On the stream that will be recorded, because autograd remembers the stream of each weight.
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream), warnings.catch_warnings():
            warnings.filterwarnings("ignore", UNRECORDED)  # they are the few before a recording
            result = self.step(draws, alpha, penalise)
        torch.cuda.current_stream().wait_stream(self.stream)
        return result

    def _record(self, kind, draws, alpha, penalise):
        inputs = [tensor.clone() for tensor in _tensors(draws, alpha)]
        kept_alpha = inputs[-1] if alpha is not None else None
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                result = self.step(Draws(*inputs[:5]), kept_alpha, penalise)
        except RuntimeError as error:
            self.recordable = False
            warnings.warn(f"step not recorded, going on slower without: {error}", stacklevel=2)
            return
        self.recordings[kind] = graph, inputs, result


def _tensors(draws, alpha):
    tensors = draws.tensors()
    return tensors if alpha is None else [*tensors, alpha]
