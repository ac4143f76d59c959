"""The experiments of notebook 02 show what they say."""

import numpy as np
import pytest
from pggan_runs import tiny_data, tiny_recipe

from cmrkit.pggan import lessons
from cmrkit.pggan.data import load_training_data
from cmrkit.pggan.training import train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("lessons") / "data.safetensors")


def test_a_fade_goes_from_the_enlarged_frame_to_the_frame_itself():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10
    old, half, new = lessons.faded_frame(image, (0, 0.5, 1))
    assert (new == image).all()
    assert old[:2, :2].tolist() == [[25, 25], [25, 25]]  # mean of 0, 10, 40, 50
    assert half[0, 0] in (12, 13)  # half of 25


def test_equalised_rates_move_every_layer_alike_and_plain_ones_by_its_inputs(data):
    rows = lessons.step_sizes(tiny_recipe(), load_training_data(data))
    shares = {row["layer"]: row["equalised"] / 2e-3 for row in rows}
    assert all(0.7 < share < 1.1 for share in shares.values()), shares
    wide = [row for row in rows if row["layer"] in ("conv", "same.0")]
    for row in wide:  # weights as they act have SD sqrt(2 / fan in), so a step is 1 / SD as large
        assert row["plain"] / row["equalised"] == pytest.approx((row["fan_in"] / 2) ** 0.5, rel=0.2)


def test_copies_of_a_frame_are_scored_apart_from_the_frame_among_others(data, tmp_path):
    train(tiny_recipe(), data, tmp_path)
    last = sorted((tmp_path / "checkpoints").glob("*.safetensors"))[-1]
    rows = lessons.copies_score(last, load_training_data(data), frames=8)
    assert [row["group"] for row in rows] == ["different frames", "copies of one"] * 2
    score = {(row["view"], row["group"]): row["score"] for row in rows}
    for view in ("4ch", "sax"):
        assert score[view, "different frames"] != pytest.approx(score[view, "copies of one"])
