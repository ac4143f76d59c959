"""The arms of the study: which labelled frames train each U-Net."""

import zlib

import numpy as np

from cmrkit.cohort.part import Part, join
from cmrkit.unet.evaluation import segment
from cmrkit.unet.manual import read_drawn_masks

ARMS = ("patient", "synthetic", "synthetic-teacher", "synthetic-manual", "patient+synthetic")


def common_labels(*sets):
    """Labels that every arm can learn: annotated somewhere in each set, in rising order."""
    known = [
        set().union(*(map(int, row) for row in data.frames["labels_present"])) for data in sets
    ]
    return sorted(set.intersection(*known))


def training_sets(
    arms, patients, synthetic, *, seed, teacher=None, manual_folder=None, equal_frames=False
):
    """Labelled frames of each arm.

    `patient`: the patients' frames. `synthetic`: the synthetic frames with the label maps generated
    with them. `synthetic-teacher`: the same frames, labelled by a U-Net trained on the GAN role.
    `synthetic-manual`: those of them that people drew (`cmrkit.unet.manual`). `patient+synthetic`:
    the patients' frames and as many synthetic ones, or fewer where there are fewer.

    Args:
        arms: names out of `ARMS`.
        patients: `Part` of the role `unet`.
        synthetic: `Part` of the synthetic cohort, same view.
        seed: of the frames drawn where not all are taken.
        teacher: TrainedUNet of the GAN role, for `synthetic-teacher`.
        manual_folder: folder of drawn masks, for `synthetic-manual`.
        equal_frames: draw from each arm as many frames as the smallest arm has.

    Returns:
        dict from arm to `Part`.

    Raises:
        ValueError: an arm is unknown, or what it needs is not given.

    Choice: one patient frame to one synthetic frame in the mixed arm, because many thousand
    synthetic frames would leave the patients next to no optimiser step.
    """
    sets = {}
    for arm in arms:
        if arm == "patient":
            sets[arm] = patients
        elif arm == "synthetic":
            sets[arm] = synthetic
        elif arm == "synthetic-teacher":
            sets[arm] = _labelled_by_teacher(synthetic, teacher)
        elif arm == "synthetic-manual":
            sets[arm] = _labelled_by_hand(synthetic, manual_folder)
        elif arm == "patient+synthetic":
            count = min(len(patients.frames), len(synthetic.frames))
            sets[arm] = join(patients, draw_frames(synthetic, count, seed))
        else:
            raise ValueError(f"arms: unknown arm {arm!r}; allowed: {', '.join(ARMS)}")
    if equal_frames:
        smallest = min(len(data.frames) for data in sets.values())
        sets = {arm: draw_frames(data, smallest, seed) for arm, data in sets.items()}
    return sets


def _labelled_by_teacher(synthetic, teacher):
    if teacher is None:
        raise ValueError("teacher: None; train a U-Net on the GAN role for arm synthetic-teacher")
    masks = segment(teacher, synthetic.images)
    frames = synthetic.frames.assign(labels_present=[list(teacher.labels)] * len(synthetic.frames))
    return synthetic._replace(frames=frames, masks=masks)


def _labelled_by_hand(synthetic, folder):
    if folder is None:
        raise ValueError("manual_folder: None; give the folder of masks for arm synthetic-manual")
    drawn, labels = read_drawn_masks(folder)
    frame_ids = synthetic.frames["frame_id"]
    unknown = sorted(set(drawn) - set(frame_ids))
    if unknown:
        raise ValueError(f"{folder}: frame {unknown[0]!r} is not in the synthetic cohort")
    chosen = synthetic.take(np.flatnonzero(frame_ids.isin(drawn)))
    masks = np.stack([drawn[frame_id] for frame_id in chosen.frames["frame_id"]])
    frames = chosen.frames.assign(labels_present=[labels] * len(chosen.frames))
    return Part(chosen.images, masks, frames)


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
