"""Which labels count as drawn where phases, slices, files or hands differ."""

import nibabel
import numpy as np
import pydicom
from dicoms import PHASES, SIDE, affine_of, contour, read, write_patient, write_segmentation

from cmrkit.cohort.readers.cines import end_phases


def write_volume(folder, labels):
    """Labels [slice, phase, x, y] beside a cine."""
    volume = nibabel.Nifti1Image(labels.transpose(2, 3, 0, 1), affine_of(folder))
    nibabel.save(volume, folder.with_name(f"{folder.name}_gt.nii.gz"))


def test_a_chamber_is_annotated_in_the_phases_in_which_it_was_drawn(tmp_path):
    write_patient(tmp_path, views=("sax",), slices=3)
    labels = np.zeros((3, PHASES, SIDE, SIDE), np.uint8)
    labels[:, 0, 8:16, 8:16] = labels[:2, 2, 10:14, 10:14] = 1  # the last slice lies past the apex
    labels[:, 0, 2:7, 8:14] = labels[:, 3, 3:6, 8:12] = 3  # a right ventricle contracts late
    write_volume(tmp_path / "sax", labels)
    slices, problems = read(tmp_path)
    assert problems == []
    for one in slices:
        assert one.labels_present == [(1, 3), (), (1,), (3,), ()]
        assert np.flatnonzero(one.is_ed).tolist() == [0]
        assert np.flatnonzero(one.is_es).tolist() == [2]


def test_a_phase_without_a_left_ventricle_is_not_end_systole():
    assert end_phases({0: {0: 9, 1: 7}, 2: {0: 4, 1: 0}, 3: {0: 0, 1: 0}}) == (0, 2)
    assert end_phases({0: {0: 9}, 3: {0: 0}}) == (None, None)


def test_a_slice_left_out_between_drawn_ones_is_not_an_empty_one(tmp_path):
    write_patient(tmp_path, views=("sax",), slices=5)
    labels = np.zeros((5, PHASES, SIDE, SIDE), np.uint8)
    labels[:4, 0, 8:16, 8:16] = labels[[0, 2], 2, 10:14, 10:14] = 1
    write_volume(tmp_path / "sax", labels)
    slices, [problem] = read(tmp_path)
    assert problem.startswith("1 slice position without labels between labelled ones: not drawn")
    assert {one.labels_present[0] for one in slices} == {(1,)}
    end_systole = [one.labels_present[2] for one in slices]
    assert sorted(end_systole) == [(), (1,), (1,), (1,), (1,)]
    assert end_systole.index(()) in (1, 3)  # the second slice, from either end


def test_structures_kept_in_a_file_each_are_painted_as_if_in_one(tmp_path):
    write_patient(tmp_path, views=("sax",), slices=1)
    sources = [pydicom.dcmread(path) for path in sorted((tmp_path / "sax").iterdir())]
    cavity, epicardium = np.zeros((2, 1, SIDE, SIDE), np.uint8)
    cavity[0, 8:12, 8:12] = epicardium[0, 6:14, 6:14] = 1
    write_segmentation(tmp_path / "a.dcm", sources[1:2], {"LV": cavity}, SOPInstanceUID="1.2.77")
    write_segmentation(tmp_path / "b.dcm", sources[1:2], {"LV epi": epicardium})
    [cine], problems = read(tmp_path)
    assert problems == []
    assert [labels for labels in cine.labels_present if labels] == [(1, 2)]
    assert np.bincount(cine.masks.ravel()).tolist()[1:] == [16, 48]


def test_what_a_person_drew_goes_before_what_a_program_made(tmp_path):
    write_patient(tmp_path / "P1", views=("sax",), slices=1)
    folder = tmp_path / "P1"
    for number in (1, 3):
        name = f"IM-0001-{number:04d}-icontour"
        contour(folder / "a-contours" / f"{name}-auto.txt", 10)
        contour(folder / "b-contours" / f"{name}-manual.txt", 4)
    [cine], problems = read(tmp_path)
    assert problems == []
    assert sorted((cine.masks > 0).sum(axis=(1, 2)).tolist()) == [0, 0, 0, 16, 16]


def test_a_program_does_not_fill_up_what_a_person_drew_in_the_same_folder(tmp_path):
    write_patient(tmp_path, views=("sax",), slices=1)
    contour(tmp_path / "IM-0001-0001-icontour-manual.txt", 4)
    contour(tmp_path / "IM-0001-0001-ocontour-auto.txt", 8)
    contour(tmp_path / "IM-0001-0003-icontour-auto.txt", 3)
    [cine], problems = read(tmp_path)
    assert problems == []
    assert cine.labels_present == [(1,), (), (), (), ()]
