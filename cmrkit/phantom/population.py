"""Who the simulated patients are: age, sex, body size and ventricular volumes after ToF repair."""

from dataclasses import dataclass

import numpy as np

MYOCARDIAL_DENSITY = 1.05  # g/mL

# mean, SD by sex; provisional, see milestone 2
INDEXED = {
    "m": {
        "rvedvi": (121.0, 33.0),
        "rvef": (48.0, 8.0),
        "lvedvi": (86.0, 18.0),
        "lvef": (56.0, 7.0),
    },
    "f": {
        "rvedvi": (109.0, 29.0),
        "rvef": (51.0, 8.0),
        "lvedvi": (78.0, 16.0),
        "lvef": (58.5, 7.0),
    },
}


@dataclass(frozen=True)
class Patient:
    """One simulated patient: the truth behind every pixel.

    Volumes in mL, mass in g, body surface area in m2, ejection fractions in percent, lengths in mm.
    """

    number: int
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
        return self.lv_mass_g / MYOCARDIAL_DENSITY


def draw_patient(seed, number):
    """Draw one patient from the population; depends on (seed, number) only."""
    rng = patient_rng(seed, number, "population")
    sex = "m" if rng.random() < 226 / 407 else "f"
    age = 8 + rng.gamma(1.43, 6.9)
    bsa = _body_surface(age, sex, rng)
    z = rng.multivariate_normal(np.zeros(4), _CORRELATION, method="cholesky")
    values = {}
    for (name, (mean, sd)), score in zip(INDEXED[sex].items(), z, strict=True):
        if name.endswith("edvi"):
            sigma = np.sqrt(np.log(1 + (sd / mean) ** 2))
            values[name] = mean * np.exp(sigma * score - sigma**2 / 2)
        else:
            values[name] = float(np.clip(mean + sd * score, 20, 75))
    lvedv, rvedv = values["lvedvi"] * bsa, values["rvedvi"] * bsa
    return Patient(
        number=number,
        age_years=float(age),
        sex=sex,
        bsa_m2=float(bsa),
        lvedv_ml=float(lvedv),
        lvesv_ml=float(lvedv * (1 - values["lvef"] / 100)),
        rvedv_ml=float(rvedv),
        rvesv_ml=float(rvedv * (1 - values["rvef"] / 100)),
        lv_mass_g=float(lvedv * np.clip(rng.normal(0.72, 0.10), 0.5, 1.0)),
        rv_wall_mm=float(np.clip(rng.normal(4.5, 0.9), 3, 7)),
        la_max_ml=float(bsa * np.clip(rng.normal(38, 7), 22, 60)),
        ra_max_ml=float(bsa * np.clip(rng.normal(52, 11), 28, 90)),
        septal_flattening=float(
            np.clip(0.10 + 0.0016 * (values["rvedvi"] - 80), 0.04, 0.28) + 0.03 * rng.normal()
        ),
    )


def patient_rng(seed, number, purpose):
    """Generator of one patient and purpose, the same in every process and order."""
    key = int.from_bytes(purpose.encode()[:8].ljust(8, b"\0"), "little")
    return np.random.default_rng([seed, number, key])


_CORRELATION = np.array(
    [
        [1.00, -0.45, 0.35, -0.10],
        [-0.45, 1.00, -0.10, 0.45],
        [0.35, -0.10, 1.00, -0.25],
        [-0.10, 0.45, -0.25, 1.00],
    ]
)


def _body_surface(age, sex, rng):
    adult = 1.92 if sex == "m" else 1.70
    grown = 0.48 + 0.52 / (1 + np.exp(-(age - 11.0) / 2.2))
    return np.clip(adult * grown * np.exp(rng.normal(0, 0.11)), 0.75, 2.5)
