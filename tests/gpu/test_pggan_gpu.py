"""PG-GAN on a GPU: agrees with the CPU, stays finite, waits for nothing, resumes."""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from pggan_runs import VIEWS, tiny_data, tiny_recipe

from cmrkit.pggan import growth, lessons, losses, sampling
from cmrkit.pggan.checkpoint import RunFolder
from cmrkit.pggan.data import draw_tick, load_training_data
from cmrkit.pggan.graphs import UNRECORDED
from cmrkit.pggan.lines import read_lines
from cmrkit.pggan.networks import Discriminator, Generator
from cmrkit.pggan.processes import Processes
from cmrkit.pggan.recipe import GROUP, paper
from cmrkit.pggan.training import Trainer, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(autouse=True)
def _exact_float32():
    """TF32 would hide a wrong layer behind its own rounding."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data") / "data.safetensors")


def trainer(data, device, **changes):
    made = Trainer(tiny_recipe(**changes), load_training_data(data), Processes(0, 1, device))
    made.enter_level()
    return made


def weights(trainer):
    networks = trainer.generator, trainer.discriminator, trainer.average
    return [weight.detach().cpu() for network in networks for weight in network.parameters()]


def steps_apart(ours, theirs):
    """Median distance of weights, in Adam's steps of 0.002.

    On a CPU, gradients off by 1e-5 of the largest move it by at most 0.07 after the ticks here; a
    step too many by 0.5 or more, an alpha that stays by 1.4 or more. The largest distance tells
    nothing: Adam turns the sign of a gradient near 0 into a whole step.
    """
    apart = torch.cat([(a - b).abs().flatten() for a, b in zip(ours, theirs, strict=True)])
    return apart.median().item() / 2e-3


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_forward_and_gradients_agree_with_the_cpu(alpha):
    recipe = tiny_recipe()
    rng = torch.Generator().manual_seed(0)
    g, d = Generator(recipe, rng), Discriminator(recipe, rng)
    z, real = torch.randn(8, 6, generator=rng), torch.randn(8, 3, 16, 16, generator=rng)
    view, mix = torch.tensor([0, 1] * 4), torch.rand(8, generator=rng)
    found = []
    for device in ("cpu", "cuda"):
        g, d = (network.on(torch.device(device)) for network in (g, d))
        inputs = [x.to(device) for x in (z, real, view, mix)]
        fake = g(inputs[0], inputs[2], 16, alpha)
        score = d(fake, inputs[2], alpha)
        penalty = losses.gradient_penalty(
            lambda x, v=inputs[2], d=d: d(x, v, alpha), inputs[1], fake.detach(), inputs[3]
        )
        g.zero_grad()
        d.zero_grad()
        (score.sum() + 10 * penalty).backward()
        gradients = [w.grad for net in (g, d) for w in net.parameters() if w.grad is not None]
        found.append([x.detach().cpu() for x in (fake, score, penalty, *gradients)])
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4 * ours.abs().max().item() + 1e-6)


def test_a_training_tick_agrees_with_the_cpu(data):
    """Six steps draw the same frames and latents on both; rounding grows with every Adam step."""
    found = []
    for device in ("cpu", "cuda"):
        run = trainer(data, torch.device(device))
        losses_of_tick = run.tick()
        found.append((losses_of_tick, weights(run)))
    assert found[0][0] == pytest.approx(found[1][0], rel=2e-2, abs=2e-3)
    assert steps_apart(found[0][1], found[1][1]) < 0.2


def assert_recorded_steps_equal_plain_ones(data, start, **changes):
    """One tick from `start` images shown, recorded and replayed, and run plainly."""
    runs = []
    for recorded in (True, False):
        run = trainer(data, torch.device("cuda"), **changes)
        run.images_shown = start
        run.enter_level()
        if not recorded:
            run.run = run.step
        with warnings.catch_warnings():  # torch's of steps before a recording is kept from the user
            warnings.filterwarnings("error" if recorded else "ignore", UNRECORDED)
            found = run.tick()
        runs.append((found, weights(run)))
        if recorded:
            assert run.run.recordable
            kinds = set(run.run.recordings)
    assert runs[0][0] == pytest.approx(runs[1][0], rel=1e-2, abs=1e-3)
    assert steps_apart(runs[0][1], runs[1][1]) < 0.2
    return kinds


@pytest.mark.parametrize("loss", ["ns-r1", "wgan-gp"])
def test_recorded_steps_equal_plain_ones(loss, data):
    """CUDA graphs: 14 steps, of which every fourth has a penalty and is a recording of its own."""
    kinds = assert_recorded_steps_equal_plain_ones(
        data, 0, loss=loss, tick_kimg=0.112, stable_kimg=(1.6, 0.064)
    )
    assert kinds == {(False, False), (False, True)}


@pytest.mark.parametrize("loss", ["ns-r1", "wgan-gp"])
def test_recorded_fade_takes_a_new_alpha_at_each_step(loss, data):
    """Ten steps of a fade from its start, of which seven are replays."""
    kinds = assert_recorded_steps_equal_plain_ones(
        data, 160, loss=loss, tick_kimg=0.08, penalty_every=1
    )
    assert kinds == {(True, True)}


@pytest.mark.parametrize("loss", ["ns-r1", "wgan-gp"])
def test_recorded_end_of_a_fade_gives_way_to_recorded_steps_after_it(loss, data):
    """Four steps of a fade and four after it: two recordings that share their memory.

    Few, from the fade's start: over 28 steps, or from its end, rounding alone exceeds the bound.
    """
    phases = {"fade_kimg": (0, 0.032), "stable_kimg": (0.16, 0.032)}
    kinds = assert_recorded_steps_equal_plain_ones(
        data, 160, loss=loss, tick_kimg=0.064, penalty_every=1, **phases
    )
    assert kinds == {(True, True), (False, True)}


@pytest.mark.parametrize("alpha", [None, 0.5])
@pytest.mark.parametrize("loss", ["ns-r1", "wgan-gp"])
def test_nothing_in_a_step_waits_for_the_device(alpha, loss, data):
    run = trainer(data, torch.device("cuda"), loss=loss, precision="bf16")
    run.images_shown = 160
    run.enter_level()
    draws = draw_tick(run.recipe, run.rows_of_view, 160, 4, 8, GROUP).share(slice(None), "cuda")
    blend = None if alpha is None else torch.tensor(alpha, device="cuda")
    run.step(draws.step(0), blend, True)  # chooses algorithms, allocates Adam's state
    torch.cuda.set_sync_debug_mode("error")
    try:
        for s in range(1, 4):
            run.step(draws.step(s), blend, True)
            run.average_step(8)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("change", [{}, {"loss": "wgan-gp", "penalty_every": 1}])
def test_bf16_stays_finite_over_a_whole_schedule(change, data, tmp_path):
    train(tiny_recipe(precision="bf16", stable_kimg=(1.6, 1.6), **change), data, tmp_path)
    for line in read_lines(tmp_path / "stats.jsonl"):
        assert np.isfinite(list(line.values())).all()


def test_resumed_run_continues_the_loss_curve(data, tmp_path):
    """A checkpoint from within a fade, then one tick with and without the stop.

    On a CPU a run that is given back all but one network's moments ends half a step off or more.
    """
    recipe, files = tiny_recipe(), RunFolder(tmp_path, tiny_recipe(), data)
    unbroken, resumed = (trainer(data, torch.device("cuda")) for _ in range(2))
    for _ in range(6):
        unbroken.tick()
    files.tidy(0)
    files.save(unbroken, [])
    files.resume(resumed)
    assert 0 < growth.reached(recipe, resumed.images_shown).alpha < 1
    assert resumed.tick() == pytest.approx(unbroken.tick(), rel=2e-2, abs=2e-3)
    for name in ("generator", "discriminator", "average"):
        ours, theirs = (
            [weight.detach() for weight in getattr(run, name).parameters()]
            for run in (resumed, unbroken)
        )
        assert steps_apart(ours, theirs) < 0.2


def test_sampling_equals_the_cpu(data, tmp_path):
    path = train(tiny_recipe(), data, tmp_path)
    views = list(VIEWS) * 50
    (a, labels_a), (b, labels_b) = (
        sampling.sample(sampling.load_generator(path, device), 1, range(100), views)
        for device in ("cpu", "cuda")
    )
    assert np.abs(a.astype(int) - b.astype(int)).max() <= 1
    assert (labels_a != labels_b).mean() < 1e-3


def test_copies_are_scored_on_the_gpu_as_on_the_cpu(data, tmp_path, monkeypatch):
    train(tiny_recipe(), data, tmp_path)
    last = sorted((tmp_path / "checkpoints").glob("*.safetensors"))[-1]
    found = [lessons.copies_score(last, load_training_data(data), frames=32)]
    monkeypatch.setattr(lessons, "join", lambda: Processes(0, 1, torch.device("cpu")))
    found.append(lessons.copies_score(last, load_training_data(data), frames=32))
    ours, theirs = ([row["score"] for row in rows] for rows in found)
    assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-3)


def test_paper_size_fits_and_its_peak_memory_is_reported(tmp_path, record_property):
    """Eight steps at 256 x 256, full width, batch 16, bf16."""
    path = tiny_data(tmp_path / "data.safetensors", resolution=256, frames=16)
    recipe = paper(VIEWS, (1, 3), resolution=256)
    recipe = replace(
        recipe, fade_kimg=(0,) * 7, stable_kimg=(0,) * 6 + (0.128,), tick_kimg=0.128
    )  # fmt: skip
    train(recipe, path, tmp_path / "run")
    line = read_lines(tmp_path / "run" / "stats.jsonl")[-1]
    assert line["resolution"] == 256
    total = torch.cuda.get_device_properties(0).total_memory / 2**30
    assert 1 < line["memory_gib"] < total
    record_property("peak_memory_gib", line["memory_gib"])
    print(f"peak memory at 256 x 256, paper width: {line['memory_gib']:.1f} GiB")
