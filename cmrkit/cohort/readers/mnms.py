"""M&Ms (short axis) and M&Ms-2 (short and long axis): several centres, vendors and diseases.

Source: Campello et al., IEEE Transactions on Medical Imaging 2021;40:3543, doi
10.1109/TMI.2021.3090082; Martin-Isla et al., IEEE Journal of Biomedical and Health Informatics
2023;27:3302, doi 10.1109/JBHI.2023.3267857.
"""

import re

import numpy as np
import pandas as pd

from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.files import DataError, not_found, reading, vendor_name
from cmrkit.cohort.readers.nifti import cine_slices, find_volume, read_labels, read_volume

LABELS = (1, 2, 3)  # LV cavity, myocardium, RV cavity: theirs are ours
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

_ORIGIN = "the University of Barcelona, www.ub.edu/mnms and mnms-2; cite "
_CITE = "Campello et al., IEEE Trans Med Imaging 2021;40:3543, doi 10.1109/TMI.2021.3090082"
_CITE_2 = (
    "Martin-Isla et al., IEEE J Biomed Health Inform 2023;27:3302, doi 10.1109/JBHI.2023.3267857"
)


class _Archive:
    """What both sets share: a folder and a line of a table for each patient."""

    def __init__(self, folders, tables, code_column):
        self._folders = folders
        self._original = {pseudonym(self.name, code): code for code in folders}
        self._table = pd.DataFrame()
        if tables:
            with reading(tables[0].name):
                table = pd.read_csv(tables[0], dtype=str)
                codes = table[code_column].str.strip().str.zfill(3)
                self._table = table.set_index(codes)[lambda rows: ~rows.index.duplicated()]

    def _value(self, code, column):
        """Entry of the set's own table as text, `unknown` where there is none."""
        value = self._table[column].get(code) if column in self._table else None
        return value.strip() if isinstance(value, str) else "unknown"

    def _column(self, column):
        return [self._value(code, column) for code in self._folders]

    def _folder(self, patient_id):
        if patient_id not in self._original:
            raise DataError(f"patient_id: no patient {patient_id!r} in this folder")
        return self._folders[self._original[patient_id]]


class MnmsArchive(_Archive):
    """The M&Ms set as published: whole short-axis cines, labels at end-diastole and end-systole.

    Label volumes below a folder `Unlabeled` are empty by design and are not read.

    Args:
        folder: any folder above the patient folders with `<code>_sa.nii.gz`.

    Raises:
        FileNotFoundError: the folder does not hold the set.
    """

    name = "mnms"

    def __init__(self, folder):
        volumes = sorted(folder.rglob("*_sa.nii*"))
        folders = {path.name.split("_sa.nii")[0]: path.parent for path in volumes}
        if not folders:
            expected = (
                "patient folders with <code>_sa.nii.gz, and the table *Dataset_information*.csv"
            )
            raise not_found(folder, expected, _ORIGIN + _CITE)
        tables = [
            *folder.rglob("*ataset_information*.csv"),
            *folder.parent.glob("*ataset_info*.csv"),
        ]
        super().__init__(folders, tables, "External code")

    def patients(self):
        """One row a patient; `original_id` is the external code, e.g. `A0S9V9`."""
        return pd.DataFrame(
            {
                "patient_id": list(self._original),
                "original_id": list(self._folders),
                "site": [f"centre {centre}" for centre in self._column("Centre")],
                "vendor": [vendor_name(text) for text in self._column("VendorName")],
                "disease": [DISEASES.get(text, "unknown") for text in self._column("Pathology")],
            }
        )

    def read(self, patient_id):
        """Yield the patient's slices, each a whole cine.

        Raises:
            DataError: unknown patient, no volume, or a broken file.
        """
        folder, code = self._folder(patient_id), self._original[patient_id]
        images, spacing = read_volume(find_volume(folder / f"{code}_sa"), "short-axis cine")
        masks = np.zeros(images.shape, np.uint8)
        path = find_volume(folder / f"{code}_sa_gt")
        if path and not any(part.lower() == "unlabeled" for part in path.parts):
            masks = read_labels(path, "short-axis labels", images.shape)
        drawn = masks.any(axis=(0, 2, 3))
        labels_present = [LABELS if phase else () for phase in drawn]
        ed, es = (self._phase(code, key, len(drawn)) for key in ("ED", "ES"))
        yield from cine_slices(patient_id, "sax", images, masks, labels_present, spacing, ed, es)

    def _phase(self, code, column, count):
        """Phase stated in the table (the first is 0), or None."""
        stated = re.fullmatch(r"(\d+)(\.0)?", self._value(code, column))
        return int(stated[1]) if stated and int(stated[1]) < count else None


