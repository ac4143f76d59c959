"""Who trains the PG-GAN, who trains the U-Net, and who only tests."""

import numpy as np

from cmrkit.cohort.frames import ROLES


def assign_roles(patients, counts, stated, seed):
    """Give every patient one role.

    With stated roles and every stated patient present, they are taken as stated. With part of them
    present, roles are drawn by seed from those present, in the stated proportions. Without stated
    roles, `counts` patients a role are drawn.

    Args:
        patients: DataFrame with `patient_id, original_id`, one row a patient.
        counts: dict from role to number of patients; used where no role is stated.
        stated: dict from role to list of original ids; empty lists for none.
        seed: study seed.

    Returns:
        the patients that have a role, with the column `role`; and one sentence that says how the
        roles came about.

    Raises:
        ValueError: fewer patients than roles need.
    """
    role_of = {patient: role for role in ROLES for patient in stated[role]}
    if not role_of:
        sentence = "Roles were drawn by seed."
    else:
        chosen = patients[patients["original_id"].isin(role_of)]
        if len(chosen) == len(role_of):
            roles = chosen["original_id"].map(role_of)
            return chosen.assign(role=roles), "Roles are those stated in the parameters."
        sentence = (
            f"{len(chosen)} of the {len(role_of)} patients with a stated role are present: roles "
            "were drawn by seed from those present, in the stated proportions."
        )
        patients = chosen
        counts = _proportional({role: len(stated[role]) for role in ROLES}, len(patients))
    return _draw(patients, counts, seed), sentence


def _proportional(wanted, total):
    """Share `total` patients by the wanted numbers, at least one a role (largest remainder)."""
    exact = {role: total * number / sum(wanted.values()) for role, number in wanted.items()}
    counts = {role: max(1, int(share)) for role, share in exact.items()}
    for role in sorted(exact, key=lambda r: int(exact[r]) - exact[r]):
        if sum(counts.values()) < total:
            counts[role] += 1
    return counts


def _draw(patients, counts, seed):
    needed = sum(counts.values())
    if needed > len(patients):
        raise ValueError(f"patients: {len(patients)} present, the roles need {needed}; lower them")
    order = np.random.default_rng(seed).permutation(len(patients))[:needed]
    drawn = patients.iloc[order]
    return drawn.assign(role=np.repeat(ROLES, [counts[role] for role in ROLES])).sort_index()
