"""ACDC, M&Ms and M&Ms-2 readers on small volumes in exactly the published layouts."""

import gzip

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmrkit.cohort import build
from cmrkit.cohort.problems import Problem
from cmrkit.cohort.readers import open_source

SHAPE = (12, 10, 4)  # x, y, slices
PHASES = 6
RNG = np.random.default_rng(0)
CINE = RNG.integers(0, 900, (*SHAPE, PHASES)).astype(np.int16)  # [x, y, slice, phase]
# as ITK writes it: x to the left, y to the back, in millimetres
AFFINE = np.diag([-1.5, -1.25, 10.0, 1.0])


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(voxels, affine)
    if voxels.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], 0.04))
    nibabel.save(image, path)


def labels(numbers=(1, 2, 3), shrink=False, slices=SHAPE[2]):
    """Three bars whose length falls from slice to slice; `shrink` for end-systole."""
    volume = np.zeros((*SHAPE[:2], slices), np.uint8)
    for z in range(slices):
        for row, number in enumerate(numbers):
            volume[2 : 10 - z - 2 * shrink, 2 + 2 * row, z] = number
    return volume


def write_acdc(folder, cine=True, group="RV"):
    patient = folder / "training" / "patient007"
    if cine:
        save(patient / "patient007_4d.nii.gz", CINE)
    for frame, shrink in ((2, False), (5, True)):
        save(patient / f"patient007_frame{frame:02d}.nii.gz", CINE[..., frame - 1])
        theirs = labels((3, 2, 1), shrink)  # LV 3, myocardium 2, RV 1
        save(patient / f"patient007_frame{frame:02d}_gt.nii.gz", theirs)
    (patient / "Info.cfg").write_text(
        f"ED: 2\nES: 5\nGroup: {group}\nHeight: 170.0\nNbFrame: {PHASES}\nWeight: 70.0\n"
    )
    return patient


def write_mnms(folder):
    for part, code in (("Labeled", "A0S9V9"), ("Unlabeled", "B1C2D3")):
        patient = folder / "Training" / part / code
        save(patient / f"{code}_sa.nii.gz", CINE)
        drawn = np.zeros(CINE.shape, np.uint8)
        drawn[..., 1], drawn[..., 4] = labels(), labels(shrink=True)
        save(patient / f"{code}_sa_gt.nii.gz", drawn)
    (folder / "211230_M&Ms_Dataset_information_diagnosis_opendataset.csv").write_text(
        ",External code,VendorName,Vendor,Centre,ED,ES,Age,Pathology,Sex,Height,Weight\n"
        "0,A0S9V9,Siemens,A,1,1,4,55,HCM,F,170,70\n"
        "1,B1C2D3,GE,C,4,0,3,50,NOR,M,180,80\n"
    )


def write_mnms2(folder, cine=True):
    patient = folder / "dataset" / "001"
    for name, z in (("SA", SHAPE[2]), ("LA", 1)):
        for phase, frame, shrink in (("ED", 1, False), ("ES", 4, True)):
            save(patient / f"001_{name}_{phase}.nii.gz", CINE[:, :, :z, frame])
            save(patient / f"001_{name}_{phase}_gt.nii.gz", labels(shrink=shrink, slices=z))
        if cine:
            save(patient / f"001_{name}_CINE.nii.gz", CINE[:, :, :z])
    (folder / "dataset_information.csv").write_text(
        "SUBJECT_CODE,DISEASE,VENDOR,SCANNER,FIELD\n1,FALL,GE MEDICAL SYSTEMS,SIGNA EXCITE,1.5\n"
    )


def read_all(name, folder):
    """Patients, and the slices of each; nothing may be odd."""
    table, slices, problems = read_with_problems(name, folder)
    assert problems == []
    return table, slices


def read_with_problems(name, folder):
    """Patients, the slices of each, and sentences on all that could not be used."""
    archive = open_source(name, folder)
    table, problems = archive.patients(), list(archive.problems)
    slices = []
    for patient in table["patient_id"]:
        found = list(archive.read(patient))
        problems += [one for one in found if isinstance(one, Problem)]
        slices.append([one for one in found if not isinstance(one, Problem)])
    assert not any(word in p.problem for p in problems for word in ("007", "A0S9V9", "001"))
    return table, slices, [one.problem for one in problems]


def check_cine(slices):
    """The whole cine stands as a scanner shows it, labelled at phases 1 and 4."""
    assert [one.slice_index for one in slices] == [0, 1, 2, 3]
    for z, one in enumerate(slices):
        assert np.array_equal(one.images, CINE[:, :, z].transpose(2, 1, 0))
        assert one.spacing_mm == (1.25, 1.5)  # row is y, column is x
        assert one.slice_spacing_mm == 10
        assert one.labels_present == [(), (1, 2, 3), (), (), (1, 2, 3), ()]
        assert np.array_equal(one.masks[1], labels()[:, :, z].T)
        assert np.array_equal(one.masks[4], labels(shrink=True)[:, :, z].T)
        assert one.is_ed.tolist() == [False, True, False, False, False, False]
        assert one.is_es.tolist() == [False, False, False, False, True, False]
        assert one.phase_fraction[[0, 1, 4]] == pytest.approx([5 / 6, 0, 0.5])


