"""What a recorded step does, on stand-ins for CUDA; `tests/gpu` records on a GPU itself."""

import gc
import warnings
from contextlib import contextmanager, nullcontext

import pytest
import torch

from cmrkit.pggan.data import Draws
from cmrkit.pggan.graphs import PLAIN_STEPS, RecordedStep


class Stream:
    def wait_stream(self, other):
        pass


class Card:
    """Stands in for torch.cuda: a replay counts, a recording may fail as it ends."""

    def __init__(self, patch):
        self.home, self.left_on, self.replays, self.collecting = Stream(), None, 0, []
        self.fails = False
        patch.setattr(torch.cuda, "Stream", Stream)
        patch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
        patch.setattr(torch.cuda, "current_stream", lambda: self.home)
        patch.setattr(torch.cuda, "set_stream", lambda stream: setattr(self, "left_on", stream))
        patch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
        patch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        patch.setattr(torch.cuda, "graph", self.record)

    @contextmanager
    def record(self, graph, pool, stream):
        try:
            yield
            self.collecting.append(gc.isenabled())
        finally:
            if self.fails:
                raise RuntimeError("capture was invalidated")

    def replay(self):
        self.replays += 1


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setattr(RecordedStep, "recordable", True)
    return Card(monkeypatch)


def draws():
    return Draws(*(torch.zeros(4) for _ in range(5)))


def test_each_kind_runs_plainly_first_and_is_recorded_once(card):
    ran = []

    def step(draws, alpha, penalise):
        ran.append((alpha is not None, penalise))
        return torch.zeros(5)

    run = RecordedStep(step)
    for _ in range(6):
        for alpha, penalise in ((None, False), (torch.tensor(0.5), True)):
            run(draws(), alpha, penalise)
    for kind in ((False, False), (True, True)):
        assert ran.count(kind) == PLAIN_STEPS + 1  # the last one is the recording
    assert card.replays == 2 * (6 - PLAIN_STEPS)
    assert card.collecting == [False, False]
    assert gc.isenabled()


def test_a_recording_that_fails_names_the_cause_and_every_step_runs_plainly_from_there_on(card):
    card.fails, ran = True, []

    def step(draws, alpha, penalise):
        ran.append(True)
        if len(ran) == PLAIN_STEPS + 1:
            raise RuntimeError("aten::item during capture")
        return torch.zeros(5)

    run = RecordedStep(step)
    for _ in range(PLAIN_STEPS):
        run(draws(), None, False)
    with pytest.warns(UserWarning, match=r"(?s)aten::item.*capture was invalidated"):
        assert run(draws(), None, False) is not None
    run(draws(), None, False)
    assert len(ran) == PLAIN_STEPS + 3  # two more steps, and the recording that failed
    assert card.left_on is card.home
    assert card.replays == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # another level does not try again
        other = RecordedStep(step)
        for _ in range(PLAIN_STEPS + 2):
            other(draws(), None, False)
    assert gc.isenabled()
