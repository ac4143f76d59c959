"""Whole tiny trainings: what they leave, and that a stopped one ends like an unbroken one."""

import itertools
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from pggan_runs import VIEWS, tiny_data, tiny_recipe

from cmrkit.pggan import growth, losses, sampling, stability, tensor_file, watch
from cmrkit.pggan.data import draw_tick, load_training_data
from cmrkit.pggan.lines import append_lines, read_lines
from cmrkit.pggan.processes import Processes
from cmrkit.pggan.training import Trainer, train
from cmrkit.pggan.weights import KIND

ENDS = [48, 96, 160, 208, 256, 304, 352, 384]  # images shown at the end of each tick


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data") / "data.safetensors")


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    train(tiny_recipe(), data, folder)
    return folder


def stop_after(ticks):
    def on_tick(line):
        if line["tick"] == ticks:
            raise KeyboardInterrupt

    return on_tick


def last_checkpoint(folder):
    return sorted((folder / "checkpoints").glob("*.safetensors"))[-1]


def assert_same_end(folder, unbroken):
    """All weights, averages and moments, all frames and all losses are the same bits."""
    assert last_checkpoint(folder).name == "images_000000384.safetensors"
    for name in ("generator.safetensors", "checkpoints/images_000000384.safetensors"):
        ours, theirs = (tensor_file.read(f / name, KIND)[0] for f in (folder, unbroken))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    for name in ("level_0008.npz", "level_0016.npz"):
        ours, theirs = (np.load(f / "grids" / name) for f in (folder, unbroken))
        assert all(np.array_equal(ours[key], theirs[key]) for key in ("images", "masks"))
    assert tensor_file.digest(folder / "generator.safetensors") == tensor_file.digest(
        unbroken / "generator.safetensors"
    )
    times = ("images_per_s", "seconds", "seconds_left", "memory_gib")
    ours, theirs = (
        [
            {key: value for key, value in line.items() if key not in times}
            for line in read_lines(f / "stats.jsonl")
        ]
        for f in (folder, unbroken)
    )
    assert ours == theirs
    assert read_lines(folder / "realism.jsonl") == read_lines(unbroken / "realism.jsonl")


def test_training_leaves_statistics_grids_and_a_generator(unbroken):
    lines = read_lines(unbroken / "stats.jsonl")
    assert [round(line["kimg"] * 1000) for line in lines] == ENDS
    assert [line["resolution"] for line in lines] == [8] * 3 + [16] * 5
    assert [line["alpha"] for line in lines] == pytest.approx([1] * 3 + [0.3, 0.6, 0.9, 1, 1])
    assert all(np.isfinite(list(line.values())).all() for line in lines)
    grid = np.load(unbroken / "grids" / "level_0016.npz")
    assert grid["images"].shape == grid["masks"].shape == (2, watch.GRID_FRAMES, 16, 16)
    rows = read_lines(unbroken / "realism.jsonl")
    assert {(row["resolution"], row["view"]) for row in rows} == {
        (r, v) for r in (8, 16) for v in VIEWS
    }
    generator = sampling.load_generator(unbroken / "generator.safetensors")
    assert (generator.resolution, generator.alpha) == (16, 1.0)


def test_generator_learns_the_views_and_labels(data, tmp_path):
    recipe = tiny_recipe(fade_kimg=(0, 0.6), stable_kimg=(1.0, 1.0), tick_kimg=1.0)
    generator = sampling.load_generator(train(recipe, data, tmp_path))
    images, masks = sampling.sample(generator, 1, range(64), ["4ch"] * 32 + ["sax"] * 32)
    assert 3 in masks[:32]
    assert 3 not in masks[32:]
    inside, outside = images[masks == 1].mean(), images[masks == 0].mean()
    assert inside > outside + 20  # patients: 60 apart, after a training of seconds


def test_same_seed_gives_the_same_bits_and_another_seed_others(unbroken, data, tmp_path):
    train(tiny_recipe(), data, tmp_path / "same")
    assert_same_end(tmp_path / "same", unbroken)
    train(tiny_recipe(seed=2), data, tmp_path / "other")
    a, b = (
        tensor_file.read(f / "generator.safetensors", KIND)[0]
        for f in (unbroken, tmp_path / "other")
    )
    assert not any(torch.equal(a[key], b[key]) for key in a if key.endswith("weight"))


