"""The bundle: read back by other programs, without copies, without a patient."""

import json
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
import torch
import zarr
from bundles import finished_study, tree_bytes
from pggan_runs import VIEWS, tiny_recipe
from PIL import Image

from cmrkit import paths
from cmrkit.cohort.frames import read_frames, write_frames
from cmrkit.cohort.readers.nifti import read_volume
from cmrkit.cohort.store import load_pixels
from cmrkit.pggan import tensor_file
from cmrkit.pggan.networks import Generator
from cmrkit.pggan.weights import KIND, network_state
from cmrkit.release.bundle import ReleaseError, make_bundle
from cmrkit.release.checksums import check_checksums
from cmrkit.release.synthesis import plan_cohort, write_synthetic_cohort

FORMATS = ("png", "nifti", "dicom")


@pytest.fixture(scope="module", autouse=True)
def repository(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(paths, "REPOSITORY", tmp_path_factory.mktemp("repository"))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def bundle(repository):
    finished_study("tiny")
    return make_bundle("tiny", FORMATS)[0]


def pairs(bundle):
    """(row of the frame table, image, mask) of every frame."""
    return zip(read_frames(bundle).to_dict("records"), *load_pixels(bundle), strict=True)


def file_of(bundle, name, row, ending):
    return bundle / name / row["view"] / "0000" / f"{row['frame_id']}{ending}"


def test_copies_are_left_out_and_counted(bundle):
    frames = read_frames(bundle)
    assert frames["index"].tolist() == [k for k in range(40) if k not in (3, 21)]
    facts = json.loads((bundle / "bundle.json").read_text())
    assert facts["left_out"] == {"4ch": 1, "sax": 1}
    assert facts["frames"] == {"4ch": 19, "sax": 19}
    every = load_pixels(paths.study_folder("tiny") / "synthetic")
    for kept, made in zip(load_pixels(bundle), every, strict=True):
        assert np.array_equal(kept, made[frames["index"]])
    for name in FORMATS:
        names = [path.name for path in (bundle / name).rglob("*.*")]
        assert len(names) in (76, 76 - sum(not mask.any() for _, _, mask in pairs(bundle)))
        assert not any("00000003" in name or "00000021" in name for name in names)


def test_the_card_says_how_on_what_audits_limits_and_licence(bundle):
    card = (bundle / "data_card.md").read_text()
    for said in (
        "No frame of this bundle was taken of a patient", "nobody was imaged",
        "what verdicts found", "what memorisation_verdict found", "what plausibility_verdict found",
        "| 4ch | 19 | 1 | LV, RV |", "| 4ch | 4 | 4 | simulated | simulated ToF |", "2 of 40",
        "must not be used for", "CC-BY-4.0", "abc123", "16 x 16", "8 mm a pixel", "seed 3", "0.40",
        "zarr 3.0.6 or newer",
    ):  # fmt: skip
        assert said in card, said
    page = (bundle / "data_card.html").read_text()
    assert page.count("<table>") == sum(line.startswith("|---") for line in card.splitlines())
    assert "http" not in page.split("</style>")[1], "the page asks nothing of the outside"
    assert Image.open(bundle / "examples.png").width > 800


def test_no_patient_and_no_path_is_in_any_file(bundle):
    planted = [b"sim-0", b"sim-1", str(paths.REPOSITORY).encode()]
    for name, content in tree_bytes(bundle).items():
        assert not any(word in content for word in planted), name


def test_the_same_study_gives_the_same_bytes(bundle, tmp_path):
    again, _ = make_bundle("tiny", FORMATS, target=tmp_path / "again")
    assert tree_bytes(again) == tree_bytes(bundle)


def test_the_loader_works_where_cmrkit_cannot_be_imported(bundle):
    program = "import runpy, sys; sys.modules['cmrkit'] = None; runpy.run_path(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, bundle / "load_example.py"],
        capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "38 synthetic frames; 16 of view 4ch: (16, 16, 16) uint8" in done.stdout
    code = (bundle / "load_example.py").read_text().splitlines()
    assert "zarr (3.0.6 or newer)" in code[0], "3.0.2 fails with today's numcodecs"
    assert sum(bool(line.strip()) for line in code[1:]) <= 12


def test_sha256sum_confirms_every_file(bundle):
    if not shutil.which("sha256sum"):
        pytest.skip("no sha256sum on this machine")
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=bundle, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = {line.split("  ")[1] for line in (bundle / "SHA256SUMS").read_text().splitlines()}
    assert listed == set(tree_bytes(bundle)) - {"SHA256SUMS"}
    check_checksums(bundle)


def test_png_holds_the_same_pixels_and_says_synthetic(bundle):
    for row, image, mask in pairs(bundle):
        picture = Image.open(file_of(bundle, "png", row, ".png"))
        assert "Not an image of a patient" in picture.text["Description"]
        assert np.array_equal(np.asarray(picture), image)
        assert np.array_equal(
            np.asarray(Image.open(file_of(bundle, "png", row, "_mask.png"))), mask
        )


def test_nifti_holds_the_same_pixels_and_their_size_with_row_0_at_the_top(bundle):
    for row, image, mask in pairs(bundle):
        for ending, pixels in ((".nii.gz", image), ("_mask.nii.gz", mask)):
            path = file_of(bundle, "nifti", row, ending)
            assert np.array_equal(read_volume(path, "frame").voxels[0, 0], pixels)
            volume = nib.load(path)
            upright = nib.as_closest_canonical(volume)  # x to the right, y to the front
            assert np.array_equal(np.asarray(upright.dataobj)[::-1, ::-1, 0].T, pixels)
            assert np.array_equal(np.asarray(volume.dataobj)[:, :, 0].T, pixels)
            assert volume.header.get_zooms() == (8.0, 8.0, 1.0)
            assert volume.header["sform_code"] == volume.header["qform_code"] == 2
            assert np.allclose(volume.get_qform(), volume.get_sform())
            assert b"SYNTHETIC" in volume.header["descrip"].item()


def test_dicom_is_marked_synthetic_and_derived_and_names_no_patient(bundle):
    seen = set()
    for row, image, _ in pairs(bundle):
        ds = pydicom.dcmread(file_of(bundle, "dicom", row, ".dcm"))
        assert np.array_equal(ds.pixel_array, image)
        assert ds.SyntheticData == "YES"
        assert (ds.ImageType[0], ds.ConversionType) == ("DERIVED", "SYN")
        assert ds.PixelSpacing == [8.0, 8.0]
        assert (ds.PatientName, ds.PatientID) == ("SYNTHETIC^NOT A PATIENT", "SYNTHETIC")
        own = [element for element in ds if element.tag.group == 0x0010 and not element.is_empty]
        assert [element.keyword for element in own] == ["PatientName", "PatientID"]
        seen.add(ds.SOPInstanceUID)
    assert len(seen) == len(read_frames(bundle))


def test_dicom_segmentations_hold_the_masks_by_chamber_name(bundle):
    numbers = {"LV": 1, "RV": 3}
    for row, _, mask in list(pairs(bundle))[::5]:
        ds = pydicom.dcmread(file_of(bundle, "dicom", row, "_seg.dcm"))
        drawn = np.zeros_like(mask)
        planes = np.atleast_3d(ds.pixel_array.reshape(-1, 16, 16))
        names = {s.SegmentNumber: s.SegmentLabel for s in ds.SegmentSequence}
        shared = ds.SharedFunctionalGroupsSequence[0]
        for plane, own in zip(planes, ds.PerFrameFunctionalGroupsSequence, strict=True):
            group = own if "SegmentIdentificationSequence" in own else shared
            number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            drawn[plane > 0] = numbers[names[number]]
        assert np.array_equal(drawn, mask)
        source = pydicom.dcmread(file_of(bundle, "dicom", row, ".dcm"))
        assert ds.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert (ds.SyntheticData, ds.PatientName) == ("YES", "SYNTHETIC^NOT A PATIENT")


def test_dciodvfy_finds_no_error_but_an_attribute_younger_than_itself(bundle):
    if not shutil.which("dciodvfy"):
        pytest.skip("no dciodvfy on this machine; it comes with the Debian package dicom3tools")
    row = next(iter(pairs(bundle)))[0]
    for ending in (".dcm", "_seg.dcm"):
        done = subprocess.run(
            ["dciodvfy", file_of(bundle, "dicom", row, ending)], capture_output=True, text=True
        )
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        assert all("(0x0008,0x001c)" in line for line in errors), errors
        assert ("SCImage" if ending == ".dcm" else "Segmentation") in done.stderr


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda work: (work / "audit" / "suspects.parquet").unlink(),
            "run 05_memorisation_audit",
        ),
        (
            lambda work: write_synthetic_cohort(plan_cohort(work, 4, list(VIEWS), 8), work),
            "synthetic/frames.parquet: not what .*provenance.json reports and the audits judged",
        ),
        (lambda work: (paths.tables("other") / "verdicts.txt").unlink(), "verdicts.txt: not there"),
        (lambda work: (work / "synthetic" / "frames.parquet").unlink(), "no frame table"),
    ],
)
def test_a_study_that_is_not_finished_is_refused_with_one_line(spoil, says):
    work = finished_study("other", 8, copies=[3])
    spoil(work)
    with pytest.raises((ReleaseError, FileNotFoundError), match=says) as error:
        make_bundle("other")
    assert "\n" not in str(error.value)
    assert not (work / "release").exists()
    shutil.rmtree(work)
    shutil.rmtree(paths.report_folder("other"))


