"""Does a study's result hold when all of it is repeated with other seeds?

for n in 1 2 3 4 5; do make study STUDY=quick-seed$n; done
.venv/bin/python -m cmrkit.seeds quick
"""

import argparse
import sys

import pandas as pd
import yaml

from cmrkit import paths
from cmrkit.figures.significance import shifts_over_seeds
from cmrkit.figures.style import save_figure
from cmrkit.stats.spread import spread_sentence, stack_seeds, verdict_spread
from cmrkit.study import ONE_SEED

FEWEST = 2


def collect(study):
    """Put the comparisons of `<study>-seed<n>` side by side, into `reports/<study>-seeds/`.

    Args:
        study: name of the study that was repeated.

    Returns:
        spread: table of `stats.spread.verdict_spread`, patients as units and frames as units.

    Raises:
        FileNotFoundError: fewer than two of its repetitions are finished.
    """
    comparisons, sources = {}, set()
    reports = paths.report_folder(study).parent
    for folder in reports.glob(f"{study}-seed*"):
        named = ONE_SEED.fullmatch(folder.name)
        table = paths.tables(folder.name) / "comparison.csv"
        if named and named[1] == study and table.exists():
            comparisons[int(named[2])] = pd.read_csv(table)
            cohort = yaml.safe_load((folder / "params" / "01_cohort.yaml").read_text())
            sources.add(cohort["source"])
    if len(comparisons) < FEWEST:
        raise FileNotFoundError(
            f"{reports}: {len(comparisons)} finished studies {study}-seed<n>, {FEWEST} are the "
            f"fewest to compare; make study STUDY={study}-seed1, then -seed2 and so on"
        )
    stacked, name = stack_seeds(comparisons), f"{study}-seeds"
    paths.write_table(stacked, name, "comparison_by_seed")
    spread = verdict_spread(stacked)
    paths.write_table(spread, name, "verdicts_by_seed")
    first = stacked["metric"].iloc[0]
    figure = shifts_over_seeds(stacked[stacked["metric"] == first])
    drawn_from = "tables/comparison_by_seed.csv"
    save_figure(figure, paths.figures(name), "figure7_seeds", drawn_from, sources)
    chosen = spread[(spread["level"] == "patient") & (spread["metric"] == first)]
    paths.write_lines([spread_sentence(row) for row in chosen.itertuples()], name, "verdicts")
    return spread


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="the study that was repeated, e.g. quick")
    study = parser.parse_args().study
    try:
        collect(study)
    except FileNotFoundError as error:
        sys.exit(str(error))
    print((paths.tables(f"{study}-seeds") / "verdicts.txt").read_text(), end="")


if __name__ == "__main__":
    main()
