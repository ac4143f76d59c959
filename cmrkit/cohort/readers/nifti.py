"""Cines and label maps kept as NIfTI volumes."""

from dataclasses import dataclass

import nibabel
import numpy as np

from cmrkit.cohort.readers.cines import base_first, end_phases, phase_fractions
from cmrkit.cohort.readers.files import DataError, files_below, reading
from cmrkit.cohort.series import CineSlice

LARGEST_VOXELS = 500_000_000  # beyond it the header is broken


def find_volume(stem):
    """Path of `<stem>.nii.gz` or `<stem>.nii`, or None.

    Some tools unpack `x.nii.gz` to a folder `x.nii` that holds the file; then that file.
    """
    for path in (stem.with_name(stem.name + ending) for ending in (".nii.gz", ".nii")):
        if path.is_file():
            return path
        inside = [one for one in files_below(path) if one.name.endswith((".nii", ".nii.gz"))]
        if len(inside) == 1:
            return inside[0]
    return None


@dataclass(frozen=True)
class Volume:
    """A volume whose pictures stand as a scanner shows them.

    Attributes:
        voxels: [Z, T, rows, columns] float32; one phase for a volume without time.
        spacing_mm: (row, column, slice); the last from the middle of one slice to that of the next,
            NaN for a single slice or where the header states no such size.
        directions: for each voxel axis as stored, the axis of the body along which it runs most,
            and whether it runs right, to the front or to the head.
    """

    voxels: np.ndarray
    spacing_mm: tuple[float, float, float]
    directions: list[tuple[int, bool]]


def read_volume(path, what, directions=None):
    """Read a volume and stand its pictures up.

    Args:
        path: NIfTI file, or None where `find_volume` found none.
        what: the file in words that do not identify the patient.
        directions: as in `Volume`, to stand it up by; None takes those of its own header.

    Returns:
        `Volume`, with the directions of its own header.

    Raises:
        DataError: unreadable, or no pixel size.

    Choice: columns run towards the patient's left, back or feet, and so do rows, whichever they
    point along most; writers of NIfTI differ in the directions they store. Sizes are in the unit
    that the header states, millimetres where it states none.
    """
    if path is None:
        raise DataError(f"{what}: file is missing, or not named as published")
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
        sizes = image.header.get_zooms()[:3]
        column_mm, row_mm, *apart = (float(size) * unit_mm(image.header) for size in sizes)
        own = [_direction(image.affine[:3, axis]) for axis in range(3)]
        for axis in (0, 1):
            if (directions or own)[axis][1]:
                voxels = np.flip(voxels, axis)
    if not (np.isfinite([row_mm, column_mm]).all() and min(row_mm, column_mm) > 0):
        raise DataError(f"{what}: pixel size {column_mm} x {row_mm} mm; sizes are above 0")
    stated = voxels.shape[2] > 1 and np.isfinite(apart[0]) and apart[0] > 0
    spacing = row_mm, column_mm, apart[0] if stated else np.nan
    return Volume(np.ascontiguousarray(voxels.transpose(2, 3, 1, 0)), spacing, own)


def unit_mm(header):
    """Millimetres a unit of length of a NIfTI header; 1 where it states none or an unknown one."""
    return {1: 1000.0, 3: 0.001}.get(int(header["xyzt_units"]) & 7, 1.0)


def _direction(column):
    """Axis of the body (right, anterior, superior) of a column of an affine, and if along it."""
    axis = int(np.argmax(np.abs(column)))
    return axis, bool(column[axis] > 0)


def read_labels(path, what, volume, label_of, phases=None):
    """Read a label volume that belongs to an image volume.

    Choice: voxel by voxel, as the published sets are made; where the headers disagree about
    directions, laying labels by their own would mirror them silently.

    Args:
        path: NIfTI file.
        what: the file in words that do not identify the patient.
        volume: `Volume` of the images.
        label_of: their label number -> ours.
        phases: phases that the labels have; None for those of the images.

    Returns:
        labels: [Z, T, rows, columns] uint8.
        problems: list of sentences on what is odd, but does not keep the labels from being used.

    Raises:
        DataError: unreadable, another shape, or an unknown label.
    """
    labels = read_volume(path, what, volume.directions)
    found, (slices, count, *picture) = labels.voxels, volume.voxels.shape
    expected = slices, phases or count, *picture
    if found.shape != expected:
        raise DataError(f"{what}: {in_words(found.shape)}; images have {in_words(expected)}")
    if not np.isfinite(found).all() or found.min() < 0 or found.max() > 255:
        raise DataError(f"{what}: values outside 0 to 255; expected label numbers")
    numbers = np.rint(found).astype(np.uint8)
    unknown = sorted(set(np.unique(numbers).tolist()) - {0, *label_of})
    if unknown:
        raise DataError(f"{what}: unknown label {unknown[0]}; expected {sorted(label_of)}")
    table = np.zeros(256, np.uint8)
    table[list(label_of)] = list(label_of.values())
    used = 3 if slices > 1 else 2  # one slice has no direction to the next
    same = labels.directions[:used] == volume.directions[:used]
    odd = f"{what}: other directions than the images in the header; laid on them voxel by voxel"
    return table[numbers], [] if same else [odd]


def in_words(shape):
    """Shape [Z, T, rows, columns] as text, e.g. `4 slices, 1 phases, 256 x 208 pixels`."""
    return f"{shape[0]} slices, {shape[1]} phases, {shape[2]} x {shape[3]} pixels"


def labels_or_none(path, what, volume, label_of, problems, phases=None):
    """As `read_labels`, but None where they are broken; what is odd or broken joins `problems`."""
    try:
        masks, odd = read_labels(path, what, volume, label_of, phases)
    except DataError as error:
        problems.append(f"{error}; read without labels")
        return None
    problems += odd
    return masks


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
