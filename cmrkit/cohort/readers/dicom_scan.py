"""Walk an archive of DICOM files: all image headers by patient, a line for what cannot be used."""

from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import pydicom

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.dicom_files import ENDINGS, Segmentation, is_dicom, read_frames
from cmrkit.cohort.readers.files import DataError, files_below

PARALLEL_FROM = 2000  # files; below it, starting processes takes longer than reading
_PORTION = 200


@dataclass
class Archive:
    """What a folder holds.

    Attributes:
        frames: pseudonym -> list of `DicomFrame`, in the order of their paths.
        segmentations: list of `Segmentation`.
        contours, volumes, tables: paths of text, NIfTI and CSV files.
        problems: list of `Problem`.
        state: text that changes when a file is added, removed or written.
    """

    frames: dict = field(default_factory=lambda: defaultdict(list))
    segmentations: list = field(default_factory=list)
    contours: list = field(default_factory=list)
    volumes: list = field(default_factory=list)
    tables: list = field(default_factory=list)
    problems: list = field(default_factory=list)


def scan(folder, name, processes=1):
    """Read all headers below a folder.

    Args:
        folder: any tree.
        name: prefix of the pseudonyms.
        processes: headers are read by so many processes when there are many files.

    Returns:
        `Archive`.
    """
    archive, images = Archive(), []
    for path in files_below(folder):
        lower = path.name.lower()
        if lower.endswith(".txt"):
            archive.contours.append(path)
        elif lower.endswith((".nii", ".nii.gz")):
            archive.volumes.append(path)
        elif lower.endswith(".csv"):
            archive.tables.append(path)
        elif path.name.upper() != "DICOMDIR" and (lower.endswith(ENDINGS) or is_dicom(path)):
            images.append(path)
    refused = Counter()
    found = []
    for frames, segmentation, refusal in _read_all(images, processes):
        found += frames
        if segmentation:
            archive.segmentations.append(segmentation)
        if refusal:
            refused[refusal] += 1
    for (patient, why), count in sorted(refused.items()):
        archive.problems.append(
            Problem(pseudonym(name, patient) if patient else "", "", None, f"{_files_(count)}{why}")
        )
    _by_patient(found, name, archive)
    return archive


def _files_(count):
    return f"{count} file{'s' * (count > 1)}: "


def _read_all(paths, processes):
    portions = [paths[i : i + _PORTION] for i in range(0, len(paths), _PORTION)]
    if processes == 1 or len(paths) < PARALLEL_FROM:
        for portion in portions:
            yield from _read_portion(portion)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for results in pool.map(_read_portion, portions):
            yield from results


def _read_portion(paths):
    return [_read_one(path) for path in paths]


def _read_one(path):
    """(frames, segmentation or None, refusal or None) of one file."""
    try:
        found = read_frames(path)
        return ([], found, None) if isinstance(found, Segmentation) else (found, None, None)
    except DataError as error:
        return [], None, (_patient_of(path), str(error))


def _patient_of(path):
    """Patient ID of a file that was refused, "" where even that cannot be read."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"])
        return str(header.get("PatientID") or "").strip()
    except Exception:  # parsers of binary files raise nearly anything on broken ones
        return ""


def _by_patient(frames, name, archive):
    """Give every frame to its patient; leave out what two patients seem to share.

    Choice: the patient is the Patient ID, or the examination where that is empty. One ID with two
    names or two dates of birth (an empty one contradicts nothing) is an archive in which patients
    cannot be told apart; a role drawn by that ID would mix them up, so nothing of it is used.
    """
    owners, seen = defaultdict(set), set()
    people = defaultdict(lambda: (set(), set()))  # names and dates of birth
    copies = Counter()
    by_patient = defaultdict(list)
    for frame in frames:
        original = frame.patient or frame.study
        if not original:
            archive.problems.append(
                Problem("", "", None, "1 file: neither Patient ID nor Study Instance UID")
            )
            continue
        patient = pseudonym(name, original)
        owners[frame.series].add(patient)
        for said, known in zip(frame.person, people[patient], strict=True):
            known.update({said} - {""})
        if frame.uid and (frame.uid, frame.index) in seen:
            copies[patient] += 1
            continue
        seen.add((frame.uid, frame.index))
        by_patient[patient].append(frame)
    shared = {series for series, patients in owners.items() if len(patients) > 1}
    for patient in sorted(by_patient):
        kept = [frame for frame in by_patient[patient] if frame.series not in shared]
        if (count := max(map(len, people[patient]))) > 1:
            why = f"one Patient ID with {count} names or dates of birth: mixed "
            why += "patients; give each patient an ID of its own"
            kept = []
        elif len(kept) < len(by_patient[patient]):
            why = "a series that names two patients: mixed up; left out"
        elif copies[patient]:
            why = f"{_files_(copies[patient])}copies of images read already"
        else:
            why = None
        if why:
            archive.problems.append(Problem(patient, "", None, why))
        if kept:
            archive.frames[patient] = kept
