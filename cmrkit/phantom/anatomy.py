"""The heart in three dimensions: implicit surfaces whose sizes follow the cardiac cycle.

Heart coordinates (a, u, v) in mm: `a` along the LV long axis, 0 at the end-diastolic mitral plane and
positive to the apex; `u` to the right ventricle; `v` to the superior (anterior) side.
"""

from dataclasses import dataclass

import numpy as np

from cmrkit.phantom.tissue import Tissue

_GRID_MM = 3.0
_PROFILE_N = 512


def _lv_profile():
    """Radius of the LV over its relative height (0 base, 1 apex), maximum 1."""
    t = np.linspace(0, 1, _PROFILE_N)
    lower = np.sqrt(np.clip(1 - ((t - 0.25) / 0.75) ** 2, 0, None)) ** 0.95
    upper = 1 - 0.10 * ((0.25 - t) / 0.25) ** 2
    return np.where(t < 0.25, upper, lower).astype(np.float32)


_LV = _lv_profile()
_LV_INTEGRAL = float(np.trapezoid(_LV**2, np.linspace(0, 1, _PROFILE_N)))


@dataclass(frozen=True)
class Shape:
    """Sizes of the heart in one phase, mm (levels are unitless)."""

    mitral: float
    tricuspid: float
    lv_length: float
    lv_radius: float
    epi_length: float
    epi_radius: float
    flattening: float
    rv_level: float
    la_level: float
    ra_level: float
    contraction: float


