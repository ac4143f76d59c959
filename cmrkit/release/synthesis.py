"""A synthetic cohort from a trained generator, in blocks that any process or machine may make.

    python -m cmrkit.release.synthesis params/paper.yaml --shard 3 --shards 8

makes one share of a study's frames. Notebook 03 makes whatever is missing and puts all in place.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import compress
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import zarr
from filelock import FileLock, Timeout

from cmrkit import paths
from cmrkit.cohort.frames import SYNTHETIC_SCHEMA, read_frames, write_frames
from cmrkit.cohort.store import CHUNK_FRAMES, CohortWriter, load_pixels, move_into_place
from cmrkit.pggan import origin, tensor_file
from cmrkit.pggan.memory import keep_freed_memory
from cmrkit.pggan.sampling import load_generator, sample
from cmrkit.study import ParameterError, add_arguments, load_from_arguments

BLOCK_FRAMES = 1024  # made and stored together, one file of the store: what a stop costs at most
PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """All that decides a synthetic cohort: on a CPU the same plan gives the same bytes.

    Attributes:
        generator: SHA-256 of the generator's file.
        seed: of the study; a frame's latent depends on it and on the frame's index alone.
        truncation: as in `pggan.sampling.sample`.
        frames: frames a view, e.g. `{"4ch": 1000, "sax": 1000}`, in the order of their indices.
        labels: label numbers that the generator draws in each view.
        spacing_mm: pixel size of the frames that it was trained on; None where any is unknown.
        resolution: pixels a side.
        block: frames that are made and stored together.
        sources: digest of `cmrkit.pggan`, so that frames are made anew when it draws otherwise.
    """

    generator: str
    seed: int
    truncation: float
    frames: dict[str, int]
    labels: dict[str, list[int]]
    spacing_mm: float | None
    resolution: int
    block: int
    sources: str

    @property
    def count(self):
        """Frames in all."""
        return sum(self.frames.values())

    @property
    def blocks(self):
        """Blocks in all."""
        return -(-self.count // self.block)

    @property
    def views(self):
        """[count] view of every frame."""
        return np.repeat(list(self.frames), list(self.frames.values()))

    @property
    def text(self):
        """As it is written to `plan.json`."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def indices(self, block):
        """Frame numbers of a block."""
        return range(block * self.block, min((block + 1) * self.block, self.count))


def plan_cohort(study_folder, seed, views, frames, truncation=1.0):
    """Plan the synthetic cohort of a study whose generator is trained.

    Args:
        study_folder: `work/<study>` with `cohort/` and `gan/generator.safetensors`.
        seed: study seed.
        views: names of the views; they share the frames evenly.
        frames: frames in all.
        truncation: as in `pggan.sampling.sample`.

    Raises:
        FileNotFoundError: the cohort or the generator is not there yet.
        ValueError: the generator's file is truncated or foreign.
    """
    patients = read_frames(Path(study_folder) / "cohort")
    path = _generator_file(study_folder)
    learnt = patients[(patients["role"] == "gan") & patients["view"].isin(views)]
    spacing = float(learnt["spacing_row_mm"].median(skipna=False))  # NaN where any is unknown
    shares = [len(part) for part in np.array_split(np.arange(frames), len(views))]
    generator = load_generator(path)
    drawn = dict(zip(generator.recipe.views, generator.allowed.tolist(), strict=True))
    return Plan(
        generator=tensor_file.digest(path),
        seed=seed,
        truncation=truncation,
        frames=dict(zip(views, shares, strict=True)),
        labels={view: list(compress(generator.recipe.labels, drawn[view])) for view in views},
        spacing_mm=None if np.isnan(spacing) else spacing,
        resolution=generator.resolution,
        block=BLOCK_FRAMES,
        sources=origin.PRESENT["sources"],
    )


def write_synthetic_cohort(plan, study_folder, shards=1):
    """Make the frames that are missing and put the cohort in place, `work/<study>/synthetic`.

    A cohort of this very plan that is there already is left as it is. A run that was stopped, or
    shards that other processes made, are gone on from: no frame is lost, none made twice.

    Args:
        plan: from `plan_cohort`.
        study_folder: `work/<study>`.
        shards: processes on this machine that share what is missing.

    Raises:
        RuntimeError: another process is making a part of this cohort.
    """
    folder = Path(study_folder) / "synthetic"
    if _is_finished(plan, folder):
        return
    if shards == 1:
        make_blocks(plan, study_folder)
    else:
        threads = max(1, torch.get_num_threads() // shards)
        with ProcessPoolExecutor(
            shards, get_context("spawn"), torch.set_num_threads, (threads,)
        ) as pool:
            for job in [pool.submit(make_blocks, plan, study_folder, k + 1, shards)
                        for k in range(shards)]:  # fmt: skip
                job.result()
    _finish(plan, folder)


def make_blocks(plan, study_folder, shard=1, shards=1):
    """Make the blocks of one share that are not made yet; none where the cohort is in place.

    Sampling goes on while the block before is compressed and written.

    Args:
        plan: from `plan_cohort`.
        study_folder: `work/<study>`.
        shard: which share, 1 to `shards`.
        shards: shares in all; blocks are dealt out in turn.

    Raises:
        RuntimeError: another process is making this share.
        ValueError: the generator is not the one of the plan.
    """
    if _is_finished(plan, Path(study_folder) / "synthetic"):
        return
    keep_freed_memory()
    path = _generator_file(study_folder)
    if tensor_file.digest(path) != plan.generator:
        raise ValueError(f"{path}: not the generator of the plan; run 03_synthetic_cohort again")
    generator = load_generator(path, "cuda" if torch.cuda.is_available() else "cpu")
    making = _making(plan, Path(study_folder) / "synthetic")
    views = plan.views
    lock = making / f".shard-{shard}-of-{shards}.lock"
    try:
        with FileLock(lock, timeout=0), ThreadPoolExecutor(1) as writer:
            waiting = None
            for block in range(shard - 1, plan.blocks, shards):
                if _marker(making, block).exists():
                    continue
                indices = plan.indices(block)
                frames = sample(
                    generator, plan.seed, indices, list(views[indices]), plan.truncation
                )
                if waiting:
                    waiting.result()
                waiting = writer.submit(_store, making, block, indices, frames)
            if waiting:
                waiting.result()
    except Timeout:
        raise RuntimeError(
            f"{lock}: another process is making these frames; wait for it or stop it"
        ) from None


def _generator_file(study_folder):
    path = Path(study_folder) / "gan" / "generator.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no generator; run 02_pggan_training first")
    return path


