"""Which DICOM files of a Sunnybrook patient are the short-axis cine that was drawn on."""

from collections import Counter

import numpy as np

from cmrkit.cohort.readers.cines import parallel_groups, slice_positions
from cmrkit.cohort.readers.dicom_files import ENDINGS, is_dicom, read_frames
from cmrkit.cohort.readers.files import DataError, files_below

SHORT_AXIS = "CINESAX"  # how the full download names its folder, beside CINELAX_301 and PERF_303


def read_headers(folder):
    """Read the header of every DICOM file below a patient's folder.

    Returns:
        frames: list of `DicomFrame` in the order of their paths.
        problems: list of sentences on files that cannot be used.
    """
    frames, refused = [], Counter()
    for path in files_below(folder):
        if not (path.name.lower().endswith(ENDINGS) or is_dicom(path)):
            continue
        try:
            found = read_frames(path)
            frames += found if isinstance(found, list) else []
        except DataError as error:
            refused[str(error)] += 1
    return frames, [_counted(count, why) for why, count in sorted(refused.items())]


def short_axis(frames, folder, drawn):
    """Pick the short-axis cine, slice by slice, base to apex.

    Choice: by folder, orientation and shape, since in the full download all cines of a patient
    share one Series UID, and instance numbers begin anew in each folder. A folder named after the
    short axis decides; without one, the cine that holds most of the instances drawn on.

    Args:
        frames: `DicomFrame`s of one patient.
        folder: the patient's folder; the names below it count.
        drawn: set of instance numbers with a contour.

    Returns:
        slices: list of lists of frames in the order of the cycle, each instance number once.
        problems: list of sentences.

    Raises:
        DataError: no frames, or no cine among them.
    """
    if not frames:
        raise DataError("no DICOM image in the patient's folder; complete the download")
    groups = parallel_groups(frames, lambda frame: (frame.path.parent, frame.shape))
    named = [group for group in groups if _is_named(group[0], folder)]
    cines = named or [group for group in groups if len(group) >= 2 * len(slice_positions(group))]
    if not cines:
        raise DataError("no cine in the patient's folder: 1 image a slice position")
    best = max(cines, key=lambda group: (len(drawn & {f.instance for f in group}), len(group)))
    once = {frame.instance: frame for frame in reversed(best)}
    twice = len(best) - len(once)
    problems = [_counted(twice, "an instance number that another image has")] if twice else []
    slices = slice_positions([frame for frame in best if once[frame.instance] is frame])
    return sorted(slices, key=lambda part: min(frame.instance for frame in part)), problems


def slice_spacing(slices):
    """Distance of neighbouring slices in mm, the median; NaN for one slice."""
    if len(slices) < 2:
        return np.nan
    along = [part[0].position @ slices[0][0].normal for part in slices]
    return float(np.median(np.abs(np.diff(along))))


def _is_named(frame, folder):
    names = frame.path.relative_to(folder).parts[:-1]
    return any(SHORT_AXIS in name.upper() for name in names)


def _counted(count, why):
    return f"{count} file{'s' * (count > 1)}: {why}"