class Heart:
    """One patient's heart through the cycle.

    Args:
        patient: `population.Patient`.
        cycle: `motion.Cycle`.
        rng: Generator for the individual shape.
    """

    def __init__(self, patient, cycle, rng):
        self.patient = patient
        size = np.cbrt(patient.lvedv_ml / 135.0)
        wall = patient.lv_wall_ml * 1000
        slender = rng.normal(3.3, 0.2)
        self.lv_length = slender * np.cbrt(
            patient.lvedv_ml * 1000 / (np.pi * slender * _LV_INTEGRAL)
        )
        outer = np.sqrt((patient.lvedv_ml * 1000 + wall) / (np.pi * self.lv_length * _LV_INTEGRAL))
        self.size = float(size)
        self.epi_length = float(self.lv_length + 0.7 * 0.25 * outer)
        self.epi_radius = float(outer)  # mm, about right at end-diastole; sets the scale of the RV
        self.rv_apex = float(self.lv_length * rng.uniform(0.88, 1.0))
        self.rv_reach = rng.uniform(0.85, 1.05)
        self.rv_aspect = rng.uniform(1.0, 1.25)
        self.rv_tilt = rng.normal(-0.10, 0.10)
        self.ripple = rng.normal(0, 0.02, 2)
        self.papillary_angle = np.array([2.15, -2.0]) + rng.normal(0, 0.15, 2)
        self.papillary_radius = np.clip(rng.normal(4.2, 0.6, 2), 2.8, 5.5) * size
        self.fat_mm = float(np.clip(rng.gamma(4, 0.8), 1, 8))
        self.texture = float(rng.random())
        self.atrial_gap = float(rng.uniform(1.0, 1.6))
        self.left_atrium = dict(
            depth=rng.normal(44, 3) * size,
            u=-6.0 * size,
            v=-4.0 * size,
            aspect=rng.uniform(1.15, 1.4),
        )
        rv_size = np.cbrt(patient.rvedv_ml / 200.0)
        self.right_atrium = dict(
            depth=rng.normal(45, 3) * rv_size,
            u=1.32 * outer,
            v=-6.0 * size,
            aspect=rng.uniform(1.0, 1.25),
        )
        self.shapes = [self._solve(cycle, phase) for phase in range(len(cycle.fraction))]

    # -- sizes of one phase ---------------------------------------------------------------------

    def _solve(self, cycle, phase):
        """Sizes that give the phase its volumes, the myocardial volume unchanged."""
        mitral, tricuspid = float(cycle.mitral[phase]), float(cycle.tricuspid[phase])
        cavity = cycle.lv[phase] * 1000
        outer_volume = cavity + self.patient.lv_wall_ml * 1000
        epi_length = self.epi_length - mitral
        epi_radius = np.sqrt(outer_volume / (np.pi * epi_length * _LV_INTEGRAL))
        length = epi_length - 5
        for _ in range(12):
            radius = np.sqrt(cavity / (np.pi * length * _LV_INTEGRAL))
            length = epi_length - 0.7 * (epi_radius - radius)
        bare = Shape(
            mitral, tricuspid, float(length), float(radius), float(epi_length), float(epi_radius),
            float(cycle.flattening[phase]), 1.0, 1.0, 1.0, float(cycle.contraction[phase]),
        )  # fmt: skip
        fields = self.fields(self._grid())
        free = self._epi(fields, bare) > 1
        levels = {}
        for name, target in (("rv", cycle.rv), ("la", cycle.la), ("ra", cycle.ra)):
            level, allowed = getattr(self, f"_{name}")(fields, bare)
            inside = np.sort(level[allowed & free])
            count = int(round(target[phase] * 1000 / _GRID_MM**3))
            levels[f"{name}_level"] = float(inside[min(count, len(inside) - 1)])
        return Shape(**{**bare.__dict__, **levels})

    def _grid(self):
        reach = 2.9 * self.epi_radius
        a = np.arange(-1.9 * self.epi_radius, self.epi_length, _GRID_MM)
        u = np.arange(-1.3 * self.epi_radius, reach + self.epi_radius * 0.5, _GRID_MM)
        v = np.arange(-2.1 * self.epi_radius, 2.1 * self.epi_radius, _GRID_MM)
        return np.stack(np.meshgrid(a, u, v, indexing="ij")).astype(np.float32).reshape(3, -1)

    # -- implicit surfaces ----------------------------------------------------------------------

    def fields(self, heart_points):
        """What of a set of points does not change through the cycle.

        Args:
            heart_points: [3, ...] float32, heart coordinates in mm.
        """
        a, u, v = heart_points
        rho = np.hypot(u, v) + np.float32(1e-3)
        cosine, sine = u / rho, v / rho
        towards_rv = (0.5 + 0.5 * cosine) ** 4
        ripple = (self.ripple[0] * (2 * cosine**2 - 1) + self.ripple[1] * 2 * cosine * sine).astype(
            np.float32
        )
        return dict(
            a=a, u=u, v=v, rho=rho, cosine=cosine, sine=sine, towards_rv=towards_rv, ripple=ripple
        )

    def _round(self, f, shape):
        """Radius of the cross-section relative to the circle of equal area."""
        flat = np.float32(shape.flattening)
        section = 1 + f["ripple"] - flat * f["towards_rv"]
        # mean of section**2 over the angle, from the moments of ((1 + cos) / 2)**4 and its square
        area = 1 - 2 * flat * 0.2734375 + flat**2 * 0.1963806 + 0.5 * float(np.sum(self.ripple**2))
        return section / np.float32(np.sqrt(area))

    def _lv_level(self, f, shape, section, length, radius):
        """Below 1 inside a cavity or epicardial surface of the left ventricle."""
        t = (f["a"] - np.float32(shape.mitral)) * np.float32(1 / length)
        index = np.clip(t * (_PROFILE_N - 1), 0, _PROFILE_N - 1).astype(np.int32)
        level = f["rho"] / (np.float32(radius) * section * (_LV[index] + np.float32(1e-4)))
        level[(t < 0) | (t > 1)] = 9
        return level

    def _epi(self, f, shape):
        return self._lv_level(f, shape, self._round(f, shape), shape.epi_length, shape.epi_radius)

    def _rv(self, f, shape):
        """Level of the right ventricle (below `rv_level` inside) and where it may be."""
        outer = np.float32(self.epi_radius)
        t = (f["a"] - np.float32(shape.tricuspid)) / np.float32(self.rv_apex - shape.tricuspid)
        taper = np.sqrt(1 - np.clip(t, 0, 1) ** np.float32(2.2)) + np.float32(1e-3)
        centre = outer * np.float32(self.rv_reach) * (0.30 + 0.70 * taper)
        x = (f["u"] - centre) / (outer * taper)
        y = (f["v"] - self.rv_tilt * f["u"]) / (outer * np.float32(self.rv_aspect) * taper)
        body = np.sqrt(x * x + y * y)
        outlet = self._outlet(f)
        level = np.where(t > 0, np.minimum(body, outlet), outlet)
        valve = np.float32(-0.15 * outer + 0.25 * outer * shape.contraction)
        allowed = (f["a"] > valve) & (t < 1)
        return level, allowed

    def _outlet(self, f):
        """Right ventricular outflow tract: a tube to the pulmonary valve, superior and to the left."""
        outer = self.epi_radius
        start = np.array([0.55, 1.05, 0.55]) * outer
        end = np.array([-0.25, 0.40, 1.42]) * outer
        return _segment_distance(f, start, end) / np.float32(0.52 * outer)

    def _atrium(self, f, plane, part):
        x = (np.float32(plane) - f["a"]) / np.float32(part["depth"] + plane)
        profile = np.sqrt(np.clip(1 - ((x - 0.42) / 0.58) ** 2, 0, None)) * 0.9 + 0.1
        width = np.float32(20.0) * profile
        y = (f["u"] - np.float32(part["u"])) / width
        z = (f["v"] - np.float32(part["v"])) / (width * np.float32(part["aspect"]))
        return np.sqrt(y * y + z * z), (x > 0) & (x < 1)

    def _la(self, f, shape):
        level, allowed = self._atrium(f, shape.mitral, self.left_atrium)
        return level, allowed & (f["u"] < self._septum() - self.atrial_gap)

    def _ra(self, f, shape):
        level, allowed = self._atrium(f, shape.tricuspid, self.right_atrium)
        return level, allowed & (f["u"] > self._septum() + self.atrial_gap)

    def _septum(self):
        return 0.78 * self.epi_radius

    # -- tissue -------------------------------------------------------------------------------------

    def paint(self, tissue, f, texture, patches, phase):
        """Write the heart of one phase over the thorax.

        Args:
            tissue: [...] uint8, changed in place.
            f: `fields` of the same points.
            texture: [...] float32, unit SD, fixed to the points, for trabeculae.
            patches: [...] float32, unit SD, coarser, for the epicardial fat.
            phase: index of the phase.
        """
        s = self.shapes[phase]
        section = self._round(f, s)
        epi = self._lv_level(f, s, section, s.epi_length, s.epi_radius)
        endo = self._lv_level(f, s, section, s.lv_length, s.lv_radius)
        rv, rv_may = self._rv(f, s)
        la, la_may = self._la(f, s)
        ra, ra_may = self._ra(f, s)
        wall = np.float32(self.patient.rv_wall_mm * (1 + 0.25 * s.contraction) / self.epi_radius)
        atrial = np.float32(2.0 / 20.0)
        in_rv = rv_may & (rv < s.rv_level)
        in_la = la_may & (la < s.la_level)
        in_ra = ra_may & (ra < s.ra_level)
        near_plane = f["a"] > min(s.mitral, s.tricuspid) - 4
        fat = np.float32(self.fat_mm) * np.clip(0.3 + 0.9 * patches, 0, 2)
        coat = (
            (epi < 1 + fat / s.epi_radius)
            | (rv_may & (rv < s.rv_level + wall + fat / self.epi_radius))
            | (la_may & (la < s.la_level + atrial + 0.06 * fat))
            | (ra_may & (ra < s.ra_level + atrial + 0.06 * fat))
        )
        groove = (
            near_plane & (np.abs(f["a"] - s.tricuspid) < 9) & (f["rho"] < 1.9 * self.epi_radius)
        )
        tissue[coat | (groove & (rv < s.rv_level + 0.3))] = Tissue.FAT
        tissue[(la_may & (la < s.la_level + atrial)) | (ra_may & (ra < s.ra_level + atrial))] = (
            Tissue.ATRIAL_WALL
        )
        between = (np.abs(f["u"] - self._septum()) < 3) & (la < s.la_level * 1.3) & la_may
        tissue[between] = Tissue.ATRIAL_WALL
        tissue[in_la] = Tissue.LA_BLOOD
        tissue[in_ra] = Tissue.RA_BLOOD
        tissue[rv_may & (rv < s.rv_level + wall) & (epi > 1)] = Tissue.RV_WALL
        free = in_rv & (epi > 1)
        tissue[free] = Tissue.RV_BLOOD
        rough = np.clip((rv - 0.72 * s.rv_level) / (0.28 * s.rv_level), 0, 1) * (
            0.5 + f["a"] / self.epi_length
        )
        tissue[free & (texture > 1.75 - 1.35 * rough)] = Tissue.TRABECULA
        tissue[epi < 1] = Tissue.MYOCARDIUM
        cavity = endo < 1
        tissue[cavity] = Tissue.LV_BLOOD
        self._paint_papillary(tissue, f, s, endo, cavity)
        self._paint_valves(tissue, f, s, endo, in_rv)

    def _paint_papillary(self, tissue, f, s, endo, cavity):
        for angle, thick in zip(self.papillary_angle, self.papillary_radius, strict=True):
            place = 0.70 * s.lv_radius
            x = f["u"] - np.float32(place * np.cos(angle))
            y = f["v"] - np.float32(place * np.sin(angle))
            t = (f["a"] - s.mitral) / s.lv_length
            reach = np.float32(thick) * np.sqrt(np.clip(1 - ((t - 0.58) / 0.30) ** 2, 0, 1))
            tissue[cavity & (x * x + y * y < reach * reach)] = Tissue.PAPILLARY

    def _paint_valves(self, tissue, f, s, endo, in_rv):
        """Closed leaflets in systole; open leaflets are thinner than a slice and left out."""
        if s.contraction < 0.03:
            return
        for plane, inside in ((s.mitral, endo < 0.99), (s.tricuspid, in_rv)):
            leaf = np.abs(f["a"] - np.float32(plane + 0.8)) < 0.8
            tissue[leaf & inside & (f["a"] > plane)] = (
                Tissue.PAPILLARY if plane == s.mitral else (Tissue.TRABECULA)
            )

    def outer_points(self):
        """Points on the end-diastolic outer surface, [3, n] heart coordinates in mm."""
        grid = self._grid()
        f = self.fields(grid)
        s = self.shapes[0]
        rv, rv_may = self._rv(f, s)
        la, la_may = self._la(f, s)
        ra, ra_may = self._ra(f, s)
        inside = (self._epi(f, s) < 1) | (rv_may & (rv < s.rv_level + 0.12))
        inside |= (la_may & (la < s.la_level)) | (ra_may & (ra < s.ra_level))
        return grid[:, inside]


def _segment_distance(f, start, end):
    """Distance of the points from a segment given in heart coordinates, mm."""
    axis = (end - start).astype(np.float32)
    length = np.float32(axis @ axis)
    x, y, z = (f[name] - np.float32(s) for name, s in zip("auv", start, strict=True))
    along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / length, 0, 1)
    return np.sqrt(
        (x - along * axis[0]) ** 2 + (y - along * axis[1]) ** 2 + (z - along * axis[2]) ** 2
    )
