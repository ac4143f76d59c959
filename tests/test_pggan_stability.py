"""When a training is stopped, and which checkpoint is called good."""

import pytest
from pggan_runs import tiny_recipe

from cmrkit.pggan import stability


def line(**changes):
    values = {
        "tick": 50, "kimg": 30.0, "resolution": 64, "alpha": 1.0, "loss_d": 1.0, "loss_g": 1.0,
        "score_real": 1.0, "score_fake": -1.0, "ms_ssim": 0.4, "ms_ssim_patients": 0.3,
        "alike": 0.1,
    }  # fmt: skip
    return values | changes


@pytest.mark.parametrize(
    ("loss", "change", "cause"),
    [
        ("ns-r1", {"loss_g": float("nan")}, "not finite"),
        ("ns-r1", {"alike": 0.85}, r"repeat themselves \(MS-SSIM 85% of the way from patients'"),
        ("wgan-gp", {"alike": 0.85}, "repeat themselves"),
        ("ns-r1", {"loss_d": 0.001}, "never wrong"),
        ("wgan-gp", {"score_real": -2e4}, "scores run away"),
    ],
)
def test_hopeless_training_is_stopped_after_three_ticks(loss, change, cause):
    recipe = tiny_recipe(loss=loss)
    good, bad = line(), line(**change)
    stability.check(recipe, [bad, bad, good] if cause != "not finite" else [good], {})
    with pytest.raises(
        stability.TrainingStopped, match=rf"tick 50 \(30.0 kimg, 64 pixels\): .*{cause}"
    ):
        stability.check(recipe, [good, bad, bad, bad], {})


def test_three_ticks_of_different_faults_go_on():
    one, other = line(loss_d=0.001), line(alike=0.85)
    stability.check(tiny_recipe(), [one, other, one], {})


def test_alike_frames_of_an_untrained_or_fading_generator_do_not_stop_it():
    alike = {"alike": 0.95}
    stability.check(tiny_recipe(), [line(kimg=0.01, **alike)] * 3, {})
    for alphas in ((0.5, 0.7, 0.9), (1, 0.3, 0.6), (0.9, 1, 1)):
        stability.check(tiny_recipe(), [line(alpha=alpha, **alike) for alpha in alphas], {})


@pytest.mark.parametrize(
    ("bad_from", "kept", "named"),
    [
        (4, (1, 2, 3, 4, 5), "last good checkpoint: 3$"),
        (2, (1, 4, 5), "last good checkpoint: 1$"),
        (2, (3, 4, 5), "there is no good checkpoint to sample from$"),
        (1, (1, 2, 3, 4, 5), "there is no good checkpoint to sample from$"),
    ],
)
def test_stop_points_to_the_newest_checkpoint_without_a_fault(bad_from, kept, named):
    lines = [
        line(kimg=30.0 + tick, loss_d=0.001 if tick >= bad_from else 1.0) for tick in range(1, 7)
    ]
    checkpoints = {30_000 + 1000 * tick: str(tick) for tick in kept}
    with pytest.raises(stability.TrainingStopped, match=f"train anew with .*; .*{named}"):
        stability.check(tiny_recipe(), lines, checkpoints)
