"""Synthetic frames out to people who draw, and their masks back in."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from cmrkit.cohort.frames import LABELS
from cmrkit.cohort.part import Part
from cmrkit.unet.draws import draw_frames
from cmrkit.unet.labels import common_labels

FRAMES_A_VOLUME = 50
_INDEX = "frames.csv"
_CHAMBERS = "chambers.json"
_COLOURS = ("255 80 80", "255 200 60", "80 140 255", "90 200 120", "200 110 220")


def export_for_drawing(frames, images, labels, folder):
    """Write frames as NIfTI volumes, to be outlined in ITK-SNAP, 3D Slicer or the like.

    A volume stacks up to 50 frames; beside each `volume_000_image.nii.gz` lies an empty
    `volume_000_mask.nii.gz` to draw in, frame by frame in the axial view, and to save under the
    same name. `labels.txt` is ITK-SNAP's label description with the kit's label numbers.

    Args:
        frames: n rows of a synthetic frame table.
        images: [n, R, R] uint8.
        labels: label numbers that people are asked to draw.
        folder: where the files go; must not hold an earlier export.

    Raises:
        ValueError: the folder holds drawings already.
    """
    folder = Path(folder)
    if (folder / _INDEX).exists():
        raise ValueError(
            f"{folder}: holds an export already; its drawings are kept, choose another"
        )
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for volume, start in enumerate(range(0, len(frames), FRAMES_A_VOLUME)):
        part = frames.iloc[start : start + FRAMES_A_VOLUME]
        stack = images[start : start + FRAMES_A_VOLUME].transpose(2, 1, 0)  # [x, y, frame]
        affine = _upright(part.iloc[0])
        mask_name = f"volume_{volume:03d}_mask.nii.gz"
        nib.save(nib.Nifti1Image(stack, affine), folder / mask_name.replace("mask", "image"))
        nib.save(nib.Nifti1Image(np.zeros_like(stack), affine), folder / mask_name)
        index += [(mask_name, i, frame_id) for i, frame_id in enumerate(part["frame_id"])]
    (folder / "labels.txt").write_text(_label_description(labels))
    (folder / _CHAMBERS).write_text(json.dumps([int(label) for label in labels]))
    table = pd.DataFrame(index, columns=["mask", "slice", "frame_id"])
    table.to_csv(folder / _INDEX, index=False)  # last: an export without it is not complete


def offer_for_drawing(synthetic, count, seed, folder):
    """Export frames for people to draw, unless the folder holds an export already.

    Args:
        synthetic: `Part` of the synthetic cohort, one view.
        count: frames to export, drawn by seed; all where there are fewer.
        seed: of the draw.
        folder: as in `export_for_drawing`.
    """
    if not (Path(folder) / _INDEX).exists():
        chosen = draw_frames(synthetic, min(count, len(synthetic.frames)), seed).load()
        export_for_drawing(chosen.frames, chosen.images, common_labels(chosen), folder)


def _upright(frame):
    """Affine that shows rows downwards and columns to the right in a radiological axial view."""
    spacing = [frame["spacing_col_mm"], frame["spacing_row_mm"]]
    column_mm, row_mm = np.where(np.isnan(np.asarray(spacing, float)), 1.0, spacing)
    return np.diag([-column_mm, -row_mm, 1.0, 1.0])


def _label_description(labels):
    """ITK-SNAP's format: number, colour, opacity, visibility, visibility in 3D, name."""
    lines = ['0 0 0 0 0 0 0 "background"']
    lines += [f'{label} {_COLOURS[label - 1]} 1 1 1 "{LABELS[label]}"' for label in labels]
    return "\n".join(lines) + "\n"


def read_drawn_masks(folder):
    """Read the masks that people drew into an export.

    A frame without one drawn pixel counts as not drawn yet and is left out. Likewise a chamber that
    was asked for and has no pixel in a frame counts as not annotated there: an empty place does not
    tell whether the chamber is out of view or nobody came to it, and taught as absent it would
    train the U-Net to miss it.

    Args:
        folder: as written by `export_for_drawing`.

    Returns:
        `Part` of the drawn frames, as exported; its frame table has `frame_id` and
        `labels_present`, the label numbers that people drew in each frame.

    Raises:
        FileNotFoundError: the folder is no export, or a volume is missing.
        ValueError: a volume is cut short, changed its size or holds a label nobody asked for, or
            nothing is drawn.
    """
    folder = Path(folder)
    if not (folder / _INDEX).exists():
        raise FileNotFoundError(f"{folder / _INDEX}: not there; export frames for drawing first")
    index = pd.read_csv(folder / _INDEX).sort_values(["mask", "slice"])
    labels = json.loads((folder / _CHAMBERS).read_text())
    volumes = index.groupby("mask", sort=False).size()
    stacks = [_read_stack(folder, name, count, labels) for name, count in volumes.items()]
    images, masks = (np.concatenate(pixels) for pixels in zip(*stacks, strict=True))
    drawn = Part(images, masks, index[["frame_id"]])
    drawn = drawn.take(drawn.masks.any(axis=(1, 2)))
    if not len(drawn.frames):
        raise ValueError(f"{folder}: no frame is drawn yet; draw into the *_mask.nii.gz volumes")
    present = [[label for label in labels if (mask == label).any()] for mask in drawn.masks]
    return drawn._replace(frames=drawn.frames.assign(labels_present=present))


def _read_stack(folder, name, count, labels):
    """[n, R, R] uint8 images and masks of a volume."""
    path = folder / name
    image_path = path.with_name(path.name.replace("mask", "image"))
    (drawn, affine), (image, image_affine) = map(_read_volume, (path, image_path))
    if drawn.shape != image.shape or drawn.shape[-1] != count:
        raise ValueError(f"{path}: shape {drawn.shape}, its image has {image.shape}; save it alike")
    if not np.allclose(affine, image_affine, atol=1e-3):
        raise ValueError(f"{path}: axes or spacing differ from its image; save it in its geometry")
    unknown = sorted(set(np.unique(drawn)) - {0, *labels})
    if unknown:
        raise ValueError(
            f"{path}: label {unknown[0]:g}, expected 0 and {labels}; redraw or recolour"
        )
    return tuple(
        np.ascontiguousarray(voxels.transpose(2, 1, 0), dtype=np.uint8) for voxels in (image, drawn)
    )


def _read_volume(path):
    """Voxels [x, y, frame] and affine of a NIfTI file."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: missing; put it back or export again")
    try:
        volume = nib.load(path)
        return np.asarray(volume.dataobj), volume.affine
    except Exception as error:  # parsers of binary files raise nearly anything on broken ones
        kind = type(error).__name__
        raise ValueError(f"{path}: cannot be read ({kind}); save or copy it again") from None
