"""Frames whose truth is known: implausible edits, and copies of patient frames."""

import zlib

import numpy as np
import pandas as pd
from scipy import ndimage

LV, MYOCARDIUM, RV = 1, 2, 3


def generator(seed, key):
    """Random generator of one frame or list: depends on the seed and this key alone."""
    return np.random.default_rng([seed, zlib.crc32(key.encode())])


# --- implausible edits: (image [R, R] float32, mask [R, R] uint8, rng) -> (image, mask) ---


def rv_removed(image, mask, rng):
    """Paint the RV over with the tissue around it."""
    hole = ndimage.binary_dilation(mask == RV, iterations=max(1, len(mask) // 48))
    tissue = ~hole & (mask == 0) | (mask == MYOCARDIUM)
    return _paint(image, hole, tissue, rng), np.where(mask == RV, 0, mask)


def septum_broken(image, mask, rng):
    """Open a gap, 16 % of the frame wide, in mid-septum, so that LV and RV cavity are one."""
    to_lv, to_rv = (ndimage.distance_transform_edt(mask != label) for label in (LV, RV))
    across = to_lv + to_rv
    between = np.argwhere((np.abs(to_lv - to_rv) <= 1) & (across <= 2 * across.min() + 2))
    middle = between[np.argmin(np.linalg.norm(between - between.mean(axis=0), axis=1))]
    near = np.linalg.norm(np.indices(mask.shape) - middle[:, None, None], axis=0) < 0.08 * len(mask)
    gap = near & (across <= across[tuple(middle)] + 2) & ~np.isin(mask, (LV, RV))
    blood = (mask == LV) & ~ndimage.binary_dilation(mask != LV)
    filled = _paint(image, gap, blood if blood.any() else mask == LV, rng)
    return filled, np.where(gap, np.where(to_lv <= to_rv, LV, RV), mask)


def chambers_swapped(image, mask, rng):
    """Turn the heart round between LV and RV, and leave the body around it."""
    lv, rv = (np.array(ndimage.center_of_mass(mask == label)) for label in (LV, RV))
    axis = (lv - rv) / np.linalg.norm(lv - rv)
    heart = np.argwhere(mask > 0) @ axis
    middle = axis * (heart.min() + heart.max()) / 2
    turn = np.eye(2) - 2 * np.outer(axis, axis)
    offset = 2 * axis * (middle @ axis)
    turned = ndimage.affine_transform(mask, turn, offset, order=0)
    region = ndimage.binary_dilation((mask > 0) | (turned > 0), iterations=max(1, len(mask) // 32))
    other = ndimage.affine_transform(image, turn, offset, order=1, mode="nearest")
    return _blend(image, other, region), turned


def mirrored(image, mask, rng):
    """Mirror the frame left to right: the heart lies on the wrong side."""
    return image[:, ::-1], mask[:, ::-1]


def lv_doubled(image, mask, rng):
    """Paste a second left ventricle beside the heart, where most of it finds room."""
    left = ndimage.binary_dilation(np.isin(mask, (LV, MYOCARDIUM)))
    reach = 2.1 * np.sqrt((mask == LV).sum() / np.pi) + 0.12 * len(mask)
    angles = 2 * np.pi * (np.arange(16) + rng.random()) / 16
    offsets = np.rint(reach * np.stack([np.sin(angles), np.cos(angles)], axis=1))
    moved = [ndimage.shift(left, offset, order=0) for offset in offsets]
    best = int(np.argmax([(place & (mask == 0)).sum() for place in moved]))
    copied = ndimage.shift(np.where(left, mask, 0), offsets[best], order=0)
    other = ndimage.shift(image, offsets[best], order=0, mode="nearest")
    return _blend(image, other, moved[best]), np.where(copied > 0, copied, mask)


def stretched(image, mask, rng):
    """Draw the frame out to 1.8 times its height around the heart's centre."""
    centre = np.array(ndimage.center_of_mass(mask > 0))
    scale = np.array([1 / 1.8, 1.0])
    offset = centre - scale * centre
    return (
        ndimage.affine_transform(image, scale, offset, order=1, mode="nearest"),
        ndimage.affine_transform(mask, scale, offset, order=0),
    )


EDITS = {
    "RV removed": (rv_removed, (RV,)),
    "septum broken": (septum_broken, (LV, RV)),
    "chambers swapped": (chambers_swapped, (LV, RV)),
    "mirrored": (mirrored, (LV,)),
    "LV doubled": (lv_doubled, (LV,)),
    "stretched": (stretched, (LV,)),
}
"""Edits implausible in the heart that `answers.INSTRUCTION` names: (function, labels needed).

Mirrored, swapped and broken hearts occur in other defects (dextrocardia, ventricular inversion,
ventricular septal defect), so observers must be told what to think of."""

SMALLEST_CHAMBER = 0.005  # of the frame; an edit of a smaller chamber could not be seen


def make_controls(images, masks, frames, count, seed):
    """Make implausible frames from plausible ones, shared evenly by the edits of `EDITS`.

    Args:
        images: [n, R, R] uint8.
        masks: [n, R, R] uint8, labels as `frames.LABELS`.
        frames: frame table of these n frames.
        count: controls to make, at most one edit of each kind a frame.
        seed: study seed.

    Returns:
        images, masks: [count, R, R] uint8.
        table: frame table rows of the frames edited, with a `frame_id` of the control and the
            columns `control` (name of the edit) and `made_from` (frame_id).

    Raises:
        ValueError: no frame carries the labels that any edit needs, or too few do.
    """
    candidates = {name: _editable(masks, frames, labels) for name, (_, labels) in EDITS.items()}
    candidates = {name: rows for name, rows in candidates.items() if len(rows)}
    if not candidates:
        raise ValueError("masks: no frame with an LV or RV to edit; give frames with labels")
    made_images, made_masks, made_rows = [], [], []
    shares = np.array_split(np.arange(count), len(candidates))
    for (name, rows), share in zip(candidates.items(), shares, strict=True):
        if len(rows) < len(share):
            raise ValueError(
                f"count: {len(share)} controls {name!r} asked of {len(rows)} frames; ask for fewer"
            )
        for row in generator(seed, name).choice(rows, len(share), replace=False):
            source = frames.iloc[row]
            rng = generator(seed, f"{name} {source['frame_id']}")
            image, mask = EDITS[name][0](images[row].astype(np.float32), masks[row], rng)
            made_images.append(to_uint8(image))
            made_masks.append(mask.astype(np.uint8))
            new = f"control-{name.replace(' ', '-')}-{source['frame_id']}"
            made_rows.append(
                source.to_dict()
                | {"frame_id": new, "control": name, "made_from": source["frame_id"]}
            )
    return np.stack(made_images), np.stack(made_masks), pd.DataFrame(made_rows)


def _editable(masks, frames, labels):
    """Rows of the frames in which all of these labels are annotated and large enough to see."""
    shares = np.stack([(masks == label).mean(axis=(1, 2)) for label in labels], axis=1)
    annotated = [set(labels) <= set(present) for present in frames["labels_present"]]
    return np.flatnonzero((shares > SMALLEST_CHAMBER).all(axis=1) & np.array(annotated))


# --- copies ---


def exact(image, rng):
    """The frame itself."""
    return image


def flipped(image, rng):
    """Mirrored left to right."""
    return image[:, ::-1]


def shifted(image, rng):
    """Moved by 3 to 8 % of the frame along both axes."""
    size = np.maximum(np.rint(rng.uniform(0.03, 0.08, 2) * len(image)), 1)
    return ndimage.shift(image, size * rng.choice([-1, 1], 2), order=0, mode="nearest")


def noisy(image, rng):
    """With Gaussian noise of 8 % of the grey range added."""
    return image + rng.normal(0, 0.08 * 255, image.shape)


def contrast_changed(image, rng):
    """With a gamma of 0.5 to 0.8 or 1.25 to 2."""
    return 255 * (image / 255) ** (rng.uniform(1.25, 2) ** rng.choice([-1, 1]))


COPIES = {
    "exact": exact,
    "flipped": flipped,
    "shifted": shifted,
    "noisy": noisy,
    "contrast-changed": contrast_changed,
}


def plant_copies(images, frames, count, seed):
    """Copy patient frames in the ways of `COPIES`, evenly; each copy of another frame.

    Args:
        images: [n, R, R] uint8.
        frames: frame table of these n frames.
        count: copies to make.
        seed: study seed.

    Returns:
        copies: [count, R, R] uint8.
        table: DataFrame `frame_id, copy` (name of the change) `, made_from` (frame_id) `, row`.

    Raises:
        ValueError: count is larger than n.
    """
    if count > len(images):
        raise ValueError(f"count: {count} copies asked of {len(images)} frames; ask for fewer")
    rows = generator(seed, "copies").choice(len(images), count, replace=False)
    names = np.resize(list(COPIES), count)
    made_from = frames["frame_id"].to_numpy()[rows]
    copies = [
        to_uint8(COPIES[name](images[row].astype(np.float32), generator(seed, f"{name} {source}")))
        for name, row, source in zip(names, rows, made_from, strict=True)
    ]
    ids = [f"copy-{name}-{source}" for name, source in zip(names, made_from, strict=True)]
    table = pd.DataFrame({"frame_id": ids, "copy": names, "made_from": made_from, "row": rows})
    return np.stack(copies), table


# --- pixels ---


def to_uint8(image):
    """Grey values rounded and clipped to 0 to 255."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _paint(image, hole, source, rng):
    """Fill a hole with the local mean of the source pixels and with noise as strong as theirs."""
    sigma = len(image) / 24
    weight = ndimage.gaussian_filter(source.astype(np.float32), sigma) + 1e-6
    local = ndimage.gaussian_filter(image * source, sigma) / weight
    local += (image[source].mean() - local) * (weight < 1e-3)  # no source pixel within reach
    rest = (image - ndimage.gaussian_filter(image, 1.0))[source]
    grain = rng.normal(0, 1.48 * np.median(np.abs(rest)), image.shape)  # robust: no vessels
    return _blend(image, local + grain, hole)


def _blend(image, other, region):
    """Put the other image into a region, with an edge as soft as the frame's own."""
    weight = ndimage.gaussian_filter(region.astype(np.float32), len(image) / 90)
    return image + (other - image) * weight
