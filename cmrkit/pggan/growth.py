"""Growing: resolution and fade as a pure function of the number of images shown."""

from dataclasses import dataclass


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
    return sum(images for _, images in level_lengths(recipe))


def stage(recipe, images_shown):
    """Resolution, fade and batch of the step that follows `images_shown` images.

    The first level has no fade. Each later level starts at alpha 0, rises linearly and stays at 1;
    after the last image the last level is kept.

    Source: Karras et al. 2018, section 2 and appendix A; `TrainingSchedule` of the published code.
    """
    start = 0
    lengths = level_lengths(recipe)
    for level, (fade, images) in enumerate(lengths):
        last = level == len(lengths) - 1
        if images_shown < start + images or last:
            alpha = min(1.0, (images_shown - start) / fade) if fade else 1.0
            return Stage(level, recipe.levels[level], alpha, recipe.batch[level])
        start += images


def next_tick(recipe, images_shown):
    """Images shown when the tick that starts at `images_shown` ends.

    A tick is `tick_kimg` long, in whole steps, and ends early with its level.
    """
    end_of_level = 0
    here = stage(recipe, images_shown)
    for _, images in level_lengths(recipe)[: here.level + 1]:
        end_of_level += images
    steps = max(1, round(recipe.tick_kimg * 1000 / here.batch))
    return min(images_shown + steps * here.batch, end_of_level)


def ema_beta(recipe, images_shown, batch):
    """Share of the old average kept at a step, from a half-life in images.

    Source: Karras et al. 2018, appendix A (0.999 a step of 16 is a half-life of 11,080 images); the
    ramp, which lets the average follow the first images, as in Karras et al. 2020 (StyleGAN2-ADA).
    """
    half_life = recipe.ema_half_life_kimg * 1000
    if recipe.ema_ramp:
        half_life = min(half_life, images_shown * recipe.ema_ramp)
    return 0.5 ** (batch / half_life) if half_life else 0.0
