"""Masks beside DICOM cines, the list a person corrects, and what never leaves the reader."""

import nibabel
import numpy as np
import pydicom
import pytest
from dicoms import PHASES, SIDE, affine_of, contour, read, write_patient, write_segmentation
from identifiers import PLANTED, found_in

from cmrkit.cohort.build import build_cohort
from cmrkit.cohort.readers import open_source
from cmrkit.cohort.readers.dicom_contours import ContourSet, Images
from cmrkit.cohort.readers.dicom_masks import label_of_segment
from cmrkit.cohort.readers.stack_list import corrections, review


def test_contours_of_two_patients_are_told_apart_by_a_table_or_refused(tmp_path):
    for patient in ("P1", "P2"):
        write_patient(tmp_path / "dicom" / patient, patient, ("sax",), 1)
    contour(tmp_path / "drawn" / "SC-02" / "IM-0001-0001-icontour-manual.txt", 6)
    contour(tmp_path / "drawn" / "SC-02" / "IM-0001-0003-icontour-manual.txt", 4)
    slices, [problem] = read(tmp_path)
    assert "add a link.csv" in problem
    assert not any(one.masks.any() for one in slices)
    (tmp_path / "link.csv").write_text("patient,code\nP2,SC-2\n")
    slices, problems = read(tmp_path)
    assert problems == []
    [one] = [one for one in slices if one.masks.any()]
    assert one.labels_present == [(1,), (), (1,), (), ()]
    assert [(mask > 0).sum() for mask in one.masks] == [36, 0, 16, 0, 0]
    assert one.is_ed.tolist() == [True] + [False] * 4
    assert one.is_es.argmax() == 2


def test_a_missing_image_an_odd_contour_and_a_broken_one_leave_the_other_labels(tmp_path):
    write_patient(tmp_path, views=("sax", "4ch"), slices=3)
    for number in (1, 3, 6, 8, 11, 13, 99):  # phases 0 and 2 of each slice, and no image
        contour(tmp_path / f"IM-0001-{number:04d}-icontour-manual.txt", 6 - number % 5)
    (tmp_path / "IM-0001-0008-icontour-manual.txt").write_text("1 2\n3")
    [lost] = [path for path in (tmp_path / "sax").iterdir()
              if pydicom.dcmread(path).InstanceNumber == 13]  # fmt: skip
    lost.unlink()
    slices, problems = read(tmp_path)
    drawn = [labels for cine in slices for labels in cine.labels_present if labels]
    assert drawn == [(1,)] * 3
    assert sorted(problems) == [
        "1 slice position: another number of phases than the rest of its stack",
        "3 of 7 contours: no image has their instance number",
        "i contour of instance 8: cannot be read (ValueError); copy or download it again",
    ]


def test_numbers_that_two_patients_half_hold_are_nobodys(tmp_path):
    for patient, slices in (("P1", 3), ("P2", 2)):
        write_patient(tmp_path / "dicom" / patient, patient, ("sax",), slices)
    for number in (1, 6, 11, 99):
        contour(tmp_path / "drawn" / f"IM-0001-{number:04d}-icontour-manual.txt", 6)
    slices, [problem] = read(tmp_path)
    assert problem.startswith("4 contours: images of no or several patients fit")
    assert not any(one.masks.any() for one in slices)
    contour(tmp_path / "dicom" / "P2" / "IM-0001-0099-icontour-manual.txt", 6)
    contour(tmp_path / "dicom" / "P2" / "IM-0001-0003-icontour-manual.txt", 6)
    slices, problems = read(tmp_path)
    assert "1 of 2 contours: no image has their instance number" in problems
    assert sum(one.masks.any() for one in slices) == 1


def test_owners_of_contours_are_looked_up_not_searched(tmp_path):
    class Frame:
        def __init__(self, patient, instance):
            self.patient, self.instance = patient, instance
            self.path = tmp_path / patient / "cine" / f"{instance}"

    found = []
    frames = {f"dicom-{n}": [Frame(f"P{n}", i) for i in range(1, 6)] for n in range(60)}
    images = Images(frames, tmp_path)
    for n in range(60):
        part = ContourSet(tmp_path / f"P{n}" / "drawn")
        part.files = {1: {}, 3: {}}
        frames[f"dicom-{n}"].clear()  # nothing is read again
        found.append(images.owner(part, []))
    assert found == list(frames)
    elsewhere = ContourSet(tmp_path / "SC-7")
    elsewhere.files = {2: {}}
    assert images.owner(elsewhere, []) is None
    assert images.owner(elsewhere, [{"sc-7", "p7"}]) == "dicom-7"


