"""Who the simulated patients are: age, sex, body size and ventricular volumes after ToF repair."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import special

MYOCARDIAL_DENSITY_G_ML = 1.05

AGE_YEARS = (17.9, 8.3)
AGE_RANGE_YEARS = (8.0, 59.0)
MALE_SHARE = 226 / 407
"""Age (mean, SD), age range and share of men: 407 patients after repair.

Source: Sarikouch et al. 2011, Circ Cardiovasc Imaging 4:703, abstract (German Competence Network).
"""

PUBLISHED = {
    "rvedvi": {"m": (123.0, 100.0, 151.0), "f": (114.0, 94.0, 131.0)},
    "rvef": {"m": (48.0, 43.0, 54.0), "f": (52.0, 46.0, 57.0)},
}
"""Median and quartiles by sex: RV end-diastolic volume, mL/m2, and RV ejection fraction, %.

Source: Hagdorn et al. 2020, Int J Cardiovasc Imaging, 320 patients after repair, abstract. Their
sex differences agree with Sarikouch et al. 2011: volumes larger in men, ejection fractions in
women.
"""

CHOSEN = {
    "lvedvi": {"m": (86.0, 17.0), "f": (79.0, 15.0)},
    "lvef": {"m": (54.5, 7.5), "f": (57.0, 7.0)},
    "lv_mass_to_volume": {"m": (0.72, 0.12), "f": (0.66, 0.11)},
    "rv_wall_mm": {"m": (4.6, 0.9), "f": (4.3, 0.8)},
    "lavi_max": {"m": (38.0, 7.0), "f": (37.0, 7.0)},
    "ravi_max": {"m": (54.0, 12.0), "f": (50.0, 11.0)},
}
"""Mean and SD by sex: LV end-diastolic volume (mL/m2), ejection fraction (%), mass to end-diastolic
volume (g/mL), RV wall (mm), largest volumes of the atria (mL/m2).

