"""Table 1 in the paper's layout, this study beside the published one."""

import io
import re
import zipfile
from datetime import datetime
from html import escape
from pathlib import Path

import docx
import numpy as np
import pandas as pd
from docx.enum.section import WD_ORIENT
from docx.shared import Mm, Pt

from cmrkit import paths
from cmrkit.cohort.frames import simulated_note
from cmrkit.stats.scores import METRICS
from cmrkit.stats.verdict import p_text, percent

PUBLISHED = paths.REPOSITORY / "reports" / "reference" / "published_table1.csv"
_CAPTION = (
    "Segmentation of the external patients by {who}. Median [interquartile range]; shift: "
    "Hodges-Lehmann estimate, {arm} less {reference}, with its {confidence} interval; p: Wilcoxon "
    "signed-rank test. This study: {note}patients are the units, p with Holm's correction beside "
    "the uncorrected p over frames; equivalent or within margin: two one-sided tests at {alpha:g} "
    "show a shift of less than {margin:g} either way. Published: Diller et al., BMC Medical "
    "Imaging 2020;20:113."
)
_KITS_ARMS = re.compile("patient|synthetic(-teacher|-manual)?|patient[+]synthetic")
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_GROUPS = {"": 3, "This study": 7, "Published": 3}
_HEADINGS = {
    "metric": "Metric",
    "view": "View",
    "chamber": "Chamber",
    "shift": "Shift [interval]",
    "p_holm": "p (patients)",
    "p_frames": "p (frames)",
    "verdict": "Verdict",
    "n": "Patients / frames",
    "published_synthetic": "PG-GAN",
    "published_patient": "Patients",
    "published_p": "p",
}
_VIEWS = {"4ch": "long axis (4ch)", "2ch": "long axis (2ch)", "sax": "short axis"}
_DATE = datetime(2020, 1, 1)  # any fixed one: the same table gives the same bytes


def read_published(path=PUBLISHED):
    """The published Table 1, one row a metric, view, chamber and arm.

    Source: Diller et al., BMC Medical Imaging 2020;20:113, Table 1; see `reports/reference`.
    """
    return pd.read_csv(path)


def table1(comparison, published):
    """Lay this study's comparison out as the paper's Table 1, beside the published values.

    Args:
        comparison: from `stats.comparison.compare`, with the published metrics.
        published: from `read_published`.

    Returns:
        DataFrame of text, a row a metric, view and chamber: `metric, view, chamber`, one column
        named after each arm, `shift, p_holm, p_frames, verdict, n, published_synthetic,
        published_patient, published_p`. Rows stand in the paper's order, those of this study alone
        after it; what only one of the two measured says so in the other's first column.
    """
    keys = ["metric", "view", "label"]
    levels = {level: rows.set_index(keys) for level, rows in comparison.groupby("level")}
    printed = {arm: rows.set_index(keys) for arm, rows in published.groupby("arm")}
    metrics = list(dict.fromkeys(comparison["metric"]))
    order = [key for key in printed["patient"].index if key[0] in metrics]
    order += [key for key in levels["patient"].index if key not in order]
    order.sort(key=lambda key: metrics.index(key[0]))  # stable: the paper's rows stay first
    arms = list(comparison.loc[comparison.index[0], ["arm", "reference"]])
    rows = [_names(*key) | _measured(levels, key, arms) | _published(printed, key) for key in order]
    names = list(_HEADINGS)
    return pd.DataFrame(rows, columns=[*names[:3], *arms, *names[3:]]).fillna("")


def _names(metric, view, label):
    title = METRICS[metric].title
    return {"metric": title[0].upper() + title[1:], "view": _VIEWS[view], "chamber": label}


def _measured(levels, key, arms):
    if key not in levels["patient"].index or not levels["patient"].loc[key, "n_patients"]:
        return {arms[0]: "not measured"}
    row, frames = levels["patient"].loc[key], levels["frame"].loc[key]
    interval = f"{row.ci_low:+.3f} to {row.ci_high:+.3f}" if np.isfinite(row.ci_low) else "none"
    return {
        arms[0]: _median(row.arm_median, row.arm_q25, row.arm_q75),
        arms[1]: _median(row.reference_median, row.reference_q25, row.reference_q75),
        "shift": f"{row.hl_shift:+.3f} [{interval}]",
        "p_holm": p_text(row.p_holm),
        "p_frames": p_text(frames.p),
        "verdict": row.verdict + (", within margin" if _worth_saying(row) else ""),
        "n": f"{row.n_patients} / {row.n_frames}",
    }


def _worth_saying(row):
    return row.within_margin and row.verdict != "equivalent"


def _published(printed, key):
    if key not in printed["patient"].index:
        return {"published_synthetic": "not published"}
    synthetic, patient = (printed[arm].loc[key] for arm in ("synthetic", "patient"))
    return {
        "published_synthetic": _median(synthetic["median"], synthetic.q25, synthetic.q75),
        "published_patient": _median(patient["median"], patient.q25, patient.q75),
        "published_p": patient.p,
    }


