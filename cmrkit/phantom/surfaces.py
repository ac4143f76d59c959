"""Shapes of which the heart is made, as level functions: below 1 (or a solved level) is inside."""

import numpy as np

PROFILE_STEPS = 512


def _lv_profile():
    """Radius of the left ventricle over its relative height (0 base, 1 apex), at most 1.

    Choice: half an ellipsoid with a base narrowed to 0.82, the width of the valve ring.
    """
    t = np.linspace(0, 1, PROFILE_STEPS)
    lower = np.sqrt(np.clip(1 - ((t - 0.28) / 0.72) ** 2, 0, None))
    upper = 1 - 0.18 * ((0.28 - t) / 0.28) ** 2
    return np.where(t < 0.28, upper, lower).astype(np.float32)


LV_PROFILE = _lv_profile()
LV_PROFILE_INTEGRAL = float(np.trapezoid(LV_PROFILE**2, np.linspace(0, 1, PROFILE_STEPS)))
"""Volume of the left ventricle, relative to the cylinder around it."""


def section_radius(cosine, flattening, ripple, ripple_square_mean):
    """Radius of a cross-section of the left ventricle, relative to the circle of the same area.

    Args:
        cosine: of the angle to the middle of the septum.
        flattening: 0 round; else the septum is a chord that lies this share nearer to the centre.
        ripple: small individual deviation of the direction, mean 0 over the circle.
        ripple_square_mean: mean of its square over the circle.

    Returns:
        array as `cosine`; the mean of its square over the circle is 1, up to the product of ripple
        and flattening, which is below 0.3 %.

    Choice: the chord cut off a circle, since a volume-loaded septum is straight between the two
    insertion points of the right ventricle.
    """
    chord = np.float32(1 - flattening)
    section = chord / np.maximum(cosine, chord) + ripple
    return section / np.float32(np.sqrt(section_area(flattening) + ripple_square_mean))


def section_area(flattening):
    """Area of a circle without the part beyond a chord, relative to the circle.

    Args:
        flattening: 1 minus the distance of the chord from the centre, in radii.
    """
    distance = 1 - flattening
    half_angle = np.arccos(distance)
    return 1 - (half_angle - distance * np.sin(half_angle)) / np.pi


def bullet(height, radius, length, width):
    """Level of a ventricle: below 1 inside, 9 above the base and below the apex.

    Args:
        height: distance from the base towards the apex, mm.
        radius: distance from the long axis, mm, over `section_radius`.
        length, width: of the ventricle, mm.
    """
    t = height * np.float32(1 / length)
    place = np.clip(t * (PROFILE_STEPS - 1), 0, PROFILE_STEPS - 1).astype(np.int32)
    level = radius / (np.float32(width) * (LV_PROFILE[place] + np.float32(1e-4)))
    level[(t < 0) | (t > 1)] = 9
    return level


def bullet_width(volume_mm3, length):
    """Width that gives `bullet` a volume: pi width**2 length integral(profile**2)."""
    return float(np.sqrt(volume_mm3 / (np.pi * length * LV_PROFILE_INTEGRAL)))


def capsule_distance(points, start, end):
    """Distance from a segment, mm.

    Args:
        points: three arrays of one shape, mm.
        start, end: [3], mm.
    """
    axis = np.asarray(end, np.float32) - np.asarray(start, np.float32)
    x, y, z = (p - np.float32(s) for p, s in zip(points, start, strict=True))
    along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / np.float32(axis @ axis), 0, 1)
    return np.sqrt(
        (x - along * axis[0]) ** 2 + (y - along * axis[1]) ** 2 + (z - along * axis[2]) ** 2
    )