Choice: LV volumes near those of healthy people of that age (Sarikouch et al. 2013, Circ Cardiovasc
Imaging 6:924: LV parameters differ little after repair), the ejection fraction a little reduced
(54 +- 8 % in 47 patients, J Cardiovasc Magn Reson 2010 12 Suppl 1 P11); the RV wall thicker than
the normal 3 mm; the right atrium larger than the left.
"""

_VARIABLES = (
    "age", "rvedvi", "rvef", "lvedvi", "lvef", "lv_mass_to_volume", "rv_wall_mm", "ravi_max"
)  # fmt: skip
_PAIRS = {
    ("rvef", "lvef"): 0.39,  # Spiewak et al. 2013, Pol Arch Med Wewn: r = 0.39 in 122 patients
    # Choice: signs as published, sizes moderate. Sarikouch et al. 2011: LV volumes grow and both
    # ejection fractions fall with age. Samyn et al. 2007, J Magn Reson Imaging 26:934: the more
    # pulmonary regurgitation, the larger the RV.
    ("age", "rvef"): -0.15,
    ("age", "lvef"): -0.15,
    ("age", "lvedvi"): 0.15,
    ("rvedvi", "rvef"): -0.40,
    ("rvedvi", "lvedvi"): 0.35,
    ("lvedvi", "lvef"): -0.25,
    ("rvedvi", "ravi_max"): 0.40,
    ("rvedvi", "rv_wall_mm"): -0.20,
    ("age", "rv_wall_mm"): 0.15,
}


@dataclass(frozen=True)
class Patient:
    """One simulated patient: the truth behind every pixel.

    Attributes:
        age_years, sex (`m` or `f`), bsa_m2: the person.
        lvedv_ml, lvesv_ml, rvedv_ml, rvesv_ml: cavity volumes at end-diastole and end-systole,
            papillary muscles and trabeculae included.
        lv_mass_g: myocardium of the left ventricle with the septum.
        rv_wall_mm: thickness of the free wall at end-diastole.
        la_max_ml, ra_max_ml: largest volumes of the atria.
        septal_flattening: 0 for a round left ventricle; the septum lies this share of the radius
            nearer to the centre than the free wall.
    """

    age_years: float
    sex: str
    bsa_m2: float
    lvedv_ml: float
    lvesv_ml: float
    rvedv_ml: float
    rvesv_ml: float
    lv_mass_g: float
    rv_wall_mm: float
    la_max_ml: float
    ra_max_ml: float
    septal_flattening: float

    @property
    def lv_wall_ml(self):
        """Volume of the left ventricular myocardium."""
        return self.lv_mass_g / MYOCARDIAL_DENSITY_G_ML

    def truth(self):
        """Columns of the patient table: the fields and what is usually reported from them."""
        return {
            **asdict(self),
            "lvef_percent": 100 * (1 - self.lvesv_ml / self.lvedv_ml),
            "rvef_percent": 100 * (1 - self.rvesv_ml / self.rvedv_ml),
            "lvedvi_ml_m2": self.lvedv_ml / self.bsa_m2,
            "rvedvi_ml_m2": self.rvedv_ml / self.bsa_m2,
        }


def patient_rng(seed, number, purpose):
    """Random numbers of one patient and purpose, the same in every process and order.

    Args:
        seed: of the cohort.
        number: of the patient, from 1.
        purpose: short name, e.g. `anatomy`; every purpose has its own stream.

    Returns:
        numpy Generator.
    """
    return np.random.default_rng([seed, number, *purpose.encode()])


def draw_patient(seed, number, spread=1.0):
    """Draw one patient from the population.

    Args:
        seed: of the cohort.
        number: of the patient, from 1.
        spread: 1 for the published population; 2 doubles the SDs of what the ventricles are like
            (on the scale of the logarithm for sizes) and reaches from small to failing hearts.

    Returns:
        `Patient`, which depends on the arguments only.

    Choice: a Gaussian copula; the margins are the published ones, the correlations those of
    `_PAIRS`. Volumes are log-normal, as their published quartiles are skewed.
    """
    rng = patient_rng(seed, number, "population")
    sex = "m" if rng.random() < MALE_SHARE else "f"
    score = dict(zip(_VARIABLES, _CHOLESKY @ rng.standard_normal(len(_VARIABLES)), strict=True))
    score.update({name: spread * value for name, value in score.items() if name != "age"})
    age = float(_age(score["age"]))
    bsa = _body_surface(age, sex, rng)
    rvedv, lvedv = (bsa * _margin(name, sex, score[name]) for name in ("rvedvi", "lvedvi"))
    rvef, lvef = (_margin(name, sex, score[name]) for name in ("rvef", "lvef"))
    # Choice: the larger the RV for the LV, the flatter the septum; 0.14 at equal volumes
    flattening = 0.14 + 0.20 * np.log(rvedv / lvedv) + rng.normal(0, 0.03)
    return Patient(
        age_years=age,
        sex=sex,
        bsa_m2=bsa,
        lvedv_ml=lvedv,
        lvesv_ml=lvedv * (1 - lvef / 100),
        rvedv_ml=rvedv,
        rvesv_ml=rvedv * (1 - rvef / 100),
        lv_mass_g=lvedv * _margin("lv_mass_to_volume", sex, score["lv_mass_to_volume"]),
        rv_wall_mm=_margin("rv_wall_mm", sex, score["rv_wall_mm"]),
        la_max_ml=bsa * _margin("lavi_max", sex, rng.standard_normal()),
        ra_max_ml=bsa * _margin("ravi_max", sex, score["ravi_max"]),
        septal_flattening=float(np.clip(flattening, 0.0, 0.34)),
    )


def _correlation():
    matrix = np.eye(len(_VARIABLES))
    for (first, second), r in _PAIRS.items():
        i, j = _VARIABLES.index(first), _VARIABLES.index(second)
        matrix[i, j] = matrix[j, i] = r
    return matrix


_CHOLESKY = np.linalg.cholesky(_correlation())


def _age(score):
    """Age at a standard normal score: a gamma distribution from the youngest age to the oldest."""
    mean, sd = AGE_YEARS[0] - AGE_RANGE_YEARS[0], AGE_YEARS[1]
    shape, scale = (mean / sd) ** 2, sd**2 / mean
    oldest = special.gammainc(shape, (AGE_RANGE_YEARS[1] - AGE_RANGE_YEARS[0]) / scale)
    return AGE_RANGE_YEARS[0] + scale * special.gammaincinv(shape, oldest * special.ndtr(score))


def margin_moments(name, sex):
    """Mean and SD that a variable of the population has.

    Args:
        name: key of `PUBLISHED` or `CHOSEN`.
        sex: `m` or `f`.

    Returns:
        (mean, SD), in the unit of the variable.

    Choice: quartiles become the log-normal (volumes) or normal (ejection fractions) distribution
    with that median and that distance of the quartiles.
    """
    if name in CHOSEN:
        return CHOSEN[name][sex]
    median, low, high = PUBLISHED[name][sex]
    width = 2 * special.ndtri(0.75)
    if name == "rvef":
        return median, (high - low) / width
    sigma = np.log(high / low) / width
    mean = median * np.exp(sigma**2 / 2)
    return mean, mean * np.sqrt(np.exp(sigma**2) - 1)


def _margin(name, sex, score):
    """Value of a variable at a standard normal score; scores beyond 2.8 SD are pulled in."""
    mean, sd = margin_moments(name, sex)
    score = np.clip(score, -2.8, 2.8)  # keeps out hearts that do not fit a chest
    if name in ("rvef", "lvef"):
        return float(np.clip(mean + sd * score, 15, 80))
    sigma = np.sqrt(np.log(1 + (sd / mean) ** 2))
    return float(mean * np.exp(sigma * score - sigma**2 / 2))


def _body_surface(age, sex, rng):
    """Body surface area, m2.

    Choice: a logistic growth curve from 0.95 m2 at 8 years to 1.93 (men) and 1.72 m2 (women), with
    a coefficient of variation of 11 %.
    """
    adult = 1.93 if sex == "m" else 1.72
    child = 0.78 if sex == "m" else 0.84
    grown = child + (adult - child) / (1 + np.exp(-(age - 12.0) / 2.2))
    return float(np.clip(grown * np.exp(rng.normal(0, 0.11)), 0.7, 2.5))
