"""A synthetic cohort, made from a trained generator as a stream."""

from cmrkit.cohort.frames import SYNTHETIC_SCHEMA
from cmrkit.cohort.store import CohortWriter
from cmrkit.pggan.sampling import sample

BLOCK_FRAMES = 512


def write_synthetic_cohort(generator, folder, seed, counts, labels, spacing_mm, truncation=None):
    """Write labelled synthetic frames as a cohort folder.

    Args:
        generator: a trained generator, from `pggan.sampling.load_generator`.
        folder: cohort folder to write.
        seed: study seed; a frame's latent depends on it and on the frame's index alone.
        counts: frames by view, e.g. `{"4ch": 1000, "sax": 1000}`.
        labels: label numbers that the generator draws in each view.
        spacing_mm: pixel size of the frames it was trained on, in mm; NaN where unknown.
        truncation: see `pggan.sampling.sample`.
    """
    with CohortWriter(folder, generator.resolution, SYNTHETIC_SCHEMA) as writer:
        first = 0
        for view, count in counts.items():
            for start in range(first, first + count, BLOCK_FRAMES):
                indices = range(start, min(start + BLOCK_FRAMES, first + count))
                images, masks = sample(generator, seed, indices, [view] * len(indices), truncation)
                rows = [_row(view, seed, index, labels[view], spacing_mm) for index in indices]
                writer.append(images, masks, rows)
            first += count


def _row(view, seed, index, labels, spacing_mm):
    return {
        "frame_id": f"synthetic-{view}-{index:08d}",
        "index": index,
        "seed": seed,
        "view": view,
        "spacing_row_mm": spacing_mm,
        "spacing_col_mm": spacing_mm,
        "labels_present": labels,
        "source": "PG-GAN",
    }