def test_a_volume_of_the_same_name_is_laid_on_by_its_geometry(tmp_path):
    write_patient(tmp_path, views=("sax",), slices=2)
    [plain, _], _ = read(tmp_path)
    affine = affine_of(tmp_path / "sax")
    labels = np.zeros((SIDE, SIDE, 2, PHASES), np.uint8)  # [x, y, slice, phase]
    labels[3:9, 5:7, :, 2] = 3
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = SIDE - 1
    path = tmp_path / "sax_gt.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels[::-1], affine @ flip), path)
    slices, problems = read(tmp_path)
    assert problems == []
    for cine in slices:
        assert np.array_equal(cine.masks, labels[:, :, 0].transpose(2, 1, 0))
        assert cine.labels_present == [(), (), (3,), (), ()]
    metres = nibabel.Nifti1Image(labels[::-1], np.diag([1e-3, 1e-3, 1e-3, 1]) @ affine @ flip)
    metres.header.set_xyzt_units("meter")
    nibabel.save(metres, path)
    again, problems = read(tmp_path)
    assert problems == []
    assert np.array_equal(again[0].masks, slices[0].masks)
    shifted = affine.copy()
    shifted[:3, 3] += 5
    nibabel.save(nibabel.Nifti1Image(labels, shifted), path)
    assert read(tmp_path)[1] == ["NIfTI labels: do not lie on the pixels of the images"]
    nibabel.save(nibabel.Nifti1Image(labels[..., :3], affine), path)
    assert read(tmp_path)[1] == ["NIfTI labels: 3 phases; the cine has 5"]
    assert plain.images.shape == cine.images.shape


CAVITIES = {"Left ventricle": 1, "RV cavity": 3}


def cavities(count=2):
    """Squares for the first cavities, in one image."""
    drawn = np.zeros((2, 1, SIDE, SIDE), np.uint8)
    drawn[0, 0, 4:8, 4:8] = drawn[1, 0, 12:20, 4:8] = 1
    return dict(list(zip(CAVITIES, drawn, strict=True))[:count])


# a single segment is named in the groups that all frames share, several in those of each frame
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_a_segmentation_of_another_program_is_read(tmp_path, kind, count):
    write_patient(tmp_path, views=("sax",), slices=1)
    sources = [pydicom.dcmread(path) for path in sorted((tmp_path / "sax").iterdir())]
    drawn = cavities(count)
    write_segmentation(tmp_path / "seg.dcm", sources[1:2], drawn, kind)
    [cine], problems = read(tmp_path)
    assert problems == []
    phase = round(float(sources[1].TriggerTime) / 40)
    expected = sum(CAVITIES[name] * mask[0] for name, mask in drawn.items())
    assert np.array_equal(cine.masks[phase], expected)
    assert cine.masks.any(axis=(1, 2)).sum() == 1
    assert [labels for labels in cine.labels_present if labels] == [(1, 3)[:count]]


def test_the_image_of_a_segmentation_may_be_named_once_for_all_its_frames(tmp_path):
    write_patient(tmp_path, views=("sax",), slices=1)
    sources = [pydicom.dcmread(path) for path in sorted((tmp_path / "sax").iterdir())]
    path = tmp_path / "seg.dcm"
    write_segmentation(path, sources[1:2], cavities())
    whole = pydicom.dcmread(path)
    for frame in whole.PerFrameFunctionalGroupsSequence:
        named = frame.DerivationImageSequence
        del frame.DerivationImageSequence
    whole.SharedFunctionalGroupsSequence[0].DerivationImageSequence = named
    whole.save_as(path)
    [cine], problems = read(tmp_path)
    assert problems == []
    assert [labels for labels in cine.labels_present if labels] == [(1, 3)]


@pytest.mark.parametrize(("images", "segmentation"), [("", ""), ("P1", "ANON-7"), ("P1", "P2")])
def test_a_segmentation_belongs_to_the_images_it_names_whatever_its_patient_id(
    tmp_path, images, segmentation
):
    write_patient(tmp_path / "a", "P1", ("sax",), 1, PatientID=images)
    write_patient(tmp_path / "b", "P2", ("sax",), 1)
    sources = [pydicom.dcmread(path) for path in sorted((tmp_path / "a" / "sax").iterdir())]
    write_segmentation(tmp_path / "seg.dcm", sources[1:2], cavities(), PatientID=segmentation)
    slices, problems = read(tmp_path)
    assert problems == []
    [drawn] = [one for one in slices if one.masks.any()]
    first = {one.PixelData for one in sources}
    assert {image.astype(np.int16).tobytes() for image in drawn.images} == first