def test_acdc_labels_become_ours_and_frames_count_from_one(tmp_path):
    write_acdc(tmp_path)
    table, [slices] = read_all("acdc", tmp_path)
    assert table.loc[0, ["original_id", "vendor", "disease"]].tolist() == [
        "patient007", "Siemens", "abnormal right ventricle"
    ]  # fmt: skip
    check_cine(slices)


def test_acdc_without_the_cine_gives_the_two_labelled_frames(tmp_path):
    write_acdc(tmp_path, cine=False, group="XYZ")
    table, [slices] = read_all("acdc", tmp_path)
    assert table["disease"][0] == "unknown"
    assert np.array_equal(slices[0].images, CINE[:, :, 0, [1, 4]].transpose(2, 1, 0))
    assert slices[0].is_ed.tolist() == [True, False]
    assert slices[0].is_es.tolist() == [False, True]
    assert np.isnan(slices[0].phase_fraction).all()


def test_mnms_reads_phases_from_zero_and_ignores_masks_below_unlabeled(tmp_path):
    write_mnms(tmp_path)
    table, [labelled, unlabelled] = read_all("mnms", tmp_path)
    assert table["disease"].tolist() == ["hypertrophic cardiomyopathy", "healthy"]
    assert table["vendor"].tolist() == ["Siemens", "GE"]
    assert table["site"].tolist() == ["centre 1", "centre 4"]
    check_cine(labelled)
    assert all(set(one.labels_present) == {()} for one in unlabelled)
    assert not any(one.masks.any() for one in unlabelled)
    assert unlabelled[0].is_ed.tolist() == [True] + [False] * 5  # as the table states


def test_mnms_without_its_table_finds_the_ends_by_the_drawn_areas(tmp_path):
    write_mnms(tmp_path)
    next(tmp_path.glob("*.csv")).unlink()
    table, [labelled, _], [problem] = read_with_problems("mnms", tmp_path)
    assert problem.startswith("no table *dataset_information*.csv with a column 'External code'")
    assert set(table["disease"]) == {"unknown"}
    check_cine(labelled)


def test_mnms2_finds_the_labelled_phases_in_the_cine_and_the_long_axis_is_4ch(tmp_path):
    write_mnms2(tmp_path)
    table, [slices] = read_all("mnms2", tmp_path)
    assert table.loc[0, ["original_id", "vendor", "disease", "site"]].tolist() == [
        "001", "GE", "Tetralogy of Fallot", "scanner SIGNA EXCITE"
    ]  # fmt: skip
    assert [one.view for one in slices] == ["sax"] * 4 + ["4ch"]
    check_cine(slices[:4])
    assert slices[4].images.shape == (PHASES, 10, 12)
    assert np.isnan(slices[4].slice_spacing_mm)
    assert slices[4].labels_present[1] == (1, 2, 3)


def test_mnms2_without_a_cine_gives_end_diastole_and_end_systole(tmp_path):
    write_mnms2(tmp_path, cine=False)
    _, [slices] = read_all("mnms2", tmp_path)
    assert slices[0].images.shape[0] == 2
    assert slices[0].is_ed.tolist() == [True, False]
    assert slices[0].labels_present == [(1, 2, 3), (1, 2, 3)]


def test_slices_stored_from_the_apex_are_turned_round(tmp_path):
    write_acdc(tmp_path)
    _, [slices] = read_all("acdc", tmp_path)
    for path in tmp_path.rglob("*.nii.gz"):
        volume = nibabel.load(path)
        save(path, np.asarray(volume.dataobj)[:, :, ::-1], volume.affine)
    _, [turned] = read_all("acdc", tmp_path)
    for one, other in zip(slices, turned, strict=True):
        assert np.array_equal(one.images, other.images)


@pytest.mark.parametrize("axis", [0, 1])
def test_pictures_stand_alike_whatever_direction_a_writer_stored(tmp_path, axis):
    write_acdc(tmp_path)
    _, [slices] = read_all("acdc", tmp_path)
    for path in tmp_path.rglob("*.nii.gz"):
        volume = nibabel.load(path)
        affine = volume.affine.copy()
        affine[axis, axis] *= -1
        save(path, np.flip(np.asarray(volume.dataobj), axis), affine)
    _, [flipped] = read_all("acdc", tmp_path)
    for one, other in zip(slices, flipped, strict=True):
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.masks, other.masks)


