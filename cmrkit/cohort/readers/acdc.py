"""ACDC: adults, short axis, whole cines with labels at end-diastole and end-systole.

Source: Bernard et al., IEEE Transactions on Medical Imaging 2018;37:2514, doi
10.1109/TMI.2018.2837502.
"""

import re

import numpy as np
import pandas as pd

from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.files import DataError, not_found, reading
from cmrkit.cohort.readers.nifti import cine_slices, find_volume, read_labels, read_volume

DISEASES = {
    "NOR": "healthy",
    "MINF": "myocardial infarction",
    "DCM": "dilated cardiomyopathy",
    "HCM": "hypertrophic cardiomyopathy",
    "RV": "abnormal right ventricle",
}
LABEL_OF = {1: 3, 2: 2, 3: 1}  # theirs: RV cavity, myocardium, LV cavity

_EXPECTED = "folders patient001 ... with Info.cfg and patient001_frame01.nii.gz"
_ORIGIN = (
    "the ACDC challenge, Human Heart Project, CREATIS Lyon; cite Bernard et al., IEEE Trans Med "
    "Imaging 2018;37:2514, doi 10.1109/TMI.2018.2837502"
)


class AcdcArchive:
    """The ACDC set as published, training and testing patients alike.

    Args:
        folder: any folder above the folders `patientNNN`.

    Raises:
        FileNotFoundError: the folder does not hold the set.
    """

    name = "acdc"

    def __init__(self, folder):
        found = {path.parent.name: path.parent for path in folder.rglob("patient*/Info.cfg")}
        self._folders = {name: found[name] for name in sorted(found)}
        if not self._folders:
            raise not_found(folder, _EXPECTED, _ORIGIN)
        self._original = {pseudonym(self.name, name): name for name in self._folders}

    def patients(self):
        """One row a patient; `original_id` is the folder's name, e.g. `patient001`."""
        groups = [_info(path, "Group") for path in self._folders.values()]
        return pd.DataFrame(
            {
                "patient_id": list(self._original),
                "original_id": list(self._folders),
                "site": "Dijon",
                "vendor": "Siemens",
                "disease": [DISEASES.get(group, "unknown") for group in groups],
            }
        )

    def read(self, patient_id):
        """Yield the patient's slices: the whole cine if present, else the two labelled phases.

        Raises:
            DataError: unknown patient, no volume, or a broken file.
        """
        if patient_id not in self._original:
            raise DataError(f"patient_id: no patient {patient_id!r} in this folder")
        folder = self._folders[self._original[patient_id]]
        numbers, images, spacing = _images(folder)
        masks = np.zeros(images.shape, np.uint8)
        labels_present = [()] * len(numbers)
        for phase, number in enumerate(numbers):
            path = find_volume(folder / f"{folder.name}_frame{number:02d}_gt")
            if path:
                shape = images[:, :1].shape
                masks[:, phase] = read_labels(path, f"labels of frame {number}", shape, LABEL_OF)[
                    :, 0
                ]
                labels_present[phase] = tuple(sorted(LABEL_OF.values()))
        ed, es = (_position(numbers, _info(folder, key)) for key in ("ED", "ES"))
        yield from cine_slices(
            patient_id, "sax", images, masks, labels_present, spacing, ed, es,
            whole_cycle=len(numbers) > 2,
        )  # fmt: skip


def _images(folder):
    """Frame numbers (1 is the first), images [Z, T, rows, columns] and their spacing."""
    cine = find_volume(folder / f"{folder.name}_4d")
    if cine:
        images, spacing = read_volume(cine, "4D cine")
        return list(range(1, images.shape[1] + 1)), images, spacing
    numbers = sorted(
        {
            int(found[1])
            for path in folder.iterdir()
            if (found := re.fullmatch(r".+_frame(\d+)\.nii(\.gz)?", path.name))
        }
    )
    if not numbers:
        raise DataError("neither a 4D cine nor single frames; complete the download")
    volumes = [
        read_volume(find_volume(folder / f"{folder.name}_frame{number:02d}"), f"frame {number}")
        for number in numbers
    ]
    if len({voxels.shape for voxels, _ in volumes}) > 1:
        raise DataError("frames of different shape; expected one shape a patient")
    return numbers, np.concatenate([voxels for voxels, _ in volumes], axis=1), volumes[0][1]


def _info(folder, key):
    """Value of a line `key: value` of Info.cfg, or None."""
    with reading("Info.cfg"):
        found = re.search(rf"^{key}:\s*(\S+)", (folder / "Info.cfg").read_text(), re.MULTILINE)
        return found and found[1]


def _position(numbers, stated):
    """Phase of the frame number stated in Info.cfg, or None."""
    return numbers.index(int(stated)) if stated and int(stated) in numbers else None
