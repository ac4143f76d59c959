"""The frame table: one row a frame, the same columns for every data source."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

VIEWS = ("4ch", "2ch", "sax")
ROLES = ("gan", "unet", "external")
LABELS = {0: "background", 1: "LV", 2: "LV myocardium", 3: "RV", 4: "LA", 5: "RA"}

_PIXEL_COLUMNS = [
    ("view", pa.string()),
    ("spacing_row_mm", pa.float64()),
    ("spacing_col_mm", pa.float64()),
    ("labels_present", pa.list_(pa.uint8())),
    ("source", pa.string()),
]

PATIENT_SCHEMA = pa.schema(
    [
        ("frame_id", pa.string()),
        ("patient_id", pa.string()),
        ("role", pa.string()),
        ("site", pa.string()),
        ("vendor", pa.string()),
        ("disease", pa.string()),
        ("slice_index", pa.int32()),
        ("slice_spacing_mm", pa.float64()),
        ("phase_index", pa.int32()),
        ("phase_fraction", pa.float64()),
        ("is_ed", pa.bool_()),
        ("is_es", pa.bool_()),
        *_PIXEL_COLUMNS,
    ]
)
"""Columns of a patient cohort's `frames.parquet`.

`patient_id` is a pseudonym; `phase_fraction` runs from 0 (end-diastole) to below 1, NaN where only
single phases were published; spacings are in mm after preprocessing (`slice_spacing_mm`: between
the slices of a short-axis stack), NaN where the source does not state them; `labels_present` lists
the label numbers (see `LABELS`) annotated in the frame.
"""

SYNTHETIC_SCHEMA = pa.schema(
    [("frame_id", pa.string()), ("index", pa.int64()), ("seed", pa.int64()), *_PIXEL_COLUMNS]
)
"""Columns of a synthetic cohort's `frames.parquet`: no patient, but the latent's index and seed."""


def write_frames(frames, path, schema=PATIENT_SCHEMA):
    """Write a frame table as parquet, columns in the order of the contract.

    Args:
        frames: DataFrame with every column of `schema`.
        path: file to write.
        schema: `PATIENT_SCHEMA` or `SYNTHETIC_SCHEMA`.

    Raises:
        ValueError: a patient in two roles, an unknown role or view, or a doubled frame_id.
    """
    check_frames(frames)
    table = pa.Table.from_pandas(frames, schema=schema, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(None), path)


def read_frames(folder):
    """Read the frame table of a cohort folder; row i belongs to pixel array row i.

    Raises:
        FileNotFoundError: the folder holds no `frames.parquet`.
    """
    path = Path(folder) / "frames.parquet"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no frame table; run the notebook that makes it first")
    return pq.read_table(path).to_pandas()


def check_frames(frames):
    """Refuse a frame table that breaks the contract.

    Raises:
        ValueError: naming the column and the offending values.
    """
    doubled = frames["frame_id"][frames["frame_id"].duplicated()]
    if len(doubled):
        raise ValueError(f"frame_id: {doubled.iloc[0]!r} occurs more than once")
    _check_values(frames, "view", VIEWS)
    if "role" not in frames:
        return
    _check_values(frames, "role", ROLES)
    roles = frames.groupby("patient_id")["role"].nunique()
    shared = list(roles.index[roles > 1])
    if shared:
        raise ValueError(f"role: patients in more than one role: {', '.join(shared[:5])}")


def _check_values(frames, column, allowed):
    unknown = sorted(set(frames[column]) - set(allowed))
    if unknown:
        raise ValueError(f"{column}: unknown value {unknown[0]!r}; allowed: {', '.join(allowed)}")


def simulated_note(sources):
    """What a figure or a table says of itself where simulated patients are in it.

    It stands on the thing itself, since it may travel without its caption.

    Args:
        sources: the `source` column of the patients shown or compared with.

    Returns:
        str, empty where nobody is simulated.
    """
    sources = set(sources)
    if "simulated" not in sources:
        return ""
    beside = " beside real ones" if len(sources) > 1 else ""
    return f"simulated patients (nobody was imaged){beside}"


def labels_of_views(frames):
    """Every label number annotated in a view, e.g. `{"sax": [1, 2, 3]}`."""
    return {
        view: sorted({int(label) for labels in rows for label in labels})
        for view, rows in frames.groupby("view", sort=False)["labels_present"]
    }


def check_labelled(frames, views):
    """Refuse a cohort from which nothing can be learnt or tested: a role without any label.

    Args:
        frames: frame table of patients.
        views: views of the study.

    Raises:
        ValueError: one line that names the views and roles.
    """
    labelled = frames[frames["labels_present"].str.len() > 0]
    there = set(zip(labelled["view"], labelled["role"], strict=True))
    bare = [f"{view} {role}" for view in views for role in ROLES if (view, role) not in there]
    if bare:
        raise ValueError(
            f"no labelled frame of {', '.join(bare)}: networks learn from masks and are tested on "
            "them. Lay masks beside the images, or leave the view out of `views`; tables/problems "
            "says which masks could not be used"
        )


def fully_labelled(frames):
    """Frames that carry every label that occurs in their view.

    Args:
        frames: frame table of one role: what other patients have drawn is nothing to it.

    Choice: a network that makes image and labels together learns from these alone, since a label
    that nobody drew would be learnt as absent.

    Returns:
        [n] bool array.
    """
    wanted = labels_of_views(frames)
    pairs = zip(frames["view"], frames["labels_present"], strict=True)
    return np.array([set(labels) == set(wanted[view]) for view, labels in pairs])
