"""Label maps of DICOM cines kept as DICOM segmentation or as a NIfTI volume of the same name."""

import re
import warnings

import nibabel
import numpy as np
import pydicom
from pydicom.pixels import pixel_array

from cmrkit.cohort.frames import LABELS
from cmrkit.cohort.readers.dicom_groups import functional_group, shared_groups, source_images
from cmrkit.cohort.readers.files import DataError, reading
from cmrkit.cohort.readers.nifti import LARGEST_VOXELS, unit_mm

_ENDING = re.compile(r"([-_. ]?(gt|seg|segmentation|masks?|labels?))?\.nii(\.gz)?", re.IGNORECASE)
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM counts to the left and back, NIfTI away
_OFF_MM = 0.5
_PAINT_ORDER = (2, 3, 4, 5, 1)  # an epicardium drawn as a filled disc holds the cavity
_NO_CHAMBER = re.compile(
    r"papill|fat\b|adipos|chest|aort|outflow|\b[lr]vot|append|auric|valve|thromb|scar|sept"
)


def label_of_segment(text):
    """Our label number of a segment by its name, None for what the kit does not know.

    Args:
        text: label and code meaning of the segment, e.g. `Left ventricle`.
    """
    named = text.lower().replace("_", " ")
    left, right = (re.search(p, named) for p in (r"left|\bl[va]\b|\blv", r"right|\br[va]\b|\brv"))
    atrium, ventricle = (re.search(p, named) for p in (r"atri|\b[lr]a\b", r"ventric|\b[lr]v"))
    if _NO_CHAMBER.search(named):
        return None
    if re.search(r"myo|wall|epi", named):
        # "myocardium" alone is the left ventricle's; walls and epicardia are many
        known = "myo" in named or (left and ventricle)
        return 2 if known and not right and not atrium else None
    if bool(left) == bool(right):
        return None
    if atrium:
        return 4 if left else 5
    return (1 if left else 3) if ventricle else None


def read_segmentation(path, stack):
    """Read what a DICOM segmentation holds for the images of a stack.

    Args:
        path: DICOM file.
        stack: `dicom_cines.Stack`; every segmented frame names the image it belongs to.

    Returns:
        list of (label, slice, phase, [rows, columns] bool), empty where it belongs to other images.

    Raises:
        DataError: unreadable, of another shape or place than its images, or no segment known.
    """
    at = {
        frame.reference: (s, p, frame)
        for s, part in enumerate(stack.slices)
        for p, frame in enumerate(part)
    }
    with reading("segmentation"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, stop_before_pixels=True)
        belongs = [at.get(source) for source in source_images(header)]
        if not any(belongs):
            return []
        if (int(header.Rows), int(header.Columns)) != stack.first.shape:
            raise DataError(
                f"segmentation: shape {header.Rows, header.Columns}; images have "
                f"{stack.first.shape}"
            )
        names = {int(s.SegmentNumber): _segment_name(s) for s in header.SegmentSequence}
        labels = {number: label_of_segment(name) for number, name in names.items()}
        if not any(labels.values()):
            raise DataError("segmentation: no segment is named after a chamber of the heart")
        pixels = np.asarray(pixel_array(path)).reshape(len(belongs), *stack.first.shape)
        return list(_segments(header, belongs, labels, pixels))


def _segments(header, belongs, labels, pixels):
    """Yield (label, slice, phase, [rows, columns] bool) of every known segment of every frame."""
    shared = shared_groups(header)
    least = int(header.get("MaximumFractionalValue") or 1) / 2
    kind = str(header.get("SegmentationType", ""))
    for group, place, image in zip(
        header.PerFrameFunctionalGroupsSequence, belongs, pixels, strict=True
    ):
        if place is None:
            continue
        s, p, frame = place
        _check_place(group, shared, frame)
        if kind == "LABELMAP":
            found = [(label, image == number) for number, label in labels.items()]
        else:
            segment = functional_group("SegmentIdentificationSequence", group, shared)
            found = [(labels.get(int(segment.ReferencedSegmentNumber)), image > least)]
        yield from ((label, s, p, drawn) for label, drawn in found if label)


def paint(segments, stack):
    """Label maps of a stack from its segments, whichever files they come from.

    Args:
        segments: list as `read_segmentation` gives it.
        stack: `dicom_cines.Stack`.

    Returns:
        [slices, phases, rows, columns] uint8.
    """
    masks = np.zeros((len(stack.slices), stack.phases, *stack.first.shape), np.uint8)
    for label, s, p, drawn in sorted(segments, key=lambda one: _PAINT_ORDER.index(one[0])):
        masks[s, p][drawn] = label
    return masks


