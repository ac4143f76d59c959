"""The reader of DICOM archives: cines, views, geometry, compression, examinations, real files."""

import dicoms
import numpy as np
import pydicom
import pytest
from dicoms import PHASES, SPACING, image, save, write_cine, write_foreign_cine, write_patient
from pydicom.uid import JPEGLSLossless, RLELossless

from cmrkit.cohort.problems import Problem
from cmrkit.cohort.readers import open_source
from cmrkit.cohort.readers.files import folder_state
from cmrkit.cohort.readers.planes import APEX, turn


def read(folder):
    """Patients, slices of all of them, and what could not be used."""
    archive = open_source("dicom", folder)
    found = [one for patient in archive.patients()["patient_id"] for one in archive.read(patient)]
    problems = [p.problem for p in (*archive.problems, *found) if isinstance(p, Problem)]
    return archive, [one for one in found if not isinstance(one, Problem)], problems


def test_a_tree_of_cines_is_read_whatever_its_files_are_called(tmp_path):
    write_patient(tmp_path / "x" / "y", slices=3)
    (tmp_path / "x" / "notes.doc").write_text("no image")
    archive, slices, problems = read(tmp_path)
    assert problems == []
    assert archive.patients().loc[0, ["vendor", "disease"]].tolist() == ["Siemens", "unknown"]
    assert [(one.view, one.slice_index) for one in slices] == [
        ("sax", 0), ("sax", 1), ("sax", 2), ("4ch", 0)
    ]  # fmt: skip
    sax = slices[:3]
    # the stack was written along the normal of its plane, which points from base to apex or back
    order = range(3) if np.cross(*dicoms.plane("sax")) @ APEX > 0 else range(2, -1, -1)
    for one, number in zip(sax, order, strict=True):
        expected = np.stack([dicoms.pixels(phase, number) for phase in range(PHASES)])
        assert np.array_equal(one.images, expected)
        assert one.spacing_mm == SPACING
        assert one.phase_fraction.tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
        assert one.is_ed.tolist() == [True] + [False] * 4
        assert not one.is_es.any()
        assert set(one.labels_present) == {()}


def test_an_enhanced_file_holds_the_same_cine_as_single_ones(tmp_path):
    write_cine(tmp_path / "classic")
    save(dicoms.enhanced(), tmp_path / "enhanced" / "cine.dcm")
    _, classic, _ = read(tmp_path / "classic")
    _, one_file, problems = read(tmp_path / "enhanced")
    assert problems == []
    assert len(one_file) == 3
    for one, other in zip(classic, one_file, strict=True):
        assert (one.view, one.slice_index, one.spacing_mm) == (
            other.view, other.slice_index, other.spacing_mm
        )  # fmt: skip
        assert np.array_equal(one.images, other.images)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_files_give_the_same_pixels(tmp_path, syntax):
    write_cine(tmp_path / "plain", slices=1)
    write_cine(tmp_path / "packed", slices=1, compress=syntax)
    assert (
        pydicom.dcmread(next((tmp_path / "packed").iterdir())).file_meta.TransferSyntaxUID == syntax
    )
    assert np.array_equal(*(read(tmp_path / part)[1][0].images for part in ("plain", "packed")))


def test_jpeg_2000_of_another_writer_is_read(tmp_path):
    write_foreign_cine(tmp_path, "MR_small_jp2klossless.dcm")
    plain = pydicom.dcmread(pydicom.data.get_testdata_file("MR_small.dcm")).pixel_array
    _, [cine], problems = read(tmp_path)
    assert problems == []
    assert np.array_equal(cine.images[1], plain)


def test_slope_sign_and_inverted_grey_values_come_out_as_the_scanner_meant(tmp_path):
    low = (dicoms.pixels() - 500).astype(np.int16)
    for phase in range(2):
        save(image(phase=phase, PixelData=low.tobytes(), RescaleSlope=2, RescaleIntercept=-3,
                   PhotometricInterpretation="MONOCHROME1"), tmp_path / f"{phase}")  # fmt: skip
    _, [cine], _ = read(tmp_path)
    assert np.array_equal(cine.images[0], -(2.0 * low - 3))