class Mnms2Archive(_Archive):
    """The M&Ms-2 set as published: short axis and 4-chamber, end-diastole, end-systole and cine.

    Args:
        folder: any folder above the patient folders `001` ... with `001_SA_ED.nii.gz`.

    Raises:
        FileNotFoundError: the folder does not hold the set.
    """

    name = "mnms2"

    def __init__(self, folder):
        found = [
            (name[1], path.parent)
            for path in sorted(folder.rglob("*_?A_*.nii*"))
            if (name := re.fullmatch(r"(\d+)_[SL]A_(ED|ES|CINE)\.nii(\.gz)?", path.name))
        ]
        if not found:
            expected = "patient folders with 001_SA_ED.nii.gz, and dataset_information.csv"
            raise not_found(folder, expected, _ORIGIN + _CITE_2)
        tables = [
            *folder.rglob("dataset_information.csv"),
            *folder.parent.glob("dataset_info*.csv"),
        ]
        super().__init__(dict(found), tables, "SUBJECT_CODE")

    def patients(self):
        """One row a patient; `original_id` is the subject code with three digits, e.g. `001`."""
        return pd.DataFrame(
            {
                "patient_id": list(self._original),
                "original_id": list(self._folders),
                "site": [f"scanner {text}" for text in self._column("SCANNER")],
                "vendor": [vendor_name(text) for text in self._column("VENDOR")],
                "disease": [DISEASES.get(text, "unknown") for text in self._column("DISEASE")],
            }
        )

    def read(self, patient_id):
        """Yield the patient's slices, short axis first.

        Raises:
            DataError: unknown patient, no volume, or a broken file.
        """
        folder, code = self._folder(patient_id), self._original[patient_id]
        for part, view in (("SA", "sax"), ("LA", "4ch")):
            ends = _ends(folder, f"{code}_{part}")
            if ends:
                yield from _slices(patient_id, view, folder / f"{code}_{part}_CINE", ends)


def _ends(folder, stem):
    """End-diastole and end-systole where present: name -> (images, masks or None, spacing)."""
    ends = {}
    for phase in ("ED", "ES"):
        path = find_volume(folder / f"{stem}_{phase}")
        if path:
            images, spacing = read_volume(path, f"{stem[-2:]} {phase}")
            labels = find_volume(folder / f"{stem}_{phase}_gt")
            what = f"{stem[-2:]} {phase} labels"
            masks = read_labels(labels, what, images.shape) if labels else None
            ends[phase] = images, masks, spacing
    return ends


def _slices(patient_id, view, cine_stem, ends):
    """Slices of one view: the whole cine where it holds both ends, else the ends alone.

    Choice: the set does not state where in the cine end-diastole and end-systole lie; they are the
    phases with identical images.
    """
    images = np.concatenate([voxels[:, :1] for voxels, _, _ in ends.values()], axis=1)
    at = dict(zip(ends, range(len(ends)), strict=True))
    path = find_volume(cine_stem)
    if path:
        cine, _ = read_volume(path, f"{cine_stem.name.split('_', 1)[1]}")
        found = {name: _identical(cine, voxels) for name, (voxels, _, _) in ends.items()}
        if None not in found.values():
            images, at = cine, found
    masks = np.zeros(images.shape, np.uint8)
    labels_present = [()] * images.shape[1]
    for name, (_, drawn, _) in ends.items():
        if drawn is not None:
            masks[:, at[name]] = drawn[:, 0]
            labels_present[at[name]] = LABELS
    spacing = next(iter(ends.values()))[2]
    yield from cine_slices(
        patient_id, view, images, masks, labels_present, spacing, at.get("ED"), at.get("ES"),
        whole_cycle=images.shape[1] > 2,
    )  # fmt: skip


def _identical(cine, voxels):
    """Phase of the cine that holds the same images, or None."""
    if cine[:, :1].shape != voxels[:, :1].shape:
        return None
    same = (cine == voxels[:, :1]).all(axis=(0, 2, 3))
    return int(same.argmax()) if same.any() else None