def _is_finished(plan, folder):
    """Whether the cohort of this very plan is in place."""
    whole = all((folder / name).exists() for name in ("frames.parquet", "frames.zarr", PLAN))
    return whole and (folder / PLAN).read_text() == plan.text


def _making(plan, folder):
    """Folder in which a plan's blocks gather; another plan has another one.

    It is made under another name and renamed, so that of several processes that start together
    each finds it whole.
    """
    making = folder / f"making-{hashlib.sha256(plan.text.encode()).hexdigest()[:12]}"
    if (making / "frames.zarr").exists():
        return making
    shutil.rmtree(making, ignore_errors=True)  # of a run that was killed while it finished
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as temporary:
        new = Path(temporary) / "new"
        group = zarr.create_group(new / "frames.zarr")
        side = plan.resolution
        for name in ("image", "mask"):
            group.create_array(
                name,
                shape=(plan.count, side, side),
                chunks=(min(CHUNK_FRAMES, plan.block), side, side),
                shards=(plan.block, side, side),
                dtype="uint8",
            )
        (new / "done").mkdir()
        with suppress(OSError):  # another process was faster
            new.rename(making)
    return making


def _marker(making, block):
    """File whose presence says that a block is on the disk."""
    return making / "done" / f"{block:06d}"


def _store(making, block, indices, frames):
    group = zarr.open_group(making / "frames.zarr", mode="r+")
    for name, pixels in zip(("image", "mask"), frames, strict=True):
        group[name][indices.start : indices.stop] = pixels
    for file in (making / "frames.zarr").glob(f"*/c/{block}/0/0"):
        with open(file, "rb") as stream:  # a power cut must not leave a marker without its frames
            os.fsync(stream.fileno())
    _marker(making, block).touch()


def _finish(plan, folder):
    making = _making(plan, folder)
    for left in making.rglob("*.partial"):  # of a write that was killed
        left.unlink()
    table = making / "frames.parquet"
    write_frames(_frame_table(plan), table, SYNTHETIC_SCHEMA)
    (folder / "frames.parquet").unlink(missing_ok=True)  # belongs to the plan before
    with paths.moved_into_place(folder / PLAN) as draft:
        draft.write_text(plan.text)
    move_into_place(folder, making / "frames.zarr", table)
    for other in folder.glob("making-*"):
        shutil.rmtree(other)


def _frame_table(plan):
    index, views = np.arange(plan.count), plan.views
    spacing = np.nan if plan.spacing_mm is None else plan.spacing_mm
    return pd.DataFrame(
        {
            "frame_id": [f"synthetic-{v}-{i:08d}" for v, i in zip(views, index, strict=True)],
            "index": index,
            "seed": plan.seed,
            "view": views,
            "spacing_row_mm": spacing,
            "spacing_col_mm": spacing,
            "labels_present": [plan.labels[view] for view in views],
            "source": "PG-GAN",
        }
    )


def copy_frames(source, target, kept):
    """Write some frames of a synthetic cohort as another one, as a stream.

    Args:
        source: cohort folder.
        target: cohort folder to write.
        kept: [N] bool, frames to copy.
    """
    frames = read_frames(source)
    side = load_pixels(source, [0])[0].shape[-1]
    with CohortWriter(target, side, SYNTHETIC_SCHEMA) as writer:
        for start in range(0, len(frames), BLOCK_FRAMES):
            rows = start + np.flatnonzero(kept[start : start + BLOCK_FRAMES])
            if len(rows):
                writer.append(*load_pixels(source, rows), frames.iloc[rows].to_dict("records"))


def main():
    """Make one share of a study's synthetic frames."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_arguments(parser)
    parser.add_argument("--shard", type=int, default=1, help="which share, from 1")
    parser.add_argument("--shards", type=int, default=1, help="shares in all")
    given = parser.parse_args()
    if not 1 <= given.shard <= given.shards:
        sys.exit(f"--shard: {given.shard}; give 1 to {given.shards}, the number of --shards")
    try:
        own = load_from_arguments(given)["03_synthetic_cohort"]
        folder = paths.study_folder(own["study"])
        plan = plan_cohort(
            folder, own["seed"], own["views"], own["synthetic_frames"], own["truncation"]
        )
        make_blocks(plan, folder, given.shard, given.shards)
    except (ParameterError, FileNotFoundError, ValueError, RuntimeError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
