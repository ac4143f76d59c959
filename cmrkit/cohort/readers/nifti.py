"""Cines and label maps kept as NIfTI volumes."""

import nibabel
import numpy as np

from cmrkit.cohort.readers.cines import base_first, end_phases, phase_fractions
from cmrkit.cohort.readers.files import DataError, reading
from cmrkit.cohort.series import CineSlice

LARGEST_VOXELS = 500_000_000  # beyond it the header is broken


def find_volume(stem):
    """Path of `<stem>.nii.gz` or `<stem>.nii`, or None."""
    paths = (stem.with_name(stem.name + ending) for ending in (".nii.gz", ".nii"))
    return next((path for path in paths if path.is_file()), None)


def read_volume(path, what):
    """Read a volume and stand its pictures up as a scanner shows them.

    Args:
        path: NIfTI file.
        what: the file in words that do not identify the patient.

    Returns:
        voxels: [Z, T, rows, columns] float32; one phase for a volume without time.
        spacing_mm: (row, column, slice); the last from the middle of one slice to that of the next,
            NaN for a single slice or where the header states no such size.

    Raises:
        DataError: unreadable, or no pixel size.

    Choice: columns run towards the patient's left, back or feet, and so do rows, whichever they
    point along most; writers of NIfTI differ in the directions they store.
    """
    with reading(what):
        image = nibabel.load(path)
        shape = image.shape
        if (
            not 2 <= len(shape) <= 4
            or min(shape) < 1
            or np.prod(shape, dtype=float) > LARGEST_VOXELS
        ):
            raise DataError(f"{what}: shape {shape}; expected rows, columns, slices and phases")
        voxels = image.get_fdata(dtype=np.float32, caching="unchanged")
        voxels = voxels.reshape(shape + (1,) * (4 - len(shape)))
        column_mm, row_mm, *apart = (float(size) for size in image.header.get_zooms()[:3])
        for axis in (0, 1):
            if _points_away(image.affine[:3, axis]):
                voxels = np.flip(voxels, axis)
    if not (np.isfinite([row_mm, column_mm]).all() and min(row_mm, column_mm) > 0):
        raise DataError(f"{what}: pixel size {column_mm} x {row_mm} mm; sizes are above 0")
    stated = voxels.shape[2] > 1 and np.isfinite(apart[0]) and apart[0] > 0
    spacing = row_mm, column_mm, apart[0] if stated else np.nan
    return np.ascontiguousarray(voxels.transpose(2, 3, 1, 0)), spacing


def _points_away(direction):
    """Whether a voxel axis (right, anterior, superior) runs right, to the front or to the head."""
    return bool(direction[np.argmax(np.abs(direction))] > 0)


def read_labels(path, what, shape, label_of=None):
    """Read a label volume that belongs to an image volume.

    Args:
        path: NIfTI file.
        what: the file in words that do not identify the patient.
        shape: [Z, T, rows, columns] of the images.
        label_of: their label number -> ours; None where they are the same.

    Returns:
        [Z, T, rows, columns] uint8.

    Raises:
        DataError: unreadable, another shape, or an unknown label.
    """
    found, _ = read_volume(path, what)
    if found.shape != shape:
        raise DataError(f"{what}: {found.shape} slices, phases, rows, columns; images have {shape}")
    if not np.isfinite(found).all() or found.min() < 0 or found.max() > 255:
        raise DataError(f"{what}: values outside 0 to 255; expected label numbers")
    numbers = np.rint(found).astype(np.uint8)
    if label_of is None:
        return numbers
    unknown = sorted(set(np.unique(numbers).tolist()) - {0, *label_of})
    if unknown:
        raise DataError(f"{what}: unknown label {unknown[0]}; expected {sorted(label_of)}")
    table = np.zeros(256, np.uint8)
    table[list(label_of)] = list(label_of.values())
    return table[numbers]


def cine_slices(patient_id, view, images, masks, labels_present, spacing_mm, ed=None, es=None,
                whole_cycle=True):  # fmt: skip
    """Yield the slices of one volume, short-axis ones from base to apex.

    Args:
        patient_id: pseudonym.
        view: `4ch`, `2ch` or `sax`.
        images: [Z, T, rows, columns] float32.
        masks: [Z, T, rows, columns] uint8.
        labels_present: T tuples, the labels annotated in each phase.
        spacing_mm: (row, column, slice), as from `read_volume`.
        ed: phase of end-diastole; None finds ED and ES by the labelled LV areas.
        es: phase of end-systole, or None.
        whole_cycle: the phases are evenly spaced and cover the cycle; otherwise their fraction of
            it is unknown.
    """
    phases = np.arange(images.shape[1])
    areas = {label: (masks == label).sum(axis=(2, 3)) for label in (1, 3)}  # cavities, [Z, T]
    drawn = [int(phase) for phase in phases if labels_present[phase]]
    if ed is None and es is None:
        ed, es = end_phases({phase: dict(enumerate(areas[1][:, phase])) for phase in drawn})
    order = range(len(images))
    if view == "sax":
        parts = [area[:, phase] for area in areas.values() for phase in drawn]
        seen = [{z: size for z, size in enumerate(part) if size} for part in parts]
        order = order if base_first(seen) else reversed(order)
    fraction = np.full(len(phases), np.nan)
    if whole_cycle and ed is not None and len(phases) > 1:
        fraction = phase_fractions(phases - ed, len(phases))
    for index, z in enumerate(order):
        yield CineSlice(
            patient_id=patient_id, view=view, slice_index=index, images=images[z], masks=masks[z],
            labels_present=list(labels_present), spacing_mm=spacing_mm[:2], phase_index=phases,
            phase_fraction=fraction, is_ed=phases == ed, is_es=phases == es,
            slice_spacing_mm=spacing_mm[2] if view == "sax" else np.nan,
        )  # fmt: skip