GT = "patient007_frame02_gt.nii.gz"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: save(folder / GT, labels()[:8]), "4 slices, 1 phases, 10 x 8 pixels; "),
        (lambda folder: save(folder / GT, labels((3, 2, 7))), "unknown label 7"),
        (lambda folder: save(folder / GT, labels() - 4.0), "values outside"),
        (lambda folder: (folder / GT).write_bytes(b"\x1f\x8b"), "cannot be read"),
    ],
)
def test_broken_labels_are_one_line_and_the_images_are_read(tmp_path, damage, message):
    damage(write_acdc(tmp_path))
    _, [slices], [problem] = read_with_problems("acdc", tmp_path)
    assert problem.startswith(f"labels of frame 2: {message}")
    assert slices[0].labels_present == [(), (), (), (), (1, 2, 3), ()]
    assert np.array_equal(slices[0].images, CINE[:, :, 0].transpose(2, 1, 0))


def test_a_broken_volume_is_named_without_the_patient(tmp_path):
    (write_acdc(tmp_path) / "patient007_4d.nii.gz").write_bytes(b"no")
    archive = open_source("acdc", tmp_path)
    with pytest.raises(ValueError, match="4D cine: cannot be read") as caught:
        list(archive.read(archive.patients()["patient_id"][0]))
    assert "patient007" not in str(caught.value)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 1e-3), ("unknown", 1)])
def test_sizes_are_in_the_unit_the_header_states(tmp_path, unit, factor):
    write_acdc(tmp_path)
    for path in tmp_path.rglob("*.nii.gz"):
        volume = nibabel.load(path)
        affine = volume.affine.copy()
        affine[:3] /= factor
        image = nibabel.Nifti1Image(np.asarray(volume.dataobj), affine)
        image.header.set_xyzt_units(unit)
        nibabel.save(image, path)
    _, [slices] = read_all("acdc", tmp_path)
    assert slices[0].spacing_mm == pytest.approx((1.25, 1.5))
    assert slices[0].slice_spacing_mm == pytest.approx(10)


def test_labels_lie_voxel_by_voxel_even_where_their_header_is_turned(tmp_path):
    patient = write_acdc(tmp_path)
    save(patient / GT, labels((3, 2, 1)), np.diag([1.5, -1.25, 10, 1]))
    _, [slices], problems = read_with_problems("acdc", tmp_path)
    check_cine(slices)
    assert problems == [
        "labels of frame 2: other directions than the images in the header; laid on them voxel by "
        "voxel"
    ]


def test_acdc_volumes_unpacked_to_folders_are_read(tmp_path):
    patient = write_acdc(tmp_path, cine=False)
    for path in sorted(patient.glob("*.nii.gz")):
        data = gzip.decompress(path.read_bytes())
        path.unlink()
        (patient / path.stem).mkdir()
        (patient / path.stem / "anything.nii").write_bytes(data)
    _, [slices] = read_all("acdc", tmp_path)
    assert slices[0].labels_present == [(1, 2, 3), (1, 2, 3)]
    (patient / "patient007_frame02.nii" / "anything.nii").unlink()
    archive = open_source("acdc", tmp_path)
    with pytest.raises(ValueError, match="frame 2: file is missing, or not named as published"):
        list(archive.read(archive.patients()["patient_id"][0]))


def test_acdc_reads_info_of_any_encoding_and_patients_without_it(tmp_path):
    info = write_acdc(tmp_path) / "Info.cfg"
    info.write_bytes(b"\xef\xbb\xbf" + info.read_bytes() + b"Note: S\xe9bastien\n")
    table, [slices] = read_all("acdc", tmp_path)
    assert table["disease"].tolist() == ["abnormal right ventricle"]
    check_cine(slices)
    info.unlink()
    table, [slices], [problem] = read_with_problems("acdc", tmp_path)
    assert table["disease"].tolist() == ["unknown"]
    assert problem.startswith("Info.cfg: file is missing")
    check_cine(slices)  # the ends by the drawn areas


@pytest.mark.parametrize("name", ["201014_M&Ms_Dataset_Information_-_opendataset.csv",
                                  "211006_M&Ms_Dataset_Information_-_opendataset.csv"])  # fmt: skip
@pytest.mark.parametrize("below", ["", "Training", "Training/Labeled"])
def test_mnms_finds_its_table_under_each_published_name_and_above(tmp_path, name, below):
    write_mnms(tmp_path)
    next(tmp_path.glob("*.csv")).rename(tmp_path / name)
    (tmp_path / "999999_dataset_information_of_another_set.csv").write_text("SUBJECT_CODE\n1\n")
    table, slices = read_all("mnms", tmp_path / below)
    assert table["disease"][0] == "hypertrophic cardiomyopathy"
    check_cine(slices[0])


