import json

import pytest
import yaml

from cmrkit import paths
from cmrkit.facts import KIND
from cmrkit.params import SECTIONS
from cmrkit.study import ParameterError, check_notebook, load_study

STUDIES = sorted((paths.REPOSITORY / "params").glob("*.yaml"))


def write(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("common: {sed: 3}", ["common.sed", "unknown key", "did you mean 'seed'?"]),
        ("01_chort: {}", ["01_chort", "unknown section", "did you mean '01_cohort'?"]),
        ("02_pggan_training: {train_kimg: 1e-3}", ["train_kimg", "'1e-3'", "write 0.001"]),
        ("01_cohort: {resolution: 48}", ["01_cohort.resolution", "48", "power of two", "try 64"]),
        ("01_cohort: {resolution: [64]}", ["01_cohort.resolution", "[64]", "integer"]),
        ("07_significance: {margin: 2}", ["07_significance.margin", "2", "less than 0.5"]),
        ("common: {views: [3ch]}", ["common.views.0", "'3ch'", "'4ch', '2ch' or 'sax'"]),
        ("common: {views: [sax, sax]}", ["common.views", "listed twice"]),
        ("common: {seed: yes}", ["common.seed", "True", "integer"]),
        ("02_pggan_training: {views: [sax]}", ["02_pggan_training.views", "unknown key"]),
        ("01_cohort: {source: chla}", ["01_cohort.data", "empty", "DATA=<folder>"]),
        ("01_cohort: {source: chla, data: /no/such}", ["01_cohort.data", "/no/such", "check"]),
        ("01_cohort: {data: /tmp}", ["01_cohort.data", "'/tmp'", "leave it out"]),
        ("01_cohort: {patients_unet: 0}", ["01_cohort.patients_unet", "0", "give a number"]),
        ("06_unet_comparison: {arms: [patient]}", ["06_unet_comparison.arms", "'synthetic'"]),
        (
            "06_unet_comparison: {arms: [patient, synthetic, synthetic-manual]}",
            ["06_unet_comparison.drawings", "empty", "name a folder"],
        ),
        ("07_significance: {arm: patient}", ["07_significance.arm", "also the reference"]),
        ("07_significance: {scores: no.csv}", ["07_significance.scores", "'no.csv'"]),
        ("seed: 3", ["mine.yaml", "sections"]),
        ("common: [", ["mine.yaml", "not YAML"]),
        ("02_pggan_training: false", ["mine.yaml", "sections"]),
        (
            "06_unet_comparison: {unet_steps: 9}\ncommon: {}\n06_unet_comparison: {unet_seeds: 3}",
            ["line 3: 06_unet_comparison stands in line 1 already", "put both into one"],
        ),
        (
            "02_pggan_training:\n  train_kimg: 9.0\n  train_kimg: 1.0",
            ["line 3: train_kimg stands in line 2 already"],
        ),
    ],
)
def test_a_wrong_parameter_stops_with_one_line_that_names_it(tmp_path, text, says):
    with pytest.raises(ParameterError) as error:
        load_study(write(tmp_path, text))
    message = str(error.value)
    assert "\n" not in message
    assert all(part in message for part in ["mine.yaml", *says]), message


def test_a_file_that_is_not_utf_8_is_refused_with_one_line(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes("common: {seed: 1} # für Münster".encode("latin-1"))
    with pytest.raises(ParameterError, match=r"mine.yaml: byte 0xfc is not UTF-8; save it as"):
        load_study(path)


def test_paths_are_made_absolute_from_home_from_here_or_from_the_repository(tmp_path, monkeypatch):
    home, repository, notebooks = (tmp_path / name for name in ("home", "kit", "kit/notebooks"))
    for folder in (home / "set", repository / "data" / "set", notebooks):
        folder.mkdir(parents=True)
    (repository / "scores.csv").touch()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(paths, "REPOSITORY", repository)
    text = """
common: {views: [sax]}
01_cohort: {source: chla, data: data/set, external_source: acdc, external_data: ~/set,
            real_data: [chla=~/set]}
06_unet_comparison: {drawings: ~/drawn}
07_significance: {scores: scores.csv}"""
    for place in (notebooks, repository):  # JupyterLab runs notebooks in their own folder
        monkeypatch.chdir(place)
        study = load_study(write(tmp_path, text))
        assert study["01_cohort"]["data"] == str(repository / "data" / "set")
        assert study["01_cohort"]["external_data"] == str(home / "set")
        assert study["01_cohort"]["real_data"] == [f"chla={home / 'set'}"]
        assert study["06_unet_comparison"]["drawings"] == str(home / "drawn")
        assert study["07_significance"]["scores"] == str(repository / "scores.csv")


def test_a_bundle_at_home_tells_its_views(tmp_path, monkeypatch):
    facts = {"kind": KIND, "frames": {"2ch": 99}, "resolution": 64, "spacing_mm": 2.0, "audits": {}}
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps(facts))
    monkeypatch.setenv("HOME", str(tmp_path))
    text = "03_synthetic_cohort: {synthetic_source: bundle, bundle: ~/bundle}"
    made = load_study(write(tmp_path, text))["03_synthetic_cohort"]
    assert (made["views"], made["bundle"]) == (["2ch"], str(tmp_path / "bundle"))


