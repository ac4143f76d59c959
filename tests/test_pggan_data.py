"""The training file, what the networks see of it, and the way back from channels to labels."""

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cmrkit.pggan import data, tensor_file
from cmrkit.pggan.recipe import quick


def write(path, labels=(1, 3)):
    images = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[:, :4] = 1
    masks[0, 4:] = 3
    masks[1, 4:] = 2  # not among the labels trained: background
    data.save_training_data(
        path, images, masks, ["4ch", "sax", "4ch", "sax"], labels, ("sax", "4ch")
    )
    return images


def test_file_keeps_frames_views_and_labels(tmp_path):
    images = write(tmp_path / "d.safetensors")
    found = data.load_training_data(tmp_path / "d.safetensors")
    assert np.array_equal(found.image.numpy(), images)
    assert (found.view_names, found.labels) == (("sax", "4ch"), (1, 3))
    assert found.view.tolist() == [1, 0, 1, 0]


def test_labels_of_a_view_are_those_its_patients_have(tmp_path):
    write(tmp_path / "d.safetensors")
    found = data.load_training_data(tmp_path / "d.safetensors")
    assert found.labels_of_view().tolist() == [[True, False], [True, True]]


def test_level_frames_average_image_and_label_maps(tmp_path):
    images = write(tmp_path / "d.safetensors")
    found = data.load_training_data(tmp_path / "d.safetensors")
    full, half = (data.level_frames(found, r, chunk=3) for r in (8, 4))
    assert full.shape == (4, 3, 8, 8)
    assert np.array_equal(full[:, 0].numpy(), images)
    assert half[0, 1, :1].unique().tolist() == [255]
    assert half[0, 2].float().mean() == pytest.approx(255 / 2, abs=0.5)
    assert half[1, 2].unique().tolist() == [0]
    assert half[0, 0, 0, 0] == round((0 + 1 + 8 + 9) / 4)


def test_a_level_is_the_average_of_the_next_so_that_a_fade_begins_without_a_jump():
    rng = np.random.default_rng(0)
    mask = torch.from_numpy(rng.integers(0, 3, (2, 16, 16), dtype=np.uint8))
    found = data.TrainingData(mask * 100, mask, torch.zeros(2, dtype=torch.int64), ("sax",), (1, 2))
    fine, coarse = (data.level_frames(found, r).float() for r in (16, 8))
    assert (torch.nn.functional.avg_pool2d(fine, 2) - coarse).abs().max() <= 0.5


def test_label_maps_of_full_size_get_soft_borders_that_decode_to_the_mask():
    mask = torch.zeros(1, 8, 8, dtype=torch.uint8)
    mask[:, 2:6, :4], mask[:, 2:6, 4:7] = 2, 5
    found = data.TrainingData(mask, mask, torch.zeros(1, dtype=torch.int64), ("sax",), (2, 5))
    frames = data.level_frames(found, 8)
    assert frames[0, 1, 3, 2:6].tolist() == [255, 191, 64, 0]  # 1, 3/4, 1/4, 0
    assert frames[0, 1, 1, 1] == 64
    assert frames[0, 1, 1, 4] == 16  # 1/16, diagonal neighbour of a corner
    image, label = data.decode(data.to_signed(frames), torch.ones(1, 2, dtype=torch.bool))
    assert torch.equal(image, mask)
    inner = mask[:, 3:5]  # corners are rounded
    assert torch.equal(torch.tensor([0, 2, 5], dtype=torch.uint8)[label.long()][:, 3:5], inner)


