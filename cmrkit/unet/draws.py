"""Frames and patients drawn by seed: doses, and those set aside."""

import zlib

import numpy as np


def draw_frames(data, count, seed):
    """Draw frames at random; with one seed a smaller draw is part of a larger one.

    Raises:
        ValueError: there are fewer than `count` frames.
    """
    return data.take(np.sort(_drawn(np.arange(len(data.frames)), count, seed, "frames")))


def draw_patients(data, count, seed):
    """Draw all frames of random patients; with one seed a smaller draw is part of a larger one.

    Raises:
        ValueError: there are fewer than `count` patients.
    """
    ids = data.frames["patient_id"]
    chosen = _drawn(np.sort(ids.unique()), count, seed, "patients")
    return data.take(np.flatnonzero(ids.isin(chosen)))


def _drawn(values, count, seed, name):
    if not 1 <= count <= len(values):
        raise ValueError(f"{name}: {count} wanted, 1 to {len(values)} can be drawn")
    order = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(len(values))
    return values[order[:count]]


def hold_out(data, share, seed):
    """Set frames aside to choose weights on: whole patients, or single synthetic frames.

    Args:
        data: `Part` of an arm.
        share: of the patients or frames to set aside, at least one, above 0 and below 1.
        seed: of the draw.

    Returns:
        training, validation: `Part` with no patient in both.

    Raises:
        ValueError: share out of range, or nothing would be left to train on.
    """
    if not 0 < share < 1:
        raise ValueError(f"share: {share}, must lie between 0 and 1")
    groups = data.frames["frame_id"]
    if "patient_id" in data.frames:
        groups = data.frames["patient_id"].fillna(groups)
    names = np.sort(groups.unique())
    if len(names) < 2:
        raise ValueError("share: one patient or frame only; nothing would be left to train on")
    count = min(max(1, round(share * len(names))), len(names) - 1)
    aside = groups.isin(_drawn(names, count, seed, "validation")).to_numpy()
    return data.take(np.flatnonzero(~aside)), data.take(np.flatnonzero(aside))
