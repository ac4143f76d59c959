"""Realism of generated frames: sliced Wasserstein distance and MS-SSIM, in torch alone."""

import numpy as np
import torch
import torch.nn.functional as F

PATCH = 7
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang 2003


def sliced_wasserstein(a, b, seed=0, patches=128, directions=512):
    """Distance between the patch statistics of two sets of frames, scale by scale.

    Args:
        a, b: [n, R, R] uint8, the same number of frames each.
        seed: of patches and directions.
        patches: 7 x 7 patches a frame and scale.
        directions: random projections.

    Returns:
        dict from scale in pixels (R, R / 2, ... 16) to the distance times 1000; 0 is best, and two
        sets of patients' frames tell how low it can be.

    Raises:
        ValueError: different numbers of frames, or frames below 8 pixels.

    Source: Karras et al. 2018, section 5 (16,384 frames, 128 patches, 512 directions).
    """
    if a.shape != b.shape:
        raise ValueError(f"b: {tuple(b.shape)}, expected as many frames as a, {tuple(a.shape)}")
    if a.shape[-1] <= PATCH:
        raise ValueError(f"a: {a.shape[-1]} x {a.shape[-1]} pixels; patches need at least 8")
    rng = np.random.default_rng(seed)
    distances = {}
    pyramids = [_laplacian_pyramid(_grey(x)) for x in (a, b)]
    for level_a, level_b in zip(*pyramids, strict=True):
        size = level_a.shape[-1]
        project = torch.from_numpy(rng.standard_normal((PATCH * PATCH, directions), np.float32))
        project = (project / project.norm(dim=0)).to(level_a.device)
        sets = [_descriptors(level, patches, rng) for level in (level_a, level_b)]
        total = 0.0
        for part in project.split(32, dim=1):  # bounds the memory of the sort
            low, high = ((x @ part).sort(dim=0).values for x in sets)
            total += (low - high).abs().mean(dim=0).sum().item()
        distances[size] = 1000 * total / directions
    return distances


def _grey(images):
    return torch.as_tensor(images).float()[:, None]


def _laplacian_pyramid(x, smallest=16):
    """[n, 1, R, R] to a list of band-pass images, finest first; the last is the low-pass rest."""
    levels = []
    while x.shape[-1] > smallest:
        low = _blur(x)[..., ::2, ::2]
        up = torch.zeros_like(x)
        up[..., ::2, ::2] = low
        levels.append(x - 4 * _blur(up))
        x = low
    return [*levels, x]


def _blur(x):
    taps = torch.tensor([1.0, 4, 6, 4, 1], device=x.device) / 16
    x = F.pad(x, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(F.conv2d(x, taps.view(1, 1, 1, 5)), taps.view(1, 1, 5, 1))


def _descriptors(level, patches, rng):
    """[n, 1, R, R] to [n * patches, 49] float32 of mean 0 and standard deviation 1."""
    n, _, size, _ = level.shape
    corner = torch.from_numpy(rng.integers(size - PATCH + 1, size=(2, n, patches)))
    step = torch.arange(PATCH)
    row = corner[0][..., None, None] + step[:, None]  # [n, patches, 7, 1]
    column = corner[1][..., None, None] + step  # [n, patches, 1, 7]
    frame = torch.arange(n)[:, None, None, None]
    found = level[:, 0][frame, row, column].reshape(n * patches, PATCH * PATCH)
    return (found - found.mean()) / found.std().clamp_min(1e-8)


def ms_ssim(a, b):
    """Multi-scale structural similarity of pairs of frames.

    Args:
        a, b: [n, R, R] uint8.

    Returns:
        [n] float32, 1 for equal frames.

    Source: Wang et al. 2003; window and scales shrink with small frames (down to 4 pixels).
    """
    x, y = _grey(a), _grey(b)
    scales = max(1, min(len(MS_SSIM_WEIGHTS), x.shape[-1].bit_length() - 2))
    weights = torch.tensor(MS_SSIM_WEIGHTS[:scales])
    weights = weights / weights.sum()
    result = torch.ones(len(x), device=x.device)
    for scale, weight in enumerate(weights.tolist()):
        luminance, structure = _ssim(x, y)
        last = scale == scales - 1
        value = luminance * structure if last else structure
        result = result * value.mean(dim=(1, 2, 3)).clamp_min(0) ** weight
        if not last:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return result


def _ssim(x, y, top=255.0):
    """Luminance and contrast-structure maps of [n, 1, R, R]."""
    size = min(11, x.shape[-1])
    at = torch.arange(size, device=x.device) - (size - 1) / 2
    taps = torch.exp(-(at**2) / (2 * (1.5 * size / 11) ** 2))
    taps = taps / taps.sum()

    def local_mean(v):
        return F.conv2d(F.conv2d(v, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))

    mean_x, mean_y = local_mean(x), local_mean(y)
    var_x = local_mean(x * x) - mean_x**2
    var_y = local_mean(y * y) - mean_y**2
    cov = local_mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * top) ** 2, (0.03 * top) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * cov + c2) / (var_x + var_y + c2)


def pairwise_ms_ssim(images, pairs, seed=0):
    """Mean MS-SSIM over random pairs of different frames: high where frames repeat themselves.

    Args:
        images: [n, R, R] uint8, n at least 2.
        pairs: pairs to draw.
        seed: of the pairs.

    Source: Odena et al. 2017; Karras et al. 2018, section 5 (10,000 pairs).
    """
    rng = np.random.default_rng(seed)
    first = rng.integers(len(images), size=pairs)
    second = (first + rng.integers(1, len(images), size=pairs)) % len(images)
    images = torch.as_tensor(images)
    parts = [
        ms_ssim(images[first[i : i + 256]], images[second[i : i + 256]])
        for i in range(0, pairs, 256)
    ]
    return torch.cat(parts).mean().item()
