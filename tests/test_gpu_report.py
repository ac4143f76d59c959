"""The generator that was trained on a GPU and is kept under `reports/gpu/`."""

import re

import numpy as np

from cmrkit import paths

FOLDER = paths.REPOSITORY / "reports" / "gpu"


def test_the_documented_lines_draw_labelled_hearts_of_both_views(monkeypatch):
    monkeypatch.chdir(paths.REPOSITORY)
    code = re.search(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    found = {}
    exec(code.group(1), found)
    assert found["images"].shape == found["masks"].shape == (32, 256, 256)
    assert found["images"].std(axis=(1, 2)).min() > 10
    for first, labels in ((0, [0, 1, 2, 3, 4, 5]), (1, [0, 1, 2, 3])):  # 4ch, sax
        for mask in found["masks"][first::2]:
            drawn, pixels = np.unique(mask, return_counts=True)
            assert drawn.tolist() == labels
            assert pixels.min() > 100


def test_the_generator_is_small_enough_to_hand_on():
    assert (FOLDER / "generator.safetensors").stat().st_size < 16 * 2**20