@pytest.mark.parametrize("ticks", [1, 3, 5, 7], ids=["start", "level end", "mid-fade", "stable"])
def test_resumed_run_ends_with_the_same_bits(ticks, unbroken, data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe(), data, tmp_path, stop_after(ticks))
    assert int(last_checkpoint(tmp_path).stem[7:]) == ENDS[ticks - 1]
    seen = []
    train(tiny_recipe(), data, tmp_path, seen.append)
    assert [round(line["kimg"] * 1000) for line in seen] == ENDS[ticks:]
    assert_same_end(tmp_path, unbroken)


def test_finished_run_is_not_trained_again(unbroken, data):
    seen = []
    before = tensor_file.digest(unbroken / "generator.safetensors")
    train(tiny_recipe(), data, unbroken, seen.append)
    assert seen == []
    assert tensor_file.digest(unbroken / "generator.safetensors") == before


def command(data, folder, recipe=None):
    folder.mkdir(exist_ok=True)
    (recipe or tiny_recipe()).save(folder / "given.json")
    return ["--recipe", folder / "given.json", "--data", data, "--folder", folder]


def test_killed_run_goes_on_and_ends_with_the_same_bits(unbroken, data, tmp_path):
    """kill -9 as soon as a tick is on the disk, again and again, until it is done."""
    arguments = [sys.executable, "-m", "cmrkit.pggan.training", *command(data, tmp_path)]
    kills = 0
    for k in range(4):
        run = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        for line in run.stdout:
            if "kimg" in line and k < 3:
                run.send_signal(signal.SIGKILL)
        kills += run.wait() == -signal.SIGKILL
    assert kills >= 2
    assert_same_end(tmp_path, unbroken)


DIE_WRITING = """
import os, sys
from cmrkit.pggan import tensor_file, training
save_file, written = tensor_file.save_file, []
def die(tensors, path, metadata):
    save_file(tensors, path, metadata)
    written.append(path)
    if len(written) == 3:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), 9)
tensor_file.save_file = die
training.main()
"""


def test_run_killed_while_writing_a_checkpoint_loses_one_tick(unbroken, data, tmp_path):
    arguments = [sys.executable, "-c", DIE_WRITING, *command(data, tmp_path)]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    assert last_checkpoint(tmp_path).name == "images_000000096.safetensors"
    assert list((tmp_path / "checkpoints").glob(".*.tmp"))
    seen = []
    train(tiny_recipe(), data, tmp_path, seen.append)
    assert round(seen[0]["kimg"] * 1000) == 160
    assert not list((tmp_path / "checkpoints").glob(".*.tmp"))
    assert_same_end(tmp_path, unbroken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"learning_rate": 1e-3},
            r"images_000000384\S+: trained with learning_rate 0.002, not 0.001",
        ),
        ({"widths": (8, 8, 8)}, r"trained with widths \[8, 8, 4\], not \[8, 8, 8\]"),
        ({"seed": 9}, "trained with seed 1, not 9; .*another folder"),
    ],
)
def test_checkpoint_of_another_recipe_is_refused(change, message, unbroken, data):
    with pytest.raises(ValueError, match=message):
        train(tiny_recipe(**change), data, unbroken)


def test_checkpoint_of_other_data_is_refused(unbroken, tmp_path):
    other = tiny_data(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(ValueError, match="trained on other data"):
        train(tiny_recipe(), other, unbroken)


def auto_on_another_processor(monkeypatch):
    have = torch.cpu._is_avx512_bf16_supported()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: not have)


def test_run_does_not_go_on_in_another_type_on_another_processor(data, tmp_path, monkeypatch):
    recipe = tiny_recipe(precision="auto")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, data, tmp_path, stop_after(4))
    auto_on_another_processor(monkeypatch)
    with pytest.raises(
        ValueError, match=r"images_000000208\S+: trained in \w+, and this .*in \w+ .precision auto"
    ):
        train(recipe, data, tmp_path)


def test_finished_run_is_returned_on_any_processor(data, tmp_path, monkeypatch):
    """Also where it was stopped between its last checkpoint and its generator."""
    recipe = tiny_recipe(precision="auto")
    path = train(recipe, data, tmp_path)
    before = tensor_file.digest(path)
    auto_on_another_processor(monkeypatch)
    assert tensor_file.digest(train(recipe, data, tmp_path)) == before
    path.unlink()
    assert tensor_file.digest(train(recipe, data, tmp_path)) == before
    assert tensor_file.read(path, KIND)[1]["computed_in"] in ("bfloat16", "float32")


