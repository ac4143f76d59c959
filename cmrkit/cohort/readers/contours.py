"""Contours drawn by hand: text files of points, and the pixels they enclose."""

import numpy as np
from matplotlib.path import Path as Polygon

from cmrkit.cohort.readers.files import DataError, reading


def read_contour(path, what="contour"):
    """Read a contour, a line `x y` a point in pixels from the upper left corner of the image.

    Returns:
        [n, 2] float64 (x, y).

    Raises:
        DataError: not a list of at least three finite points.
    """
    with reading(what):
        lines = path.read_text().splitlines()
        points = np.array([line.split() for line in lines if line.strip()], dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise DataError(f"{what}: {points.shape} numbers; expected three or more lines 'x y'")
    return points


def fill_contour(points, shape):
    """Pixels enclosed by a closed contour.

    Args:
        points: [n, 2] (x, y) in pixels; (0, 0) is the upper left corner of the first pixel, so its
            middle is (0.5, 0.5).
        shape: (rows, columns).

    Returns:
        [rows, columns] bool, pixels whose middle lies inside.

    Choice: corner rather than middle as origin; with it the Sunnybrook contours lie on the
    strongest edges of their images, and agree best with the masks published for them.
    """
    rows, columns = np.indices(shape)
    middles = np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5])
    return Polygon(points).contains_points(middles).reshape(shape)


def ventricle_mask(shape, endocardium=None, epicardium=None):
    """Label map of the left ventricle: 1 within the endocardium, 2 from there to the epicardium.

    Args:
        shape: (rows, columns).
        endocardium: contour points or None.
        epicardium: contour points or None.

    Returns:
        mask: [rows, columns] uint8.
        labels: label numbers annotated; the myocardium only where both contours were drawn.
    """
    mask = np.zeros(shape, np.uint8)
    if endocardium is None:
        return mask, ()
    if epicardium is not None:
        mask[fill_contour(epicardium, shape)] = 2
    mask[fill_contour(endocardium, shape)] = 1
    return mask, (1,) if epicardium is None else (1, 2)


def draw_ventricle(files, shape, instance):
    """Label map of one image from its contour files; a broken one counts as not drawn.

    Args:
        files: kind (`i` endocardium, `o` epicardium) -> path.
        shape: (rows, columns).
        instance: number of the image, for the problems.

    Returns:
        mask: [rows, columns] uint8.
        labels: label numbers annotated, `()` for none.
        problems: list of sentences.
    """
    points, problems = {}, []
    for kind in sorted(files):
        try:
            points[kind] = read_contour(files[kind], f"{kind} contour of instance {instance}")
        except DataError as error:
            problems.append(str(error))
    mask, labels = ventricle_mask(shape, points.get("i"), points.get("o"))
    if labels and not mask.any():
        problems.append(f"contour of instance {instance}: outside its image")
        labels = ()
    return mask, labels, problems


def unmatched(count, of):
    """List of one sentence on contours whose instance number no image has, empty for none."""
    return [f"{count} of {of} contours: no image has their instance number"] if count else []
