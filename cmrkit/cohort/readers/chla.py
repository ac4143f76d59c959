"""Children with congenital heart disease, Children's Hospital Los Angeles (CHLA).

Source: Karimi-Bidhendi et al., J Cardiovasc Magn Reson 2020;22:80, doi 10.1186/s12968-020-00678-0.
"""

import re

import numpy as np
import pandas as pd
from scipy.io import loadmat

from cmrkit.cohort.pseudonym import pseudonym
from cmrkit.cohort.readers.cines import base_first
from cmrkit.cohort.readers.files import DataError, not_found, reading
from cmrkit.cohort.series import CineSlice

LABEL_OF = {"LV": 1, "RV": 3}
LISTS = (("LV", "ED"), ("RV", "ED"), ("LV", "ES"), ("RV", "ES"))
LEAST_OVERLAP = 4  # slices that two lists must share when one is laid against the other

_EXPECTED = "Metadata.csv and the folders nearest/LV and nearest/RV with Sbj_*_LVED_image.mat"
_ORIGIN = (
    "GitHub, saeedkarimi/Cardiac_MRI_Segmentation; cite Karimi-Bidhendi et al., J Cardiovasc Magn "
    "Reson 2020;22:80, doi 10.1186/s12968-020-00678-0"
)


class ChlaArchive:
    """The CHLA set as published: short axis, end-diastole and end-systole, LV and RV cavity.

    Each patient has four lists of slices: LV and RV cavity, at end-diastole and end-systole. The
    two chambers were often drawn at different phases, since a right ventricle after repair of
    Tetralogy of Fallot contracts late, so most frames carry one label. `read` lays the lists
    against each other and yields a slice position with up to four phases: LV end-diastole (phase
    index 0), RV end-diastole (1), LV end-systole (2), RV end-systole (3). Where LV and RV were
    drawn on the identical image it is one frame with both labels.

    Choice: nearly identical images are not joined. In the 26 training patients the lists of a phase
    are identical in every slice or in none. Where not, the images differ by 0.6 to 13 grey levels,
    and in the median patient more than twice as much at the heart as in the body around it: another
    phase of the same slice, not the same image saved again. The outline of one chamber would lie
    on an image on which nobody drew it.

    Choice: the `nearest` masks, since the `bicubic` ones are 13 to 19 % larger than drawn. A mask
    without a pixel (RV end-diastole of subjects 10, 29 and 31) counts as not drawn. A pixel in both
    cavities belongs to the LV, the smaller and rounder one. A few contours at the apex lie beside
    the heart in the published files (subject 5 RV, subject 29 LV and RV, end-systole); they are
    kept, so that results compare with others on this set.

    Args:
        folder: folder with Metadata.csv and nearest/, or nearest/ itself.

    Raises:
        FileNotFoundError: the folder does not hold the set.
        DataError: Metadata.csv is broken or has two rows of a subject.
    """

    name = "chla"

    def __init__(self, folder):
        inner = [folder / "nearest", folder]
        self._pixels = next((path for path in inner if (path / "LV").is_dir()), folder)
        tables = [path / "Metadata.csv" for path in (folder, folder.parent)]
        table = next((path for path in tables if path.is_file()), None)
        self._subjects = sorted(
            int(found[1])
            for path in self._pixels.glob("LV/Sbj_*_LVED_image.mat")
            if (found := re.fullmatch(r"Sbj_(\d+)_LVED_image\.mat", path.name))
        )
        if table is None or not self._subjects:
            raise not_found(folder, _EXPECTED, _ORIGIN)
        with reading("Metadata.csv"):
            self._metadata = pd.read_csv(table).set_index("Subjects")
            diseases = self._metadata["Disease"]
        listed = self._metadata.index
        if (doubled := listed.duplicated() & listed.isin(self._subjects)).any():
            raise DataError(
                f"{table}: row {doubled.argmax() + 1} names a subject that has a row already; keep "
                "one row a subject"
            )
        self._disease = [diseases.get(number, "unknown") for number in self._subjects]
        self._number = {pseudonym(self.name, number): number for number in self._subjects}

    def patients(self):
        """One row a patient whose files are present; `original_id` is the subject number."""
        return pd.DataFrame(
            {
                "patient_id": list(self._number),
                "original_id": [str(number) for number in self._subjects],
                "site": "CHLA",
                "vendor": "Philips",
                "disease": self._disease,
            }
        )

    def read(self, patient_id):
        """Yield the patient's slice positions, base to apex.

        Raises:
            DataError: unknown patient, a file missing or broken, or no pixel size in the table.
        """
        if patient_id not in self._number:
            raise DataError(f"patient_id: no patient {patient_id!r} in this folder")
        number = self._number[patient_id]
        lists = {part: self._load(number, *part) for part in LISTS}
        spacing = self._spacing(number)
        apart = float(self._metadata.loc[number].get("Spacing Between Slices", np.nan))
        frames = join_lists(lists)
        for index, position in enumerate(_base_to_apex(frames)):
            yield _cine(
                patient_id,
                index,
                spacing,
                apart,
                [f for f in frames if f["position"] == position],
            )

    def _spacing(self, number):
        """Pixel size (row, column) of the 128 x 128 images: field of view x 445 / 512 / 128."""
        table = self._metadata
        columns = ["Pixel Size (dy)", "Pixel Size (dx)"]
        if number not in table.index or not set(columns) <= set(table.columns):
            raise DataError("Metadata.csv: no pixel size for this patient; complete the table")
        return tuple(float(size) for size in table.loc[number, columns])

    def _load(self, number, chamber, phase):
        """Images and masks [S, H, W] of one list."""
        arrays = []
        for kind in ("image", "mask"):
            name = f"{chamber}{phase} {kind}"
            path = self._pixels / chamber / f"Sbj_{number}_{chamber}{phase}_{kind}.mat"
            with reading(name), open(path, "rb") as file:
                arrays.append(np.asarray(loadmat(file)[kind], dtype=np.float32))
        images, masks = arrays
        if images.ndim != 3 or images.shape != masks.shape:
            raise DataError(
                f"{chamber}{phase}: images {images.shape}, masks {masks.shape}; "
                "expected the same [slices, rows, columns]"
            )
        return images, masks > 0.5


