"""Roles: stated, drawn, or drawn in the stated proportions; never two for one patient."""

import pandas as pd
import pytest

from cmrkit.cohort.roles import assign_roles, with_diseases

STATED = {
    "gan": [str(n) for n in range(1, 31)],
    "unet": [str(n) for n in range(31, 44)],
    "external": [str(n) for n in range(44, 65)],
}


def patients(numbers):
    return pd.DataFrame(
        {
            "patient_id": [f"chla-{number:08x}" for number in numbers],
            "original_id": [str(number) for number in numbers],
        }
    )


def ids_of(table, role):
    return set(table.loc[table["role"] == role, "original_id"])


def test_stated_roles_are_kept_when_every_stated_patient_is_present():
    table, how = assign_roles(patients(range(1, 65)), stated=STATED, seed=3)
    for role, stated in STATED.items():
        assert ids_of(table, role) == set(stated)
    assert how == "Roles as stated: 30 gan, 13 unet, 21 external."


def test_a_patient_without_a_stated_role_is_left_out_and_counted():
    table, how = assign_roles(patients(range(1, 67)), stated=STATED)
    assert len(table) == 64
    assert "2 patients have no stated role" in how


def test_with_part_of_the_stated_patients_roles_are_drawn_in_the_stated_proportions():
    table, how = assign_roles(patients(range(1, 27)), stated=STATED, seed=1)
    # 26 of 64: 12.19, 5.28 and 8.53 patients; the largest remainder gets the one left over
    assert table["role"].value_counts().to_dict() == {"gan": 12, "unet": 5, "external": 9}
    assert how.startswith("Only 26 of the 64 patients with a stated role are present")
    assert "12 gan, 5 unet, 9 external" in how


def test_every_stated_role_gets_a_patient_even_from_three():
    table, _ = assign_roles(patients([1, 2, 3]), stated=STATED)
    assert sorted(table["role"]) == ["external", "gan", "unet"]


def test_external_patients_may_be_left_to_a_second_data_set():
    stated = {"gan": ["1", "2"], "unet": ["3", "4"], "external": []}
    table, _ = assign_roles(patients([1, 3]), stated=stated)
    assert sorted(table["role"]) == ["gan", "unet"]


def test_counts_are_drawn_by_seed_and_the_rest_left_out():
    counts = {"gan": 5, "unet": 3, "external": 4}
    table, how = assign_roles(patients(range(20)), counts, seed=1)
    assert table["role"].value_counts().to_dict() == counts
    assert table["patient_id"].is_unique
    assert "8 patients have no role" in how
    again, _ = assign_roles(patients(range(20)), counts, seed=1)
    other, _ = assign_roles(patients(range(20)), counts, seed=2)
    assert table.equals(again)
    assert not table.equals(other)


def test_the_draw_depends_neither_on_the_order_of_patients_nor_on_their_pseudonyms():
    counts = {"gan": 5, "unet": 3, "external": 4}
    forwards, _ = assign_roles(patients(range(20)), counts, seed=1)
    other_key = patients(range(19, -1, -1)).assign(patient_id=[f"x-{n}" for n in range(20)])
    backwards, _ = assign_roles(other_key, counts, seed=1)
    for role in counts:
        assert ids_of(forwards, role) == ids_of(backwards, role)


def test_counts_that_ask_for_more_patients_than_present_are_proportions():
    counts = {"gan": 60, "unet": 24, "external": 36}
    table, how = assign_roles(patients(range(10)), counts, seed=1)
    assert table["role"].value_counts().to_dict() == {"gan": 5, "external": 3, "unet": 2}
    assert "from 10 patients, fewer than the 120 asked for, in the proportions" in how


def test_patients_of_named_vendors_are_external_and_no_others():
    table = patients(range(12)).assign(vendor=["Siemens", "GE", "Siemens", "Philips"] * 3)
    counts = {"gan": 60, "unet": 30, "external": 0}
    drawn, how = assign_roles(table, counts, seed=1, external_vendors=["GE", "Philips"])
    assert (drawn["role"].eq("external") == drawn["vendor"].isin(["GE", "Philips"])).all()
    assert drawn["role"].value_counts().to_dict() == {"external": 6, "gan": 4, "unet": 2}
    assert drawn["original_id"].tolist() == table["original_id"].tolist()
    assert "The 6 patients of GE and Philips are external." in how


def test_without_a_patient_of_the_vendors_external_ones_are_drawn_and_it_is_said():
    table = patients(range(6)).assign(vendor="Siemens")
    counts = {"gan": 3, "unet": 1, "external": 0}
    drawn, how = assign_roles(table, counts, seed=1, external_vendors=["GE"])
    assert drawn["role"].value_counts().to_dict() == {"gan": 3, "unet": 1, "external": 1}
    assert how.startswith("None of the patients are of GE.")


def test_diseases_choose_patients_and_a_disease_nobody_has_is_an_error():
    table = patients(range(3)).assign(disease=["healthy", "Tetralogy of Fallot", "healthy"])
    assert with_diseases(table, ["Tetralogy of Fallot"])["original_id"].tolist() == ["1"]
    assert with_diseases(table, []) is table
    with pytest.raises(
        ValueError, match="no patient has cold; there are: Tetralogy of Fallot, hea"
    ):
        with_diseases(table, ["cold"])


def test_a_patient_stated_in_two_roles_is_an_error_that_names_patient_and_roles():
    with pytest.raises(ValueError, match=r"patient '7' is stated in gan and in external"):
        assign_roles(patients(range(9)), stated={"gan": ["7"], "unet": ["1"], "external": ["7"]})


@pytest.mark.parametrize(
    ("counts", "stated", "message"),
    [
        ({"gan": 1, "unet": 1, "external": 1}, None, "2 of the patients meant for them"),
        ({"gan": 1, "test": 1}, None, "unknown role 'test'; use gan, unet, external"),
        (None, None, "neither counts nor stated"),
        (None, {"gan": ["1"], "unet": [], "external": []}, "roles_unet: empty, but other roles"),
        (None, {"external": ["1"]}, "roles_gan: empty, but other roles"),
        (None, {"gan": ["90"], "unet": ["91"], "external": ["92"]}, "0 of the patients meant"),
    ],
)
def test_an_impossible_choice_of_roles_is_refused(counts, stated, message):
    with pytest.raises(ValueError, match=message):
        assign_roles(patients(range(2)), counts, stated)
