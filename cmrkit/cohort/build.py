"""Build a cohort: every patient of every source, preprocessed and stored as a stream."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pandas as pd
import torch

from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.preprocess import preprocess
from cmrkit.cohort.store import CohortWriter


def build_cohort(sources, folder, views, **how):
    """Read, preprocess and store all patients.

    Args:
        sources: list of (Source, DataFrame of its patients with the column `role`).
        folder: cohort folder to write.
        views: views to keep.
        how: arguments of `preprocess`, among them `resolution`.

    Returns:
        frame table; and a DataFrame `patient_id, problem` with a row for each patient or slice that
        was left out.

    Raises:
        ValueError: nothing could be read.
    """
    problems = []
    with CohortWriter(folder, how["resolution"]) as writer:
        for source, patients in sources:
            rows = patients.to_dict("records")
            read = partial(_read_patient, source, views=views, how=how)
            with ProcessPoolExecutor(os.cpu_count(), initializer=_one_thread) as pool:
                for frames, problem in pool.map(read, rows):
                    problems += problem
                    for images, masks, table in frames:
                        writer.append(images, masks, table)
        if not writer.count:
            raise ValueError(f"{folder}: no frame could be read; {problems[:1]}")
    return read_frames(folder), pd.DataFrame(problems, columns=["patient_id", "problem"])


def _one_thread():
    torch.set_num_threads(1)  # the processes already fill the cores


def _read_patient(source, patient, views, how):
    """All frames of one patient: [(images, masks, rows)], and the problems met."""
    frames, problems = [], []
    try:
        for cine in source.read(patient["patient_id"]):
            if cine.view in views:
                images, masks, spacing = preprocess(cine, **how)
                frames.append((images, masks, _rows(cine, patient, source.name, spacing)))
    except (ValueError, OSError) as error:
        problems.append({"patient_id": patient["patient_id"], "problem": str(error)})
    return frames, problems


def _rows(cine, patient, source, spacing):
    return [
        {
            "frame_id": f"{cine.patient_id}-{cine.view}-{cine.slice_index:02d}-{phase:02d}",
            "patient_id": cine.patient_id,
            "role": patient["role"],
            "site": patient["site"],
            "vendor": patient["vendor"],
            "disease": patient["disease"],
            "view": cine.view,
            "slice_index": cine.slice_index,
            "phase_index": int(cine.phase_index[p]),
            "phase_fraction": float(cine.phase_fraction[p]),
            "is_ed": bool(cine.is_ed[p]),
            "is_es": bool(cine.is_es[p]),
            "spacing_row_mm": spacing[0],
            "spacing_col_mm": spacing[1],
            "labels_present": list(cine.labels_present[p]),
            "source": source,
        }
        for p, phase in enumerate(cine.phase_index)
    ]
