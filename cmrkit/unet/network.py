"""The comparison U-Net, the same for every arm, and the file that keeps its weights."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from monai.networks.nets import BasicUNet
from safetensors import safe_open
from safetensors.torch import save_file

from cmrkit.paths import moved_into_place
from cmrkit.unet.labels import check_labels
from cmrkit.unet.norm import INSTANCE_NORM

MULTIPLE = 16  # sides of a frame must divide by the step of the deepest of the five levels


@dataclass(frozen=True)
class TrainedUNet:
    """A U-Net with what its channels mean.

    Attributes:
        network: maps [n, 1, R, R] standardised images to [n, 1 + K, R, R] logits.
        labels: K label numbers (`frames.LABELS`) of channels 1 to K; channel 0 is background.
        width: channels of the first level.
        resolution: R in pixels, as trained.
        about: where the weights come from, e.g. view, arm, seed and number of frames.
    """

    network: BasicUNet
    labels: tuple[int, ...]
    width: int
    resolution: int
    about: dict = field(default_factory=dict)


def build_unet(labels, width):
    """Untrained five-level U-Net, one output channel a label and one for background.

    Args:
        labels: label numbers to segment, without 0 (background).
        width: channels at full resolution; 2, 4 and 8 times as many at the three deepest levels.

    Returns:
        MONAI BasicUNet, [n, 1, R, R] to [n, 1 + len(labels), R, R] logits; R divides by 16.

    Raises:
        ValueError: a label is unknown or doubled, or width is below 1.

    Source: Falk et al. 2019, U-Net: deep learning for cell counting, detection, and morphometry
    (Nature Methods 16:67). Choice: MONAI's BasicUNet and not its residual UNet, which halves the
    frame before its first layer: at 64 x 64 and equal time it reached a Dice of 0.53 for the
    myocardium, two pixels thin, where this one reached 0.88. Instance normalisation, because
    external frames come from another scanner, whose grey values a batch normalisation never met;
    one group normalisation a layer is faster and lost 0.03 to 0.05 of the myocardium's Dice.
    """
    check_labels(labels)
    if width < 1:
        raise ValueError(f"width: {width}, must be at least 1")
    network = BasicUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1 + len(labels),
        features=(width, width, 2 * width, 4 * width, 8 * width, width),
        norm=(INSTANCE_NORM, {"affine": True}),
    )
    for number in range(1, 5):  # sides divide by 16, so that nothing is to be padded
        network.get_submodule(f"upcat_{number}").is_pad = False
    return network.to(memory_format=torch.channels_last)


def best_device():
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device):
    """Autocast context: bfloat16 where the processor multiplies it in hardware, else float32.

    Choice: without AMX (or a GPU) bfloat16 is emulated and takes 2.0 to 2.7 times as long.
    """
    fast = device.type == "cuda" or torch.cpu.get_capabilities().get("amx_bf16", False)
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


def standardise(images):
    """Bring each frame to mean 0 and standard deviation 1, as the network expects it.

    Args:
        images: [n, 1, R, R] float32, any range.

    Returns:
        [n, 1, R, R] float32; 0 for a frame of one grey value.
    """
    deviation, mean = torch.std_mean(images, dim=(1, 2, 3), keepdim=True, correction=0)
    return (images - mean) / deviation.clamp_min(1e-6)


def save_unet(model, path):
    """Write weights and meaning of a trained U-Net as safetensors, moved into place.

    Args:
        model: TrainedUNet.
        path: file to write, e.g. `work/<study>/unet/sax_patient_1.safetensors`.
    """
    meaning = {
        "labels": list(model.labels),
        "width": model.width,
        "resolution": model.resolution,
        "about": model.about,
    }
    weights = {k: v.cpu().contiguous() for k, v in model.network.state_dict().items()}
    with moved_into_place(path) as draft:
        save_file(weights, draft, metadata={"unet": json.dumps(meaning, sort_keys=True)})


def load_unet(path):
    """Read a U-Net written by `save_unet`.

    Returns:
        TrainedUNet, ready to segment.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file holds something else.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no weights; run notebook 06_unet_comparison first")
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if "unet" not in metadata:
            raise ValueError(f"{path}: not the weights of a comparison U-Net; delete it and train")
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    meaning = json.loads(metadata["unet"])
    network = build_unet(meaning["labels"], meaning["width"])
    network.load_state_dict(weights)
    meaning["labels"] = tuple(meaning["labels"])
    return TrainedUNet(network=network.to(best_device()), **meaning)