def join_lists(lists):
    """Lay the four lists of a patient against each other.

    Args:
        lists: `(chamber, phase) -> (images, masks)`, [S, H, W] each.

    Returns:
        list of frames, dicts with `position` along the stack (any origin), `phase` 0 to 3,
        `image` and `masks`, a dict of the chambers drawn.
    """
    reference = lists["LV", "ED"][0]
    frames = []
    for phase, part in enumerate(LISTS):
        chamber = part[0]
        images, masks = lists[part]
        offset = list_offset(reference, images)
        for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
            drawn = {chamber: mask} if mask.any() else {}
            twin = None
            if chamber == "RV":
                twin = _identical(image, [f for f in frames if f["phase"] == phase - 1])
            if twin:
                twin["masks"] |= drawn
            else:
                frames.append(
                    {"position": number + offset, "phase": phase, "image": image, "masks": drawn}
                )
    return frames


def list_offset(reference, images):
    """Slices by which a list starts later than the reference along the same stack.

    Choice: the lists are runs of neighbouring slices without a stated position. Chest wall and
    liver hardly move through the cycle, so the shift with the highest mean correlation of
    overlapping slices is taken. In all 26 training patients it agrees with the images that occur
    in two lists, and the shifts between any three lists add up.

    Args:
        reference: [S, H, W] images.
        images: [T, H, W] images.

    Returns:
        int; slice j of `images` lies where slice j + offset of `reference` does.
    """
    similar = _standardised(reference) @ _standardised(images).T
    least = min(LEAST_OVERLAP, *similar.shape)
    shifts = range(least - len(images), len(reference) - least + 1)
    return max(shifts, key=lambda shift: np.diagonal(similar, -shift).mean())


def _standardised(images):
    flat = images.reshape(len(images), -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)


def _identical(image, frames):
    return next((frame for frame in frames if np.array_equal(frame["image"], image)), None)


def _base_to_apex(frames):
    """Positions in the order of the contract; the published lists run in either direction."""
    positions = sorted({frame["position"] for frame in frames})
    areas = [
        {
            f["position"]: f["masks"][chamber].sum()
            for f in frames
            if chamber in f["masks"] and LISTS[f["phase"]][1] == time
        }
        for chamber, time in LISTS
    ]
    return positions if base_first(areas) else positions[::-1]


def _cine(patient_id, index, spacing, apart, frames):
    masks = np.zeros((len(frames), *frames[0]["image"].shape), np.uint8)
    for mask, frame in zip(masks, frames, strict=True):
        for chamber in ("RV", "LV"):  # LV last: it keeps the pixels that both claim
            if chamber in frame["masks"]:
                mask[frame["masks"][chamber]] = LABEL_OF[chamber]
    phases = np.array([frame["phase"] for frame in frames])
    return CineSlice(
        patient_id=patient_id, view="sax", slice_index=index,
        images=np.stack([frame["image"] for frame in frames]), masks=masks,
        labels_present=[tuple(sorted(LABEL_OF[c] for c in f["masks"])) for f in frames],
        spacing_mm=spacing, phase_index=phases, phase_fraction=np.full(len(frames), np.nan),
        is_ed=phases < 2, is_es=phases >= 2, slice_spacing_mm=apart,
    )  # fmt: skip
