"""No identifier of a patient reaches a byte that the kit writes."""

import gzip

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pandas as pd
import pytest
from dicoms import PHASES, SIDE, affine_of, write_patient
from identifiers import PLANTED, WORDS, found_in
from kit import copy_kit, run_in

CODE = "QX7ZV4WJ"  # of an external patient, in the names of NIfTI files; no chance find in base64
OWN = """\
common: {seed: 1, views: [sax]}
01_cohort:
  {source: dicom, external_source: mnms, patients_gan: 3, patients_unet: 2, patients_external: 1,
   resolution: 32, fov_mm: 80.0}
"""
REPORT = """
import sys
from cmrkit import paths
from cmrkit.report import VERDICTS, write_report
from cmrkit.study import load_study
given = {"data": sys.argv[1], "external_data": sys.argv[2]}
study = {"01_cohort": load_study("params/own.yaml", given)["01_cohort"]}
(paths.tables("own") / "table1.html").write_text("<table></table>")
for name in VERDICTS:
    paths.write_lines([], "own", name)
write_report("own", study)
"""


def write_archive(folder):
    """Three patients, whose headers, folders and masks of the same name name them."""
    for number in range(3):
        named = PLANTED | {
            "PatientID": f"HOSP-7781234-{number}",
            "PatientName": f"Quagmire^{number}",
        }
        own = {key: value for key, value in named.items() if key != "StudyInstanceUID"}
        place = folder / f"Quagmire_{number}" / "HOSP-7781234"
        write_patient(place, f"P{number}", views=("sax",), slices=2, **own)
        cine = (place / "sax").rename(place / f"Zebulon_{number}")
        labels = np.zeros((SIDE, SIDE, 2, PHASES), np.uint8)
        labels[8:14, 8:14], labels[15:18, 8:14] = 1, 3
        beside = nibabel.Nifti1Image(labels, affine_of(cine))
        beside.header["descrip"] = b"Zebulon Quagmire"
        nibabel.save(beside, place / f"Zebulon_{number}_gt.nii.gz")
    (folder / "Quagmire_0" / "Musterstadt.dcm").write_bytes(b"broken")


def write_challenge(folder):
    """An external patient in the layout of M&Ms, and one whose volume is broken."""
    for code in (CODE, f"{CODE}B"):
        rng = np.random.default_rng(0)
        cine = rng.integers(0, 900, (SIDE, SIDE, 2, PHASES)).astype(np.int16)
        drawn = np.zeros_like(cine)
        drawn[8:14, 8:14, :, ::2], drawn[15:18, 8:14, :, ::2] = 1, 3
        (folder / code).mkdir(parents=True)
        for name, voxels in ((f"{code}_sa", cine), (f"{code}_sa_gt", drawn)):
            volume = nibabel.Nifti1Image(voxels, np.diag([-1.25, -1.5, 8, 1]))
            (folder / code / f"{name}.nii.gz").write_bytes(gzip.compress(volume.to_bytes()))
    (folder / f"{CODE}B" / f"{CODE}B_sa.nii.gz").write_bytes(b"broken")
    (folder / "Dataset_information.csv").write_text(
        f"External code,VendorName,Centre,ED,ES,Pathology\n{CODE},GE,4,0,2,HCM\n"
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(kit, files that a study of planted patients wrote, what it printed)."""
    folder = tmp_path_factory.mktemp("privacy")
    kit = copy_kit(folder / "kit")
    write_archive(folder / "archive")
    write_challenge(folder / "challenge")
    (kit / "params" / "own.yaml").write_text(OWN)
    before = set(kit.rglob("*"))
    places = folder / "archive", folder / "challenge"
    given = "--data", places[0], "--external-data", places[1]
    runs = [run_in(kit, "cmrkit.execute", "01_cohort", "params/own.yaml", *given)]
    (kit / "report.py").write_text(REPORT)
    runs.append(run_in(kit, "report", *places))
    said = "".join(run.stdout + run.stderr for run in runs)
    assert [run.returncode for run in runs] == [0, 0], said
    new = [path for path in kit.rglob("*") if path not in before and path.name != "report.py"]
    return kit, [path for path in new if "__pycache__" not in path.parts], said


def test_no_planted_identifier_stands_in_any_byte_of_a_study(written):
    kit, files, said = written
    kinds = {path.suffix for path in files}
    assert {".ipynb", ".html", ".json", ".yaml", ".csv", ".parquet", ".pdf", ".svg"} <= kinds
    words = [*WORDS, CODE]
    assert found_in(kit, words, files) == []
    assert not [word for word in words if word.lower() in said.lower()]
    problems = pd.read_csv(kit / "reports" / "own" / "tables" / "problems.csv")
    assert len(problems) == 3, "two broken files and a patient without a row, without a name"
    frames = pd.read_parquet(kit / "work" / "own" / "cohort" / "frames.parquet")
    assert frames.groupby("role")["patient_id"].nunique().to_dict() == {
        "external": 2, "gan": 1, "unet": 1
    }  # fmt: skip
    assert (frames["labels_present"].str.len() > 0).groupby(frames["role"]).any().all()


def test_the_folder_a_user_names_is_written_where_the_kit_says_and_nothing_below_it(written):
    kit, files, said = written
    named = sorted({name for _, name in found_in(kit, ["privacy0/archive"], files)})
    report = ("01_cohort.html", "01_cohort.ipynb", "params/01_cohort.yaml", "provenance.json")
    assert named == [f"reports/own/{name}" for name in report]
    assert found_in(kit, ["archive/Quagmire", f"challenge/{CODE}"], files) == []
    assert "privacy0" not in said.replace(str(kit), "")


def test_the_search_finds_what_is_planted_in_any_kind_of_file(tmp_path):
    write_archive(tmp_path / "archive")
    assert found_in(tmp_path / "archive")
    out = tmp_path / "out"
    out.mkdir()
    pd.DataFrame({"name": ["Quagmire"] * 100}).to_parquet(out / "a.parquet", compression="gzip")
    np.savez_compressed(out / "b.npz", lists=np.array("Quagmire"))
    with plt.rc_context({"pdf.fonttype": 42}):
        figure = plt.figure()
        figure.text(0.5, 0.5, "Quagmire")
        figure.savefig(out / "c.pdf")
        plt.close(figure)
    (out / "Quagmire").mkdir()
    assert sorted(name for _, name in found_in(out)) == ["Quagmire", "a.parquet", "b.npz", "c.pdf"]
