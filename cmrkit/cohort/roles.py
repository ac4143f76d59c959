"""Roles: which patients train the PG-GAN, which train the U-Net, which only test."""

import re

import numpy as np
import pandas as pd

from cmrkit.cohort.frames import ROLES


def with_diseases(patients, diseases):
    """Patients who have one of the diseases; all of them where none is named.

    Raises:
        ValueError: nobody has; names the diseases that are there.
    """
    chosen = patients[patients["disease"].isin(diseases)] if diseases else patients
    if not len(chosen):
        there = ", ".join(sorted(set(patients["disease"])))
        raise ValueError(f"diseases: no patient has {', '.join(diseases)}; there are: {there}")
    return chosen


def assign_roles(patients, counts=None, stated=None, seed=0, external_vendors=()):
    """Give every patient one role.

    Args:
        patients: DataFrame with `patient_id` and `original_id`, a row a patient.
        counts: patients a role, e.g. `{"gan": 30, "unet": 13, "external": 21}`, drawn by seed; not
            used where roles are stated.
        stated: original ids a role; empty or None to draw by `counts`.
        seed: of the draw.
        external_vendors: where given, all patients of these vendors are external and no others;
            `counts` then holds for the other two roles.

    Returns:
        patients: the rows that have a role, in the order given, with the column `role`.
        how: a sentence that says how the roles came about.

    Raises:
        ValueError: a patient stated in two roles, roles stated without a patient for `gan` or
            `unet` (external ones may come from a second data set), or fewer patients than roles.

    Choice: when all stated patients are present they keep their roles. When only part of them is,
    the stated roles may leave one empty, so roles are drawn by seed from those present, in the
    stated proportions; likewise when fewer patients are present than the counts ask for.
    """
    if stated and any(stated.values()):
        return _stated_roles(patients, stated, seed)
    if not counts:
        raise ValueError("roles: neither counts nor stated patients; give one of them")
    unknown = sorted(set(counts) - set(ROLES))
    if unknown:
        raise ValueError(f"roles: unknown role {unknown[0]!r}; use {', '.join(ROLES)}")
    outside = patients["vendor"].isin(external_vendors) if external_vendors else None
    if outside is None:
        return _drawn_roles(patients, counts, seed)
    if not outside.any() or outside.all():
        counts = counts | {"external": counts.get("external") or counts.get("unet", 0)}
        drawn, how = _drawn_roles(patients, counts, seed)
        part = "All" if outside.all() else "None of the"
        return drawn, f"{part} patients are of {' or '.join(external_vendors)}. {how}"
    inside, how = _drawn_roles(patients[~outside], counts | {"external": 0}, seed)
    external = patients[outside].assign(role="external")
    how += f" The {len(external)} patients of {' and '.join(external_vendors)} are external."
    return pd.concat([inside, external]).sort_index(), how


def _drawn_roles(patients, counts, seed):
    present, wanted = len(patients), sum(counts.values())
    how = f"Roles were drawn by seed {seed} from {present} patients"
    if wanted > present:
        how += f", fewer than the {wanted} asked for, in the proportions asked for"
        counts = _in_proportion(counts, present)
    how += f": {_listed(counts)}."
    left = len(patients) - sum(counts.values())
    if left:
        how += f" {left} patients have no role and are left out."
    return _draw(patients, counts, seed), how


def _stated_roles(patients, stated, seed):
    role_of = {}
    for role in ("gan", "unet"):
        if not stated.get(role):
            raise ValueError(
                f"roles_{role}: empty, but other roles are stated; name its patients, or empty all "
                "three lists to draw by seed"
            )
    for role, ids in stated.items():
        for original_id in map(str, ids):
            if role_of.setdefault(original_id, role) != role:
                raise ValueError(
                    f"roles: patient {original_id!r} is stated in {role_of[original_id]} and in "
                    f"{role}; a patient has one role"
                )
    role = patients["original_id"].astype(str).map(role_of)
    present = patients[role.notna()]
    left = len(patients) - len(present)
    rest = f" {left} patients have no stated role and are left out." if left else ""
    if len(present) == len(role_of):
        counts = {role: len(set(stated.get(role, []))) for role in ROLES}
        return present.assign(role=role[role.notna()]), f"Roles as stated: {_listed(counts)}.{rest}"
    sizes = {role: len(set(stated.get(role, []))) for role in ROLES}
    counts = _in_proportion(sizes, len(present))
    how = (
        f"Only {len(present)} of the {len(role_of)} patients with a stated role are present, so "
        f"roles were drawn by seed {seed} from these, in the stated proportions: "
        f"{_listed(counts)}.{rest}"
    )
    return _draw(present, counts, seed), how


def _in_proportion(sizes, total):
    """Split `total` patients as `sizes` does, by largest remainder, at least one a role in it."""
    sizes = pd.Series({role: sizes.get(role, 0) for role in ROLES}, dtype=float)
    wanted = int((sizes > 0).sum())
    if total < wanted:
        raise ValueError(
            f"roles: {total} of the patients meant for them are present; {wanted} roles need one "
            "each; check the data folder and the stated ids"
        )
    exact = sizes / sizes.sum() * total
    counts = np.floor(exact).where(sizes == 0, np.floor(exact).clip(lower=1)).astype(int)
    while counts.sum() < total:
        counts[(exact - counts).idxmax()] += 1
    while counts.sum() > total:
        counts[(exact - counts).where(counts > 1, np.inf).idxmin()] -= 1
    return counts.to_dict()


def _draw(patients, counts, seed):
    """Draw by seed; by original id, so that neither the order nor the pseudonym key matters."""
    ordered = sorted(patients.index, key=lambda row: _natural(patients["original_id"][row]))
    order = np.random.default_rng([seed, 0x526F6C65]).permutation(ordered)
    roles = np.repeat(list(counts), list(counts.values()))
    drawn = pd.Series(roles, index=order[: len(roles)], name="role")
    return patients.join(drawn, how="inner").sort_index()


def _natural(original_id):
    """Sort key: numbers by value, so that patient 10 comes after patient 9."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part)
            for part in re.split(r"(\d+)", str(original_id)) if part]  # fmt: skip


def _listed(counts):
    return ", ".join(f"{counts.get(role, 0)} {role}" for role in ROLES)