def test_a_patient_in_two_stated_roles_is_refused(tmp_path):
    text = f"""
common: {{views: [sax]}}
01_cohort: {{source: chla, data: {tmp_path}, patients_gan: 0, patients_unet: 0,
  patients_external: 0, roles_gan: ["3", "4"], roles_unet: ["4"], roles_external: ["5"]}}"""
    with pytest.raises(ParameterError, match=r"roles_unet: patient '4' is also in roles_gan"):
        load_study(write(tmp_path, text))


def test_a_view_that_the_source_does_not_have_is_refused(tmp_path):
    text = f"01_cohort: {{source: chla, data: {tmp_path}}}"
    with pytest.raises(ParameterError, match="4ch is not in source chla; use sax"):
        load_study(write(tmp_path, text))


def test_a_missing_study_names_the_ones_there_are(tmp_path):
    write(tmp_path, "common: {}")
    with pytest.raises(ParameterError, match="no such study; there are: mine"):
        load_study(tmp_path / "yours.yaml")


def test_the_command_line_stands_above_the_file(tmp_path):
    study = load_study(write(tmp_path, "common: {seed: 3}"), {"seed": "7", "data": ""})
    assert {values["seed"] for values in study.values()} == {7}
    with pytest.raises(ParameterError, match="'x' is not a whole number"):
        load_study(write(tmp_path, ""), {"seed": "x"})


def test_a_section_may_have_its_own_seed(tmp_path):
    study = load_study(write(tmp_path, "06_unet_comparison: {seed: 9}"))
    assert study["06_unet_comparison"]["seed"] == 9
    assert study["01_cohort"]["seed"] == 1


def test_the_name_of_the_file_is_the_name_of_the_study(tmp_path):
    assert {v["study"] for v in load_study(write(tmp_path, "")).values()} == {"mine"}


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_committed_study_is_valid(path, tmp_path):
    tree = yaml.safe_load(path.read_text())
    received = tree.get("03_synthetic_cohort", {}).get("synthetic_source") == "bundle"
    simulated = tree.get("01_cohort", {}).get("source", "simulated") == "simulated"
    if received:
        facts = {"kind": KIND, "frames": {"sax": 99}, "resolution": 64, "spacing_mm": 2.65625,
                 "audits": {}}  # fmt: skip
        (tmp_path / "bundle.json").write_text(json.dumps(facts))
    load_study(path, {"data": "" if simulated and not received else str(tmp_path)})


def test_a_notebook_started_by_hand_checks_its_own_cell():
    values = {"study": "quick", "seed": 1, "margin": 0.01, "alpha": 0.05, "scores": "", "x": object}
    check_notebook("07_significance", values)
    values["scores"] = "reports/reference/example_scores.csv"
    check_notebook("07_significance", values)
    assert values["scores"] == str(paths.REPOSITORY / "reports/reference/example_scores.csv")
    with pytest.raises(ParameterError, match=r"07_significance.margin: -1"):
        check_notebook("07_significance", values | {"margin": -1})


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_every_parameter_says_what_it_means_and_numbers_say_their_range(section):
    for name, field in section.model_fields.items():
        assert field.description, name
        if field.annotation in (int, float):
            assert field.metadata, f"{name} has no range"


def test_a_study_named_after_a_seed_is_that_study_with_the_seed_in_folders_of_its_own(tmp_path):
    write(tmp_path, "common: {seed: 1, views: [sax]}")
    cohort = load_study(tmp_path / "mine-seed4.yaml")["01_cohort"]
    assert (cohort["study"], cohort["seed"], cohort["views"]) == ("mine-seed4", 4, ["sax"])
    with pytest.raises(ParameterError, match=r"seed: '2', but study 'mine-seed4' has its own"):
        load_study(tmp_path / "mine-seed4.yaml", {"seed": "2"})


def test_a_file_of_that_name_comes_first(tmp_path):
    (tmp_path / "mine-seed4.yaml").write_text("common: {seed: 7}")
    assert load_study(tmp_path / "mine-seed4.yaml")["01_cohort"]["seed"] == 7
