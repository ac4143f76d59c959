"""What is measured on a label map and its image: sizes, places, shapes, borders, grey values."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import ndimage

from cmrkit.cohort.frames import LABELS

CODES = len(LABELS)


def measure_anatomy(part):
    """Measure every frame's label map, and the image under it.

    All lengths are shares of the frame's side and all areas shares of the frame, so that frames
    without a stated pixel size can be measured too. Only labels in `labels_present` are measured.

    Args:
        part: `Part` of n frames.

    Returns:
        DataFrame, n rows, one column a measure; NaN where a label is not annotated or absent:
        `X area` (natural log of the share), `X loose pieces` (share outside the largest piece),
        `X row`, `X column` (centre, measured from the middle of all chambers), `X elongation` (SD
        along over SD across), `X roughness` (border squared over area), `X-Y contact` (share of
        X's border that touches Y), `LV-RV distance`, `heart row`, `heart column`, `X brightness`
        (mean grey value less the frame's, in SD of the frame), `septum brightness` (the darkest
        point on the line between the centres of LV and RV, in the same unit).
    """
    annotated = _annotated(part.frames)
    measures = areas_and_places(part)
    measures |= _borders(part.masks, annotated)
    measures |= _pieces(part.masks, annotated)
    measures |= _brightness(part.images, part.masks, annotated)
    if annotated[:, [1, 3]].all(axis=1).any():
        measures["LV-RV distance"] = _lv_rv_distance(part.masks)
        measures["septum brightness"] = _septum_brightness(part.images, part.masks)
    return pd.DataFrame(measures)


def _annotated(frames):
    """[n, CODES] bool: which labels are annotated in each frame; background always."""
    present = np.zeros((len(frames), CODES), dtype=bool)
    present[:, 0] = True
    for row, labels in enumerate(frames["labels_present"]):
        present[row, np.asarray(labels, dtype=int)] = True
    return present


def _labels(annotated):
    return [label for label in range(1, CODES) if annotated[:, label].any()]


def areas_and_places(part):
    """The measures of `measure_anatomy` that are quickest: areas, centres and elongation.

    Returns:
        dict from the measure's name to [n] values.
    """
    masks, annotated = part.masks, _annotated(part.frames)
    heart_row, heart_column = _centre(masks > 0)
    measures = {"heart row": heart_row, "heart column": heart_column}
    absent = 0.25 / masks[0].size  # an absent chamber counts as a quarter of a pixel
    for label in _labels(annotated):
        name = LABELS[label]
        inside = masks == label
        row, column = _centre(inside)
        log_area = np.log(np.maximum(inside.mean(axis=(1, 2)), absent))
        measures[f"{name} area"] = np.where(annotated[:, label], log_area, np.nan)
        measures[f"{name} row"] = row - heart_row
        measures[f"{name} column"] = column - heart_column
        measures[f"{name} elongation"] = _elongation(inside, row, column)
    return measures


def _places(side):
    """Centres of the pixels along one side, 0 to 1."""
    return (np.arange(side) + 0.5) / side


@np.errstate(invalid="ignore")
def _centre(inside):
    """Row and column of each frame's centre, 0 to 1; NaN where nothing is inside."""
    place = _places(inside.shape[1])
    pixels = inside.sum(axis=(1, 2))
    return inside.sum(axis=2) @ place / pixels, inside.sum(axis=1) @ place / pixels


@np.errstate(invalid="ignore")
def _elongation(inside, row, column):
    """SD along the long axis over SD across, of the pixels of one label."""
    place = _places(inside.shape[1])
    pixels = inside.sum(axis=(1, 2))
    rr = inside.sum(axis=2) @ place**2 / pixels - row**2
    cc = inside.sum(axis=1) @ place**2 / pixels - column**2
    rc = (inside.astype(np.float32) @ place.astype(np.float32)) @ place / pixels - row * column
    middle, spread = (rr + cc) / 2, np.hypot((rr - cc) / 2, rc)
    least = (1 / len(place)) ** 2 / 12  # the spread within one pixel
    return np.sqrt((middle + spread + least) / (np.maximum(middle - spread, 0) + least))


def _borders(masks, annotated):
    """Roughness of each label, and the share of its border that touches each other label."""
    count = len(masks)
    edges = np.zeros((count, CODES * CODES), dtype=np.int64)
    for one, other in ((masks[:, 1:], masks[:, :-1]), (masks[:, :, 1:], masks[:, :, :-1])):
        pair = one.astype(np.int64) * CODES + other + np.arange(count)[:, None, None] * CODES**2
        edges += np.bincount(pair.ravel(), minlength=edges.size).reshape(edges.shape)
    edges = edges.reshape(count, CODES, CODES)
    edges = edges + edges.transpose(0, 2, 1)
    edges[:, range(CODES), range(CODES)] = 0
    border = edges.sum(axis=2)
    measures = {}
    labels = _labels(annotated)
    with np.errstate(invalid="ignore"):
        for label in labels:
            pixels = (masks == label).sum(axis=(1, 2))
            measures[f"{LABELS[label]} roughness"] = border[:, label] ** 2 / pixels
        for one, other in combinations(labels, 2):
            share = edges[:, one, other] / border[:, one]
            share[~annotated[:, [one, other]].all(axis=1)] = np.nan
            measures[f"{LABELS[one]}-{LABELS[other]} contact"] = share
    return measures


def _pieces(masks, annotated):
    """Share of each label's pixels outside its largest connected piece."""
    connected = np.zeros((3, 3, 3), dtype=int)
    connected[1] = 1  # within a frame, also across corners
    measures = {}
    for label in _labels(annotated):
        inside = masks == label
        pieces, number = ndimage.label(inside, connected)
        sizes = np.bincount(pieces.ravel(), minlength=number + 1)[1:]
        first = ndimage.minimum(
            np.broadcast_to(np.arange(len(masks))[:, None, None], masks.shape),
            pieces, np.arange(1, number + 1),
        ).astype(int)  # fmt: skip
        largest = np.zeros(len(masks))
        np.maximum.at(largest, first, sizes)
        total = inside.sum(axis=(1, 2))
        measures[f"{LABELS[label]} loose pieces"] = np.where(
            total > 0, 1 - largest / np.maximum(total, 1), np.nan
        )
    return measures


def _brightness(images, masks, annotated):
    grey = images.astype(np.float32)
    mean, sd = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2)) + 1e-6
    measures = {}
    with np.errstate(invalid="ignore"):
        for label in _labels(annotated):
            inside = masks == label
            bright = (grey * inside).sum(axis=(1, 2)) / inside.sum(axis=(1, 2))
            measures[f"{LABELS[label]} brightness"] = (bright - mean) / sd
    return measures


def _lv_rv_distance(masks):
    """Shortest way between LV and RV cavity; NaN where one of them is absent."""
    distance = np.full(len(masks), np.nan)
    for row, mask in enumerate(masks):
        lv, rv = mask == 1, mask == 3
        if lv.any() and rv.any():
            distance[row] = ndimage.distance_transform_edt(~lv)[rv].min() / len(mask)
    return distance


def _septum_brightness(images, masks):
    """Darkest grey value on the line from the LV's centre to the RV's, as `X brightness`."""
    grey = images.astype(np.float32)
    lv, rv = (np.stack(_centre(masks == label)) * len(masks[0]) - 0.5 for label in (1, 3))
    steps = np.linspace(0, 1, len(masks[0]))[:, None]
    rows, columns = (a + steps * (b - a) for a, b in zip(lv, rv, strict=True))
    frame = np.broadcast_to(np.arange(len(masks)), rows.shape)
    there = np.isfinite(rows)
    line = ndimage.map_coordinates(
        grey, np.where(there, [frame, rows, columns], 0), order=1, mode="nearest"
    )
    darkest = np.where(there, line, np.nan).min(axis=0)
    return (darkest - grey.mean(axis=(1, 2))) / (grey.std(axis=(1, 2)) + 1e-6)
