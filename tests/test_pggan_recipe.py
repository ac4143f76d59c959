"""Recipes: the two presets, JSON, and what is refused."""

from dataclasses import replace

import pytest

from cmrkit.pggan.recipe import Recipe, paper, quick


def test_paper_preset_is_the_published_table():
    recipe = paper(("sax",))
    assert recipe.levels == (4, 8, 16, 32, 64, 128, 256)
    assert recipe.widths == (512, 512, 512, 512, 256, 128, 64)
    assert (recipe.latent, recipe.loss, recipe.penalty_weight) == (512, "wgan-gp", 10.0)
    assert (recipe.penalty_every, recipe.learning_rate) == (1, 1e-3)
    assert recipe.fade_kimg == (0, 800, 800, 800, 800, 800, 800)
    assert recipe.total_kimg == 20_000


def test_quick_preset_shares_the_images_evenly_above_the_first_level():
    recipe = quick(("4ch", "sax"), (1, 2, 3), total_kimg=100)
    assert recipe.levels == (8, 16, 32, 64)
    spent = [f + s for f, s in zip(recipe.fade_kimg, recipe.stable_kimg, strict=True)]
    assert spent == pytest.approx([100 / 30, *[100 * 29 / 90] * 3])
    assert recipe.fade_kimg[1:] == pytest.approx([k / 3 for k in spent[1:]])
    assert recipe.total_kimg == pytest.approx(100)
    assert recipe.channels == 4


@pytest.mark.parametrize("preset", [paper, quick])
def test_recipe_survives_json(preset, tmp_path):
    recipe = preset(("4ch", "sax"), (1, 3), resolution=32, seed=7)
    recipe.save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json") == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "hinge"}, "loss: 'hinge' is unknown"),
        ({"precision": "fp16"}, "precision: 'fp16' is unknown"),
        ({"views": ()}, "views: .*list at least one"),
        ({"views": ("sax", "sax")}, "views: .*each once"),
        ({"labels": (0, 1)}, "labels: .*from 1"),
        ({"levels": (8, 16, 48, 64)}, "levels: .*do not double"),
        ({"levels": (6, 12, 24, 48)}, "levels: .*use 4 or 8"),
        ({"widths": (64, 64)}, "widths: 2 given; give 5"),
        ({"batch": (16,)}, "batch: 1 given; give 4"),
        ({"batch": (14,) * 4}, "batch: 14 .*multiple of 4.*use 12"),
        ({"batch": (16, 16, 16, 2)}, "batch: 2 is below 4"),
        ({"batch": (3,) * 4}, "batch: 3 is below 4"),
        ({"fade_kimg": (1, 1, 1, 1)}, "fade_kimg: 1 at the first level"),
        ({"stable_kimg": (1, 1, 1, -1)}, "stable_kimg: -1 is below 0"),
        ({"learning_rate": 0}, "learning_rate: 0 is not above 0"),
        ({"ema_ramp": -1}, "ema_ramp: -1 is below 0"),
        ({"seed": "one"}, "seed: 'one' is not a whole number"),
        ({"latent": 6.5}, "latent: 6.5 is not a whole number"),
        ({"tick_kimg": "1"}, "tick_kimg: '1' is not a finite number"),
        ({"learning_rate": float("nan")}, "learning_rate: nan is not a finite number"),
        ({"stable_kimg": (1, 1, 1, float("inf"))}, "stable_kimg: inf is not a finite number"),
        ({"levels": 64}, "levels: 64 is not a list"),
    ],
)
def test_impossible_recipe_names_field_value_and_remedy(change, message):
    with pytest.raises(ValueError, match=message):
        replace(quick(("sax",)), **change)


def test_resolution_that_does_not_double_is_refused_with_the_next_that_does():
    with pytest.raises(ValueError, match=r"resolution: 100 .*try 128"):
        quick(("sax",), resolution=100)


def test_training_shorter_than_a_batch_or_than_its_phases_is_refused():
    with pytest.raises(ValueError, match=r"total_kimg: 0.0001 is less than a batch of 8"):
        quick(("sax",), resolution=8, total_kimg=0.0001)
    with pytest.raises(ValueError, match=r"total_kimg: 1000 ends before the phases do \(10400\)"):
        paper(("sax",), total_kimg=1000)


def test_misspelt_field_gets_a_suggestion():
    values = quick(("sax",)).to_dict()
    values["learning_rat"] = values.pop("learning_rate")
    with pytest.raises(ValueError, match="unknown field 'learning_rat'; did you mean 'learning_r"):
        Recipe.from_dict(values)


def test_missing_field_is_named():
    values = quick(("sax",)).to_dict()
    del values["seed"]
    with pytest.raises(ValueError, match="seed is missing"):
        Recipe.from_dict(values)


def test_broken_file_is_named(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"recipe\.json: "):
        Recipe.load(path)
    with pytest.raises(FileNotFoundError, match=r"none\.json: no recipe"):
        Recipe.load(tmp_path / "none.json")
