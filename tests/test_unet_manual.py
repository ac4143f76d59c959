import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from small_parts import consistent, small_synthetic

from cmrkit.unet.manual import (
    FRAMES_A_VOLUME,
    export_for_drawing,
    offer_for_drawing,
    read_drawn_masks,
)

COUNT = FRAMES_A_VOLUME + 2


@pytest.fixture
def folder(tmp_path):
    frames = pd.DataFrame(
        {
            "frame_id": [f"s{i}" for i in range(COUNT)],
            "spacing_row_mm": 2.0,
            "spacing_col_mm": 3.0,
        }
    )
    export_for_drawing(frames, _images(), [1, 3], tmp_path)
    return tmp_path


def _images():
    return np.random.default_rng(0).integers(0, 255, (COUNT, 16, 16), dtype=np.uint8)


def _draw(path, drawn):
    nib.save(nib.Nifti1Image(drawn, nib.load(path).affine), path)


def test_frames_lie_in_volumes_with_spacing_and_empty_masks(folder):
    names = sorted(path.name for path in folder.glob("*.nii.gz"))
    assert names == [
        f"volume_00{volume}_{kind}.nii.gz" for volume in (0, 1) for kind in ("image", "mask")
    ]
    image, mask = (nib.load(folder / name) for name in names[:2])
    assert image.shape == mask.shape == (16, 16, FRAMES_A_VOLUME)
    assert image.header.get_zooms()[:2] == (3.0, 2.0)  # x is the column
    assert not np.asarray(mask.dataobj).any()
    assert nib.load(folder / names[2]).shape == (16, 16, 2)


def test_a_radiological_view_shows_frames_upright(folder):
    # such a view has the patient's left on the right and posterior below: columns run to the left
    # of the patient, rows to posterior
    assert nib.aff2axcodes(nib.load(folder / "volume_000_image.nii.gz").affine)[:2] == ("L", "P")


def test_drawn_masks_come_back_with_rows_as_rows(folder):
    path = folder / "volume_001_mask.nii.gz"
    drawn = np.zeros((16, 16, 2), np.float32)  # 3D Slicer and others may save floating point
    drawn[5, 2, 1] = 3  # column 5, row 2 of the last frame
    _draw(path, drawn)
    part = read_drawn_masks(folder)
    assert part.frames["labels_present"].tolist() == [[3]]
    assert part.frames["frame_id"].tolist() == [f"s{COUNT - 1}"]
    assert np.argwhere(part.masks[0]).tolist() == [[2, 5]]
    assert part.masks.dtype == part.images.dtype == np.uint8
    np.testing.assert_array_equal(part.images, _images()[-1:])


def test_a_chamber_that_was_not_drawn_in_a_frame_is_not_annotated_there(folder):
    drawn = np.zeros((16, 16, 2), np.uint8)
    drawn[:4, :4] = 1  # in both frames
    drawn[8, 8, 0] = 3
    _draw(folder / "volume_001_mask.nii.gz", drawn)
    assert read_drawn_masks(folder).frames["labels_present"].tolist() == [[1, 3], [1]]


def test_the_label_description_names_the_chambers(folder):
    lines = (folder / "labels.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1", "3"]
    assert [line.split('"')[1] for line in lines] == ["background", "LV", "RV"]


def test_nothing_drawn_yet_is_said(folder):
    with pytest.raises(ValueError, match="no frame is drawn yet"):
        read_drawn_masks(folder)


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (np.full((16, 16, 2), 2, np.uint8), "label 2, expected 0 and"),
        (np.full((16, 16, 2), 0.5, np.float32), r"label 0\.5"),
        (np.ones((8, 16, 2), np.uint8), "save it alike"),
    ],
)
def test_masks_that_do_not_fit_are_refused(folder, drawn, message):
    _draw(folder / "volume_001_mask.nii.gz", drawn)
    with pytest.raises(ValueError, match=message):
        read_drawn_masks(folder)


def test_masks_saved_in_another_geometry_are_refused(folder):
    path = folder / "volume_001_mask.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((16, 16, 2), np.uint8), np.eye(4)), path)
    with pytest.raises(ValueError, match="axes or spacing differ"):
        read_drawn_masks(folder)


@pytest.mark.parametrize("kind", ["mask", "image"])
@pytest.mark.parametrize("share", [0, 0.2, 0.9])
def test_a_volume_that_was_cut_short_is_named_with_a_remedy(folder, kind, share):
    path = folder / f"volume_000_{kind}.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=rf"{path.name}: cannot be read .*; save or copy it again"):
        read_drawn_masks(folder)


def test_a_lost_volume_is_named(folder):
    (folder / "volume_001_mask.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match="volume_001_mask"):
        read_drawn_masks(folder)


def test_an_export_never_overwrites_drawings(folder):
    frames = pd.DataFrame({"frame_id": ["s0"], "spacing_row_mm": 1.0, "spacing_col_mm": 1.0})
    with pytest.raises(ValueError, match="holds an export already"):
        export_for_drawing(frames, np.zeros((1, 16, 16), np.uint8), [1], folder)


def test_frames_are_offered_once_and_drawings_kept(tmp_path):
    offer_for_drawing(small_synthetic(), 5, 1, tmp_path)
    path = tmp_path / "volume_000_mask.nii.gz"
    drawn = np.ones(nib.load(path).shape, np.uint8)
    _draw(path, drawn)
    offer_for_drawing(small_synthetic(), 5, 1, tmp_path)
    part = read_drawn_masks(tmp_path)
    assert consistent(part)
    assert part.frames["labels_present"].tolist() == [[1]] * 5


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="export frames for drawing first"):
        read_drawn_masks(tmp_path)
