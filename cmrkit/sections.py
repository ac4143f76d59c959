"""What one section of a study demands of another: found out before anything runs, not hours later.

The numbers are those at which the notebooks named here stop; a test holds them together.
"""

from cmrkit.facts import read_facts
from cmrkit.params import SIMULATED
from cmrkit.pggan.recipe import GROUP, PRESETS

LEAST_PATIENTS = {"gan": 3, "unet": 2, "external": 1}
RECEIVED_GAN = 2  # without notebook 05
LEAST_HALF = 6  # frames in half of a set
CONTROL_SHARE = 0.15  # planted frames on a reading list


def check_sections(study):
    """Refuse sections that are fine alone and impossible together.

    Args:
        study: dict from notebook name to its parameters, all checked by themselves.

    Raises:
        ValueError: one line with section, key, value and remedy.
    """
    for key, value, least, why in (*_patients(study), *_frames(study)):
        if value < least:
            raise ValueError(f"{key}: {value}; {why}; give {least} or more")
    _check_bundle(study)
    _check_processes(study)


def _patients(study):
    """Rows `key, value, least, why`: patients a role."""
    cohort, reading = study["01_cohort"], study["04_plausibility_audit"]["reading_frames"]
    stated = any(cohort[f"roles_{role}"] for role in LEAST_PATIENTS)
    simulated = cohort["source"] == SIMULATED
    slices = cohort["sax_slices"] if cohort["views"] == ["sax"] else 1
    frames = cohort["phases"] * slices  # of a simulated patient, in the view with the fewest
    listed = reading // 2 + max(1, round(CONTROL_SHARE * (reading + reading // 2)))
    for role, least in LEAST_PATIENTS.items():
        key = f"{'roles' if stated else 'patients'}_{role}"
        count = len(cohort[key]) if stated else cohort[key]
        elsewhere = cohort["external_data"] or cohort["external_vendors"]
        if role == "external" and elsewhere and not count:
            continue
        if role == "gan" and "05_memorisation_audit" not in study:
            least = RECEIVED_GAN
        key = f"01_cohort.{key}"
        yield key, count, least, f"the audits and the comparison need {least} patients in this role"
        if simulated and role != "external":
            why = f"with {frames} frames each in a view, notebook 04 cannot compare halves of them"
            yield key, count, 2 * -(-LEAST_HALF // frames) - 1, why
        if simulated and role == "unet":
            why = (
                f"with {frames} frames each in a view, too few for the {listed} patient frames of "
                f"a reading list (04_plausibility_audit.reading_frames: {reading})"
            )
            yield key, count, -(-listed // frames), why


def _frames(study):
    """Rows `key, value, least, why`: synthetic frames, where the study makes them."""
    made, reading = study["03_synthetic_cohort"], study["04_plausibility_audit"]["reading_frames"]
    if made["synthetic_source"] == "generator":
        views, needed = len(made["views"]), max(2 * LEAST_HALF - 1, reading)
        why = (
            f"shared by {views} view(s), and notebook 04 needs {needed} of each "
            f"(04_plausibility_audit.reading_frames: {reading})"
        )
        yield "03_synthetic_cohort.synthetic_frames", made["synthetic_frames"], views * needed, why


def _check_bundle(study):
    made, reading = study["03_synthetic_cohort"], study["04_plausibility_audit"]["reading_frames"]
    if made["synthetic_source"] != "bundle":
        return
    frames = read_facts(made["bundle"])["frames"]
    view = min(made["views"], key=frames.get)
    if frames[view] < 2 * LEAST_HALF - 1:
        raise ValueError(
            f"03_synthetic_cohort.bundle: {made['bundle']!r} has {frames[view]} frames of view "
            f"{view}; notebook 04 needs {2 * LEAST_HALF - 1}; leave the view out or ask for more"
        )
    if frames[view] < reading:
        raise ValueError(
            f"04_plausibility_audit.reading_frames: {reading}, but the bundle has {frames[view]} "
            f"frames of view {view}; give {frames[view]} or fewer"
        )


def _check_processes(study):
    """Each process trains on whole groups of the minibatch standard deviation."""
    training = study.get("02_pggan_training")
    if training is None or training["processes"] == 1:
        return
    recipe = PRESETS[training["preset"]](
        training["views"], resolution=study["01_cohort"]["resolution"]
    )
    possible = [n for n in range(1, max(recipe.batch) // GROUP + 1)
                if all(batch % (n * GROUP) == 0 for batch in recipe.batch)]  # fmt: skip
    if training["processes"] not in possible:
        raise ValueError(
            f"02_pggan_training.processes: {training['processes']}; preset {training['preset']} "
            f"shows {max(recipe.batch)} images a step in groups of {GROUP}; "
            f"give {' or '.join(map(str, possible))}"
        )
