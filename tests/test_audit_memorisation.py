"""The memorisation audit finds copies, clears new patients, and can say that it cannot tell."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from hearts import draw_patients, draw_synthetic
from safetensors.torch import save_file
from scipy import ndimage

from cmrkit.audit import memorisation
from cmrkit.audit.controls import plant_copies
from cmrkit.audit.embedding import load_embedding, save_embedding, train_embedding
from cmrkit.audit.memorisation import (
    SUSPECT_SCHEMA,
    auc_interval,
    audit_memorisation,
    copy_threshold,
    write_suspects,
)
from cmrkit.audit.search import aligned_distance, nearest_codes, nearest_in_groups
from cmrkit.cohort.part import Part

GAN, HELD_OUT = draw_patients(24, seed=1), draw_patients(12, seed=2, name="h")
# A new patient may be one's double by chance: of 10 such draws and 8 embeddings of 60 steps, 13 of
# the 80 audits called a frame a copy. With this draw none of the 8 did (closeness 1.3 or more).
SYNTHETIC = draw_synthetic(80, seed=8)


@pytest.fixture(scope="module")
def embedding():
    return train_embedding(GAN, seed=1, steps=60)


@pytest.fixture(scope="module")
def audit(embedding):
    return audit_memorisation(SYNTHETIC, GAN, HELD_OUT, embedding, seed=1, copies=20)


def with_copies(count):
    copies, table = plant_copies(GAN.images, GAN.frames, count, seed=8)
    frames = SYNTHETIC.frames[:count].assign(frame_id=table["frame_id"])
    return table, Part(
        np.concatenate([SYNTHETIC.images, copies]),
        np.concatenate([SYNTHETIC.masks, SYNTHETIC.masks[:count]]),
        pd.concat([SYNTHETIC.frames, frames], ignore_index=True),
    )


def test_new_patients_are_no_copies(audit):
    summary = audit.summary.iloc[0]
    assert audit.suspects.empty
    assert summary["verdict"].startswith("sax: no copy found among 80 synthetic frames")
    told = f"not shown that it can be told who trained the GAN (membership AUC {summary['auc']:.2f}"
    assert f"{told}, up to {summary['auc_high']:.2f})" in summary["verdict"]
    # 3 / 80 by the rule of three, over what the detector surely finds
    assert summary["upper_bound"] == pytest.approx(
        (1 - 0.05 ** (1 / 80)) / summary["detection_low"]
    )


def test_planted_copies_are_found_with_their_source(embedding):
    table, synthetic = with_copies(10)
    audit = audit_memorisation(synthetic, GAN, HELD_OUT, embedding, seed=1, copies=20)
    assert audit.summary["verdict"].iloc[0].startswith("sax: copies found: 10 of 90")
    found = audit.suspects.set_index("frame_id")["nearest_frame_id"]
    assert found.to_dict() == table.set_index("frame_id")["made_from"].to_dict()


def test_a_generator_that_knows_five_patients_by_heart_is_flagged():
    """It redraws them: smoother, in other contrast, somewhat larger or smaller, with new noise."""
    five, rng = draw_patients(5, seed=1), np.random.default_rng(4)
    images = []
    for row in rng.integers(len(five.images), size=len(SYNTHETIC.images)):
        scale = np.exp(rng.normal(0, 0.03))
        image = ndimage.affine_transform(
            five.images[row] / 255.0, np.full(2, scale), np.full(2, 31.5 * (1 - scale))
        )
        image = ndimage.gaussian_filter(image.clip(0, 1), 1) ** np.exp(rng.normal(0, 0.2))
        images.append(255 * (image + rng.normal(0, 0.02, image.shape)).clip(0, 1))
    redrawn = SYNTHETIC._replace(images=np.stack(images).astype(np.uint8))
    embedding = train_embedding(five, seed=1, steps=60)
    flagged, cleared = (
        audit_memorisation(part, five, HELD_OUT, embedding, seed=1, copies=20).summary.iloc[0]
        for part in (redrawn, SYNTHETIC)
    )
    assert flagged["verdict"].startswith("sax: copies found")
    assert "and patients who trained the GAN lie nearer" in flagged["verdict"]
    assert flagged["low"] > 0.5
    assert cleared["high"] < flagged["low"]  # with five patients 0 to 9 of 80 are called by chance


def test_the_detector_is_tested_with_every_kind_of_copy(audit):
    shares = audit.detection.set_index(["detector", "copy"])["share"]
    assert set(shares.index.levels[0]) == {"pixels", "embedding", "both"}
    assert len(shares["both"]) == 6
    assert shares["both", "all copies"] >= 0.9
    assert shares["embedding", "exact"] == shares["embedding", "flipped"] == 1


def test_a_detector_that_misses_copies_says_not_informative(monkeypatch, embedding):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(memorisation, "aligned_distance", lambda a, b: rng.random(len(a)) + 1)
    monkeypatch.setattr(
        memorisation, "nearest_codes",
        lambda a, b, groups, keep: (
            np.arange(len(a))[:, None] * 0 + 4 * np.arange(keep), 1 + rng.random((len(a), keep)),
        ),
    )  # fmt: skip
    _, synthetic = with_copies(10)
    audit = audit_memorisation(synthetic, GAN, HELD_OUT, embedding, seed=1, copies=20)
    assert "not informative" in audit.summary["verdict"].iloc[0]


def test_membership_of_copied_patients_is_inferred(audit, embedding):
    row = audit.membership.iloc[0]
    assert row["low"] < 0.5 < row["high"]  # nothing to infer from new patients
    noise = np.random.default_rng(1).normal(0, 5, GAN.images.shape)
    leaked = GAN._replace(
        images=np.clip(GAN.images + noise, 0, 255).astype(np.uint8),
        frames=GAN.frames.drop(columns="patient_id").assign(
            frame_id="synthetic-" + GAN.frames["frame_id"]
        ),
    )
    row = audit_memorisation(leaked, GAN, HELD_OUT, embedding, seed=1, copies=20).membership.iloc[0]
    assert row["low"] > 0.8


def test_the_verdict_tells_when_membership_can_be_inferred(embedding):
    # every synthetic frame half one patient, half the next: no copies, but made of the trained ones
    images = GAN.images.astype(float)
    halves = (images + np.roll(images, 4, axis=0)) / 2
    mixed = GAN._replace(
        images=halves.astype(np.uint8),
        frames=GAN.frames.drop(columns="patient_id").assign(
            frame_id="synthetic-" + GAN.frames["frame_id"]
        ),
    )
    verdict = audit_memorisation(mixed, GAN, HELD_OUT, embedding, seed=1, copies=20).summary
    assert "yet patients who trained the GAN lie nearer" in verdict["verdict"].iloc[0]


def test_release_gets_every_frame_with_its_verdict(tmp_path, embedding):
    table, synthetic = with_copies(10)
    audit = audit_memorisation(synthetic, GAN, HELD_OUT, embedding, seed=1, copies=20)
    write_suspects(audit, tmp_path / "audit" / "suspects.parquet")
    left = pd.read_parquet(tmp_path / "audit" / "suspects.parquet")
    assert list(left.columns) == SUSPECT_SCHEMA.names
    assert list(left["frame_id"]) == list(synthetic.frames["frame_id"])
    assert set(left["frame_id"][left["is_copy"]]) == set(table["frame_id"])
    found = left.set_index("frame_id").loc[table["frame_id"]]
    assert list(found["nearest_frame_id"]) == list(table["made_from"])
    assert [path.name for path in (tmp_path / "audit").iterdir()] == ["suspects.parquet"]


def test_a_copy_found_in_one_space_alone_is_a_copy(audit):
    for space, other in (("pixels", "embedding"), ("embedding", "pixels")):
        nearest = audit.nearest.copy()
        one = (nearest["frame_id"] == SYNTHETIC.frames["frame_id"][3]) & (nearest["space"] == space)
        nearest.loc[one, ["closeness", "is_copy"]] = [0.5, True]
        (row,) = dataclasses.replace(audit, nearest=nearest).suspects.itertuples()
        assert row.space == space != other


def test_gan_patients_are_not_compared_with_themselves(audit):
    own = audit.nearest[audit.nearest["group"] == "gan"]
    assert (own["patient_id"] != own["nearest_patient_id"]).all()
    assert own["ratio"][own["space"] == "pixels"].min() > 0.3


def test_aligned_distance_is_blind_to_mirroring_shift_and_contrast():
    image = GAN.images[:1]
    versions = {
        "same": image,
        "mirrored": image[:, :, ::-1],
        "shifted": np.roll(image, (5, -3), (1, 2)),
        "darker": (image / 2).astype(np.uint8),
    }
    distance = {name: aligned_distance(v, image)[0] for name, v in versions.items()}
    assert max(distance.values()) < 0.05
    assert aligned_distance(GAN.images[:1], GAN.images[4:5])[0] > 0.2


def test_the_search_equals_comparing_every_pair():
    queries, references = SYNTHETIC.images[:5], GAN.images[:16]
    groups = GAN.frames["patient_id"][:16]
    rows, distances, from_references = nearest_in_groups(queries, references, groups, keep=4)
    pairs = [brute_force(query, references) for query in queries]
    assert from_references == pytest.approx(np.min(pairs, axis=0), abs=1e-3)
    for expected, row, distance in zip(pairs, rows, distances, strict=True):
        by_group = pd.Series(expected).groupby(groups.to_numpy()).min().sort_values()
        assert distance == pytest.approx(by_group.to_numpy(), abs=1e-3)
        assert expected[row] == pytest.approx(by_group.to_numpy(), abs=1e-3)


def brute_force(query, references):
    """Distance of 16 x 16 block means at the best of 5 x 5 shifts and two mirrorings."""

    def small(image):
        return image.reshape(16, 4, 16, 4).mean(axis=(1, 3))

    def standard(window):
        window = window.ravel() - window.mean()
        return window / np.linalg.norm(window)

    result = []
    for reference in references:
        template = standard(small(reference.astype(float))[2:14, 2:14])
        best = max(
            standard(image[d : d + 12, r : r + 12]) @ template
            for image in (small(query.astype(float)), small(query[:, ::-1].astype(float)))
            for d in range(5)
            for r in range(5)
        )
        result.append(np.sqrt(2 - 2 * best))
    return np.array(result)


def test_a_saved_embedding_gives_the_same_codes_and_training_the_same_bytes(tmp_path, embedding):
    save_embedding(embedding, tmp_path / "audit" / "embedding.safetensors")
    loaded = load_embedding(tmp_path / "audit" / "embedding.safetensors")
    assert np.array_equal(loaded.codes(HELD_OUT.images), embedding.codes(HELD_OUT.images))
    assert loaded.about == {"frames": 96, "patients": 24, "steps": 60, "seed": 1}
    for name in "ab":
        save_embedding(train_embedding(GAN, seed=2, steps=2), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_codes_are_blind_to_mirroring_and_closer_within_a_patient(embedding):
    codes = embedding.codes(HELD_OUT.images)
    mirrored = embedding.codes(HELD_OUT.images[:, :, ::-1].copy())
    assert np.allclose(codes, mirrored, atol=1e-4)
    same = (
        HELD_OUT.frames["patient_id"].to_numpy()[:, None]
        == HELD_OUT.frames["patient_id"].to_numpy()
    )
    alike = codes @ codes.T
    assert alike[same].mean() > alike[~same].mean() + 0.3


def test_a_missing_or_foreign_embedding_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="run notebook 04"):
        load_embedding(tmp_path / "embedding.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not the weights of an embedding"):
        load_embedding(tmp_path / "other.safetensors")


def test_nearest_codes_equal_comparing_every_pair():
    rng = np.random.default_rng(0)
    queries, references = (rng.normal(size=(n, 8)).astype(np.float32) for n in (7, 12))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    groups = np.repeat(list("abcd"), [5, 1, 3, 3])
    rows, distances = nearest_codes(queries, references, groups, keep=3)
    expected = np.linalg.norm(queries[:, None] - references[None], axis=2)
    by_group = np.stack([expected[:, groups == g].min(axis=1) for g in "abcd"], axis=1)
    assert distances == pytest.approx(np.sort(by_group, axis=1)[:, :3], abs=1e-3)
    assert np.take_along_axis(expected, rows, axis=1) == pytest.approx(distances, abs=1e-3)


def test_blocks_do_not_change_the_search(monkeypatch):
    groups = GAN.frames["patient_id"]
    whole = nearest_in_groups(SYNTHETIC.images, GAN.images, groups, keep=3)
    monkeypatch.setattr("cmrkit.audit.search.BLOCK_BYTES", 4 * len(GAN.images) * 7)
    blocks = nearest_in_groups(SYNTHETIC.images, GAN.images, groups, keep=3)
    assert np.array_equal(whole[0], blocks[0])
    for one, other in zip(whole[1:], blocks[1:], strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_threshold_is_a_margin_below_the_lowest_chance_ratio():
    assert copy_threshold([0.9, 0.7, 0.8]) == pytest.approx(0.42)


@pytest.mark.parametrize(
    ("positive", "negative", "auc"),
    [([3.0, 4], [1.0, 2], 1.0), ([1.0, 2], [3.0, 4], 0.0), ([1.0, 3], [2.0, 2], 0.5)],
)
def test_auc_counts_pairs_and_its_interval_holds_it(positive, negative, auc):
    value, low, high = auc_interval(np.array(positive), np.array(negative))
    assert value == auc
    assert low <= auc <= high
    assert 0 < high - low < 1


def test_auc_interval_covers_the_truth_19_times_out_of_20():
    rng = np.random.default_rng(0)
    truth, covered = 0.76, 0  # of normal scores one SD apart: Phi(1 / sqrt 2)
    for _ in range(400):
        _, low, high = auc_interval(rng.normal(1, 1, 40), rng.normal(0, 1, 25))
        covered += low <= truth <= high
    assert 0.92 < covered / 400 < 0.985


def test_too_few_patients_are_refused():
    with pytest.raises(ValueError, match="reference: 2 patients of view 'sax'; give 3"):
        audit_memorisation(SYNTHETIC, draw_patients(2, seed=1), HELD_OUT, None, seed=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_finds_the_same_frames():
    groups = GAN.frames["patient_id"]
    on_cpu, on_gpu = (
        nearest_in_groups(SYNTHETIC.images, GAN.images, groups, 1, device)[0]
        for device in ("cpu", "cuda")
    )
    assert np.array_equal(on_cpu, on_gpu)
