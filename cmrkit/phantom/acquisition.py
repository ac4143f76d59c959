"""The scanner: coils, k-space, noise, and the image that is stored."""

from dataclasses import dataclass

import numpy as np
import scipy.fft


@dataclass(frozen=True)
class Scanner:
    """Protocol of one simulated site.

    Attributes:
        site, vendor: names; they say that they are simulated.
        field_t: field strength, T.
        flip_deg, tr_ms: balanced SSFP.
        acquired_mm: in-plane resolution measured in k-space, mm.
        thickness_mm: slice thickness.
        noise: SD of the complex noise a channel at 2 x 2 x 8 mm, relative to proton density 1.
        normalise: share of the coil shading that the vendor's intensity filter removes, 0 to 1.
        shim_hz: SD of the residual field over the heart, Hz.
        inflow: gain of moving blood.
        window: width of the k-space filter, 0 none, 1 Hann.
    """

    site: str
    vendor: str
    field_t: float
    flip_deg: float
    tr_ms: float
    acquired_mm: float
    thickness_mm: float
    noise: float
    normalise: float
    shim_hz: float
    inflow: float
    window: float


SCANNERS = (
    Scanner("simulated site A", "simulated vendor A", 1.5, 60, 3.0, 1.9, 7, 0.0024, 0.75, 28, 1.35, 0.35),
    Scanner("simulated site B", "simulated vendor A", 1.5, 65, 3.2, 1.7, 6, 0.0028, 0.65, 32, 1.45, 0.25),
    Scanner("simulated site C", "simulated vendor B", 1.5, 55, 3.4, 2.0, 8, 0.0026, 0.45, 30, 1.30, 0.50),
)
SHIFTED = (
    Scanner("simulated site D", "simulated vendor C", 3.0, 42, 3.2, 1.6, 8, 0.0022, 0.15, 42, 1.60, 0.10),
)


def coil_sensitivity(points, chest_half_mm, rng):
    """Combined sensitivity of an anterior and a posterior surface array.

    Args:
        points: [3, H, W] patient coordinates, mm.
        chest_half_mm: (lateral, anterior-posterior) semi-axes of the chest.
        rng: Generator for the placing of the coils.

    Returns:
        [H, W] float32, root sum of squares over the elements, 1 at the best place of the image.
    """
    x, y, z = points
    total = np.zeros(x.shape, np.float32)
    reach = np.float32(chest_half_mm[1] * rng.uniform(0.75, 1.0))
    for side, weight in ((-1, 1.0), (1, 0.7)):
        for column in (-0.6, 0.0, 0.6):
            for height in (-60, 60):
                cx = column * chest_half_mm[0] + rng.normal(0, 8)
                cy = side * (chest_half_mm[1] + 25)
                cz = height + rng.normal(0, 12)
                distance = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
                total += np.float32(weight) / (1 + distance / reach**2) ** 3
    return np.sqrt(total / total.max())


def encode(signal, fov_mm, matrix, scanner, thickness_mm, rng):
    """Sample the object in k-space and reconstruct the magnitude image.

    Args:
        signal: [P, H, H] complex64, the object seen by the coil.
        fov_mm: side of the field of view.
        matrix: side of the stored image; a factor of H or H itself.
        scanner: `Scanner`.
        thickness_mm: slice thickness.
        rng: Generator of the noise.

    Returns:
        [P, matrix, matrix] float32.
    """
    acquired = min(int(round(fov_mm / scanner.acquired_mm / 2)) * 2, matrix)
    object_side = signal.shape[-1]
    k = scipy.fft.fftshift(scipy.fft.fft2(signal, axes=(-2, -1)), axes=(-2, -1))
    low = (object_side - acquired) // 2
    k = k[:, low : low + acquired, low : low + acquired] * np.float32((matrix / object_side) ** 2)
    voxel = (fov_mm / acquired) ** 2 * thickness_mm / 32.0  # relative to 2 x 2 x 8 mm
    spread = np.float32(scanner.noise / voxel * matrix**2 / acquired)
    noise = rng.standard_normal((2, *k.shape), dtype=np.float32)
    k = (k + spread * (noise[0] + 1j * noise[1])) * _filter(acquired, scanner.window)
    full = np.zeros((len(k), matrix, matrix), np.complex64)
    start = (matrix - acquired) // 2
    full[:, start : start + acquired, start : start + acquired] = k
    image = scipy.fft.ifft2(scipy.fft.ifftshift(full, axes=(-2, -1)), axes=(-2, -1))
    return np.abs(image).astype(np.float32)


def _filter(size, width):
    """Separable k-space filter: flat, or a Hann window to a share."""
    edge = 1 - width + width * np.hanning(size + 2)[1:-1].astype(np.float32)
    return edge[:, None] * edge[None, :]
