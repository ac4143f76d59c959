"""Contour files that lie somewhere in a DICOM archive: whose they are, and of which image."""

import re
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cmrkit.cohort.readers.contours import draw_ventricle, unmatched
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
        Those made by a program are sets of their own and come last, so that what a person drew
        goes before.
    """
    sets = {}
    for path in paths:
        name = _NAME.fullmatch(path.name)
        if name:
            inner = _KIND_FOLDER.fullmatch(path.parent.name)
            folder = path.parent.parent if inner else path.parent
            automatic = name[3].lower() == "auto"
            part = sets.setdefault((folder, automatic), ContourSet(folder, automatic=automatic))
            part.files[int(name[1])][name[2].lower()] = path
    return sorted(sets.values(), key=lambda one: one.automatic)


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


class Images:
    """Where the images of an archive lie, looked up once for all sets of contours.

    Args:
        frames_of: pseudonym -> list of `DicomFrame`.
        root: folder of the archive.
    """

    def __init__(self, frames_of, root):
        self._root = root
        self._held = {}  # folder -> patient -> instance numbers there and below
        self._named = defaultdict(set)  # name of a folder, or Patient ID -> patients
        for patient, frames in frames_of.items():
            folders = defaultdict(set)
            for frame in frames:
                folders[frame.path.parent].add(frame.instance)
            self._named[_alike(frames[0].patient)].add(patient)
            for folder, numbers in folders.items():
                for part in folder.relative_to(root).parts:
                    self._named[_alike(part)].add(patient)
                for above in _up_to(root, folder):
                    self._held.setdefault(above, {}).setdefault(patient, set()).update(numbers)

    def owner(self, contours, links):
        """Patient whose images a set of contours belongs to.

        Choice: a table of links decides; without one, the nearest folder above the contours below
        which one patient has all these instance numbers, or failing that, one alone has at least
        half of them. One of several with half of them is not taken for the owner because it has
        most: instance numbers are much alike in all patients.

        Args:
            contours: `ContourSet`.
            links: as `read_links` gives them.

        Returns:
            pseudonym, or None where no or several patients fit.
        """
        parts = {_alike(part) for part in contours.folder.relative_to(self._root).parts}
        named = set().union(*(row for row in links if row & parts)) - parts
        if named:
            linked = set().union(*(self._named.get(name, ()) for name in named))
            return linked.pop() if len(linked) == 1 else None
        for folder in _up_to(self._root, contours.folder):
            held = {patient: len(numbers & set(contours.files))
                    for patient, numbers in self._held.get(folder, {}).items()}  # fmt: skip
            half = [patient for patient, count in held.items() if 2 * count >= len(contours.files)]
            whole = [patient for patient in half if held[patient] == len(contours.files)]
            if half:
                fitting = whole or half
                return fitting[0] if len(fitting) == 1 else None
        return None


def _up_to(root, folder):
    """The folder and those above it, up to the root."""
    return [one for one in (folder, *folder.parents) if one == root or root in one.parents]


def stack_of(contours, stacks, views):
    """Number of the stack that a set of contours was drawn on.

    Choice: the one that holds most of their instance numbers, at least half; where several do, the
    short axis, since the format knows the contours of a left ventricle in short axis.

    Raises:
        DataError: no stack holds half of the instance numbers, or several hold the same.
    """
    numbers = [[f.instance for part in stack.slices for f in part] for stack in stacks]
    held = [len(set(contours.files) & set(part)) for part in numbers]
    most = max(held)
    fitting = [i for i, count in enumerate(held) if count == most]
    if len(fitting) > 1:
        fitting = [i for i in fitting if views[i] == "sax"]
    if len(fitting) != 1 or 2 * most < len(contours.files):
        raise DataError(f"{len(contours.files)} contours: instance numbers fit no or several cines")
    if sum(number in contours.files for number in numbers[fitting[0]]) > most:
        raise DataError(f"{len(contours.files)} contours: instance numbers are not unique")
    return fitting[0]


def draw(contours, stack):
    """Label maps of a stack; a broken contour, or one without its image, leaves the others.

    Returns:
        masks: [slices, phases, rows, columns] uint8.
        present: [slices][phases] tuples of labels.
        problems: list of sentences.
    """
    masks = np.zeros((len(stack.slices), stack.phases, *stack.first.shape), np.uint8)
    present = [[()] * stack.phases for _ in stack.slices]
    held = {frame.instance for part in stack.slices for frame in part} & set(contours.files)
    problems = unmatched(len(contours.files) - len(held), len(contours.files))
    for s, part in enumerate(stack.slices):
        for p, frame in enumerate(part):
            if frame.instance in held:
                files = contours.files[frame.instance]
                drawn = draw_ventricle(files, frame.shape, frame.instance)
                masks[s, p], present[s][p], broken = drawn
                problems += broken
    return masks, present, problems
