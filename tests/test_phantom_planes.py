"""Imaging planes through the simulated heart."""

import numpy as np
import pytest

from cmrkit.phantom.acquisition import SITES
from cmrkit.phantom.planes import heart_pose, sax_heights
from cmrkit.phantom.population import patient_rng
from cmrkit.phantom.rendering import Subject

SUBJECT = Subject(2, 3, 2, SITES[0])
LARGEST_TILT_DEG = 12  # four SDs of the technologist's error


def planes(view, slices=4, seed=1):
    return SUBJECT.planes(view, slices, patient_rng(seed, 1, "test"))


def angle(first, second):
    return np.rad2deg(np.arccos(np.clip(abs(first @ second), 0, 1)))


@pytest.mark.parametrize("view", ["4ch", "2ch", "sax"])
def test_image_axes_are_orthonormal(view):
    for plane in planes(view):
        axes = np.stack([plane.column, plane.row, plane.normal])
        assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-9)


def test_short_axis_planes_stand_on_the_long_axis_and_run_from_base_to_apex():
    stack = planes("sax", 6)
    a = SUBJECT.pose.axes[:, 0]
    assert all(angle(plane.normal, a) < LARGEST_TILT_DEG for plane in stack)
    heights = [SUBJECT.pose.to_heart(plane.centre.reshape(3, 1))[0, 0] for plane in stack]
    assert (np.diff(heights) > 0).all()
    assert [plane.slice_index for plane in stack] == list(range(6))


@pytest.mark.parametrize(("view", "other"), [("4ch", 1), ("2ch", 2)])
def test_long_axis_planes_hold_the_long_axis(view, other):
    (plane,) = planes(view)
    assert angle(plane.normal, SUBJECT.pose.axes[:, 0]) > 90 - LARGEST_TILT_DEG
    assert angle(plane.normal, SUBJECT.pose.axes[:, other]) > 90 - LARGEST_TILT_DEG


def test_four_chamber_view_is_seen_from_the_feet():
    (plane,) = planes("4ch")
    assert plane.column[0] > 0.5  # the patient's left is right in the image
    assert plane.row[1] > 0.5  # the back is down


def test_head_is_up_in_the_two_chamber_view():
    (plane,) = planes("2ch")
    assert plane.row[2] < -0.5


def test_two_patients_of_one_site_are_planned_differently():
    first, second = planes("4ch", seed=1)[0], planes("4ch", seed=2)[0]
    assert 0.1 < angle(first.normal, second.normal) < 2 * LARGEST_TILT_DEG


def test_points_lie_in_the_plane_at_the_pixel_spacing():
    (plane,) = planes("4ch")
    points = plane.points((np.array([-2.0, 0.0, 2.0]), np.array([0.0, 3.0])), depth_mm=5)
    assert points[:, 1, 0] == pytest.approx(plane.centre + 5 * plane.normal, abs=1e-3)
    assert np.linalg.norm(points[:, 1, 1] - points[:, 1, 0]) == pytest.approx(3, abs=1e-3)
    assert np.linalg.norm(points[:, 2, 0] - points[:, 1, 0]) == pytest.approx(2, abs=1e-3)


def test_pose_maps_there_and_back():
    pose = heart_pose(np.random.default_rng(5))
    points = np.random.default_rng(6).normal(0, 50, (3, 10)).astype(np.float32)
    assert pose.to_heart(pose.to_patient(points)) == pytest.approx(points, abs=1e-3)
    assert pose.axes.T @ pose.axes == pytest.approx(np.eye(3), abs=1e-9)


@pytest.mark.parametrize("slices", [1, 2, 3, 8, 14])
def test_a_short_axis_stack_covers_both_ventricles_evenly(slices):
    heights = sax_heights(SUBJECT.heart, slices)
    top, low = SUBJECT.heart.outflow_top, SUBJECT.heart.length
    gap = (low - top) / slices
    assert heights == pytest.approx(top + gap * (np.arange(slices) + 0.5))


def test_an_unknown_view_is_named():
    with pytest.raises(ValueError, match="3ch"):
        planes("3ch")
