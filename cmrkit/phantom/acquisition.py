"""The scanner: protocol, coils, k-space, noise, and the image that is stored."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft


@dataclass(frozen=True)
class Scanner:
    """Protocol of one simulated site.

    Attributes:
        site, vendor: names; they say that they are simulated.
        field_t: field strength, T.
        flip_deg, tr_ms: flip angle and repetition time of balanced SSFP.
        acquired_mm: pixel measured in k-space in an adult, mm.
        thickness_mm: slice thickness, mm.
        noise: SD of the real and imaginary noise in a voxel of 2 x 2 x 8 mm at full coil
            sensitivity, relative to the signal of full magnetisation.
        normalise: share of the coil shading that the vendor's filter removes, 0 to 1.
        shim_hz: SD of the field left after shimming, 90 mm from the heart, Hz.
        inflow: gain of moving blood.
        window: k-space filter, 0 none to 1 Hann.
        ghost: every second k-space line is off by this share; it puts a faint copy half a field
            of view away.
        turn_deg: how the site turns its short-axis images.
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
    ghost: float
    turn_deg: float


def _site(letter, vendor, *protocol):
    return Scanner(f"simulated site {letter}", f"simulated vendor {vendor}", *protocol)


# Choice: within the protocols of SCMR (Kramer et al. 2020, J Cardiovasc Magn Reson 22:17): flip
# angle 50 to 70 degrees, TR about 3 ms, 6 to 8 mm slices, pixels of 1.5 to 2 mm. Noise so that
# frames are nearly as noisy beside blood as those of CHLA, see reports/simulation/beside_real.csv.
#           field flip TR  pixel slice noise  norm shim inflow window ghost turn
SITES = (
    _site("A", "A", 1.5, 60, 3.0, 1.9, 7, 0.0043, 0.50, 28, 1.25, 0.35, 0.010, 0),
    _site("B", "A", 1.5, 65, 3.2, 1.7, 6, 0.0048, 0.30, 32, 1.35, 0.25, 0.015, 10),
    _site("C", "B", 1.5, 55, 3.4, 2.0, 8, 0.0045, 0.12, 30, 1.15, 0.50, 0.020, -12),
)
SHIFTED_SITES = (_site("D", "C", 3.0, 45, 3.1, 1.6, 8, 0.0042, 0.08, 45, 1.45, 0.10, 0.030, 18),)
"""Where the external patients are imaged when there is a domain shift: 3 T, another vendor."""


def patient_scanner(scanner, build, rng):
    """The site's protocol as run for one patient.

    Args:
        scanner: `Scanner`.
        build: size of the chest relative to an adult's.
        rng: Generator.

    Returns:
        `Scanner`.

    Choice: smaller patients get smaller pixels and slices, as far as noise allows; noise, shim,
    inflow and flip angle vary from day to day and coil to coil.
    """
    return replace(
        scanner,
        acquired_mm=scanner.acquired_mm * build**0.7 * rng.uniform(0.92, 1.12),
        thickness_mm=scanner.thickness_mm * build**0.7 * rng.uniform(0.9, 1.1),
        noise=scanner.noise * np.exp(rng.normal(0, 0.3)),
        flip_deg=scanner.flip_deg * rng.uniform(0.88, 1.06),
        shim_hz=scanner.shim_hz * np.exp(rng.normal(0, 0.3)),
        inflow=max(1.0, scanner.inflow + rng.normal(0, 0.15)),
        normalise=float(np.clip(scanner.normalise + rng.normal(0, 0.15), 0, 1)),
        ghost=scanner.ghost * rng.uniform(0, 2),
    )


def coil_sensitivity(points, thorax, rng):
    """Combined sensitivity of an anterior and a posterior surface array.

    Args:
        points: [3, H, W] patient coordinates, mm.
        thorax: `thorax.Thorax`, on which the coils lie.
        rng: Generator of the placing.

    Returns:
        [H, W] float32, root sum of squares over 12 elements; 1 at the coil's best place.

    Choice: an element's sensitivity falls as that of a loop on its axis, (1 + (d / r)**2)**-1.5.
    """
    x, y, z = points
    total = np.zeros(x.shape, np.float32)
    half, middle = thorax.half, thorax.middle
    reach = np.float32(half[1] * rng.uniform(0.7, 1.25))
    outside = half[1] + thorax.muscle_mm + thorax.fat_mm
    for side, weight in ((-1, 1.0), (1, 0.7)):
        for column in (-0.6, 0.0, 0.6):
            for height in (-60, 60):
                place = np.array([column * half[0], middle + side * outside, height])
                place = (place + rng.normal(0, 10, 3)).astype(np.float32)
                away = (x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - place[2]) ** 2
                total += np.float32(weight) / (1 + away / reach**2) ** 3
    return np.sqrt(total)


def encode(signal, fov_mm, matrix, scanner, rng):
    """Sample the object in k-space and reconstruct the stored magnitude images.

    Args:
        signal: [P, H, H] complex64, the object as the coil sees it.
        fov_mm: side of the field of view, mm.
        matrix: side of the stored image; k-space is filled with zeros up to it.
        scanner: `Scanner`.
        rng: Generator of the noise.

    Returns:
        [P, matrix, matrix] float32, in units of the signal.
    """
    side = signal.shape[-1]
    acquired = min(2 * round(fov_mm / scanner.acquired_mm / 2), matrix, side)
    k = scipy.fft.fftshift(scipy.fft.fft2(signal, axes=(-2, -1)), axes=(-2, -1))
    low = (side - acquired) // 2
    k = k[:, low : low + acquired, low : low + acquired] * np.float32((matrix / side) ** 2)
    lines = np.float32(scanner.ghost) * (-1.0) ** np.arange(acquired, dtype=np.float32)
    k *= 1 + lines[:, None]
    voxel = (fov_mm / acquired) ** 2 * scanner.thickness_mm / 32.0  # relative to 2 x 2 x 8 mm
    spread = np.float32(scanner.noise / voxel * matrix**2 / acquired)
    noise = rng.standard_normal((2, *k.shape), dtype=np.float32)
    k += spread * (noise[0] + 1j * noise[1])
    k *= _window(acquired, scanner.window)
    full = np.zeros((len(k), matrix, matrix), np.complex64)
    start = (matrix - acquired) // 2
    full[:, start : start + acquired, start : start + acquired] = k
    image = scipy.fft.ifft2(scipy.fft.ifftshift(full, axes=(-2, -1)), axes=(-2, -1))
    return np.abs(image).astype(np.float32)


def _window(size, width):
    """Separable k-space filter between flat (0) and Hann (1)."""
    edge = 1 - width + width * np.hanning(size + 2)[1:-1].astype(np.float32)
    return edge[:, None] * edge[None, :]