def test_run_of_a_version_that_recorded_no_type_goes_on(unbroken, data, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe(), data, tmp_path, stop_after(4))
    path = last_checkpoint(tmp_path)
    tensors, facts = tensor_file.read(path, KIND)
    old = {k: v for k, v in facts.items() if k not in ("kind", "computed_in", "trained_by")}
    tensor_file.write(path, KIND, tensors, old)
    train(tiny_recipe(), data, tmp_path)
    assert_same_end(tmp_path, unbroken)


def test_run_goes_on_after_a_power_cut_within_a_line(unbroken, data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe(), data, tmp_path, stop_after(4))
    for name in ("stats.jsonl", "realism.jsonl"):
        with open(tmp_path / name, "a") as file:
            file.write('{"kimg": 0.25')
    train(tiny_recipe(), data, tmp_path)
    assert_same_end(tmp_path, unbroken)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "pickled", "a generator"])
def test_damaged_and_foreign_checkpoints_are_refused_by_name(damage, unbroken, data, tmp_path):
    path = tmp_path / "checkpoints" / "images_000000384.safetensors"
    path.parent.mkdir()
    whole = last_checkpoint(unbroken).read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "foreign":
        tensor_file.save_file({"weight": torch.zeros(3)}, path)
    elif damage == "a generator":
        path.write_bytes((unbroken / "generator.safetensors").read_bytes())
    else:
        torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(
        ValueError, match=r"images_000000384\.safetensors: .*(truncated|not a|no checkpoint)"
    ):
        train(tiny_recipe(), data, tmp_path)


def test_view_of_too_few_frames_to_compare_is_refused(tmp_path):
    path = tiny_data(tmp_path / "few.safetensors", frames=7)
    with pytest.raises(ValueError, match=r"views: 3 frames of 'sax' in .*few.* give at least 4"):
        train(tiny_recipe(), path, tmp_path)


def test_data_that_does_not_fit_the_recipe_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match=r"labels: recipe has \(1,\), .* has \(1, 3\)"):
        train(tiny_recipe(labels=(1,)), data, tmp_path)
    big = tiny_data(tmp_path / "big.safetensors", resolution=32)
    with pytest.raises(ValueError, match=r"levels: recipe has 16, .* has 32"):
        train(tiny_recipe(), big, tmp_path)


def test_old_checkpoints_are_thinned_but_the_best_and_last_stay(unbroken):
    kept = [int(path.stem[7:]) for path in sorted((unbroken / "checkpoints").iterdir())]
    assert kept == [304, 352, 384]


def test_last_good_checkpoint_stays_while_ticks_are_bad(data, tmp_path, monkeypatch):
    """Every frame alike from the fourth tick on, in a fade, where nothing stops it yet."""
    diversity = watch.Watch.diversity

    def collapsed(self, generator):
        found = diversity(self, generator)
        return found | {"alike": 0.95 if next(ticks) > 3 else 0.0}

    ticks = itertools.count(1)
    monkeypatch.setattr(watch.Watch, "diversity", collapsed)
    recipe = tiny_recipe(fade_kimg=(0, 0.4), stable_kimg=(0.16, 0.048))
    train(recipe, data, tmp_path)
    kept = [path.stem for path in sorted((tmp_path / "checkpoints").glob("*"))]
    assert "images_000000160" in kept  # the third tick
    assert len(kept) <= 5


def test_best_checkpoint_stays_however_old(data, tmp_path):
    """Realism is rewritten by hand, so that an early checkpoint is the best."""
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe(), data, tmp_path, stop_after(5))
    row = {"kimg": 0.208, "resolution": 16, "view": "sax", "scale": 16, "swd": 0.0}
    append_lines(tmp_path / "realism.jsonl", [row])
    train(tiny_recipe(), data, tmp_path)
    kept = [int(path.stem[7:]) for path in sorted((tmp_path / "checkpoints").iterdir())]
    assert kept == [208, 304, 352, 384]


def test_run_that_turns_nan_stops_and_names_tick_cause_and_checkpoint(data, tmp_path, monkeypatch):
    loss, calls = losses.ns_generator, []

    def ns_generator(score):
        calls.append(None)
        return loss(score) * (float("nan") if len(calls) > 15 else 1)

    monkeypatch.setattr(losses, "ns_generator", ns_generator)
    with pytest.raises(stability.TrainingStopped) as stopped:
        train(tiny_recipe(), data, tmp_path)
    assert str(stopped.value).startswith(
        "tick 3 (0.2 kimg, 8 pixels): a loss or weight is not finite"
    )
    assert str(last_checkpoint(tmp_path)) in str(stopped.value)
    tensors, facts = tensor_file.read(last_checkpoint(tmp_path), KIND)
    assert facts["images_shown"] == 96
    assert all(value.isfinite().all() for value in tensors.values())


