"""The receiving side: a bundle becomes the synthetic cohort of a study."""

from pathlib import Path

import pyarrow.parquet as pq
import zarr

from cmrkit.cohort.frames import SYNTHETIC_SCHEMA, check_frames, read_frames
from cmrkit.facts import read_facts
from cmrkit.release.checksums import NAME, check_checksums
from cmrkit.release.synthesis import copy_frames


def receive_bundle(bundle, folder, views):
    """Check a bundle and copy its frames into a study.

    Args:
        bundle: folder of the bundle.
        folder: `work/<study>/synthetic`; an earlier cohort in it is replaced once all is checked.
        views: views of the study, all of them in the bundle; frames of others stay behind.

    Returns:
        facts of the bundle.

    Raises:
        ValueError: one line; foreign, damaged, or its table does not belong to its pixels.

    Choice: a copy, not a link, so that the study stays movable and nothing of it can harm the
    bundle.
    """
    bundle, folder = Path(bundle).expanduser(), Path(folder)
    facts = read_facts(bundle)
    if not (bundle / NAME).is_file():
        raise ValueError(
            f"{bundle / NAME}: missing; without it nobody can tell whether all is there"
        )
    check_checksums(bundle)
    _check_contents(bundle, facts)
    copy_frames(bundle, folder, read_frames(bundle)["view"].isin(views).to_numpy())
    return facts


def _check_contents(bundle, facts):
    """Refuse a bundle that was put together wrongly, whatever its checksums."""
    for name in ("frames.parquet", "frames.zarr"):
        if not (bundle / name).exists():
            raise ValueError(f"{bundle / name}: missing; ask for the bundle again")
    schema = pq.read_schema(bundle / "frames.parquet")
    if not schema.equals(SYNTHETIC_SCHEMA):
        raise ValueError(f"{bundle / 'frames.parquet'}: not the columns of a synthetic cohort")
    frames = read_frames(bundle)
    check_frames(frames)
    counts = frames["view"].value_counts().to_dict()
    wanted = {view: count for view, count in facts["frames"].items() if count}
    shape = (len(frames), facts["resolution"], facts["resolution"])
    group = zarr.open_group(bundle / "frames.zarr", mode="r")
    shapes = {name: group[name].shape if name in group else None for name in ("image", "mask")}
    if counts != wanted or set(shapes.values()) != {shape}:
        raise ValueError(
            f"{bundle}: the card says {wanted} frames of {facts['resolution']} pixels, the table "
            f"has {counts}, the pixels {shapes}; ask for the bundle again"
        )


def sender_verdict(facts):
    """The audits of the study that made the frames, as sentences for the receiver's report."""
    return [
        f"sender's audit of {sum(facts['frames'].values())} frames: {line}"
        for line in facts["audits"]["Memorisation: is any frame a patient?"]
    ]
