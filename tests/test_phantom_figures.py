"""Figure 1 for any source: simulated or real, one view or three, few labels or all."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cmrkit.figures.cohort import (
    SIDE_BY_SIDE,
    THROUGH_CYCLE,
    cohort_figure,
    cycle_figure,
    cycle_rows,
    patient_rows,
    patients_figure,
)

SIDE = 32


def table(source="simulated", views=("4ch", "sax"), phases=6, labels=(1, 2, 3), spacing=2.0):
    """Frames of six patients, two a role; two slices in the short axis."""
    rows = []
    for patient in range(6):
        for view in views:
            for slice_index in range(2 if view == "sax" else 1):
                rows += [
                    {
                        "frame_id": f"{patient}-{view}-{slice_index}-{phase}",
                        "patient_id": f"p{patient}",
                        "role": ("gan", "unet", "external")[patient // 2],
                        "view": view, "slice_index": slice_index, "phase_index": phase,
                        "phase_fraction": phase / phases, "is_ed": phase == 0, "is_es": phase == 2,
                        "spacing_row_mm": spacing, "spacing_col_mm": spacing,
                        "labels_present": list(labels), "source": source,
                    }
                    for phase in range(phases)
                ]  # fmt: skip
    return pd.DataFrame(rows)


def pixels(frames, labels=(1, 2, 3)):
    images = np.random.default_rng(0).integers(0, 255, (len(frames), SIDE, SIDE)).astype(np.uint8)
    masks = np.zeros_like(images)
    for place, number in enumerate(labels):
        masks[:, 4:12, 2 + 9 * place : 10 + 9 * place] = number
    return images, masks


def texts(figure):
    found = [text.get_text() for text in figure.findobj(plt.Text)]
    plt.close(figure)
    return "\n".join(found)


@pytest.mark.parametrize("draw", [cohort_figure, cycle_figure, patients_figure])
def test_simulated_patients_are_called_simulated(draw):
    frames = table()
    assert "Simulated patients" in texts(draw(frames, *pixels(frames)))


@pytest.mark.parametrize("draw", [cohort_figure, cycle_figure, patients_figure])
def test_real_patients_are_not_called_simulated(draw):
    frames = table("chla", views=("sax",), phases=2, labels=(1, 3))
    found = texts(draw(frames, *pixels(frames, (1, 3))))
    assert "imulated" not in found
    assert "Patients" in found
    assert "LV myocardium" not in found


def test_a_source_without_pixel_size_gets_no_scale_bar():
    frames = table("sunnybrook", views=("sax",), spacing=np.nan)
    images, masks = pixels(frames)
    assert "50 mm" not in texts(cohort_figure(frames, images, masks))


def test_the_cycle_shows_end_diastole_and_end_systole_of_one_patient():
    frames = table(phases=20)
    chosen = frames.loc[cycle_rows(frames, 5)["sax", THROUGH_CYCLE]]
    assert len(set(chosen["patient_id"])) == 1
    assert chosen["is_ed"].any()
    assert chosen["is_es"].any()
    assert len(chosen) <= 5
    assert (np.diff(chosen["phase_index"]) > 0).all()
    assert set(chosen["slice_index"]) == {1}


def test_patients_side_by_side_come_from_all_roles_at_end_diastole():
    frames = table()
    chosen = frames.loc[patient_rows(frames, 4)["4ch", SIDE_BY_SIDE]]
    assert chosen["patient_id"].is_unique
    assert chosen["is_ed"].all()
    assert chosen["role"].tolist() == ["gan", "gan", "unet", "external"]


def test_a_view_without_labels_is_still_shown():
    frames = table("dicom", labels=())
    images, masks = pixels(frames, ())
    assert len(cycle_rows(frames, 5)) == 2
    plt.close(cohort_figure(frames, images, masks))


def test_unequal_lengths_and_an_empty_table_are_refused():
    frames = table()
    images, masks = pixels(frames)
    with pytest.raises(ValueError, match="images"):
        cohort_figure(frames, images[:-1], masks)
    with pytest.raises(ValueError, match="empty"):
        cohort_figure(frames.iloc[:0], images[:0], masks[:0])
