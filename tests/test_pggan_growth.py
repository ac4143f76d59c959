"""Resolution, fade, ticks and averaging as functions of the images shown."""

from dataclasses import replace

import pytest

from cmrkit.pggan import growth
from cmrkit.pggan.recipe import paper, quick

RECIPE = replace(
    quick(("sax",), resolution=16),
    batch=(16, 16),
    fade_kimg=(0, 1.6),
    stable_kimg=(0.8, 0.4),
    tick_kimg=0.5,
)  # 8 x 8: 800 images; 16 x 16: 1600 images of fade, 400 stable


@pytest.mark.parametrize(
    ("images_shown", "resolution", "alpha"),
    [
        (0, 8, 1.0),
        (799, 8, 1.0),
        (800, 16, 0.0),
        (1600, 16, 0.5),
        (2384, 16, 0.99),
        (2400, 16, 1.0),
        (2800, 16, 1.0),
        (99_999, 16, 1.0),
    ],
)
def test_resolution_and_alpha_follow_the_images_shown(images_shown, resolution, alpha):
    stage = growth.stage(RECIPE, images_shown)
    assert (stage.resolution, stage.alpha) == (resolution, pytest.approx(alpha))


def test_networks_stay_in_the_level_of_the_last_step():
    assert growth.reached(RECIPE, 0) == growth.Stage(0, 8, 1.0, 16)
    assert growth.reached(RECIPE, 800) == growth.Stage(0, 8, 1.0, 16)
    assert growth.reached(RECIPE, 1600) == growth.Stage(1, 16, 0.5, 16)
    assert growth.reached(RECIPE, 2800) == growth.Stage(1, 16, 1.0, 16)


def test_alpha_rises_without_steps_back_and_starts_each_level_at_zero():
    recipe = quick(("sax",), total_kimg=4)
    before, batch = growth.stage(recipe, 0), recipe.batch[0]
    for shown in range(batch, growth.total_images(recipe), batch):
        here = growth.stage(recipe, shown)
        if here.level == before.level:
            assert 0 <= here.alpha - before.alpha < 0.2
        else:
            assert (here.resolution, here.alpha) == (2 * before.resolution, 0.0)
            assert before.alpha == 1.0
        before = here


def test_the_paper_stays_at_4_pixels_then_fades_and_stays_a_level():
    recipe = paper(("sax",))
    kimg = {s: 800 * s for s in range(14)}
    assert growth.stage(recipe, kimg[1] * 1000 - 16).resolution == 4
    assert growth.stage(recipe, 1_200_000) == growth.Stage(1, 8, 0.5, 16)
    assert growth.stage(recipe, 1_600_000) == growth.Stage(1, 8, 1.0, 16)
    assert growth.stage(recipe, 10_000_000) == growth.Stage(6, 256, 1.0, 16)
    assert growth.total_images(recipe) == 20_000_000


def test_a_level_is_whole_steps_long():
    recipe = replace(RECIPE, stable_kimg=(0.801, 0.4))
    assert growth.level_lengths(recipe) == [(0, 816), (1600, 2000)]


def test_ticks_end_with_their_level_and_none_is_a_step_or_two():
    ends, shown = [], 0
    while shown < growth.total_images(RECIPE):
        shown = growth.next_tick(RECIPE, shown)
        ends.append(shown)
    assert ends == [496, 800, 1296, 1792, 2288, 2800]


def test_average_of_the_paper_keeps_999_thousandths_a_step_of_16():
    assert growth.ema_beta(paper(("sax",)), 1_000_000, 16) == pytest.approx(0.999, abs=1e-6)


def test_average_halves_its_past_every_half_life():
    recipe = replace(RECIPE, ema_half_life_kimg=3.2, ema_ramp=0.0)
    assert growth.ema_beta(recipe, 0, 16) ** 200 == pytest.approx(0.5)  # 200 steps of 16


def test_average_follows_the_first_images():
    recipe = replace(RECIPE, ema_half_life_kimg=3.2, ema_ramp=0.1)
    assert growth.ema_beta(recipe, 0, 16) == 0.0
    assert growth.ema_beta(recipe, 1600, 16) == pytest.approx(0.5**0.1)  # half-life 160 images
    assert growth.ema_beta(recipe, 320_000, 16) == pytest.approx(0.5 ** (16 / 3200))
