"""Volumes and shapes of the simulated heart."""

import numpy as np
import pytest

from cmrkit.phantom.acquisition import SITES
from cmrkit.phantom.rendering import Subject
from cmrkit.phantom.surfaces import (
    LV_PROFILE,
    LV_PROFILE_INTEGRAL,
    bullet,
    bullet_width,
    capsule_distance,
    section_area,
    section_radius,
)

VOXEL_MM = 1.6


@pytest.fixture(scope="module", params=[1, 2, 5])
def subject(request):
    return Subject(9, request.param, 5, SITES[0])


@pytest.fixture(scope="module")
def voxels(subject):
    """Inside of every chamber in every phase on a grid that the solver does not use."""
    heart = subject.heart
    r = heart.radius
    axes = [
        np.arange(low, high, VOXEL_MM, np.float32) + np.float32(0.37)
        for low, high in ((-2 * r, heart.length), (-1.6 * r, 3.4 * r), (-2.3 * r, 2.3 * r))
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"))
    f = heart.fields(points)
    phases = []
    for s in heart.shapes:
        radial = heart.radial(f, s)
        epi, endo = heart.epicardium(f, s, radial) < 1, heart.endocardium(f, s, radial) < 1
        parts = {"lv": endo, "myocardium": epi & ~endo, "outside": endo & ~epi}
        for name in ("rv", "la", "ra"):
            level, may = getattr(heart, name)(f, s)
            parts[name] = may & (level < getattr(s, f"{name}_level")) & ~epi
        phases.append({name: part.sum() * VOXEL_MM**3 / 1000 for name, part in parts.items()})
    return phases


@pytest.mark.parametrize(
    ("chamber", "within"), [("lv", 0.03), ("rv", 0.03), ("la", 0.05), ("ra", 0.05)]
)
def test_chambers_hold_the_volume_of_each_phase(subject, voxels, chamber, within):
    measured = [phase[chamber] for phase in voxels]
    assert measured == pytest.approx(list(getattr(subject.cycle, chamber)), rel=within)


def test_the_myocardium_is_incompressible(subject, voxels):
    measured = [phase["myocardium"] for phase in voxels]
    assert measured == pytest.approx([subject.patient.lv_wall_ml] * len(measured), rel=0.03)


def test_the_cavity_never_leaves_its_wall(voxels):
    assert max(phase["outside"] for phase in voxels) == 0


def test_the_wall_thickens_in_systole(subject):
    diastole, systole = subject.heart.shapes[0], subject.heart.shapes[2]
    thick = [s.epi_width - s.lv_width for s in (diastole, systole)]
    assert 1.2 < thick[1] / thick[0] < 2.2
    assert 4 < thick[0] < 13


def test_the_apex_stays_and_the_base_moves(subject):
    for s in subject.heart.shapes:
        assert s.mitral + s.epi_length == pytest.approx(subject.heart.length)


def test_a_flat_septum_lies_nearer_to_the_axis_than_the_lateral_wall():
    septum, lateral = (section_radius(c, 0.2, np.float32(0), 0.0) for c in (1.0, -1.0))
    assert septum / lateral == pytest.approx(0.8)


@pytest.mark.parametrize("flattening", [0.0, 0.15, 0.3])
def test_flattening_keeps_the_area_of_the_cross_section(flattening):
    angle = np.linspace(0, 2 * np.pi, 20001)[:-1]
    ripple = 0.03 * np.cos(2 * angle)
    radius = section_radius(np.cos(angle), flattening, ripple, 0.5 * 0.03**2)
    assert np.mean(radius**2) == pytest.approx(1, rel=5e-3)


def test_area_of_a_circle_without_a_segment_by_hand():
    assert section_area(0) == pytest.approx(1)
    assert section_area(1) == pytest.approx(0.5)  # a chord through the centre
    # chord at half the radius: segment pi / 3 - sqrt(3) / 4
    segment = np.pi / 3 - np.sqrt(3) / 4
    assert section_area(0.5) == pytest.approx(1 - segment / np.pi)


def test_a_flattened_septum_is_straight():
    angle = np.deg2rad(np.array([-25.0, 0.0, 25.0]))
    radius = section_radius(np.cos(angle), 0.25, np.float32(0), 0.0)
    assert radius * np.cos(angle) == pytest.approx([radius[1]] * 3)


def test_the_right_ventricle_wraps_the_left_one_as_a_crescent(subject):
    heart, s = subject.heart, subject.heart.shapes[0]
    u = np.linspace(-3, 4, 701, dtype=np.float32) * np.float32(heart.radius)
    grid = np.stack(np.meshgrid([0.45 * heart.length], u, u, indexing="ij"))
    f = heart.fields(grid.astype(np.float32))
    level, may = heart.rv(f, s)
    outside = heart.epicardium(f, s) > 1
    inside = may & (level < s.rv_level) & outside
    across, up = grid[1][inside], grid[2][inside]
    assert np.ptp(up) > np.ptp(across)  # taller than deep
    assert np.ptp(up) > 1.6 * heart.radius  # reaches along most of the septum
    assert across.min() > -0.3 * heart.radius  # and leaves the lateral wall free
    touching = inside & (np.roll(~outside, 1, axis=1) | np.roll(~outside, -1, axis=1))
    angle = np.rad2deg(np.arctan2(grid[2][touching], grid[1][touching]))
    assert angle.min() < -45  # the two insertion points
    assert angle.max() > 45


def test_bullet_width_gives_the_volume():
    width = bullet_width(100_000, 80)
    # pi width**2 length integral = volume
    assert np.pi * width**2 * 80 * LV_PROFILE_INTEGRAL == pytest.approx(100_000)


def test_bullet_level_is_one_on_the_surface_and_nine_outside_the_ends():
    widest = 80 * np.argmax(LV_PROFILE) / (len(LV_PROFILE) - 1)
    level = bullet(np.array([widest, -1.0, 81.0]), np.array([25.0, 0.0, 0.0]), 80, 25)
    assert level == pytest.approx([1, 9, 9], abs=2e-3)


def test_capsule_distance_by_hand():
    points = (np.array([0.0, 5.0, 13.0]), np.array([3.0, 4.0, 0.0]), np.array([4.0, 0.0, 4.0]))
    distance = capsule_distance(points, [0, 0, 0], [10, 0, 0])
    assert distance == pytest.approx([5, 4, 5])


def test_the_heart_lies_inside_the_chest_and_above_the_lung_floor(subject):
    surface = subject.pose.to_patient(subject.heart.outer_points())
    assert subject.thorax._ring(surface[0], surface[1]).max() < 1.02
    front = surface[1].min() - (subject.thorax.middle - subject.thorax.half[1])
    assert 0 < front < 60


def test_the_apex_points_to_the_left_to_the_front_and_down(subject):
    left, posterior, superior = subject.pose.axes[:, 0]
    assert left > 0.3
    assert posterior < 0
    assert superior < 0