def test_label_files_that_fit_no_cine_are_counted_without_a_name(tmp_path):
    write_patient(tmp_path / "in", "P1", ("sax",), 1)
    other = tmp_path / "elsewhere"
    write_patient(other, "P1", ("sax",), 1)
    source = pydicom.dcmread(next((other / "sax").iterdir()))
    for name in ("seg1.dcm", "seg2.dcm"):
        write_segmentation(tmp_path / "in" / name, [source], cavities())
    labels = nibabel.Nifti1Image(np.ones((SIDE, SIDE, 1, PHASES), np.uint8), np.eye(4))
    nibabel.save(labels, tmp_path / "in" / "labels_of_P1.nii.gz")
    slices, problems = read(tmp_path / "in")
    assert not any(one.masks.any() for one in slices)
    assert [problem.split(";")[0] for problem in problems] == [
        "2 DICOM segmentations: drawn on no image of a cine found here",
        "1 NIfTI file: named like no cine",
    ]
    assert not any("P1" in problem for problem in problems)


@pytest.mark.parametrize(
    ("name", "label"),
    [("Left ventricle", 1), ("Myocardium of left ventricle", 2), ("LV wall", 2), ("rv", 3),
     ("Right ventricular blood pool", 3), ("left atrium", 4), ("RA", 5), ("liver", None),
     ("RV myocardium", None), ("LV epi", 2), ("LVepi", 2), ("Epi LV", 2), ("RV epi", None),
     ("LV endo", 1), ("LV papillary muscles", None), ("epicardial fat", None),
     ("seg_LV", 1), ("LV_myo", 2), ("lv_epi", 2), ("right_ventricle", 3), ("seg_LA", 4),
     ("Right atrium Heart", 5), ("Myocardium", 2), ("Left myocardium", 2), ("LV myocardium", 2),
     ("Wall of left ventricle", 2), ("Epicardium of left ventricle", 2), ("LVOT", None),
     ("Wall", None), ("Epicardium", None), ("Chest wall", None), ("Left chest wall", None),
     ("Aortic wall", None), ("Left atrial wall", None), ("LA wall", None), ("LA_epi", None),
     ("Left atrial myocardium", None), ("Right ventricular wall", None), ("RVOT", None),
     ("Left ventricular outflow tract", None), ("Right ventricular outflow tract", None),
     ("Left atrial appendage", None), ("LV septum", None), ("LV scar", None),
     ("Left ventricular thrombus", None), ("Left and right ventricle", None)],
)  # fmt: skip
def test_segments_are_known_by_their_names(name, label):
    assert label_of_segment(name) == label


def test_the_list_of_cines_keeps_what_a_person_changed(tmp_path):
    write_patient(tmp_path / "in", slices=4)
    path = tmp_path / "stacks.csv"
    archive = open_source("dicom", tmp_path / "in")
    review(archive.stacks(), path)
    assert corrections(path) == ""
    text = path.read_text()
    lines = text.splitlines()
    sax = next(i for i, line in enumerate(lines) if ",sax," in line)
    lines[sax] = lines[sax].replace(",sax,,", ",sax,1-2,", 1)
    path.write_text("\n".join(lines) + "\n")
    assert corrections(path) != ""
    archive.choose(review(archive.stacks(), path))
    slices = [one for one in archive.read(archive.patients()["patient_id"][0])]
    assert sum(one.view == "sax" for one in slices) == 2
    path.write_text(text.replace(",sax,,", ",3ch,,", 1))
    with pytest.raises(ValueError, match="view '3ch'"):
        review(archive.stacks(), path)


def test_no_planted_identifier_stands_in_the_parts_of_a_stopped_build(tmp_path):
    secret = tmp_path / "in" / "Quagmire_Zebulon" / "HOSP-7781234"
    write_patient(secret, views=("sax", "4ch"), slices=2, **PLANTED)
    out = tmp_path / "out"
    archive = open_source("dicom", tmp_path / "in")
    archive.choose(review(archive.stacks(), out / "stacks.csv"))

    def stop(number, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cohort(
            [(archive, archive.patients().assign(role="gan"))], out, resolution=16, fov_mm=30.0,
            on_patient=stop,
        )  # fmt: skip
    assert list((out / "parts").iterdir())
    assert found_in(out) == []
    assert found_in(tmp_path / "in"), "the search itself finds what was planted"
