"""The receiving side: what is whole is taken in, all else refused with one line."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from bundles import finished_study, tree_bytes

from cmrkit import paths
from cmrkit.cohort.frames import read_frames
from cmrkit.cohort.store import load_pixels
from cmrkit.provenance import sha256
from cmrkit.release.bundle import make_bundle
from cmrkit.release.checksums import write_checksums
from cmrkit.release.received import receive_bundle, sender_verdict
from cmrkit.study import ParameterError, load_study

RECEIVED = paths.REPOSITORY / "params" / "received.yaml"
VIEWS = ["4ch", "sax"]


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """A bundle, whole."""
    patch = pytest.MonkeyPatch()
    patch.setattr(paths, "REPOSITORY", tmp_path_factory.mktemp("repository"))
    finished_study("tiny")
    yield make_bundle("tiny")[0]
    patch.undo()


@pytest.fixture
def bundle(sent, tmp_path):
    """A copy of it, to spoil."""
    return shutil.copytree(sent, tmp_path / "bundle")


def test_a_bundle_becomes_the_synthetic_cohort(bundle, tmp_path):
    before = tree_bytes(bundle)
    facts = receive_bundle(bundle, tmp_path / "synthetic", VIEWS)
    for received, sent in zip(
        load_pixels(tmp_path / "synthetic"), load_pixels(bundle), strict=True
    ):
        assert np.array_equal(received, sent)
    pd.testing.assert_frame_equal(read_frames(tmp_path / "synthetic"), read_frames(bundle))
    assert sender_verdict(facts) == ["sender's audit of 38 frames: what memorisation_verdict found"]
    assert tree_bytes(bundle) == before


def test_views_that_the_study_does_not_have_stay_behind(bundle, tmp_path):
    receive_bundle(bundle, tmp_path / "synthetic", ["sax"])
    frames = read_frames(tmp_path / "synthetic")
    assert set(frames["view"]) == {"sax"}
    rows = np.flatnonzero(read_frames(bundle)["view"] == "sax")
    assert np.array_equal(load_pixels(tmp_path / "synthetic")[0], load_pixels(bundle, rows)[0])


def flip_a_byte(bundle):
    path = next(path for path in (bundle / "frames.zarr" / "image").rglob("0") if path.is_file())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def drop_rows(bundle):
    """Checksums fit, but the table does not belong to the pixels."""
    path = bundle / "frames.parquet"
    frames = pd.read_parquet(path)
    from cmrkit.cohort.frames import SYNTHETIC_SCHEMA, write_frames

    write_frames(frames.iloc[:-1], path, SYNTHETIC_SCHEMA)
    write_checksums(bundle)


def another_table(bundle):
    path = bundle / "frames.parquet"
    pd.read_parquet(path).assign(extra=1).to_parquet(path)
    write_checksums(bundle)


def drop_masks(bundle):
    shutil.rmtree(bundle / "frames.zarr" / "mask")
    write_checksums(bundle)


def drop_the_pixels(bundle):
    shutil.rmtree(bundle / "frames.zarr")
    write_checksums(bundle)


def shorten_the_list(bundle):
    """The list lost its end, and with it a file of pixels that zarr would replace by zeros."""
    lines = (bundle / "SHA256SUMS").read_text().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith((" bundle.json\n", " frames.parquet\n"))]
    (bundle / "SHA256SUMS").write_text("".join(kept))
    next(p for p in (bundle / "frames.zarr" / "image").rglob("0") if p.is_file()).unlink()


def list_a_file_outside(name):
    """A name of the list that leaves the bundle, with the right checksum."""

    def spoil(bundle):
        (bundle.parent / "outside").write_text("x")
        line = f"{sha256(bundle.parent / 'outside')}  {name.format(bundle.parent)}\n"
        with (bundle / "SHA256SUMS").open("a") as stream:
            stream.write(line)

    return spoil


def link_the_pixels(bundle):
    (bundle / "frames.zarr").rename(bundle.parent / "outside.zarr")
    (bundle / "frames.zarr").symlink_to(bundle.parent / "outside.zarr")


def drop_a_fact(bundle):
    facts = json.loads((bundle / "bundle.json").read_text())
    del facts["frames"]
    (bundle / "bundle.json").write_text(json.dumps(facts))
    write_checksums(bundle)


def another_kind(bundle):
    (bundle / "bundle.json").write_text(json.dumps({"kind": "other"}))
    write_checksums(bundle)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (flip_a_byte, "damaged or changed since it was released"),
        (lambda b: (b / "frames.parquet").unlink(), "frames.parquet: missing, but in SHA256SUMS"),
        (lambda b: (b / "data_card.md").write_text("better"), "data_card.md: damaged or changed"),
        (lambda b: (b / "SHA256SUMS").unlink(), "SHA256SUMS: missing"),
        (lambda b: (b / "SHA256SUMS").write_text("x\n"), "not a list of checksums"),
        (lambda b: (b / "bundle.json").unlink(), "no bundle.json in it"),
        (lambda b: (b / "bundle.json").write_text("{"), "bundle.json: damaged"),
        (another_kind, "foreign or of another version"),
        (lambda b: (b / "bundle.json").write_text("[]"), "bundle.json: damaged"),
        (drop_a_fact, "bundle.json: damaged, frames; ask for the bundle again"),
        (shorten_the_list, "not in SHA256SUMS; remove it, or ask for the bundle again"),
        (lambda b: (b / "Smith.dcm").write_bytes(b"x"), "Smith.dcm: not in SHA256SUMS"),
        (list_a_file_outside("../outside"), r"\.\./outside: missing, but in SHA256SUMS"),
        (list_a_file_outside("{}/outside"), "outside: missing, but in SHA256SUMS"),
        (link_the_pixels, "frames.zarr: a link; a bundle holds files alone"),
        (drop_the_pixels, "frames.zarr: missing; ask for the bundle again"),
        (drop_masks, "'mask': None.; ask for the bundle again"),
        (drop_rows, "ask for the bundle again"),
        (another_table, "not the columns of a synthetic cohort"),
    ],
)
def test_a_damaged_or_foreign_bundle_is_refused_with_one_line(bundle, tmp_path, spoil, says):
    receive_bundle(bundle, tmp_path / "synthetic", VIEWS)
    before = tree_bytes(tmp_path / "synthetic")
    spoil(bundle)
    with pytest.raises(ValueError, match=says) as error:
        receive_bundle(bundle, tmp_path / "synthetic", VIEWS)
    assert "\n" not in str(error.value)
    assert tree_bytes(tmp_path / "synthetic") == before, "what was received before stays"


def test_what_macos_leaves_in_a_folder_does_no_harm(bundle, tmp_path):
    (bundle / ".DS_Store").write_bytes(b"x")
    (bundle / "frames.zarr" / "image" / "._zarr.json").write_bytes(b"x")
    receive_bundle(bundle, tmp_path / "synthetic", VIEWS)
    assert len(read_frames(tmp_path / "synthetic")) == 38


def test_a_study_that_receives_takes_views_size_and_field_of_view_from_the_bundle(bundle, tmp_path):
    params = with_keys(tmp_path, s04_plausibility_audit={"reading_frames": 8})
    study = load_study(params, {"data": str(bundle)})
    assert study["01_cohort"]["resolution"] == 16
    assert study["01_cohort"]["fov_mm"] == 128.0
    assert study["06_unet_comparison"]["views"] == VIEWS
    assert study["03_synthetic_cohort"]["bundle"] == str(bundle)
    assert study["01_cohort"]["data"] == ""
    assert not {"02_pggan_training", "05_memorisation_audit"} & set(study)


def with_keys(tmp_path, **sections):
    tree = yaml.safe_load(RECEIVED.read_text())
    for section, keys in sections.items():
        tree.setdefault(section.replace("s0", "0"), {}).update(keys)
    path = tmp_path / "received.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"s01_cohort": {"resolution": 64}}, "01_cohort.resolution: 64, but the frames .* have 16"),
        ({"s01_cohort": {"fov_mm": 170.0}}, "01_cohort.fov_mm: 170.0, but .* have 128"),
        ({"common": {"views": ["2ch"]}}, r"common.views: \['2ch'\], but the bundle has"),
        ({"s02_pggan_training": {"train_kimg": 1.0}}, "02_pggan_training: unknown section"),
    ],
)
def test_parameters_that_do_not_fit_the_bundle_stop_before_anything_runs(
    bundle, tmp_path, keys, says
):
    with pytest.raises(ParameterError, match=says) as error:
        load_study(with_keys(tmp_path, **keys), {"data": str(bundle)})
    assert "\n" not in str(error.value)


def test_a_study_that_receives_needs_a_bundle(bundle, tmp_path):
    with pytest.raises(ParameterError, match="bundle: empty; give its folder: make study"):
        load_study(RECEIVED)
    with pytest.raises(ParameterError, match="bundle: no folder"):
        load_study(RECEIVED, {"data": str(tmp_path / "no")})
    with pytest.raises(ParameterError, match=r"no bundle.json in it"):
        load_study(RECEIVED, {"data": str(tmp_path)})