def test_a_view_that_collapses_is_told_beside_one_that_does_not(data):
    frames = load_training_data(data)
    seen = watch.Watch(frames, 16, seed=1)
    own = {view: (seen.patients[view],) * 2 for view in VIEWS}
    seen._frames = lambda generator, count: own
    assert seen.diversity(None)["alike"] == pytest.approx(0)
    same = np.repeat(seen.patients[VIEWS[1]][:1], 12, axis=0)
    seen._frames = lambda generator, count: own | {VIEWS[1]: (same, same)}
    assert seen.diversity(None)["alike"] == pytest.approx(1, abs=1e-4)


def test_realism_samples_a_view_once(data, monkeypatch):
    """As many frames as there are patients' frames in a half, for each view."""
    seen = watch.Watch(load_training_data(data), 16, seed=1)
    trainer = Trainer(tiny_recipe(), load_training_data(data), Processes(0, 1, torch.device("cpu")))
    trainer.images_shown = 384
    sample, drawn = watch.sample, []

    def spy(generator, seed, indices, views):
        drawn.append((len(indices), set(views)))
        return sample(generator, seed, indices, views)

    monkeypatch.setattr(watch, "sample", spy)
    seen.realism(trainer.sampler())
    assert drawn == [(6, {view}) for view in VIEWS]


def test_penalty_is_taken_at_its_steps_only(data):
    """Every fourth step of the non-saturating recipe; the mean is over those steps."""
    trainer = Trainer(tiny_recipe(), load_training_data(data), Processes(0, 1, torch.device("cpu")))
    taken = []
    step = trainer.step

    def spy(draws, alpha, penalise):
        taken.append(penalise)
        return step(draws, alpha, penalise)

    trainer.enter_level()
    trainer.run = spy
    trainer.tick()
    assert taken == [True, False, False, False, True, False]


def test_generator_step_leaves_the_discriminator_alone(data):
    trainer = Trainer(tiny_recipe(), load_training_data(data), Processes(0, 1, torch.device("cpu")))
    trainer.enter_level()
    draws = _draws(trainer)
    before = [weight.clone() for weight in trainer.discriminator.parameters()]
    trainer.generator_step(draws, None)
    after = list(trainer.discriminator.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(weight.grad is None and weight.requires_grad for weight in after)


def test_step_that_fails_halfway_is_followed_by_whole_ones(data, monkeypatch):
    """As a recording that fails: it is warned of, and the next step runs plainly."""
    trainer = Trainer(tiny_recipe(), load_training_data(data), Processes(0, 1, torch.device("cpu")))
    trainer.enter_level()
    with monkeypatch.context() as patched:
        patched.setattr(losses, "ns_generator", lambda score: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            trainer.step(_draws(trainer), None, False)
    assert trainer.step(_draws(trainer), None, False).isfinite().all()


def _draws(trainer):
    return draw_tick(trainer.recipe, trainer.rows_of_view, 0, 1, 8, 4).step(0)


def test_average_follows_the_half_life(data):
    recipe = tiny_recipe(ema_half_life_kimg=0.016, ema_ramp=0.0)  # two steps of 8
    trainer = Trainer(recipe, load_training_data(data), Processes(0, 1, torch.device("cpu")))
    start = [weight.clone() for weight in trainer.average.parameters()]
    with torch.no_grad():
        for weight in trainer.generator.parameters():
            weight += 1
    trainer.average_step(8)
    trainer.average_step(8)
    for old, new in zip(start, trainer.average.parameters(), strict=True):
        assert torch.allclose(new, old + 0.5, atol=1e-5)


@pytest.mark.parametrize("change", [{"loss": "wgan-gp", "penalty_every": 1}, {"precision": "bf16"}])
def test_other_loss_and_precision_stay_finite_through_all_levels(change, data, tmp_path):
    recipe = tiny_recipe(**change)
    train(recipe, data, tmp_path)
    lines = read_lines(tmp_path / "stats.jsonl")
    assert lines[-1]["kimg"] * 1000 == growth.total_images(recipe)


def test_memory_and_speed_are_reported(unbroken):
    last = read_lines(unbroken / "stats.jsonl")[-1]
    assert 0.05 < last["memory_gib"] < 16
    assert last["images_per_s"] > 1
    assert last["seconds_left"] == 0