def test_a_patient_without_a_row_in_the_table_is_one_line(tmp_path):
    write_mnms(tmp_path)
    path = next(tmp_path.glob("*.csv"))
    path.write_text("\n".join(path.read_text().splitlines()[:2]))
    archive = open_source("mnms", tmp_path)
    [problem] = archive.problems
    assert problem.patient_id == archive.patients()["patient_id"][1]
    assert problem.problem == "no row in the table of the set; disease unknown"


@pytest.mark.parametrize(
    ("name", "write"), [("acdc", write_acdc), ("mnms", write_mnms), ("mnms2", write_mnms2)]
)
def test_files_that_macos_lays_beside_others_are_no_patients(tmp_path, name, write):
    write(tmp_path)
    expected = open_source(name, tmp_path).patients()
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"Mac OS X")
        copy = tmp_path / "__MACOSX" / path.relative_to(tmp_path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(b"Mac OS X")
    archive = open_source(name, tmp_path)
    assert archive.patients().equals(expected)
    assert archive.problems == []


def break_short_axis(patient):
    save(patient / "001_SA_ES.nii.gz", CINE[:, :, :3, 4])


def cut(name):
    return lambda patient: (patient / name).write_bytes((patient / name).read_bytes()[:60])


@pytest.mark.parametrize(
    ("damage", "views", "message"),
    [
        (break_short_axis, ["4ch"], "SA: ED has 4 slices, 1 phases, 10 x 12 pixels, ES 3 slices"),
        (cut("001_SA_ED.nii.gz"), ["4ch"], "SA ED: cannot be read"),
        (cut("001_LA_ES.nii.gz"), ["sax"] * 4, "LA ES: cannot be read"),
        (cut("001_SA_CINE.nii.gz"), ["sax"] * 4 + ["4ch"], "SA cine: cannot be read"),
        (cut("001_SA_ES_gt.nii.gz"), ["sax"] * 4 + ["4ch"], "SA ES labels: cannot be read"),
    ],
)
def test_mnms2_a_broken_file_leaves_the_other_view(tmp_path, damage, views, message):
    write_mnms2(tmp_path)
    damage(tmp_path / "dataset" / "001")
    _, [slices], problems = read_with_problems("mnms2", tmp_path)
    assert [one.view for one in slices] == views
    assert [line for line in problems if line.startswith(message)]
    if "labels" in message:
        assert slices[0].labels_present == [(), (1, 2, 3), (), (), (), ()]


@pytest.mark.parametrize(("name", "write"), [("mnms", write_mnms), ("mnms2", write_mnms2)])
def test_labels_that_the_set_does_not_know_are_not_taken_for_atria(tmp_path, name, write):
    write(tmp_path)
    for path in tmp_path.rglob("*_gt.nii.gz"):
        voxels = np.asarray(nibabel.load(path).dataobj).copy()
        voxels[0, 0] = 4
        save(path, voxels)
    _, slices, problems = read_with_problems(name, tmp_path)
    assert {line.split(": ")[1].split(";")[0] for line in problems} == {"unknown label 4"}
    assert not any(one.masks.any() for part in slices for one in part)


@pytest.mark.parametrize("name", ["acdc", "mnms", "mnms2"])
def test_an_empty_folder_says_what_was_expected_and_where_to_get_it(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=r"expected .* Get it from .* cite .* doi 10\."):
        open_source(name, tmp_path)


HEADER = 352  # bytes of a NIfTI-1 header before the voxels


@pytest.fixture(scope="module")
def acdc_to_break(tmp_path_factory):
    patient = write_acdc(tmp_path_factory.mktemp("acdc"), cine=False)
    for path in patient.glob("*.nii.gz"):  # one of them plain, so that changed bytes reach nibabel
        if path.name.endswith("frame02.nii.gz"):
            (patient / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    return patient, [patient / "patient007_frame02.nii", patient / GT]


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.data())
def test_mutated_volumes_end_in_the_table_of_problems(acdc_to_break, data):
    patient, paths = acdc_to_break
    path = data.draw(st.sampled_from(paths))
    whole = path.read_bytes()
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(HEADER, len(whole)) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    path.write_bytes(changed[: data.draw(st.sampled_from([len(whole), HEADER, 100]))])
    try:
        archive = open_source("acdc", patient.parent)
        row = archive.patients().assign(role="gan").to_dict("records")[0]
        options = {"resolution": 16, "fov_mm": 16.0, "crop": "motion", "assumed_spacing_mm": None}
        slices, problems = build._read_patient(archive, row, ["sax"], options)  # up to the store
    finally:
        path.write_bytes(whole)
    assert slices or problems
    assert {images.shape[1:] for images, *_ in slices} <= {(16, 16)}
    assert not any("patient007" in one.problem or "nii" in one.problem for one in problems)