def test_slices_kept_in_a_series_each_are_one_stack_and_a_repeat_replaces_its_slice(tmp_path):
    for number in range(4):
        for phase in range(PHASES):
            uid = f"1.2.1.{number}"
            save(image(number=number, phase=phase, SeriesInstanceUID=uid, SeriesNumber=number),
                 tmp_path / f"{number}" / f"{phase}")  # fmt: skip
    later = image(number=9).PixelData
    for phase in range(PHASES):
        save(image(number=2, phase=phase, SeriesInstanceUID="1.2.1.9", SeriesNumber=9,
                   PixelData=later), tmp_path / "again" / f"{phase}")  # fmt: skip
    archive, slices, problems = read(tmp_path)
    assert len(archive.stacks()) == 1
    assert len(slices) == 4
    assert problems == []
    assert sum(np.array_equal(one.images[0], dicoms.pixels(0, 9)) for one in slices) == 1
    assert not any(np.array_equal(one.images[0], dicoms.pixels(0, 2)) for one in slices)


def test_views_are_named_in_hearts_that_lie_differently(tmp_path):
    rng = np.random.default_rng(3)
    for number in range(12):
        axis = APEX / np.linalg.norm(APEX) + rng.normal(0, 0.2, 3)
        write_patient(tmp_path / str(number), f"P{number}", ("3ch", "2ch", "sax", "4ch"), axis=axis)
    archive = open_source("dicom", tmp_path)
    table = archive.stacks()
    assert table["judged"].tolist() == ["3ch", "2ch", "sax", "4ch"] * 12
    assert table["view"].tolist() == ["", "2ch", "sax", "4ch"] * 12
    assert table["clear"].mean() > 0.8


@pytest.mark.parametrize("view", ["sax", "4ch", "2ch"])
def test_a_view_alone_is_named_by_how_hearts_usually_lie(tmp_path, view):
    write_patient(tmp_path, views=(view,), slices=4)
    assert open_source("dicom", tmp_path).stacks()["judged"].tolist() == [view]


def test_the_turn_about_the_long_axis_is_the_one_the_plane_was_laid_with():
    for view, angle in (("4ch", 30), ("2ch", 90), ("3ch", 150)):
        assert turn(np.cross(*dicoms.plane(view)), APEX / np.linalg.norm(APEX)) == pytest.approx(
            angle
        )


def test_words_tip_the_scales_but_only_known_words_leave_the_reader(tmp_path):
    write_patient(tmp_path, views=("sax", "4ch"), slices=1, SeriesDescription="Doe cine 4ch")
    table = open_source("dicom", tmp_path).stacks()
    assert table["words"].tolist() == ["4ch", "4ch"]
    assert table["judged"].tolist() == ["sax", "4ch"]  # geometry outweighs a wrong word
    assert not table["clear"][0]


def test_maps_perfusion_and_localisers_are_no_cines(tmp_path):
    write_patient(tmp_path / "cine", views=("sax",))
    for phase in range(4):  # a map: echo time varies; perfusion: over many beats; one image each
        uids = {"StudyInstanceUID": f"1.2.{sum(map(ord, 'P1'))}", "PatientName": "Name^P1"}
        save(image(phase=phase, SeriesInstanceUID="1.9.1", EchoTime=1.0 + phase, **uids),
             tmp_path / "map" / f"{phase}")  # fmt: skip
        save(image(phase=phase, SeriesInstanceUID="1.9.2", TriggerTime=900.0 * phase, **uids),
             tmp_path / "perfusion" / f"{phase}")  # fmt: skip
        save(image(number=phase, SeriesInstanceUID="1.9.3", **uids), tmp_path / "loc" / f"{phase}")
    archive, slices, problems = read(tmp_path)
    assert len(archive.stacks()) == 1
    assert len(slices) == 3
    assert problems == [
        "1 slice position: echo or inversion time varies: a map, no cine",
        "1 slice position: spans many heart beats: no cine",
    ]


@pytest.mark.parametrize(
    "tags",
    [{"SequenceVariant": "SP"}, {"FlipAngle": 15}, {"SeriesDescription": "in another folder"}],
)
def test_perfusion_in_the_series_of_the_cine_leaves_the_cine(tmp_path, tags):
    write_patient(tmp_path / "P1", views=("sax",))
    uid = f"1.2.{sum(map(ord, 'P1'))}"
    own = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1", "PatientName": "Name^P1"}
    for beat in range(4):  # at the place of the second slice, and at one of the cine's moments
        save(image(number=1, phase=beat, TriggerTime=40.0 + 900 * beat, **own, **tags),
             tmp_path / "P1" / "perfusion" / f"{beat}")  # fmt: skip
    _, slices, problems = read(tmp_path)
    assert len(slices) == 3
    assert all(one.images.shape[0] == PHASES for one in slices)
    assert {tuple(one.images[2, 0, :3]) for one in slices} == {
        tuple(dicoms.pixels(2, number)[0, :3]) for number in range(3)
    }
    assert set(problems) <= {"1 slice position: spans many heart beats: no cine"}


