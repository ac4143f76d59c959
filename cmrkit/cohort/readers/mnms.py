"""M&Ms: short axis, several centres, vendors and diseases; and what M&Ms-2 shares with it.

Source: Campello et al., IEEE Transactions on Medical Imaging 2021;40:3543, doi
10.1109/TMI.2021.3090082.
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.files import DataError, files_below, not_found, reading, vendor_name
from cmrkit.cohort.readers.nifti import cine_slices, find_volume, labels_or_none, read_volume

LABELS = (1, 2, 3)  # LV cavity, myocardium, RV cavity: theirs are ours
LABEL_OF = {label: label for label in LABELS}
DISEASES = {
    "NOR": "healthy",
    "DCM": "dilated cardiomyopathy",
    "HCM": "hypertrophic cardiomyopathy",
    "HHD": "hypertensive heart disease",
    "ARV": "abnormal right ventricle",
    "AHS": "athlete's heart",
    "IHD": "ischaemic heart disease",
    "LVNC": "left ventricular non-compaction",
    "LV": "dilated left ventricle",
    "RV": "dilated right ventricle",
    "ARR": "congenital arrhythmogenesis",
    "FALL": "Tetralogy of Fallot",
    "CIA": "interatrial communication",
    "TRI": "tricuspid regurgitation",
}

LEVELS_ABOVE = 3  # of Training/Labeled the table lies two levels up

_TABLE = re.compile(r".*dataset[ _-]?info.*\.csv", re.IGNORECASE)
_ORIGIN = (
    "the University of Barcelona, www.ub.edu/mnms; cite Campello et al., IEEE Trans Med Imaging "
    "2021;40:3543, doi 10.1109/TMI.2021.3090082"
)


class Columns(NamedTuple):
    """Names of the columns of a set's table, and what its sites are called."""

    code: str
    site: str
    site_called: str
    vendor: str
    disease: str


class ChallengeArchive:
    """What both sets share: a folder and a line of a table for each patient.

    Each set states its `name` and the `columns` of its table.

    Args:
        folder: as the user gave it; the table lies below or above it.
        folders: patient's code -> folder.
    """

    def __init__(self, folder, folders):
        code_column = self.columns.code
        self._folders = folders
        self._original = {pseudonym(self.name, code): code for code in folders}
        found = _find_table(folder, code_column)
        self.problems = []
        if found is None:
            self._table = pd.DataFrame()
            why = f"no table *dataset_information*.csv with a column {code_column!r} in or above "
            why += "the folder; vendors, sites and diseases are unknown"
            self.problems.append(Problem("", "", None, why))
            return
        codes = found[code_column].str.strip().str.zfill(3)
        self._table = found.set_index(codes)[lambda rows: ~rows.index.duplicated()]
        self.problems += [
            Problem(patient, "", None, "no row in the table of the set; disease unknown")
            for patient, code in self._original.items()
            if code not in self._table.index
        ]

    def value(self, code, column):
        """Entry of the set's own table as text, `unknown` where there is none."""
        value = self._table[column].get(code) if column in self._table else None
        return value.strip() if isinstance(value, str) else "unknown"

    def patients(self):
        """One row a patient; `original_id` is the code, e.g. `A0S9V9`, or `001` in M&Ms-2."""
        site, vendor, disease = (
            [self.value(code, column) for code in self._folders]
            for column in (self.columns.site, self.columns.vendor, self.columns.disease)
        )
        return pd.DataFrame(
            {
                "patient_id": list(self._original),
                "original_id": list(self._folders),
                "site": [f"{self.columns.site_called} {text}" for text in site],
                "vendor": [vendor_name(text) for text in vendor],
                "disease": [DISEASES.get(text, "unknown") for text in disease],
            }
        )

    def folder(self, patient_id):
        """Folder of a patient.

        Raises:
            DataError: unknown patient.
        """
        if patient_id not in self._original:
            raise DataError(f"patient_id: no patient {patient_id!r} in this folder")
        return self._folders[self._original[patient_id]]


def _find_table(folder, code_column):
    """Table of the set, with the column that holds the patients' codes, or None.

    Choice: as published, tables differ in the case of their name and lie beside or above the
    images; the nearest counts, of several the one named last, as names begin with the date.
    """
    above = [folder.resolve(), *folder.resolve().parents][1 : 1 + LEVELS_ABOVE]
    for paths in (files_below(folder), *(sorted(place.glob("*.[cC][sS][vV]")) for place in above)):
        for path in reversed([path for path in paths if _TABLE.fullmatch(path.name)]):
            try:
                with reading("table of the set"):
                    table = pd.read_csv(
                        path, dtype=str, encoding="utf-8-sig", encoding_errors="replace"
                    )
            except DataError:
                continue  # told as a missing table
            if code_column in table:
                return table
    return None


class MnmsArchive(ChallengeArchive):
    """The M&Ms set as published: whole short-axis cines, labels at end-diastole and end-systole.

    Label volumes below a folder `Unlabeled` are empty by design and are not read.

    Args:
        folder: any folder above the patient folders with `<code>_sa.nii.gz`.

    Raises:
        FileNotFoundError: the folder does not hold the set.
    """

    name = "mnms"
    columns = Columns("External code", "Centre", "centre", "VendorName", "Pathology")

    def __init__(self, folder):
        folders = {
            name[1]: path.parent
            for path in files_below(folder)
            if (name := re.fullmatch(r"(.+)_sa\.nii(\.gz)?", path.name))
        }
        if not folders:
            expected = (
                "patient folders with <code>_sa.nii.gz, and the table *Dataset_information*.csv"
            )
            raise not_found(folder, expected, _ORIGIN)
        super().__init__(folder, folders)

    def read(self, patient_id):
        """Yield the patient's slices, each a whole cine; before them `Problem`s of the labels.

        Raises:
            DataError: unknown patient, no volume, or a broken one.
        """
        folder, code = self.folder(patient_id), self._original[patient_id]
        volume = read_volume(find_volume(folder / f"{code}_sa"), "short-axis cine")
        masks, problems = None, []
        path = find_volume(folder / f"{code}_sa_gt")
        if path and not any(part.lower() == "unlabeled" for part in path.parts):
            masks = labels_or_none(path, "short-axis labels", volume, LABEL_OF, problems)
        yield from (Problem(patient_id, "sax", None, why) for why in problems)
        if masks is None:
            masks = np.zeros(volume.voxels.shape, np.uint8)
        drawn = masks.any(axis=(0, 2, 3))
        labels_present = [LABELS if phase else () for phase in drawn]
        ed, es = (self._phase(code, key, len(drawn)) for key in ("ED", "ES"))
        yield from cine_slices(
            patient_id, "sax", volume.voxels, masks, labels_present, volume.spacing_mm, ed, es
        )

    def _phase(self, code, column, count):
        """Phase stated in the table (the first is 0), or None."""
        stated = re.fullmatch(r"(\d+)(\.0)?", self.value(code, column))
        return int(stated[1]) if stated and int(stated[1]) < count else None
