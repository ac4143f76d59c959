"""Frames of a bundle as single files, for programs that do not read zarr.

Each frame becomes an image and a mask beside it, `<format>/<view>/<thousand>/<frame_id>.png` and
`<frame_id>_mask.png`, so that no folder holds more than 2000 files.
"""

import gzip
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image, PngImagePlugin

from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.store import load_pixels
from cmrkit.release.dicom import write_dicom

NOT_A_PATIENT = "Synthetic: drawn by a generative network. Not an image of a patient."
PORTION = 512  # frames that one process writes at a time


def write_format(folder, name, about):
    """Write every frame of a bundle in another format.

    Args:
        folder: of the bundle, with `frames.parquet` and `frames.zarr`.
        name: one of `FORMATS`.
        about: facts of the bundle, as in its `bundle.json`.
    """
    count = len(read_frames(folder))
    portions = [range(k, min(k + PORTION, count)) for k in range(0, count, PORTION)]
    if len(portions) == 1:
        _write_portion(folder, name, about, portions[0])
        return
    with ProcessPoolExecutor(min(len(portions), os.cpu_count()), get_context("spawn")) as pool:
        for job in [pool.submit(_write_portion, folder, name, about, rows) for rows in portions]:
            job.result()


def _write_portion(folder, name, about, rows):
    frames = read_frames(folder).iloc[rows.start : rows.stop]
    pixels = zip(*load_pixels(folder, rows), strict=True)
    for (image, mask), row in zip(pixels, frames.to_dict("records"), strict=True):
        place = Path(folder) / name / row["view"] / f"{row['index'] // 1000:04d}"
        place.mkdir(parents=True, exist_ok=True)
        FORMATS[name](place / row["frame_id"], image, mask, row, about)


def write_png(path, image, mask, row, about):
    """Write an 8 bit grey image, and its mask with the label numbers as grey values.

    Args:
        path: without ending.
        image, mask: [R, R] uint8.
        row: of the frame table.
        about: facts of the bundle.
    """
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", NOT_A_PATIENT)
    text.add_text("Source", f"cmrkit, study {about['study']}, {row['frame_id']}")
    Image.fromarray(image).save(f"{path}.png", pnginfo=text)
    Image.fromarray(mask).save(f"{path}_mask.png", pnginfo=text)


def write_nifti(path, image, mask, row, about):
    """Write two single-slice volumes [R, R, 1], uint8, with the pixel size in mm.

    A file a frame, not a stack: frames of different hearts are no volume. The slice thickness is
    unknown and stands as 1. Where the pixel size is unknown, so is the unit.

    Choice: columns run to the left and rows to the back, with form code 2 (aligned), so that every
    viewer shows row 0 at the top. It is no place in a body, but viewers disagree about the axes of
    a file that states none.
    """
    spacing = [row["spacing_col_mm"], row["spacing_row_mm"], 1.0]
    unknown = bool(np.isnan(spacing).any())
    spacing = [1.0, 1.0, 1.0] if unknown else spacing
    for ending, pixels in (("", image), ("_mask", mask)):
        volume = nib.Nifti1Image(pixels.T[:, :, None], np.diag([-spacing[0], -spacing[1], 1, 1]))
        volume.set_qform(volume.affine, code=2)
        volume.header.set_xyzt_units("unknown" if unknown else "mm")
        volume.header["descrip"] = b"SYNTHETIC, PG-GAN; not an image of a patient"
        # no clock time in the file, so that the same frame gives the same bytes
        Path(f"{path}{ending}.nii.gz").write_bytes(gzip.compress(volume.to_bytes(), 6, mtime=0))


FORMATS = {"png": write_png, "nifti": write_nifti, "dicom": write_dicom}