def other_patients(work):
    table = work / "cohort" / "frames.parquet"
    write_frames(read_frames(work / "cohort").assign(source="dicom", vendor="Siemens"), table)


def other_pixels(work):
    zarr.open_group(work / "cohort" / "frames.zarr")["image"][0] = 0


def other_generator(work):
    path = work / "gan" / "generator.safetensors"
    path.unlink()
    network = Generator(tiny_recipe(), torch.Generator().manual_seed(9))
    facts = {"recipe": tiny_recipe().to_dict(), "resolution": 16, "alpha": 1.0,
             "allowed": [[True, True], [True, False]]}  # fmt: skip
    tensor_file.write(path, KIND, network_state(network, "ema"), facts)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (other_patients, "cohort/frames.parquet: not what .*provenance.json reports"),
        (other_pixels, "cohort/frames.zarr: not what .*provenance.json reports"),
        (other_generator, "generator.safetensors: not the generator that drew the frames"),
    ],
)
def test_a_cohort_or_generator_made_after_the_frames_is_refused_with_one_line(spoil, says):
    work = finished_study("other", 8, copies=[3])
    spoil(work)
    with pytest.raises(ReleaseError, match=says + ".*; run the study to its end") as error:
        make_bundle("other", licence="CC0-1.0")
    assert "\n" not in str(error.value)
    assert not (work / "release").exists()
    shutil.rmtree(work)
    shutil.rmtree(paths.report_folder("other"))


