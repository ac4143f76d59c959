"""The frame store: pixels of a cohort in zarr beside its frame table."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import zarr

from cmrkit.cohort.frames import PATIENT_SCHEMA, write_frames

CHUNK_FRAMES = 64
SHARD_FRAMES = 4096
SHARD_PIXELS = 2**24  # large frames make shards of fewer: an unfinished one waits in memory


class CohortWriter:
    """Write a cohort folder as a stream; nothing is seen under its name until it is complete.

    Use as a context manager. On leaving without an error the folder holds `frames.zarr` with
    `image` and `mask` (uint8, [N, R, R]) and `frames.parquet` with one row a frame, in the same
    order. On an error both are removed, and an earlier cohort in the folder stays as it was.

    Args:
        folder: cohort folder, made if absent.
        resolution: R in pixels.
        schema: schema of the frame table.
    """

    def __init__(self, folder, resolution, schema=PATIENT_SCHEMA):
        self.folder = Path(folder)
        self.schema = schema
        self.resolution = resolution
        wanted = min(SHARD_FRAMES, SHARD_PIXELS // resolution**2)
        self._shard = max(1, wanted // CHUNK_FRAMES) * CHUNK_FRAMES  # whole chunks
        self._rows = []
        self._waiting = []  # [(images, masks)] not yet a full shard
        self._n_waiting = 0
        self._written = 0

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self._temporary = self.folder / "frames.zarr.tmp"
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._group = zarr.create_group(self._temporary)
        for name in ("image", "mask"):
            self._group.create_array(
                name,
                shape=(0, self.resolution, self.resolution),
                chunks=(CHUNK_FRAMES, self.resolution, self.resolution),
                shards=(self._shard, self.resolution, self.resolution),
                dtype="uint8",
            )
        return self

    @property
    def count(self):
        """Frames appended so far."""
        return len(self._rows)

    def append(self, images, masks, rows):
        """Add frames.

        Args:
            images: [n, R, R] uint8.
            masks: [n, R, R] uint8.
            rows: n dicts, one frame table row each.

        Raises:
            ValueError: counts, shapes or types do not fit.
        """
        expected = (len(rows), self.resolution, self.resolution)
        for name, pixels in (("images", images), ("masks", masks)):
            if pixels.shape != expected or pixels.dtype != np.uint8:
                raise ValueError(
                    f"{name}: {pixels.dtype} {pixels.shape}, expected uint8 {expected}"
                )
        self._rows.extend(rows)
        self._waiting.append((images, masks))
        self._n_waiting += len(rows)
        if self._n_waiting >= self._shard:
            self._flush(keep=self._n_waiting % self._shard)

    def _flush(self, keep=0):
        """Write whole shards, so that none is read back and compressed twice."""
        if not self._waiting:
            return
        count = self._n_waiting - keep
        for part, name in enumerate(("image", "mask")):
            pixels = np.concatenate([pair[part] for pair in self._waiting])
            array = self._group[name]
            array.resize((self._written + count, self.resolution, self.resolution))
            array[self._written :] = pixels[:count]
            if part == 0:
                left_images = pixels[count:]
            else:
                left_masks = pixels[count:]
        self._waiting = [(left_images, left_masks)]
        self._n_waiting = keep
        self._written += count

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _finish(self):
        if not self._rows:
            raise ValueError(f"{self.folder}: no frame was added; a cohort has at least one")
        self._flush()
        table = self.folder / "frames.parquet.tmp"
        write_frames(pd.DataFrame(self._rows), table, self.schema)
        move_into_place(self.folder, self._temporary, table)


def move_into_place(folder, pixels, table):
    """Give a finished store and its frame table their names in a cohort folder.

    Args:
        folder: cohort folder; an earlier cohort in it is replaced.
        pixels: zarr folder on the same disk, moved.
        table: parquet file on the same disk, moved.
    """
    # the table goes first and comes last: with it there, the pixels are its own
    (folder / "frames.parquet").unlink(missing_ok=True)
    final = folder / "frames.zarr"
    shutil.rmtree(final, ignore_errors=True)
    pixels.rename(final)
    table.replace(folder / "frames.parquet")


def load_pixels(folder, rows=None):
    """Read frames of a cohort folder into memory.

    Args:
        folder: cohort folder.
        rows: row numbers of the frame table in rising order, or None for all.

    Returns:
        images, masks: [n, R, R] uint8 each.
    """
    if rows is None:
        group = zarr.open_group(Path(folder) / "frames.zarr", mode="r")
        return group["image"][:], group["mask"][:]
    return tuple(pixels[:] for pixels in open_pixels(folder, rows))


class StoredPixels:
    """Frames that stay on the disk until they are indexed; what is indexed is read into memory.

    Args:
        array: zarr array [N, R, R] uint8.
        rows: [n] row numbers of the frames that this stands for, in this order.
    """

    ndim = 3

    def __init__(self, array, rows):
        self._array, self._rows = array, rows
        self.dtype = array.dtype
        self.shape = (len(rows), *array.shape[1:])

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, rows):
        """[R, R] for a number; [m, R, R] for a slice, m numbers or n booleans."""
        wanted = self._rows[rows]
        return self._array.oindex[wanted] if np.ndim(wanted) else self._array[int(wanted)]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def take(self, rows):
        """Some of the frames, still on the disk; rows as for an index."""
        return StoredPixels(self._array, self._rows[rows])


def open_pixels(folder, rows):
    """As `load_pixels`, but left on the disk; rows in any order.

    Returns:
        images, masks: `StoredPixels` each.
    """
    group = zarr.open_group(Path(folder) / "frames.zarr", mode="r")
    return tuple(StoredPixels(group[name], np.asarray(rows)) for name in ("image", "mask"))
