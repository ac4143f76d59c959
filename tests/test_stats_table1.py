import io
import xml.etree.ElementTree as ElementTree
import zipfile

import docx
import pandas as pd
import pytest

from cmrkit.stats.comparison import compare
from cmrkit.stats.simulate import example_scores
from cmrkit.stats.table1 import read_published, table1, write_table1
from cmrkit.stats.verdict import p_text


@pytest.fixture(scope="module")
def comparison():
    scores = example_scores()
    return compare(scores[scores["label"] != "RA"])


@pytest.fixture(scope="module")
def table(comparison):
    return table1(comparison, read_published())


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_table1(table, folder, 0.01, 0.05)
    return folder


def test_the_published_table_is_complete_and_its_numbers_agree_with_each_other():
    published = read_published()
    assert len(published) == 20
    assert not published.duplicated(["metric", "view", "label", "arm"]).any()
    assert (published["q25"] <= published["median"]).all()
    assert (published["median"] <= published["q75"]).all()
    keys = ["view", "label", "arm"]
    dice, variation = (
        published[published["metric"] == m].set_index(keys) for m in ("dice", "percent_variation")
    )
    # Why the kit takes percent variation to be 1 - Dice: the quartiles swap and fit to rounding.
    for one, other in (("median", "median"), ("q25", "q75"), ("q75", "q25")):
        assert (dice[one] + variation[other] - 1).abs().max() < 0.0015


def test_rows_stand_in_the_papers_order_with_this_studys_own_after_them(table):
    dice = table[table["metric"] == "Dice"]
    assert dice["chamber"].tolist() == ["LV", "RV", "RA", "LV", "RV", "LV myocardium"]
    assert dice["view"].tolist() == ["long axis (4ch)"] * 3 + ["short axis"] * 3
    assert table["metric"].unique().tolist() == ["Dice", "Percent variation"]


def test_measured_and_published_values_stand_side_by_side(table, comparison):
    row = table[(table["metric"] == "Dice") & (table["chamber"] == "RV")].iloc[0]
    measured = comparison.query("level == 'patient' and metric == 'dice' and label == 'RV'").iloc[0]
    assert row["synthetic"].startswith(f"{measured['arm_median']:.3f} [")
    assert row["p_holm"] == p_text(measured["p_holm"])
    assert row["verdict"] == "worse"
    assert row["published_synthetic"] == "0.981 [0.976-0.984]"
    assert (row["published_patient"], row["published_p"]) == ("0.984 [0.978-0.988]", "<0.0001")


def test_what_only_one_of_the_two_measured_says_so(table):
    ra = table[table["chamber"] == "RA"].iloc[0]
    assert (ra["synthetic"], ra["patient"]) == ("not measured", "")
    assert ra["published_patient"] == "0.989 [0.985-0.991]"
    myocardium = table[table["chamber"] == "LV myocardium"].iloc[0]
    assert (myocardium["published_synthetic"], myocardium["published_p"]) == ("not published", "")


def test_another_arm_names_its_own_column():
    scores = example_scores()
    scores["arm"] = scores["arm"].replace("synthetic", "synthetic-teacher")
    table = table1(compare(scores, arm="synthetic-teacher", metrics=["dice"]), read_published())
    assert table.columns[3:5].tolist() == ["synthetic-teacher", "patient"]
    assert set(table["metric"]) == {"Dice"}


def test_too_few_patients_leave_no_interval():
    scores = example_scores(patients=4, seeds=(1,))
    row = table1(compare(scores[scores["patient_id"] != "example-03"]), read_published()).iloc[0]
    assert row["shift"].endswith("[none]")


def test_the_same_table_gives_the_same_bytes(table, folder, tmp_path):
    for path in write_table1(table, tmp_path, 0.01, 0.05):
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "table1.csv", "table1.docx", "table1.html", "table1.tex"
    ]  # fmt: skip


