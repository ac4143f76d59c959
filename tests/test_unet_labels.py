import numpy as np
import pytest
from small_parts import small_patients, small_synthetic

from cmrkit.unet.labels import annotated_labels, channel_of, check_labels, common_labels


@pytest.mark.parametrize("labels", [[], [0, 1], [1, 1], [1, 6]])
def test_labels_that_cannot_be_segmented_are_refused(labels):
    with pytest.raises(ValueError, match="labels"):
        check_labels(labels)


def test_a_label_that_is_not_asked_for_becomes_background():
    mask = np.array([[0, 1, 2, 3]], np.uint8)
    assert channel_of([1, 3])[mask].tolist() == [[0, 1, 0, 2]]


def test_each_frame_annotates_what_it_lists_even_where_the_mask_is_empty():
    masks = np.zeros((2, 2, 2), np.uint8)
    masks[0, 0, 0] = 1
    annotated = annotated_labels(masks, [[1], (1, 3)], [1, 3])
    assert annotated.tolist() == [[True, False], [True, True]]


def test_a_drawn_label_that_the_frame_does_not_list_is_refused():
    masks = np.full((1, 2, 2), 3, np.uint8)
    with pytest.raises(ValueError, match="frame 0 has pixels of label 3"):
        annotated_labels(masks, [[1]], [1])


def test_arms_learn_the_labels_that_all_of_them_know():
    assert common_labels(small_patients(), small_synthetic()) == [1, 3]
