"""A network that knows frames again: trained on patient frames, for copies and for realism.

Contrastive learning: two changed versions of one patient's frame shall lie near each other and far
from other patients' frames. The changes are those behind which a copy may hide: mirroring, shift,
turn, size, contrast, noise. Copies are looked for in the network's codes; its features, one layer
below, are less blind to these changes and describe a set of frames (see `audit.realism`).
"""

import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.losses import ContrastiveLoss
from monai.networks.blocks import Convolution
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import affine_grid, grid_sample, normalize
from torch.optim.lr_scheduler import OneCycleLR

from cmrkit.audit.blocks import block_means
from cmrkit.audit.search import best_device
from cmrkit.paths import moved_into_place

SIDE = 32  # pixels; larger frames are reduced by block means
WIDTHS = (16, 32, 64, 128)
FEATURES, CODE = WIDTHS[-1], 64
BATCH = 64  # patients a step
CHUNK = 256  # frames a forward pass
TEMPERATURE = 0.1
LEARNING_RATE = 3e-3
TURN, SIZE, SHIFT, GAMMA, NOISE = math.radians(10), 0.1, 0.12, math.log(2), 0.1


@dataclass(frozen=True)
class Embedding:
    """A trained network; `about` says on what and how long."""

    backbone: nn.Module
    head: nn.Module
    about: dict

    def features(self, images):
        """[n, 128] float32 features of [n, R, R] uint8 frames."""
        return self._run(images, self.backbone)

    def codes(self, images):
        """[n, 64] float32 codes of length 1 of [n, R, R] uint8 frames."""
        return self._run(images, lambda x: normalize(_code(self.backbone, self.head, x)))

    @torch.inference_mode()
    def _run(self, images, network):
        device = next(self.head.parameters()).device
        parts = [
            network(_standardised(_reduced(images[start : start + CHUNK]).to(device))).cpu()
            for start in range(0, len(images), CHUNK)
        ]
        return torch.cat(parts).numpy()


def train_embedding(reference, seed, steps):
    """Train on the patients of the GAN role.

    Each step takes one frame of up to 64 patients in one view, so that no two frames that are told
    apart belong to one patient.

    Args:
        reference: `Part` of patients.
        seed: study seed.
        steps: optimiser steps.

    Returns:
        `Embedding`; on one machine and number of threads the same call gives the same bytes.

    Source: Dar et al., arXiv 2402.01054, who look for copies in a contrastive embedding; loss: Chen
    et al., SimCLR, ICML 2020, as in MONAI. Choice: a small network on small frames, which trains in
    seconds on a CPU. Averaging instead of strides keeps a code steady when a frame moves, and a
    code is the same for a mirrored frame because it adds both; drawing mirrored frames instead
    halved the time and found fewer noisy copies, as did half the batch.
    """
    device = best_device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone, head = (part.to(device).train() for part in _networks())
    frames = _reduced(reference.images)
    groups = [  # rows of each patient, view by view
        [rows for (of, _), rows in _by_patient(reference.frames).items() if of == view]
        for view in reference.frames["view"].unique()
    ]
    rng = np.random.default_rng([seed, zlib.crc32(b"embedding")])
    randomness = torch.Generator(device).manual_seed(seed)
    parameters = [*backbone.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, weight_decay=1e-4)
    schedule = OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps + 1)
    loss_of = ContrastiveLoss(TEMPERATURE)
    for step in range(steps):
        members = groups[step % len(groups)]
        chosen = rng.permutation(len(members))[:BATCH]
        rows = [rng.choice(members[patient]) for patient in chosen]
        batch = frames[rows].to(device)
        pair = torch.cat([_changed(batch, randomness) for _ in range(2)])
        loss = loss_of(*_code(backbone, head, _standardised(pair)).chunk(2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    about = {"frames": len(frames), "patients": sum(map(len, groups)), "steps": steps, "seed": seed}
    return Embedding(backbone.eval(), head.eval(), about)


def _code(backbone, head, frames):
    """[n, CODE] code of frames and of the same frames mirrored, added."""
    return sum(head(backbone(torch.cat([frames, frames.flip(3)]))).chunk(2))


def _by_patient(frames):
    return frames.reset_index(drop=True).groupby(["view", "patient_id"], sort=True).indices


def _networks():
    layers, channels = [], 1
    for width in WIDTHS:
        layers += [
            Convolution(2, channels, width, kernel_size=3, norm="batch", act="relu"),
            nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        ]
        channels = width
    backbone = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Sequential(nn.Linear(FEATURES, FEATURES), nn.ReLU(), nn.Linear(FEATURES, CODE))
    # channels last: 1.6 times as quick on a CPU
    return backbone.to(memory_format=torch.channels_last), head


def _reduced(images):
    """[n, 1, R, R] float32 in [0, 1], R at most `SIDE`."""
    return torch.from_numpy(block_means(images, SIDE))[:, None] / 255


def _standardised(frames):
    deviation, mean = torch.std_mean(frames, dim=(1, 2, 3), keepdim=True, correction=0)
    return (frames - mean) / deviation.clamp_min(1e-3)


def _changed(frames, randomness):
    """Each frame moved, turned, in another size and contrast, with noise."""

    def within(limit):
        drawn = torch.rand(len(frames), generator=randomness, device=frames.device)
        return (2 * drawn - 1) * limit

    angle, scale = within(TURN), 1 + within(SIZE)
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    rows = [cosine, -sine, within(2 * SHIFT), sine, cosine, within(2 * SHIFT)]
    move = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = affine_grid(move, list(frames.shape), align_corners=False)
    frames = grid_sample(frames, grid, padding_mode="border", align_corners=False)
    frames = frames.clamp(0, 1) ** within(GAMMA).exp().view(-1, 1, 1, 1)
    noise = torch.randn(frames.shape, generator=randomness, device=frames.device)
    return frames + within(NOISE).abs().view(-1, 1, 1, 1) * noise


def save_embedding(embedding, path):
    """Write weights and meaning as safetensors, moved into place."""
    weights = nn.ModuleList([embedding.backbone, embedding.head]).state_dict()
    weights = {name: value.cpu().contiguous() for name, value in weights.items()}
    with moved_into_place(path) as draft:
        save_file(weights, draft, metadata={"embedding": json.dumps(embedding.about)})


def load_embedding(path):
    """Read an embedding written by `save_embedding`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file holds something else.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no embedding; run notebook 04_plausibility_audit first")
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if "embedding" not in metadata:
            raise ValueError(f"{path}: not the weights of an embedding; run notebook 04 again")
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    networks = nn.ModuleList(_networks())
    networks.load_state_dict(weights)
    backbone, head = networks.to(best_device()).eval()
    return Embedding(backbone, head, json.loads(metadata["embedding"]))