def test_docx_entries_carry_one_date_and_the_whole_table(table, folder):
    content = (folder / "table1.docx").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}
    document = docx.Document(io.BytesIO(content))
    grid = [[cell.text for cell in row.cells] for row in document.tables[0].rows]
    assert len(grid) == 2 + len(table)
    assert grid[0].count("This study") == 7
    assert grid[1][3:5] == ["Synthetic", "Patient"]
    assert grid[2][10] == "0.978 [0.973\N{EN DASH}0.983]"
    assert grid[2][5].startswith("\N{MINUS SIGN}0.0")
    assert document.paragraphs[0].text.startswith("Table 1. Segmentation")


def test_csv_reads_back_as_the_table(table, folder):
    back = pd.read_csv(folder / "table1.csv", dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(back, table, check_dtype=False)


def test_html_is_well_formed_and_asks_nothing_of_another_machine(table, folder):
    html = (folder / "table1.html").read_text()
    root = ElementTree.fromstring(html)
    assert len(root.findall(".//tbody/tr")) == len(table)
    assert root.find("caption").text.startswith("Table 1.")
    assert "http" not in html


def test_latex_balances_and_leaves_no_bare_sign(table, folder):
    text = (folder / "table1.tex").read_text()
    assert text.count("{") == text.count("}")
    lines = [line for line in text.splitlines() if line.startswith(("Dice &", "Percent"))]
    assert len(lines) == len(table)
    assert {line.count("&") for line in lines} == {12}
    assert text.isascii()
    assert "<" not in text.replace("$<$", "")
    assert text.count(r"\begin") == text.count(r"\end")
    assert r"\caption{Segmentation" in text


def caption_of(folder):
    return ElementTree.fromstring((folder / "table1.html").read_text()).find("caption").text


def test_simulated_patients_are_named_in_every_format(table, tmp_path):
    note = "This study: simulated patients (nobody was imaged) beside real ones; patients are"
    for path in write_table1(table, tmp_path, 0.01, 0.05, ["simulated", "chla"]):
        content = path.read_bytes()
        if path.suffix == ".docx":
            with zipfile.ZipFile(path) as archive:
                content = archive.read("word/document.xml")
        assert note.encode() in content or path.suffix == ".csv"
    write_table1(table, tmp_path, 0.01, 0.05, ["chla"])
    assert "simulated" not in caption_of(tmp_path)


def test_the_caption_states_confidence_level_and_margin(table, folder, tmp_path):
    assert "with its 95 % interval" in caption_of(folder)
    assert "two one-sided tests at 0.05 show a shift of less than 0.01" in caption_of(folder)
    write_table1(table, tmp_path, 0.02, 0.025)
    assert "with its 97.5 % interval" in caption_of(tmp_path)
    assert "less than 0.02" in docx.Document(tmp_path / "table1.docx").paragraphs[0].text


def test_names_of_other_models_stay_as_they_are_in_every_format(tmp_path):
    scores = example_scores(patients=6, seeds=(1,))
    scores["arm"] = scores["arm"].map({"synthetic": "nnU-Net_v2 & <co>", "patient": "patient"})
    comparison = compare(scores, arm="nnU-Net_v2 & <co>", metrics=["dice"])
    write_table1(table1(comparison, read_published()), tmp_path, 0.01, 0.05)
    assert "patients by nnU-Net_v2 & <co> and by patient." in caption_of(tmp_path)
    text = (tmp_path / "table1.tex").read_text()
    assert text.count(r"nnU-Net\_v2 \& $<$co>") == text.count("nnU-Net") == 3
    assert r"95 \% interval" in text
    grid = docx.Document(tmp_path / "table1.docx").tables[0]
    assert [cell.text for cell in grid.rows[1].cells][3:5] == ["nnU-Net_v2 & <co>", "Patient"]


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.00009, "<0.0001"), (0.0001, "0.0001"), (0.0449, "0.045"), (0.45, "0.45"), (1, "1.0")],
)
def test_p_is_printed_as_journals_do(p, text):
    assert p_text(p) == text
