"""Functional groups: what a multi-frame DICOM file states for one frame or for all of them."""

import pydicom


def functional_group(name, frame, shared):
    """Item of a functional group.

    Args:
        name: keyword of its sequence, e.g. `PlanePositionSequence`.
        frame: groups of the frame, which come before those that all frames share.
        shared: as `shared_groups` gives them.

    Returns:
        pydicom Dataset, empty where neither states the group.

    Source: DICOM PS3.3 C.7.6.16.
    """
    return _first(frame.get(name) or shared.get(name))


def shared_groups(header):
    """Groups that all frames of a file share, an empty Dataset where there are none."""
    return _first(header.get("SharedFunctionalGroupsSequence"))


def source_images(header):
    """The images that the frames of a DICOM segmentation belong to.

    Returns:
        list of (SOP Instance UID, frame number from 1, None for a single-frame image), one a
        frame; the UID is "" where a frame names no image.
    """
    shared = shared_groups(header)
    frames = header.get("PerFrameFunctionalGroupsSequence") or []
    return [_source(functional_group("DerivationImageSequence", f, shared)) for f in frames]


def _source(derivation):
    image = _first(derivation.get("SourceImageSequence"))
    number = image.get("ReferencedFrameNumber")
    return str(image.get("ReferencedSOPInstanceUID", "")).strip(), number and int(number)


def _first(sequence):
    return sequence[0] if sequence else pydicom.Dataset()
