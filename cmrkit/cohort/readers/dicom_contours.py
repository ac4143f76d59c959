"""Contour files that lie somewhere in a DICOM archive: whose they are, and of which image."""

import re
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cmrkit.cohort.readers.contours import read_contour, ventricle_mask
from cmrkit.cohort.readers.files import DataError, reading

_NAME = re.compile(r"(?:.*\D)?0*(\d+)[-_]([io])contour[-_](manual|auto)\.txt", re.IGNORECASE)
_KIND_FOLDER = re.compile(r"[io][-_]?contours?(-manual|-auto)?", re.IGNORECASE)
_LINK_TABLES = re.compile(r".*link.*\.csv|scd_patientdata\.csv", re.IGNORECASE)


@dataclass
class ContourSet:
    """Contours kept together: instance number -> kind (`i`, `o`) -> path.

    Attributes:
        folder: where they lie.
        files: the paths.
        automatic: made by a program, not drawn by a person.
    """

    folder: object
    files: dict = field(default_factory=lambda: defaultdict(dict))
    automatic: bool = False


def contour_sets(paths):
    """Gather contour files named `...-0048-icontour-manual.txt`, i for endo- and o for epicardium.

    Returns:
        list of `ContourSet`, one a folder; folders `i-contours` and `o-contours` belong together.
    """
    sets = {}
    for path in paths:
        name = _NAME.fullmatch(path.name)
        if name:
            inner = _KIND_FOLDER.fullmatch(path.parent.name)
            folder = path.parent.parent if inner else path.parent
            part = sets.setdefault(folder, ContourSet(folder))
            part.files[int(name[1])][name[2].lower()] = path
            part.automatic |= name[3].lower() == "auto"
    return list(sets.values())


def read_links(paths):
    """Rows of tables that link patients and folders (`link.csv`, `scd_patientdata.csv`).

    Returns:
        list of sets of names, written alike.

    Raises:
        DataError: a table that cannot be read.
    """
    rows = []
    for path in paths:
        if _LINK_TABLES.fullmatch(path.name):
            with reading("table of links"):
                table = pd.read_csv(path, dtype=str, keep_default_na=False)
            rows += [{_alike(cell) for cell in row if cell} for row in table.to_numpy()]
    return rows


def _alike(name):
    """Name in lower case without leading zeros, as tables and folders write one id differently."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", str(name).strip().lower())


def owner(contours, root, frames_of, links):
    """Patient whose images a set of contours belongs to.

    Choice: a table of links decides; without one, the nearest folder above the contours below which
    exactly one patient has images of these instance numbers.

    Args:
        contours: `ContourSet`.
        root: folder of the archive.
        frames_of: pseudonym -> list of `DicomFrame`.
        links: as `read_links` gives them.

    Returns:
        pseudonym, or None where no or several patients fit.
    """
    parts = {_alike(part) for part in contours.folder.relative_to(root).parts}
    named = set().union(*(row for row in links if row & parts)) - parts
    if named:
        linked = [patient for patient, frames in frames_of.items() if _names(frames, root) & named]
        return linked[0] if len(linked) == 1 else None
    for folder in (contours.folder, *contours.folder.parents):
        fitting = [
            patient
            for patient, frames in frames_of.items()
            if set(contours.files) <= {f.instance for f in frames if folder in f.path.parents}
        ]
        if fitting or folder == root:
            return fitting[0] if len(fitting) == 1 else None
    return None


def _names(frames, root):
    folders = {part for frame in frames for part in frame.path.parent.relative_to(root).parts}
    return {_alike(name) for name in {frames[0].patient, *folders}}


def stack_of(contours, stacks, views):
    """Number of the stack that a set of contours was drawn on.

    Choice: where instance numbers fit several stacks, the short axis, since the format knows the
    contours of a left ventricle in short axis.

    Raises:
        DataError: no stack holds all instance numbers, or several do.
    """
    numbers = [[f.instance for part in stack.slices for f in part] for stack in stacks]
    fitting = [i for i, held in enumerate(numbers) if set(contours.files) <= set(held)]
    if len(fitting) > 1:
        fitting = [i for i in fitting if views[i] == "sax"]
    if len(fitting) != 1:
        raise DataError(f"{len(contours.files)} contours: instance numbers fit no or several cines")
    held = [number for number in numbers[fitting[0]] if number in contours.files]
    if len(held) > len(contours.files):
        raise DataError(f"{len(contours.files)} contours: instance numbers are not unique")
    return fitting[0]


def draw(contours, stack):
    """Label maps of a stack.

    Returns:
        masks: [slices, phases, rows, columns] uint8.
        present: [slices][phases] tuples of labels.

    Raises:
        DataError: a broken contour, or one that encloses no pixel.
    """
    masks = np.zeros((len(stack.slices), stack.phases, *stack.first.shape), np.uint8)
    present = [[()] * stack.phases for _ in stack.slices]
    for s, part in enumerate(stack.slices):
        for p, frame in enumerate(part):
            files = contours.files.get(frame.instance, {})
            points = [
                read_contour(files[kind], f"{kind} contour of instance {frame.instance}")
                if kind in files
                else None
                for kind in "io"
            ]
            masks[s, p], present[s][p] = ventricle_mask(frame.shape, *points)
            if present[s][p] and not masks[s, p].any():
                raise DataError(f"contour of instance {frame.instance}: outside its image")
    return masks, present
