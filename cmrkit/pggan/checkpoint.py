"""A run's folder: checkpoints with all that training needs to go on, and what it shows."""

from pathlib import Path

from cmrkit.pggan import growth, origin, stability, tensor_file
from cmrkit.pggan.files import written_whole
from cmrkit.pggan.lines import append_lines, read_lines
from cmrkit.pggan.recipe import Recipe
from cmrkit.pggan.weights import KIND, adam_state, load_adam, load_network, network_state

KEPT = 3  # newest checkpoints


class RunFolder:
    """Where a training keeps what it needs to go on and what it shows.

    Attributes:
        path: folder, made if absent.
        statistics: `stats.jsonl`, a line a tick.
        realism: `realism.jsonl`, a line a measurement, view and scale.
        grids: folder of the fixed-latent frames.
        generator: the finished generator, averaged weights.
        computed_in: type of the convolutions, e.g. "bfloat16"; None before the first checkpoint.
        trained_by: codes that trained the run so far, like `origin.PRESENT`.

    Args:
        path: folder.
        recipe: Recipe of the run.
        data_path: training data of the run.
    """

    def __init__(self, path, recipe, data_path):
        self.path, self.recipe = Path(path), recipe
        self.data_digest = tensor_file.digest(data_path)
        self.checkpoints = self.path / "checkpoints"
        self.grids = self.path / "grids"
        self.generator = self.path / "generator.safetensors"
        self.statistics = self.path / "stats.jsonl"
        self.realism = self.path / "realism.jsonl"
        self.computed_in = None
        self.trained_by = []

    def all(self):
        """Dict from images shown to the path of a checkpoint, in the order of training."""
        paths = sorted(self.checkpoints.glob("images_*.safetensors"))
        return {int(path.stem.removeprefix("images_")): path for path in paths}

    def resume(self, trainer):
        """Fill a trainer from the newest checkpoint, if there is one.

        Raises:
            ValueError: the checkpoint is damaged, or of another recipe or other data, or this
                machine would go on in another type.
        """
        checkpoints = list(self.all().values())
        if not checkpoints:
            return
        path = checkpoints[-1]
        tensors, facts = tensor_file.read(path, KIND, trainer.job.device)
        self._check_whole(path, tensors)
        self._check_same_run(path, facts)
        self._check_same_type(path, facts, trainer.computed_in)
        self.computed_in, self.trained_by = facts.get("computed_in"), facts.get("trained_by", [])
        trainer.images_shown = facts["images_shown"]
        load_network(trainer.generator, tensors, "generator")
        load_network(trainer.discriminator, tensors, "discriminator")
        load_network(trainer.average, tensors, "ema")
        last = growth.reached(self.recipe, trainer.images_shown)
        if last.level == growth.stage(self.recipe, trainer.images_shown).level:
            trainer.enter_level()
            load_adam(trainer.adam_g, trainer.generator, tensors, "adam_g")
            load_adam(trainer.adam_d, trainer.discriminator, tensors, "adam_d")

    def tidy(self, images_shown):
        """Make the folder look as it did when the newest checkpoint was written.

        Returns:
            statistics up to the checkpoint, a list of dicts.
        """
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.grids.mkdir(exist_ok=True)
        if not images_shown:  # later readers may be at it
            self.recipe.save(self.path / "recipe.json")
        for leftover in self.checkpoints.glob(".*.tmp"):
            leftover.unlink()
        for path in (self.statistics, self.realism):
            lines = [x for x in read_lines(path) if round(x["kimg"] * 1000) <= images_shown]
            with written_whole(path) as temporary:
                temporary.unlink(missing_ok=True)
                append_lines(temporary, lines)
        return read_lines(self.statistics)

    def save(self, trainer, lines):
        """Write a checkpoint; then keep the newest few, the best and the last good one.

        Args:
            trainer: Trainer at the end of a tick.
            lines: statistics up to this tick, dicts in the order of training.
        """
        tensors = (
            network_state(trainer.generator, "generator")
            | network_state(trainer.discriminator, "discriminator")
            | network_state(trainer.average, "ema")
            | adam_state(trainer.adam_g, trainer.generator, "adam_g")
            | adam_state(trainer.adam_d, trainer.discriminator, "adam_d")
        )
        path = self.checkpoints / f"images_{trainer.images_shown:09d}.safetensors"
        self.computed_in = trainer.computed_in
        if origin.PRESENT not in self.trained_by:
            self.trained_by = [*self.trained_by, origin.PRESENT]
        facts = self._facts(trainer) | {"trained_by": self.trained_by}
        tensor_file.write(path, KIND, tensors, facts)
        found = self.all()
        kept = {*list(found)[-KEPT:], self.best(), stability.last_good(self.recipe, lines, found)}
        for images_shown in found.keys() - kept:
            found[images_shown].unlink()

    def best(self):
        """Images shown at the lowest mean sliced Wasserstein distance at full size, or None."""
        found = {}
        for row in read_lines(self.realism):
            if row["resolution"] == self.recipe.resolution:
                found.setdefault(round(row["kimg"] * 1000), []).append(row["swd"])
        return min(found, key=lambda shown: sum(found[shown]), default=None)

    def save_generator(self, trainer):
        """Write the averaged generator.

        Choice: without `trained_by`, so that its bytes do not change with a comment of the code.
        """
        tensors = network_state(trainer.average, "ema")
        tensor_file.write(self.generator, KIND, tensors, self._facts(trainer))

    def _facts(self, trainer):
        generator = trainer.sampler()
        return {
            "recipe": self.recipe.to_dict(),
            "data": self.data_digest,
            "images_shown": trainer.images_shown,
            "resolution": generator.resolution,
            "alpha": generator.alpha,
            "allowed": generator.allowed.tolist(),
            "computed_in": self.computed_in,
        }

    def _check_whole(self, path, tensors):
        for part in ("generator", "discriminator", "ema", "adam_g", "adam_d"):
            if not any(name.startswith(f"{part}.") for name in tensors):
                raise ValueError(f"{path}: no checkpoint, {part} is not in it; delete it")

    def _check_same_run(self, path, facts):
        remedy = "give the same recipe and data, or another folder"
        theirs = Recipe.from_dict(facts["recipe"]).to_dict()
        for name, value in self.recipe.to_dict().items():
            if value != theirs[name]:
                raise ValueError(
                    f"{path}: trained with {name} {theirs[name]}, not {value}; {remedy}"
                )
        if facts["data"] != self.data_digest:
            raise ValueError(f"{path}: trained on other data; {remedy}")

    def _check_same_type(self, path, facts, ours):
        finished = facts["images_shown"] >= growth.total_images(self.recipe)
        theirs = facts.get("computed_in", ours)  # not recorded by the first versions
        if ours != theirs and not finished:
            raise ValueError(
                f"{path}: trained in {theirs}, and this machine would go on in {ours} (precision "
                f"{self.recipe.precision}); go on where it began, or delete the folder"
            )