def test_a_study_without_a_copy_gives_all_its_frames():
    work = finished_study("other", 8, copies=[])
    folder, _ = make_bundle("other")
    assert len(read_frames(folder)) == 8
    shutil.rmtree(work)
    shutil.rmtree(paths.report_folder("other"))


@pytest.mark.parametrize("spoil", [lambda table: table.assign(frame_id="foreign").iloc[:1],
                                   lambda table: table.iloc[1:]])  # fmt: skip
def test_a_cohort_of_which_a_frame_was_not_judged_is_refused(spoil):
    work = finished_study("other", 8, copies=[3])
    path = work / "audit" / "suspects.parquet"
    spoil(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(ReleaseError, match="so not every frame was judged; run 05"):
        make_bundle("other")
    shutil.rmtree(work)
    shutil.rmtree(paths.report_folder("other"))


def test_unknown_formats_are_refused():
    with pytest.raises(ReleaseError, match="'jpeg' is unknown; use png, nifti, dicom"):
        make_bundle("tiny", ["jpeg"])


def test_frames_learnt_from_patients_need_a_licence():
    from cmrkit.release.bundle import _licence

    assert _licence("", ["simulated"]) == "CC-BY-4.0"
    assert _licence("CC0-1.0", ["chla"]) == "CC0-1.0"
    with pytest.raises(ReleaseError, match=r"learnt from patients \(chla\).*LICENCE=<name>"):
        _licence("", ["chla"])
