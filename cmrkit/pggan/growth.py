"""Growing: resolution and fade as a pure function of the number of images shown."""

from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Stage:
    """Where training stands.

    Attributes:
        level: position in `recipe.levels`.
        resolution: pixels a side.
        alpha: weight of the newest layers, 0 to 1; below 1 while the level fades in.
        batch: real images a step.
    """

    level: int
    resolution: int
    alpha: float
    batch: int


def level_lengths(recipe):
    """Images shown at each level, in whole steps: [(fade, all)] a level.

    Choice: lengths are rounded up to whole steps, so that a step never straddles two levels.
    """
    lengths = []
    for level, batch in enumerate(recipe.batch):
        fade = round(recipe.fade_kimg[level] * 1000)
        images = fade + round(recipe.stable_kimg[level] * 1000)
        lengths.append((fade, -(-images // batch) * batch))
    return lengths


def total_images(recipe):
    """Images shown by the end of training."""
    return _starts(recipe)[-1]


def stage(recipe, images_shown):
    """Resolution, fade and batch of the step that follows `images_shown` images.

    The first level has no fade. Each later level starts at alpha 0, rises linearly and stays at 1;
    after the last image the last level is kept.

    Source: Karras et al. 2018, section 2 and appendix A; `TrainingSchedule` of the published code.
    """
    level = 0
    starts = _starts(recipe)
    while level < len(recipe.levels) - 1 and images_shown >= starts[level + 1]:
        level += 1
    return _stage(recipe, level, images_shown)


def reached(recipe, images_shown):
    """Where the networks stand after `images_shown` images: still in the level of the last step."""
    level = stage(recipe, max(0, images_shown - 1)).level
    return _stage(recipe, level, images_shown)


def _stage(recipe, level, images_shown):
    fade, _ = level_lengths(recipe)[level]
    faded = images_shown - _starts(recipe)[level]
    alpha = min(1.0, faded / fade) if fade else 1.0
    return Stage(level, recipe.levels[level], alpha, recipe.batch[level])


def _starts(recipe):
    """Images shown when each level begins, and when training ends."""
    return [0, *accumulate(images for _, images in level_lengths(recipe))]


def next_tick(recipe, images_shown):
    """Images shown when the tick that starts at `images_shown` ends.

    A tick is `tick_kimg` long, in whole steps. The last one of a level ends with it and is between
    half and one and a half as long, so that no line of statistics is the mean of a step or two.
    """
    here = stage(recipe, images_shown)
    end_of_level = _starts(recipe)[here.level + 1]
    images = max(1, round(recipe.tick_kimg * 1000 / here.batch)) * here.batch
    left = end_of_level - images_shown - images
    return end_of_level if left < images / 2 else images_shown + images


def ema_beta(recipe, images_shown, batch):
    """Share of the old average kept at a step, from a half-life in images.

    Source: Karras et al. 2018, appendix A (0.999 a step of 16 is a half-life of 11,080 images); the
    ramp, which lets the average follow the first images, as in Karras et al. 2020 (StyleGAN2-ADA).
    """
    half_life = recipe.ema_half_life_kimg * 1000
    if recipe.ema_ramp:
        half_life = min(half_life, images_shown * recipe.ema_ramp)
    return 0.5 ** (batch / half_life) if half_life else 0.0
