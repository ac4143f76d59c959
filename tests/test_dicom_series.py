"""Short-axis stacks that a scanner spread over series, joined by the reader or by a person."""

import dicoms
import numpy as np
import pytest
from dicoms import PHASES, image, read, save

from cmrkit.cohort.readers import open_source

SLICES = 8
SPREADS = {"pairs": lambda number: number // 2, "even and odd": lambda number: number % 2}


def write_series(folder, series_of, **tags):
    """A short axis spread over series, of which `series_of` gives the number for each slice."""
    for number in range(SLICES):
        series = series_of(number)
        uids = {"SeriesInstanceUID": f"1.2.1.{series}", "SeriesNumber": series}
        for phase in range(PHASES):
            one = image(number=number, phase=phase, **(uids | tags))
            save(one, folder / str(series) / f"{number}{phase}")


def assert_base_to_apex(slices):
    """All slices, numbered along the heart, and their true distance."""
    written = [dicoms.pixels(0, number) for number in range(SLICES)]
    if np.array_equal(slices[0].images[0], written[-1]):
        written.reverse()
    for index, (one, expected) in enumerate(zip(slices, written, strict=True)):
        assert np.array_equal(one.images[0], expected)
        assert one.slice_index == index
        assert one.slice_spacing_mm == pytest.approx(8.0)


@pytest.mark.parametrize("spread", SPREADS)
def test_series_of_several_slices_each_are_one_stack(tmp_path, spread):
    write_series(tmp_path, SPREADS[spread])
    assert open_source("dicom", tmp_path).stacks()["positions"].tolist() == [SLICES]
    slices, problems = read(tmp_path)
    assert problems == []
    assert_base_to_apex(slices)


def test_a_stack_acquired_again_half_a_slice_further_is_another_one(tmp_path):
    write_series(tmp_path, SPREADS["even and odd"], step_mm=4.0)  # slices are 8 mm thick
    assert open_source("dicom", tmp_path).stacks()["positions"].tolist() == [4, 4]


def test_slices_that_a_person_chose_from_two_stacks_are_counted_from_base_to_apex(tmp_path):
    write_series(tmp_path, SPREADS["even and odd"])
    for path in (tmp_path / "1").iterdir():
        dicoms.change(path, FlipAngle=40)  # the reader does not join what looks different
    archive = open_source("dicom", tmp_path)
    table = archive.stacks().assign(view="sax", slices="")
    assert table["positions"].tolist() == [4, 4]
    archive.choose(table)
    assert_base_to_apex(list(archive.read(table["patient_id"][0])))
