"""When a training is stopped because it cannot come to good, and what it leaves to use."""

import math

ALIKE = 0.8  # see `Watch.diversity`; Choice: half-trained frames reach 0.6, a collapsed view 0.9
SATURATED_LOSS = 0.01  # of the logistic discriminator: it is never wrong any more
DIVERGED_SCORE = 1e4  # of the Wasserstein critic, which the drift term keeps near 0
PATIENCE_TICKS = 3  # in a row, before training is stopped


class TrainingStopped(RuntimeError):
    """Training was stopped because it cannot come to good."""


def check(recipe, lines, checkpoints):
    """Stop a training that cannot come to good.

    Args:
        recipe: Recipe.
        lines: statistics so far, dicts in the order of training.
        checkpoints: dict from images shown to path, of the earlier ticks that are kept.

    Raises:
        TrainingStopped: naming the tick, the likely cause and the last good checkpoint.
    """
    now = lines[-1]
    for cause, remedy in _lasting_faults(recipe, lines).values():
        where = f"tick {now['tick']} ({now['kimg']:.1f} kimg, {now['resolution']} pixels)"
        # A changed recipe is another run: it cannot go on from weights and moments of this one.
        good = checkpoints.get(last_good(recipe, lines, checkpoints))
        back = f"frames can be sampled from the last good checkpoint: {good}"
        back = back if good else "there is no good checkpoint to sample from"
        raise TrainingStopped(f"{where}: {cause}; train anew with {remedy}; {back}")


def last_good(recipe, lines, checkpoints):
    """Images shown at the newest of some checkpoints whose tick had no fault, or None.

    Args:
        recipe, lines, checkpoints: as for `check`.
    """
    good = {round(line["kimg"] * 1000) for line in lines if not _faults(recipe, line)}
    return max(good.intersection(checkpoints), default=None)


def _lasting_faults(recipe, lines):
    """Faults of the last tick that all of the last few have; what is not finite counts at once."""
    found, recent = _faults(recipe, lines[-1]), lines[-PATIENCE_TICKS:]
    if "finite" in found:
        return found
    if len(recent) < PATIENCE_TICKS:
        return {}
    # The first frames of an untrained generator are all alike, and so is a level that fades in.
    if recent[0]["kimg"] < 0.1 * recipe.total_kimg or any(line["alpha"] < 1 for line in recent):
        found.pop("alike", None)
    return {name: fault for name, fault in found.items()
            if all(name in _faults(recipe, line) for line in recent)}  # fmt: skip


def _faults(recipe, line):
    """What is wrong with one tick: name to cause and remedy; {} where nothing is."""
    if not all(math.isfinite(value) for value in line.values()):
        return {"finite": ("a loss or weight is not finite", "a lower learning_rate")}
    found = {}
    if recipe.loss == "ns-r1" and line["loss_d"] < SATURATED_LOSS:
        found["saturated"] = (
            "the discriminator is never wrong, so the generator learns nothing",
            "a higher penalty_weight or a lower learning_rate",
        )
    if recipe.loss == "wgan-gp" and abs(line["score_real"]) > DIVERGED_SCORE:
        found["diverged"] = "the critic's scores run away", "a lower learning_rate"
    if line.get("alike", 0) > ALIKE:  # not recorded by the first versions
        found["alike"] = (
            f"the frames of a view repeat themselves (MS-SSIM {line['alike']:.0%} of the way from "
            "patients' own to 1)",
            "a lower learning_rate, a larger batch or more patients",
        )
    return found