def test_files_that_macos_lays_beside_others_are_no_images(tmp_path):
    write_patient(tmp_path / "P1", views=("sax",))
    for path in sorted((tmp_path / "P1" / "sax").iterdir()):
        path.with_name(f"._{path.name}.dcm").write_bytes(b"Mac OS X")
        other = tmp_path / "__MACOSX" / path.name
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(path.read_bytes())
    _, slices, problems = read(tmp_path)
    assert len(slices) == 3
    assert problems == []


def test_what_macos_lays_into_a_folder_does_not_change_its_state(tmp_path):
    (tmp_path / "P1").mkdir()
    (tmp_path / "P1" / "image").write_bytes(b"pixels")
    before = folder_state(tmp_path)
    for name in (".DS_Store", "P1/._image", "__MACOSX/P1/image"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"Mac OS X")
    assert folder_state(tmp_path) == before
    (tmp_path / "P1" / "image").write_bytes(b"other pixels")
    assert folder_state(tmp_path) != before


def test_phases_follow_the_temporal_index_or_the_stated_number_where_no_trigger_is(tmp_path):
    for phase in range(PHASES):
        save(image(phase=phase, TriggerTime=0, TemporalPositionIdentifier=PHASES - phase),
             tmp_path / "index" / f"{phase}")  # fmt: skip
        save(image(phase=phase, TriggerTime=None, CardiacNumberOfImages=PHASES),
             tmp_path / "stated" / f"{phase}")  # fmt: skip
        save(image(phase=phase, TriggerTime=None), tmp_path / "none" / f"{phase}")
    forwards = np.stack([dicoms.pixels(phase) for phase in range(PHASES)])
    assert np.array_equal(read(tmp_path / "index")[1][0].images, forwards[::-1])
    assert np.array_equal(read(tmp_path / "stated")[1][0].images, forwards)
    with pytest.raises(FileNotFoundError, match="neither in trigger time nor in temporal position"):
        read(tmp_path / "none")


def test_of_a_long_axis_stack_the_slice_through_the_heart_is_proposed(tmp_path):
    write_patient(tmp_path, views=("sax",), slices=1)
    uid = f"1.2.{sum(map(ord, 'P1'))}"
    write_cine(tmp_path / "lax", "4ch", 5, StudyInstanceUID=uid, PatientName="Name^P1", step_mm=6.0)
    table = open_source("dicom", tmp_path).stacks().set_index("judged")
    assert table.loc["4ch", "positions"] == 5
    through = {"0": 0, "4": 4}[table.loc["4ch", "slices"]]  # the one at CENTRE, either end
    _, slices, _ = read(tmp_path)
    [cine] = [one for one in slices if one.view == "4ch"]
    assert np.array_equal(cine.images[0], dicoms.pixels(0, 0))
    assert through in (0, 4)


def test_one_examination_a_patient_is_used_the_one_with_most_slices(tmp_path):
    write_patient(tmp_path / "a", slices=2, StudyInstanceUID="1.5", SeriesInstanceUID=None)
    write_patient(tmp_path / "b", slices=4, StudyInstanceUID="1.6", SeriesInstanceUID=None)
    _, slices, problems = read(tmp_path)
    assert sum(one.view == "sax" for one in slices) == 4
    assert problems == ["1 more examination: one examination a patient is used"]


def test_real_short_axis_dicom_is_taken_in_with_its_contours(real_data):
    archive, slices, problems = read(real_data("sunnybrook_dicom"))
    assert archive.stacks()[["view", "clear"]].values.tolist() == [["sax", True]]
    assert problems == []
    own = open_source("sunnybrook", real_data("sunnybrook_dicom"))
    expected = list(own.read(own.patients()["patient_id"][0]))
    assert len(slices) == len(expected) == 4
    for one in slices:  # base to apex here, as numbered there
        other = max(expected, key=lambda e: np.array_equal(e.images, one.images))
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.masks, other.masks)
        assert one.labels_present == other.labels_present
        assert (one.is_ed == other.is_ed).all()
        assert (one.is_es == other.is_es).all()
    areas = [(one.masks[19] > 0).sum() for one in slices]
    assert areas[0] > areas[-1], "base first"


def test_real_animal_cines_are_named_short_axis_and_4_chamber(real_data):
    archive, slices, problems = read(real_data("sunnybrook_preclinical"))
    assert sorted(archive.stacks()["view"]) == ["4ch", "sax"]
    assert problems == ["contours made by a program, not drawn: used as labels"]
    for one in slices:
        assert one.images.shape == (20, 256, 256)
        assert (
            {(1, 2)} == set(one.labels_present)
            if one.view == "sax"
            else {()} == set(one.labels_present)
        )