def _median(median, low, high):
    return f"{median:.3f} [{low:.3f}-{high:.3f}]"


def write_table1(table, folder, margin, alpha, sources=()):
    """Write Table 1 as CSV, HTML, LaTeX (booktabs) and DOCX; the same table gives the same bytes.

    Args:
        table: from `table1`.
        folder: where `table1.csv`, `.html`, `.tex` and `.docx` go.
        margin, alpha: of the comparison, for the caption.
        sources: the `source` column of the scores; simulated patients are named in the caption.

    Returns:
        list of the four paths.
    """
    caption = _caption(*table.columns[3:5], margin, alpha, simulated_note(sources))
    printed = _typeset(table)
    contents = {
        "csv": table.to_csv(index=False, lineterminator="\n").encode(),
        "html": _html(printed, caption).encode(),
        "tex": _latex(printed, caption).encode(),
        "docx": _docx(printed, caption),
    }
    written = {Path(folder) / f"table1.{ending}": content for ending, content in contents.items()}
    for path, content in written.items():
        with paths.moved_into_place(path) as draft:
            draft.write_bytes(content)
    return list(written)


def _caption(arm, reference, margin, alpha, note):
    who = f"{arm} and by {reference}"
    if _KITS_ARMS.fullmatch(arm) and _KITS_ARMS.fullmatch(reference):
        who = f"U-Nets trained on {arm} and on {reference} frames"
    return _CAPTION.format(
        who=who, arm=arm, reference=reference, margin=margin, alpha=alpha,
        confidence=percent(1 - alpha), note=f"{note}; " if note else "",
    )  # fmt: skip


def _headings(table):
    """Two lines of headings: whose numbers, and what; names of other models stay as they are."""
    groups = [group for group, width in _GROUPS.items() for _ in range(width)]
    arms = {n: n.capitalize() if _KITS_ARMS.fullmatch(n) else n for n in table.columns[3:5]}
    return groups, [arms.get(name) or _HEADINGS[name] for name in table.columns]


def _typeset(table):
    """Hyphens as print wants them: a minus before a number, a dash between two."""
    marks = {r"(?<=\d)-(?=\d)": "\N{EN DASH}", r"(?<!\w)-(?=\d)": "\N{MINUS SIGN}"}
    return table.replace(marks, regex=True)


def _html(table, caption):
    table = table.set_axis(pd.MultiIndex.from_arrays(_headings(table)), axis=1)
    body = table.to_html(index=False, border=0, classes="table1")
    head = f"<caption>Table 1. {escape(caption)}</caption>\n  <thead>"
    return body.replace("<thead>", head) + "\n"


def _latex(table, caption):
    table = table.set_axis(pd.MultiIndex.from_arrays(_headings(table)), axis=1)
    styler = table.style.hide(axis="index").format(escape="latex")
    text = styler.format_index(escape="latex", axis=1).to_latex(
        hrules=True, column_format="l" * table.shape[1], multicol_align="c",
        caption=caption.translate(str.maketrans(_LATEX)),
        environment="sidewaystable", label="tab:segmentation", position_float="centering",
    )  # fmt: skip
    marks = {
        "\N{EN DASH}": "--",
        "\N{MINUS SIGN}": "$-$",
        "<": "$<$",  # text mode prints it as an inverted exclamation mark
        r"\begin{tabular}": "\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}",
        r"\end{tabular}": r"\end{tabular}}",
    }
    for mark, replacement in marks.items():
        text = text.replace(mark, replacement)
    return "% needs the packages booktabs, graphicx and rotating\n" + text


def _docx(table, caption):
    document = docx.Document()
    section = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = Mm(297), Mm(210)
    section.left_margin = section.right_margin = Mm(12)
    document.styles["Normal"].font.size = Pt(7.5)
    document.add_paragraph(f"Table 1. {caption}")
    groups, headings = _headings(table)
    lines = [headings, *table.to_numpy().tolist()]
    grid = document.add_table(rows=1 + len(lines), cols=len(headings), style="Table Grid")
    for group, width in _GROUPS.items():
        first = groups.index(group)
        grid.cell(0, first).merge(grid.cell(0, first + width - 1)).text = group
    for row, values in zip(grid.rows[1:], lines, strict=True):
        for cell, value in zip(row.cells, values, strict=True):
            cell.text = value
    for row in grid.rows[:2]:
        for run in (r for cell in row.cells for p in cell.paragraphs for r in p.runs):
            run.bold = True
    properties = document.core_properties
    properties.author, properties.title = "cmrkit", "Table 1"
    properties.created = properties.modified = _DATE
    stream = io.BytesIO()
    document.save(stream)
    return _without_dates(stream.getvalue())


def _without_dates(archive):
    """The same zip with every entry dated alike."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, _DATE.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, old.read(name))
    return stream.getvalue()
