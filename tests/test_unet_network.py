import pytest
import torch
from safetensors.torch import save_file

from cmrkit.unet.network import TrainedUNet, build_unet, load_unet, save_unet, standardise


@pytest.mark.parametrize(("labels", "width", "side"), [([1], 4, 32), ([1, 2, 3, 4, 5], 8, 64)])
def test_one_channel_a_label_and_one_for_background(labels, width, side):
    logits = build_unet(labels, width)(torch.zeros(2, 1, side, side))
    assert logits.shape == (2, 1 + len(labels), side, side)


def test_width_below_one_is_refused():
    with pytest.raises(ValueError, match="width: 0"):
        build_unet([1], 0)


def test_brightness_and_contrast_do_not_reach_the_network():
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    standard = standardise(images)
    assert torch.allclose(standardise(40 * images + 7), standard, atol=1e-4)
    assert standard.mean().item() == pytest.approx(0, abs=1e-6)
    assert standard.std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_a_frame_of_one_grey_value_becomes_zero():
    assert torch.equal(standardise(torch.full((1, 1, 4, 4), 0.5)), torch.zeros(1, 1, 4, 4))


def test_weights_and_their_meaning_survive_the_file(tmp_path):
    about = {"view": "sax", "arm": "patient", "seed": 3, "frames": 12}
    model = TrainedUNet(build_unet([1, 3], 4), (1, 3), 4, 32, about)
    path = tmp_path / "unet" / "sax_patient_3.safetensors"
    save_unet(model, path)
    loaded = load_unet(path)
    assert (loaded.labels, loaded.width, loaded.resolution) == ((1, 3), 4, 32)
    assert loaded.about == about
    weights = loaded.network.state_dict()
    for name, value in model.network.state_dict().items():
        assert torch.equal(weights[name].cpu(), value)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_missing_file_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="06_unet_comparison"):
        load_unet(tmp_path / "none.safetensors")


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="not the weights of a comparison U-Net"):
        load_unet(path)
