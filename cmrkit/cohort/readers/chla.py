"""Children with congenital heart disease, Children's Hospital Los Angeles (CHLA).

Short axis at end-diastole and end-systole, LV and RV cavity, 128 x 128 pixels, MATLAB files:
`Metadata.csv` and `nearest/{LV,RV}/Sbj_<n>_{LV,RV}{ED,ES}_{image,mask}.mat`.

Source: Karimi-Bidhendi et al., J Cardiovasc Magn Reson 2020;22:80, GitHub
saeedkarimi/Cardiac_MRI_Segmentation.
"""

import re

import numpy as np
import pandas as pd
from scipy.io import loadmat

from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.series import CineSlice

LABEL_OF_FOLDER = {"LV": 1, "RV": 3}
PHASES = ("ED", "ES")


class ChlaArchive:
    """The CHLA set, or the part of it that is there.

    Only the `nearest` masks are read: the published `bicubic` ones are 13 to 19 % larger.

    Args:
        folder: Path that holds `Metadata.csv` and `nearest/`, or its `nearest/` folder.

    Raises:
        FileNotFoundError: no such files there.
    """

    name = "chla"

    def __init__(self, folder):
        self.folder = folder.parent if folder.name == "nearest" else folder
        files = sorted((self.folder / "nearest" / "LV").glob("Sbj_*_LVED_image.mat"))
        if not files or not (self.folder / "Metadata.csv").exists():
            raise FileNotFoundError(
                f"{folder}: expected Metadata.csv and nearest/LV/Sbj_<n>_LVED_image.mat; get the "
                "set from GitHub, saeedkarimi/Cardiac_MRI_Segmentation (doi "
                "10.1186/s12968-020-00678-0)"
            )
        present = [int(re.search(r"Sbj_(\d+)_", file.name)[1]) for file in files]
        metadata = pd.read_csv(self.folder / "Metadata.csv").set_index("Subjects")
        self._metadata = metadata.loc[sorted(present)]
        self._subject = {pseudonym(self.name, n): n for n in self._metadata.index}

    def patients(self):
        """One row a patient that is present; `original_id` is the published subject number."""
        return pd.DataFrame(
            {
                "patient_id": list(self._subject),
                "original_id": [str(n) for n in self._subject.values()],
                "site": "Children's Hospital Los Angeles",
                "vendor": "Philips",
                "disease": self._metadata["Disease"].to_numpy(),
            }
        )

    def read(self, patient_id):
        """One `CineSlice` a slice position and phase: ED and ES stacks are not numbered alike.

        An empty mask counts as not annotated: the set has three, each at the edge of a stack.

        Raises:
            ValueError: a file is damaged or images and masks do not fit.
        """
        subject = self._subject[patient_id]
        row = self._metadata.loc[subject]
        spacing = float(row["Pixel Size (dy)"]), float(row["Pixel Size (dx)"])
        for phase in PHASES:
            stacks = {name: self._stack(subject, name, phase) for name in LABEL_OF_FOLDER}
            slices = _match(stacks)
            for index, (image, masks) in enumerate(reversed(slices)):  # stored apex first
                yield _slice(patient_id, index, phase, image, masks, spacing)

    def _stack(self, subject, name, phase):
        """[(image, mask)] of one ventricle at one phase, [H, W] each."""
        arrays = []
        for kind in ("image", "mask"):
            file = f"Sbj_{subject}_{name}{phase}_{kind}.mat"
            try:
                arrays.append(loadmat(self.folder / "nearest" / name / file)[kind])
            except Exception as error:  # scipy raises many kinds on damaged files
                reason = f"{type(error).__name__}; download it again"
                raise ValueError(f"a {name} {phase} {kind} file cannot be read: {reason}") from None
        if arrays[0].shape != arrays[1].shape or arrays[0].ndim != 3:
            raise ValueError(f"{name} {phase}: images {arrays[0].shape}, masks {arrays[1].shape}")
        return list(zip(*arrays, strict=True))


def _match(stacks):
    """Slices of both ventricles as one stack: the same image is the same slice position.

    Args:
        stacks: dict from `LV`, `RV` to [(image, mask)], each in order along the heart.

    Returns:
        [(image, {name: mask})] in order.
    """
    keys = {name: [image.tobytes() for image, _ in stack] for name, stack in stacks.items()}
    merged = list(keys["LV"])
    position = 0
    for key in keys["RV"]:
        if key in merged:
            position = merged.index(key) + 1
        else:
            merged.insert(position, key)
            position += 1
    found = {key: (None, {}) for key in merged}
    for name, stack in stacks.items():
        for key, (image, mask) in zip(keys[name], stack, strict=True):
            found[key] = (image, found[key][1] | {name: mask})
    return list(found.values())


def _slice(patient_id, index, phase, image, masks, spacing):
    mask = np.zeros(image.shape, np.uint8)
    present = []
    for name, drawn in masks.items():
        if drawn.any():
            mask[drawn > 0] = LABEL_OF_FOLDER[name]
            present.append(LABEL_OF_FOLDER[name])
    return CineSlice(
        patient_id=patient_id, view="sax", slice_index=index,
        images=image[None].astype(np.float32), masks=mask[None],
        labels_present=[tuple(sorted(present))], spacing_mm=spacing,
        phase_index=np.array([PHASES.index(phase)]), phase_fraction=np.array([np.nan]),
        is_ed=np.array([phase == "ED"]), is_es=np.array([phase == "ES"]),
    )  # fmt: skip
