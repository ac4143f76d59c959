"""CUDA graphs: a training step recorded once and replayed, so that no kernel waits for Python."""

import gc
import traceback
import warnings
from contextlib import contextmanager

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

    recordable = True  # of the process: where one recording failed, torch may spoil all after it

    def __init__(self, step):
        self.step = step
        self.stream = torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()
        self.plain_steps = {}
        self.recordings = {}

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
        graph, home = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with _nothing_freed(), torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                result = self.step(Draws(*inputs[:5]), kept_alpha, penalise)
        except RuntimeError:  # torch raises a second one as it ends the recording; both are shown
            RecordedStep.recordable = False
            torch.cuda.set_stream(home)  # torch does not leave the recorded one after an error
            found = traceback.format_exc()
            warnings.warn(f"step not recorded, going on slower without:\n{found}", stacklevel=2)
            return
        self.recordings[kind] = graph, inputs, result


@contextmanager
def _nothing_freed():
    """Keep the garbage collector still: an old recording freed within a new one would end it."""
    gc.collect()
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _tensors(draws, alpha):
    tensors = draws.tensors()
    return tensors if alpha is None else [*tensors, alpha]