def peak_growth(work):
    """MiB of memory at the peak of some work, above what was in use before it."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is measured anew
    before = _memory("VmRSS")
    kept = work()
    return (_memory("VmHWM") - before) / 2**10, kept


def _memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
@pytest.mark.parametrize("resolution", [128, 64])
def test_level_frames_take_little_more_memory_than_they_leave(resolution):
    pixels = torch.zeros(2048, 128, 128, dtype=torch.uint8)
    view = torch.zeros(2048, dtype=torch.int64)
    given = data.TrainingData(pixels, pixels, view, ("sax",), (1, 2, 3, 4, 5))
    data.level_frames(given.take(slice(0, 8)), resolution)  # starts threads and allocators
    grown, frames = peak_growth(lambda: data.level_frames(given, resolution))
    assert grown < frames.numel() / 2**20 + 300


def test_level_frames_do_not_depend_on_the_chunk(tmp_path):
    write(tmp_path / "d.safetensors")
    found = data.load_training_data(tmp_path / "d.safetensors")
    for resolution in (8, 4):
        one, other = (data.level_frames(found, resolution, chunk=n) for n in (1, 4))
        assert torch.equal(one, other)
        assert one.is_contiguous(memory_format=torch.channels_last)


def test_signed_frames_run_from_minus_one_to_one():
    signed = data.to_signed(torch.tensor([0, 255], dtype=torch.uint8))
    assert signed.tolist() == [-1.0, 1.0]


def one_pixel(image, *maps):
    return torch.tensor([image, *maps]).reshape(1, -1, 1, 1)


@pytest.mark.parametrize(
    ("maps", "label"),
    [
        ((-1.0, -1.0), 0),
        ((1.0, -1.0), 1),
        ((-0.8, 0.9), 2),
        ((-0.1, 0.0), 2),  # 0.45 and 0.5 leave 0.05: a border between labels is no background
        ((-0.5, -0.6), 0),  # 0.25 and 0.2 leave 0.55
        ((3.0, -3.0), 1),  # overshoot counts as 1 and 0
    ],
)
def test_labels_come_back_by_the_largest_share(maps, label):
    allowed = torch.tensor([[True, True]])
    assert data.decode(one_pixel(0.0, *maps), allowed)[1].item() == label


def test_many_faint_labels_do_not_beat_the_background_together():
    # four times 0.22 leave 0.12 of 1, but the two largest leave 0.56
    allowed = torch.tensor([[True] * 4])
    assert data.decode(one_pixel(0.0, *[-0.56] * 4), allowed)[1].item() == 0


def test_a_view_gets_no_label_that_its_patients_lack():
    allowed = torch.tensor([[True, False]])
    assert data.decode(one_pixel(0.0, -0.8, 0.9), allowed)[1].item() == 0


def test_decoded_image_is_clipped_to_bytes():
    values = [
        data.decode(one_pixel(v, -1.0), torch.tensor([[True]]))[0].item() for v in (-2, -1, 1, 2)
    ]
    assert values == [0, 0, 255, 255]


def draws(seed=1, shown=0, views=2, batch=8):
    recipe = quick(("4ch", "sax")[:views], resolution=8, seed=seed)
    rows = [np.arange(0, 5), np.arange(5, 30)][:views]
    return data.draw_tick(recipe, rows, shown, steps=100, batch=batch, group=4)


def test_draws_follow_from_seed_and_images_shown_alone():
    first, again = draws(), draws()
    assert all(torch.equal(a, b) for a, b in zip(first.tensors(), again.tensors(), strict=True))
    assert not torch.equal(first.row, draws(seed=2).row)
    assert not torch.equal(first.z_generator, draws(shown=800).z_generator)
    assert not torch.equal(first.z_generator, first.z_discriminator)


@pytest.mark.parametrize("batch", [2, 4, 8, 12])
def test_views_are_drawn_in_equal_shares_and_share_a_group(batch):
    found = draws(batch=batch)
    assert torch.equal(found.view, (found.row >= 5).long())
    assert found.view.float().mean().item() == pytest.approx(0.5, abs=0.1)
    groups = found.view.reshape(100, -1, min(4, batch))
    assert torch.equal(groups.min(dim=2).values, groups.max(dim=2).values)


def test_every_frame_of_a_view_is_drawn_about_as_often():
    counts = torch.bincount(draws(batch=12).row.flatten(), minlength=30)
    assert counts[:5].sum() + counts[5:].sum() == 1200
    assert (counts[:5] > 80).all()  # 600 draws over 5 frames
    assert (counts[5:] > 8).all()  # 600 draws over 25 frames


def test_processes_share_a_step_without_overlap():
    whole = draws()
    parts = [whole.share(slice(k, k + 4), "cpu") for k in (0, 4)]
    assert torch.equal(torch.cat([p.row for p in parts], dim=1), whole.row)
    assert parts[1].step(3).z_generator.shape == (4, 64)


def frames(n=2, dtype=np.uint8, shape=(8, 8)):
    return np.zeros((n, *shape), dtype)


@pytest.mark.parametrize(
    ("images", "masks", "views", "message"),
    [
        (frames(dtype=np.float32), frames(), ["sax"] * 2, "images: float32"),
        (frames(shape=(8, 6)), frames(), ["sax"] * 2, r"images: uint8 \(2, 8, 6\)"),
        (frames(), frames(3), ["sax"] * 2, r"masks: \(3, 8, 8\)"),
        (frames(), frames(), ["sax"], "views: 1"),
        (frames(), frames(), ["sax", "2ch"], "'2ch' is not in view_names"),
        (frames(1), frames(1), ["sax"], "fewer than 2 frames of view 'sax'"),
    ],
)
def test_frames_that_do_not_fit_are_refused(images, masks, views, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        data.save_training_data(tmp_path / "d.safetensors", images, masks, views, (1,), ("sax",))
    assert list(tmp_path.iterdir()) == []


def test_foreign_and_missing_files_are_refused(tmp_path):
    foreign, broken = tmp_path / "foreign.safetensors", tmp_path / "broken.safetensors"
    tensor_file.write(foreign, "something else", {"image": torch.zeros(1)}, {})
    broken.write_bytes(b"not a tensor file")
    with pytest.raises(
        ValueError, match=r"foreign\.safetensors: not a 'cmrkit training data 1' file"
    ):
        data.load_training_data(foreign)
    with pytest.raises(ValueError, match=r"broken\.safetensors: truncated or foreign"):
        data.load_training_data(broken)
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors: no such file"):
        data.load_training_data(tmp_path / "none.safetensors")
