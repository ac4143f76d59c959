"""From data sources to a cohort folder: all frames of all patients, one table, one store."""

from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_all_start_methods, get_context

import numpy as np
import pandas as pd
import torch

from cmrkit.cohort.frames import VIEWS, read_frames
from cmrkit.cohort.preprocess import preprocess
from cmrkit.cohort.problems import Problem
from cmrkit.cohort.store import CohortWriter


def build_cohort(sources, folder, *, resolution, fov_mm, views=VIEWS, crop="centre",
                 assumed_spacing_mm=None, processes=1, on_patient=None):  # fmt: skip
    """Read, preprocess and store the frames of all patients that have a role.

    Args:
        sources: list of (`cohort.series.Source`, patient table with `role`).
        folder: cohort folder, made if absent.
        resolution: R, pixels a side.
        fov_mm: side of the square frame in mm.
        views: views to keep.
        crop: as in `preprocess`.
        assumed_spacing_mm: pixel size where a source states none.
        processes: patients read at the same time; the bytes written do not depend on it.
        on_patient: called with (patients done, patients in all) after each patient.

    Returns:
        frames: the frame table.
        problems: DataFrame `patient_id, view, slice_index, problem`, a row a thing left out.

    Raises:
        ValueError: a patient in two sources, or no usable frame at all.
    """
    jobs = _jobs(sources)
    settings = {
        "resolution": resolution, "fov_mm": fov_mm, "crop": crop,
        "assumed_spacing_mm": assumed_spacing_mm,
    }  # fmt: skip
    problems = []
    with CohortWriter(folder, resolution) as writer:
        done = _in_order(_read_patient, [(*job, tuple(views), settings) for job in jobs], processes)
        n_frames = 0
        for number, (slices, found) in enumerate(done, start=1):
            for images, masks, rows in slices:
                writer.append(images, masks, rows)
                n_frames += len(rows)
            problems += found
            if on_patient:
                on_patient(number, len(jobs))
        if not n_frames:
            raise ValueError(_nothing(jobs, problems))
    table = pd.DataFrame(map(asdict, problems), columns=list(Problem.__dataclass_fields__))
    return read_frames(folder), table.astype({"slice_index": "Int64"})


def _jobs(sources):
    """One (source, patient row) a patient, in the order given."""
    jobs = [(source, row) for source, table in sources for row in table.to_dict("records")]
    ids = pd.Series([row["patient_id"] for _, row in jobs], dtype=str)
    if ids.duplicated().any():
        raise ValueError(
            f"patient_id: {ids[ids.duplicated()].iloc[0]} comes from two sources; "
            "a patient has one role, so leave one source out"
        )
    return jobs


def _nothing(jobs, problems):
    first = f"; the first problem: {problems[0].problem}" if problems else ""
    return f"no usable frame from {len(jobs)} patients in the chosen views{first}"


def _in_order(work, jobs, processes):
    """Yield the results of `work(*job)` in the order of the jobs.

    A bounded number of patients is under way, so that memory does not grow with the archive.
    """
    if processes == 1:
        yield from (work(*job) for job in jobs)
        return
    # a fork of a process that runs torch threads may hang, so workers start from a clean one
    method = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
    context = get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([__name__])
    waiting = deque()
    with ProcessPoolExecutor(
        processes, context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for job in jobs:
            waiting.append(pool.submit(work, *job))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _read_patient(source, patient, views, settings):
    """Frames and problems of one patient.

    Returns:
        slices: list of (images [P, R, R], masks [P, R, R], P rows of the frame table).
        problems: list of `Problem`.
    """
    slices, problems = [], []
    patient_id = patient["patient_id"]
    try:
        for cine in source.read(patient_id):
            if isinstance(cine, Problem):
                problems.append(cine)
            elif cine.view in views:
                try:
                    slices.append(_frames_of(cine, patient, source.name, settings))
                except ValueError as error:
                    problems.append(Problem(patient_id, cine.view, cine.slice_index, str(error)))
    except ValueError as error:
        problems.append(Problem(patient_id, "", None, str(error)))
    except OSError as error:  # its text would show the path
        problems.append(Problem(patient_id, "", None, f"cannot be read: {error.strerror}"))
    if not slices and not problems:
        problems.append(Problem(patient_id, "", None, "no slice in the chosen views"))
    return slices, problems


def _frames_of(cine, patient, source, settings):
    images, masks, spacing = preprocess(cine, **settings)
    rows = [
        {
            "frame_id": f"{cine.patient_id}-{cine.view}-{cine.slice_index:02d}-{phase:02d}",
            "patient_id": cine.patient_id,
            "role": patient["role"],
            "site": patient["site"],
            "vendor": patient["vendor"],
            "disease": patient["disease"],
            "view": cine.view,
            "slice_index": cine.slice_index,
            "phase_index": int(phase),
            "phase_fraction": float(cine.phase_fraction[number]),
            "is_ed": bool(cine.is_ed[number]),
            "is_es": bool(cine.is_es[number]),
            "spacing_row_mm": spacing[0],
            "spacing_col_mm": spacing[1],
            "labels_present": np.array(cine.labels_present[number], dtype=np.uint8),
            "source": source,
        }
        for number, phase in enumerate(cine.phase_index)
    ]
    return images, masks, rows
