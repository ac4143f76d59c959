"""Simulated beside real: numbers that say how far simulated frames look like those of patients.

Every function takes frames in 8 bit as the frame store holds them, from any source, so that the
simulated and the reader's own frames go the same way.
"""

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation, binary_erosion

POWER_BANDS = 24
NEAR_NYQUIST = 0.8  # of the Nyquist frequency; above it a resampled image holds little but noise


def radial_power(images):
    """Radial power spectrum of frames.

    Args:
        images: [n, R, R] uint8 or float.

    Returns:
        frequency: [bands] in cycles a pixel, 0 to 0.5, middle of the band.
        power: [n, bands], share of each band in the frame's total power without the mean.

    Choice: a Hann window against the jump at the border; the share makes brightness drop out.
    """
    side = images.shape[-1]
    window = np.hanning(side + 2)[1:-1]
    f = np.fft.fftfreq(side)
    radius = np.hypot(f[:, None], f[None, :])
    edges = np.linspace(0, 0.5, POWER_BANDS + 1)
    band = np.digitize(radius, edges) - 1
    band[0, 0] = -1  # the mean is no detail
    total = np.empty((len(images), POWER_BANDS))
    for row, image in zip(total, images, strict=True):  # one at a time: they take 8 times the room
        seen = (image - image.mean()) * window[:, None] * window[None, :]
        power = np.abs(np.fft.fft2(seen)) ** 2
        row[:] = [power[band == k].sum() for k in range(POWER_BANDS)]
    whole = np.maximum(total.sum(axis=1, keepdims=True), 1e-12)
    return (edges[:-1] + edges[1:]) / 2, total / whole


def grey_histogram(images, bins=32):
    """Histogram of normalised grey values.

    Args:
        images: [n, R, R] uint8.
        bins: number of bins over 0 to 255.

    Returns:
        [n, bins], shares that sum to 1 in each frame.
    """
    counts = [np.histogram(image, bins=bins, range=(0, 255))[0] for image in images]
    return np.stack(counts) / images[0].size


def tissue_contrast(images, masks):
    """Blood, myocardium and noise of each frame with a left ventricle.

    Args:
        images: [n, R, R] uint8.
        masks: [n, R, R] uint8; only label 1, the LV cavity, is used, as most data sets have it.

    Returns:
        DataFrame, a row a frame with a cavity large enough: `frame` (position), `blood` (median of
        the cavity without its rim), `ratio` (myocardium over blood), `unevenness` (robust SD over
        median in the cavity), `noise` (robust SD of the high-pass filtered air and lung, over
        blood).

    Choice: the myocardium is the darker third of a ring around the cavity, because public data sets
    rarely annotate it; the ring also holds the right ventricle, fat and lung.
    """
    rows = []
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        cavity = mask == 1
        core = binary_erosion(cavity, iterations=2)
        if core.sum() < 12:
            continue
        ring = binary_dilation(cavity, iterations=4) & ~binary_dilation(cavity, iterations=1)
        blood = float(np.median(image[core]))
        if blood <= 0:
            continue
        rows.append(
            {
                "frame": number,
                "blood": blood,
                "ratio": float(np.percentile(image[ring], 33)) / blood,
                "unevenness": _robust_sd(image[core]) / blood,
                "noise": background_noise(image) / blood,
            }
        )
    return pd.DataFrame(rows, columns=["frame", "blood", "ratio", "unevenness", "noise"])


def background_noise(image):
    """Robust SD of what changes from pixel to pixel in the dark quarter of a frame.

    Args:
        image: [R, R] uint8.

    Returns:
        float, grey values.

    Choice: the difference of diagonal neighbours, over 2 for the noise of one pixel; the structure
    of the lung cancels in it.
    """
    image = image.astype(np.float64)
    second = image[1:, 1:] - image[1:, :-1] - image[:-1, 1:] + image[:-1, :-1]
    dark = image[:-1, :-1] <= np.percentile(image, 40)
    inside = dark & (image[:-1, :-1] > 0)  # black padding is no measurement
    return _robust_sd(second[inside]) / 2 if inside.sum() > 30 else np.nan


def _robust_sd(values):
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def compare(simulated, real, low=10, high=90):
    """Simulated beside real: is the simulated median inside the range of the real frames?

    Args:
        simulated: (images, masks) of simulated frames, [n, R, R] uint8 each.
        real: dict from the name of a data set to its (images, masks).
        low, high: percentiles of the real frames that bound the range.

    Returns:
        DataFrame, a row a measure: `measure, simulated` (median), a column a real set (median),
        `real_low, real_high` (percentiles of all real frames together), `inside` (bool).
    """
    measures = {"simulated": _measures(*simulated)}
    measures |= {name: _measures(*pixels) for name, pixels in real.items()}
    together = pd.concat([measures[name] for name in real])
    rows = []
    for measure in together.columns:
        bounds = np.nanpercentile(together[measure], [low, high])
        medians = {name: float(np.nanmedian(table[measure])) for name, table in measures.items()}
        inside = bool(bounds[0] <= medians["simulated"] <= bounds[1])
        rows.append(
            {"measure": measure, **medians, "real_low": bounds[0], "real_high": bounds[1],
             "inside": inside}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _measures(images, masks):
    """One row a frame with the measures that `compare` puts side by side."""
    frequency, power = radial_power(images)
    contrast = tissue_contrast(images, masks).set_index("frame")
    histogram = grey_histogram(images)
    shares = np.arange(histogram.shape[1])
    table = pd.DataFrame(
        {
            "power_fine_detail": power[:, frequency > 0.25].sum(axis=1),
            "power_medium_detail": power[:, (frequency > 0.08) & (frequency <= 0.25)].sum(axis=1),
            "dark_share": histogram[:, shares < 6].sum(axis=1),
            "middle_share": histogram[:, (shares >= 6) & (shares < 20)].sum(axis=1),
            "bright_share": histogram[:, shares >= 20].sum(axis=1),
        }
    )
    return table.join(
        contrast.rename(
            columns={
                "blood": "blood_grey_value", "ratio": "myocardium_over_blood",
                "unevenness": "blood_unevenness", "noise": "noise_over_blood",
            }
        )
    )  # fmt: skip
