"""The arms of the study: which labelled frames train each U-Net."""

from cmrkit.cohort.part import Part, join
from cmrkit.unet.draws import draw_frames
from cmrkit.unet.evaluation import segment
from cmrkit.unet.manual import read_drawn_masks

ARMS = ("patient", "synthetic", "synthetic-teacher", "synthetic-manual", "patient+synthetic")


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
    drawn = read_drawn_masks(folder)
    chosen = synthetic.frames["frame_id"].isin(drawn.frames["frame_id"]).to_numpy()
    chosen = synthetic.take(chosen).load()
    order = drawn.frames["frame_id"].tolist()
    drawn = drawn.take([order.index(name) for name in chosen.frames["frame_id"]])
    if len(chosen.frames) < len(order) or (chosen.images != drawn.images).any():
        raise ValueError(
            f"{folder}: its frames are not those of this synthetic cohort, which was made anew "
            "since the export; name another folder to draw again"
        )
    labels = drawn.frames["labels_present"].tolist()
    return Part(chosen.images, drawn.masks, chosen.frames.assign(labels_present=labels))
