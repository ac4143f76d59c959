"""Where everything lies: the one module that knows folders and file names."""

from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

NOTEBOOKS = (
    "01_cohort",
    "02_pggan_training",
    "03_synthetic_cohort",
    "04_plausibility_audit",
    "05_memorisation_audit",
    "06_unet_comparison",
    "07_significance",
)


def study_folder(study):
    """`work/<study>`: what the notebooks hand to each other; git-ignored, may be a link."""
    return REPOSITORY / "work" / study


def report_folder(study):
    """`reports/<study>`: what a finished study leaves for people."""
    return REPOSITORY / "reports" / study


def notebook(name):
    """The notebook's source, without outputs."""
    return REPOSITORY / "notebooks" / f"{name}.ipynb"


def figures(study):
    """Figures of the report."""
    return report_folder(study) / "figures"


def tables(study):
    """Tables of the report, each a CSV."""
    return report_folder(study) / "tables"


def write_table(table, study, name):
    """Write a report table as CSV, moved into place when complete.

    Args:
        table: DataFrame; its index is not written.
        study: name of the study.
        name: file name without ending.

    Returns:
        path of the CSV.
    """
    path = tables(study) / f"{name}.csv"
    with moved_into_place(path) as draft:
        table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")
    return path


def write_parquet(table, path):
    """Write a table that notebooks hand on as parquet, moved into place when complete.

    Args:
        table: DataFrame; its index is not written.
        path: where it goes; folders are made.

    Returns:
        path of the parquet file.
    """
    with moved_into_place(path) as draft:
        table.to_parquet(draft, index=False)
    return Path(path)


def write_lines(lines, study, name):
    """Write sentences as a text file beside the report's tables, one a line, moved into place.

    Returns:
        path of the text file.
    """
    path = tables(study) / f"{name}.txt"
    with moved_into_place(path) as draft:
        draft.write_text("".join(f"{line}\n" for line in lines))
    return path


def given_path(path):
    """A path that people write, made absolute: `~` is the home folder.

    A relative path is counted from here, or from the repository where there is nothing here, since
    JupyterLab runs notebooks in their own folder.
    """
    path = Path(path).expanduser()
    return path.absolute() if path.exists() else REPOSITORY / path


@contextmanager
def moved_into_place(path):
    """A hidden file beside `path` to write; it gets its name when the block ends without error.

    Args:
        path: where the finished file goes; folders are made.

    Yields:
        path of the hidden file, with the same ending.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    yield draft
    draft.replace(path)
