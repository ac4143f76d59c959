"""From data sources to a cohort folder: all frames of all patients, one table, one store."""

import shutil
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cmrkit.cohort.frames import VIEWS, read_frames
from cmrkit.cohort.grids import grid_row, write_grids
from cmrkit.cohort.parts import part_path, read_part, write_part
from cmrkit.cohort.preprocess import preprocess
from cmrkit.cohort.problems import Problem
from cmrkit.cohort.store import CohortWriter

MOST_PROCESSES = 4  # each holds about 0.3 GB, and the disk seldom feeds more


def build_cohort(sources, folder, *, resolution, fov_mm, views=VIEWS, crop="centre",
                 assumed_spacing_mm=None, processes=1, on_patient=None):  # fmt: skip
    """Read, preprocess and store the frames of all patients that have a role.

    Each patient read waits as one file in `<folder>/parts` until all are there, so that a build
    that was stopped, at whatever moment, goes on where it stopped. A part is used again only while
    source, role, settings and code are the same.

    Args:
        sources: list of (`cohort.series.Source`, patient table with `role`).
        folder: cohort folder, made if absent.
        resolution: R, pixels a side.
        fov_mm: side of the square frame in mm.
        views: views to keep.
        crop: as in `preprocess`.
        assumed_spacing_mm: pixel size where a source states none.
        processes: patients read at the same time, at most `MOST_PROCESSES`; the bytes written do
            not depend on it.
        on_patient: called with (patients done, patients in all) after each patient.

    Returns:
        frames: the frame table.
        problems: DataFrame `patient_id, view, slice_index, problem`, a row a thing left out.

    Raises:
        ValueError: a patient in two sources, or no usable frame at all.
    """
    settings = {
        "resolution": resolution, "fov_mm": fov_mm, "crop": crop,
        "assumed_spacing_mm": assumed_spacing_mm,
    }  # fmt: skip
    parts = Path(folder) / "parts"
    jobs = [(part_path(parts, source, row, [settings, *views]), source, row, tuple(views), settings)
            for source, row in _patients(sources)]  # fmt: skip
    problems = [problem for source, _ in sources for problem in getattr(source, "problems", [])]
    parts.mkdir(parents=True, exist_ok=True)
    grids = []
    with CohortWriter(folder, resolution) as writer:
        for number, path in enumerate(_read_all(jobs, min(processes, MOST_PROCESSES)), start=1):
            images, masks, rows, of_slices, found = read_part(path)
            writer.append(images, masks, rows)
            grids += of_slices
            problems += found
            if on_patient:
                on_patient(number, len(jobs))
        if not grids:
            shutil.rmtree(parts)
            raise ValueError(_nothing(jobs, problems))
        write_grids(grids, folder)
    shutil.rmtree(parts)
    table = pd.DataFrame(map(asdict, problems), columns=list(Problem.__dataclass_fields__))
    return read_frames(folder), table.astype({"slice_index": "Int64"})


def _patients(sources):
    """One (source, patient row) a patient, in the order given."""
    pairs = [(source, row) for source, table in sources for row in table.to_dict("records")]
    ids = pd.Series([row["patient_id"] for _, row in pairs], dtype=str)
    if ids.duplicated().any():
        raise ValueError(
            f"patient_id: {ids[ids.duplicated()].iloc[0]} comes from two sources; "
            "a patient has one role, so leave one source out"
        )
    return pairs


def _nothing(jobs, problems):
    first = f"; the first problem: {problems[0].problem}" if problems else ""
    return f"no usable frame from {len(jobs)} patients in the chosen views{first}"


def _read_all(jobs, processes):
    """Make every part that is not there, and yield the paths in the order of the jobs."""
    if processes == 1:
        for job in jobs:
            _make_part(*job)
            yield job[0]
        return
    waiting = deque()
    left = deque(jobs)
    try:
        with _workers(processes) as pool:
            while left or waiting:
                # a bounded number is under way, so that memory does not grow with the archive
                while left and len(waiting) <= 2 * processes:
                    path, source, row, *rest = left[0]
                    one = source.only(row["patient_id"]) if hasattr(source, "only") else source
                    # a broken pool refuses the job, which then has to be in `left` still
                    made = pool.submit(_make_part, path, one, row, *rest)
                    waiting.append((left.popleft(), made))
                waiting[0][1].result()
                yield waiting.popleft()[0][0]
    except BrokenProcessPool:
        for job in [*(job for job, _ in waiting), *left]:
            _make_part_alone(job)
            yield job[0]


def _workers(count):
    # a fork of a process that runs torch threads may hang, so workers start from a clean one
    method = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
    context = get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(count, context, initializer=torch.set_num_threads, initargs=(1,))


def _make_part_alone(job):
    """Make a part in a process of its own, so that a crash names the patient it happened on."""
    try:
        with _workers(1) as pool:
            pool.submit(_make_part, *job).result()
    except BrokenProcessPool:
        path, _, patient, _, settings = job
        why = "the process that read it died; a file is broken, or memory ran out"
        _write(path, [], [Problem(patient["patient_id"], "", None, why)], settings["resolution"])


def _make_part(path, source, patient, views, settings):
    if read_part(path) is None:
        _write(path, *_read_patient(source, patient, views, settings), settings["resolution"])


def _write(path, slices, problems, resolution):
    none = np.zeros((0, resolution, resolution), np.uint8)
    images, masks = (np.concatenate([none, *(one[i] for one in slices)]) for i in (0, 1))
    rows = [row for one in slices for row in one[2]]
    write_part(path, images, masks, rows, [one[3] for one in slices], problems)


def _read_patient(source, patient, views, settings):
    """Frames and problems of one patient.

    Returns:
        slices: list of (images [P, R, R], masks [P, R, R], P rows of the frame table, grid row).
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
    images, masks, grid = preprocess(cine, **settings)
    spacing = np.nan if cine.spacing_mm is None else grid.spacing_mm
    rows = [
        {
            "frame_id": f"{cine.patient_id}-{cine.view}-{cine.slice_index:02d}-{phase:02d}",
            "patient_id": cine.patient_id,
            "role": patient["role"],
            "site": patient["site"],
            "vendor": patient["vendor"],
            "disease": patient["disease"],
            "view": cine.view,
            "slice_index": int(cine.slice_index),
            "slice_spacing_mm": float(cine.slice_spacing_mm),
            "phase_index": int(phase),
            "phase_fraction": float(cine.phase_fraction[number]),
            "is_ed": bool(cine.is_ed[number]),
            "is_es": bool(cine.is_es[number]),
            "spacing_row_mm": spacing,
            "spacing_col_mm": spacing,
            "labels_present": [int(label) for label in cine.labels_present[number]],
            "source": source,
        }
        for number, phase in enumerate(cine.phase_index)
    ]
    return images, masks, rows, grid_row(cine, grid)