def _segment_name(segment):
    kind = segment.get("SegmentedPropertyTypeCodeSequence") or [pydicom.Dataset()]
    return f"{segment.get('SegmentLabel', '')} {kind[0].get('CodeMeaning', '')}"


def _check_place(group, shared, frame):
    for name, keyword, expected in (
        ("PlanePositionSequence", "ImagePositionPatient", frame.position),
        ("PlaneOrientationSequence", "ImageOrientationPatient", frame.orientation.ravel()),
    ):
        stated = functional_group(name, group, shared).get(keyword)
        if stated and np.abs(np.array(stated, float) - expected).max() > _OFF_MM:
            raise DataError("segmentation: lies elsewhere than the images it names")


def volumes_of(stack, volumes):
    """NIfTI files named like the stack's file or folder, e.g. `cine.nii.gz` or `cine_seg.nii.gz`.

    Returns:
        list of paths; those that lie nearest to the images.
    """
    names = _names_of(stack)
    named = [path for path in volumes if _cine_name(path) in names]
    above = set.intersection(*(set(path.parents) for path in _paths_of(stack)))
    depth = {path: sum(parent in above for parent in path.parents) for path in named}
    return [path for path in named if depth[path] == max(depth.values())]


def volumes_of_none(stacks, volumes):
    """NIfTI files that are named like none of these stacks."""
    names = set().union(*map(_names_of, stacks))
    return [path for path in volumes if _cine_name(path) not in names]


def _paths_of(stack):
    return {frame.path for part in stack.slices for frame in part}


def _names_of(stack):
    """Names that a NIfTI file of this stack may have, without its ending."""
    paths = _paths_of(stack)
    names = {path.parent.name.lower() for path in paths}
    if len(paths) == 1:
        names |= {path.name.lower() for path in paths} | {path.stem.lower() for path in paths}
    return names


def _cine_name(volume):
    return _ENDING.sub("", volume.name).lower()


def read_labels_beside(path, stack):
    """Read the label maps of a stack from a NIfTI volume, laid onto the images by its geometry.

    Args:
        path: NIfTI file, [x, y, slices, phases], label numbers as `frames.LABELS`.
        stack: `dicom_cines.Stack`.

    Returns:
        [slices, phases, rows, columns] uint8.

    Raises:
        DataError: unreadable, another shape, number of phases or place, or an unknown label.
    """
    with reading("NIfTI labels"):
        image = nibabel.load(path)
        if not 2 <= len(image.shape) <= 4 or np.prod(image.shape, dtype=float) > LARGEST_VOXELS:
            raise DataError(f"NIfTI labels: shape {image.shape}; expected x, y, slices and phases")
        found = image.get_fdata(dtype=np.float32, caching="unchanged")
        found = found.reshape(found.shape + (1,) * (4 - found.ndim))
        if len(stack.slices) == 1 and found.shape[3] == 1 and found.shape[2] == stack.phases:
            found = np.moveaxis(found, 2, 3)  # single slices are often stored without their time
        if found.shape[3] != stack.phases:
            raise DataError(f"NIfTI labels: {found.shape[3]} phases; the cine has {stack.phases}")
        if not np.isfinite(found).all() or not np.isin(np.unique(np.rint(found)), [*LABELS]).all():
            raise DataError(f"NIfTI labels: values beside {[*LABELS]}")
        unit = unit_mm(image.header)
        to_voxel = np.linalg.inv(np.diag([unit, unit, unit, 1]) @ image.affine) @ _LPS_TO_RAS
        return np.stack([_lay(found, to_voxel, part[0]) for part in stack.slices])


def _lay(found, to_voxel, frame):
    """Labels [phases, rows, columns] of the voxels in which the pixels of a slice lie."""
    rows, columns = (np.arange(count) for count in frame.shape)
    across, down = frame.orientation * [[frame.spacing_mm[1]], [frame.spacing_mm[0]]]
    places = frame.position + columns[None, :, None] * across + rows[:, None, None] * down
    voxels = places @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    nearest = np.rint(voxels).astype(int)
    inside = ((nearest >= 0) & (nearest < found.shape[:3])).all(axis=2)
    if not inside.all() or np.abs(voxels - nearest).max() > 0.45:
        raise DataError("NIfTI labels: do not lie on the pixels of the images")
    x, y, z = np.moveaxis(nearest, 2, 0)
    return np.rint(np.moveaxis(found[x, y, z], 2, 0)).astype(np.uint8)
