"""The comparison U-Net on a GPU: learns there, and segments as on the CPU. Not yet run on one."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("monai", reason="the U-Net is MONAI's")
sys.path.insert(0, str(Path(__file__).parents[1]))
from unet_discs import discs, train_on_discs

from cmrkit.unet.evaluation import mean_dice, segment

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def model():
    return train_on_discs(steps=60, batch=8, width=8)


def test_it_learns_on_the_gpu(model):
    assert next(model.network.parameters()).is_cuda
    assert mean_dice(model, *discs(10, seed=9)) > 0.85


def test_it_segments_as_on_the_cpu(model):
    images = discs(40, seed=9)[0]
    ours = segment(model, images)
    on_cpu = replace(model, network=model.network.cpu())
    theirs = segment(on_cpu, images)
    model.network.cuda()
    assert (ours == theirs).mean() > 0.995  # bfloat16 turns what is undecided
