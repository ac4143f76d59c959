import pandas as pd

from cmrkit.stats.comparison import compare
from cmrkit.stats.simulate import example_scores
from cmrkit.stats.spread import compare_seeds, spread_sentence, stack_seeds, verdict_spread


def comparison(shift, verdict):
    row = {"level": "patient", "metric": "dice", "view": "sax", "label": "LV"}
    missing = row | {"label": "RV", "hl_shift": float("nan"), "verdict": "inconclusive"}
    return pd.DataFrame([row | {"hl_shift": shift, "verdict": verdict}, missing])


def test_verdicts_are_counted_over_seeds_with_the_spread_of_their_shift():
    spread = verdict_spread(
        stack_seeds(
            {
                1: comparison(-0.004, "worse"),
                2: comparison(-0.001, "inconclusive"),
                3: comparison(0.002, "equivalent"),
                4: comparison(-0.006, "worse"),
            }
        )
    )
    assert len(spread) == 1  # the chamber that was never scored has no direction
    row = spread.iloc[0]
    counts = [row[v] for v in ("better", "worse", "equivalent", "inconclusive")]
    assert counts == [0, 2, 1, 1]
    assert (row["seeds"], row["positive"]) == (4, 1)
    assert (row["shift_min"], row["shift_median"], row["shift_max"]) == (-0.006, -0.0025, 0.002)
    assert spread_sentence(row) == (
        "Dice, sax LV: of 4 seeds worse in 2, equivalent in 1, inconclusive in 1; "
        "1 of 4 shifts above zero, median -0.0025 (-0.0060 to +0.0020)."
    )


def test_each_training_seed_is_compared_alone_whatever_further_arms_hold():
    scores = example_scores(patients=6)
    other = scores[scores["arm"] == "synthetic"].assign(arm="other", seed=9)
    arms = ("synthetic", "patient", ["dice"])
    by_seed = compare_seeds(pd.concat([scores, other]), *arms, seed=3)
    assert list(by_seed) == [1, 2]
    pd.testing.assert_frame_equal(by_seed[2], compare(scores[scores["seed"] == 2], *arms, seed=3))
    one = scores[scores["seed"] == 1]
    assert compare_seeds(pd.concat([one, other]), *arms) == {}
