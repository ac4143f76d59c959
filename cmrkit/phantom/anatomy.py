"""The heart in three dimensions: implicit surfaces whose sizes follow the cardiac cycle.

Heart coordinates (a, u, v) in mm: `a` along the long axis of the left ventricle, 0 at the
end-diastolic mitral plane and positive towards the apex; `u` towards the right ventricle; `v` at
right angles to both, towards the superior side.
"""

from dataclasses import dataclass

import numpy as np

from cmrkit.phantom.surfaces import (
    LV_PROFILE_INTEGRAL,
    bullet,
    bullet_width,
    capsule_distance,
    section_radius,
)

GRID_MM = 3.0  # Choice: RV and atrial volumes come out within 0.5 % of the target
SEPTAL_REACH = np.float32(1.8)  # of an atrium towards the septum, relative to its free wall
APEX_TO_WALL = 0.7  # thickness of the apex relative to the wall; Choice: the apex is thinner


@dataclass(frozen=True)
class Shape:
    """Sizes of the heart in one phase: mm, except the unitless levels and shares."""

    mitral: float
    tricuspid: float
    lv_length: float
    lv_width: float
    epi_length: float
    epi_width: float
    flattening: float
    contraction: float
    opening: float
    rv_level: float = 1.0
    la_level: float = 1.0
    ra_level: float = 1.0


class Heart:
    """One patient's heart through the cycle.

    The left ventricle and its wall have closed-form volumes. The right ventricle and the atria are
    level sets, and the level that holds the wanted volume is found on a grid of `GRID_MM`.

    Args:
        patient: `population.Patient`.
        cycle: `motion.Cycle`.
        rng: Generator of the individual shape.
        directions: [3, 3], the patient's left, posterior and superior direction as columns, in
            heart coordinates.

    Attributes:
        shapes: list of `Shape`, one a phase.
        length, radius: end-diastolic epicardial length and width of the left ventricle, mm; all
            other sizes of the heart are relative to them.
    """

    def __init__(self, patient, cycle, rng, directions):
        self.patient = patient
        self.left, self.posterior, self.superior = directions.T
        # Choice: shapes vary as in adults' hearts, see the figures of any CMR atlas
        slender = np.clip(rng.normal(3.6, 0.25), 3.0, 4.3)  # length over width of the cavity
        cavity = patient.lvedv_ml * 1000
        inner = float(np.cbrt(cavity / (np.pi * slender * LV_PROFILE_INTEGRAL)))
        self.radius = bullet_width(cavity + patient.lv_wall_ml * 1000, slender * inner + 6)
        self.length = float(slender * inner + APEX_TO_WALL * (self.radius - inner))
        self.scale = self.radius / 34.0  # about 1 in an adult
        self.ripple = rng.normal(0, 0.03, 2)
        self.rv_apex = self.length * rng.uniform(0.86, 0.98)
        # Choice: an enlarged RV bulges forwards more than it grows from top to bottom; one of 1.5
        # times the volume of the LV is as large as it in the four-chamber plane
        loaded = patient.rvedv_ml / patient.lvedv_ml / 1.4
        self.rv_centre = 1.00 * loaded**0.4 * rng.uniform(0.93, 1.07) * self.radius
        self.rv_depth = 1.12 * loaded**0.5 * rng.uniform(0.93, 1.08) * self.radius
        self.rv_height = 1.05 * loaded**0.2 * rng.uniform(0.93, 1.08) * self.radius
        self.rv_tilt = rng.normal(-0.05, 0.10)
        self.outflow_top = -0.15 * self.radius  # where the pulmonary valve lies at end-diastole
        self.outlet_radius = self.radius * rng.uniform(0.38, 0.50)  # patched tracts are wide
        self.papillary_angle = np.array([2.15, -2.0]) + rng.normal(0, 0.15, 2)
        self.papillary_mm = np.clip(rng.normal(4.8, 0.9, 2), 2.8, 7) * self.scale
        self.fat_mm = float(np.clip(rng.gamma(4, 0.8), 1, 8)) * self.scale
        self.roughness = rng.uniform(0.6, 1.4)
        self.texture = float(rng.random())
        self.septum_u = self.radius * rng.uniform(0.70, 0.85)
        self.gap_mm = float(rng.uniform(1.0, 1.6))
        self.aorta_mm = float(np.clip(rng.normal(15.5, 2.0), 11, 21)) * self.scale
        self.left_atrium = self._atrium_plan(rng, 0.12, 1.0, septum=1)
        self.right_atrium = self._atrium_plan(rng, 1.32, 1.05, septum=-1)
        self.shapes = [self._solve(cycle, phase) for phase in range(len(cycle.fraction))]

    def _atrium_plan(self, rng, u, size, septum):
        return {
            "septum": septum,  # on which side along u it lies
            "depth": np.clip(rng.normal(45, 3), 38, 52) * self.scale * size,
            "width": 20.0 * self.scale,
            "u": u * self.radius,
            "v": rng.normal(-5, 2) * self.scale,
            "aspect": rng.uniform(1.05, 1.35),
        }

    # -- sizes of one phase -------------------------------------------------------------------

    def _solve(self, cycle, phase):
        """Sizes that give the phase its volumes, the volume of the myocardium unchanged.

        Choice: the outer apex stays where it is and the valve plane moves, as in a living heart.
        """
        mitral, tricuspid = float(cycle.mitral[phase]), float(cycle.tricuspid[phase])
        cavity = cycle.lv[phase] * 1000
        epi_length = self.length - mitral
        epi_width = bullet_width(cavity + self.patient.lv_wall_ml * 1000, epi_length)
        length = 0.95 * epi_length
        for _ in range(20):
            length = epi_length - APEX_TO_WALL * (epi_width - bullet_width(cavity, length))
        base = {
            "mitral": mitral, "tricuspid": tricuspid,
            "lv_length": float(length), "lv_width": bullet_width(cavity, length),
            "epi_length": float(epi_length), "epi_width": epi_width,
            "flattening": float(cycle.flattening[phase]),
            "contraction": float(cycle.contraction[phase]),
            "opening": float(cycle.opening[phase]),
        }  # fmt: skip
        fields = self.fields(self._grid())
        first = Shape(**base)
        outside = self.epicardium(fields, first) > 1
        levels = {}
        for name, target in (("rv", cycle.rv), ("la", cycle.la), ("ra", cycle.ra)):
            level, allowed = getattr(self, name)(fields, first)
            inside = level[allowed & outside]
            count = min(int(target[phase] * 1000 / GRID_MM**3), len(inside) - 1)
            levels[f"{name}_level"] = float(np.partition(inside, count)[count])
        return Shape(**base, **levels)

    def _grid(self):
        """Points that hold the whole heart, [3, n] heart coordinates.

        Choice: rows along the axis are shifted against each other, so that a valve plane, which
        stands on the axis, does not cut all of them between the same two points.
        """
        r = self.radius
        ranges = ((-2.0 * r, self.length), (-1.6 * r, 3.4 * r), (-2.3 * r, 2.3 * r))
        axes = [np.arange(low, high, GRID_MM) for low, high in ranges]
        a, u, v = np.meshgrid(*axes, indexing="ij")
        row = 0.7549 * np.arange(len(axes[1]))[:, None] + 0.5698 * np.arange(len(axes[2]))[None, :]
        a = a + GRID_MM * (row % 1 - 0.5)
        return np.stack([a, u, v]).astype(np.float32).reshape(3, -1)

    # -- level functions ----------------------------------------------------------------------

    def fields(self, points):
        """What of a set of points does not change through the cycle.

        Args:
            points: [3, ...] float32, heart coordinates in mm.

        Returns:
            dict of arrays [...] float32 for the other methods.
        """
        a, u, v = points
        rho = np.hypot(u, v) + np.float32(1e-3)
        cosine, sine = u / rho, v / rho
        ripple = np.float32(self.ripple[0]) * (2 * cosine * cosine - 1) + (
            np.float32(2 * self.ripple[1]) * cosine * sine
        )
        fields = {"a": a, "u": u, "v": v, "rho": rho, "ripple": ripple, "cosine": cosine}
        outlet = capsule_distance(points, *self.outlet()) - np.float32(self.outlet_radius)
        fields["outlet"] = 1 + outlet / np.float32(0.8 * self.radius)
        fields["aorta"] = capsule_distance(points, *self.aorta())
        return fields

    def outlet(self):
        """Right ventricular outflow tract, from the free wall to the pulmonary valve."""
        return np.array([[0.50, 1.05, 0.60], [-0.25, 0.45, 1.40]]) * self.radius

    def aorta(self):
        """Aortic root and ascending aorta, from between the valves upwards."""
        start = np.array([-0.08, 0.48, 0.66]) * self.radius
        lean = np.array([-0.30, 0.28, 0.0])
        way = self.superior + lean
        return np.stack([start, start + 95 * self.scale * way / np.linalg.norm(way)])

    def radial(self, f, shape):
        """Distance from the long axis over the relative radius of the cross-section, mm."""
        mean_square = 0.5 * float(np.sum(self.ripple**2))
        return f["rho"] / section_radius(f["cosine"], shape.flattening, f["ripple"], mean_square)

    def epicardium(self, f, shape, radial=None):
        """Level of the left ventricle with its wall."""
        radial = self.radial(f, shape) if radial is None else radial
        return bullet(f["a"] - np.float32(shape.mitral), radial, shape.epi_length, shape.epi_width)

    def endocardium(self, f, shape, radial):
        """Level of the left ventricular cavity."""
        return bullet(f["a"] - np.float32(shape.mitral), radial, shape.lv_length, shape.lv_width)

    def rv(self, f, shape):
        """Level of the right ventricle, and where it may be: below the valves and above its apex.

        Returns:
            level, allowed; see `rv_surface`.
        """
        return self.rv_surface(f, shape)[:2]

    def rv_surface(self, f, shape):
        """Right ventricle: a shell around the left one, from the tricuspid valve to its apex.

        Its cross-section is a figure between ellipse and box, taller than deep, out of which the
        left ventricle is cut. So a crescent is left, which ends in the two insertion points and
        has a blunt edge above and below. The outflow tract is a tube in front of the aorta.

        Returns:
            level: [...] 1 on the surface of a typical heart, smaller inside.
            allowed: [...] bool.
            per_mm: [...] change of level a mm at the free wall.
        """
        t = (f["a"] - np.float32(shape.tricuspid)) / np.float32(self.rv_apex - shape.tricuspid)
        inside = np.clip(t, 0, 1)
        taper = (1 - inside * inside) ** np.float32(0.5) + np.float32(1e-3)
        base = np.clip(1 - inside / np.float32(0.25), 0, 1)
        taper *= 1 - np.float32(0.15) * base * base  # the valve ring is narrower
        depth = np.float32(self.rv_depth) * taper
        # the free wall moves towards the septum
        centre = np.float32(self.rv_centre * (1 - 0.18 * shape.contraction))
        x = (f["u"] - centre * (np.float32(0.35) + np.float32(0.65) * taper)) / depth
        y = (f["v"] - np.float32(self.rv_tilt) * f["u"]) / (
            np.float32(self.rv_height) * (np.float32(0.15) + np.float32(0.85) * taper)
        )
        x, y = x * x, y * y
        body = (np.sqrt(x + y) + np.sqrt(np.sqrt(x * x + y * y))) / 2
        body[t < 0] = 9
        valve = np.float32(self.outflow_top + 0.22 * shape.contraction * self.radius)  # pulmonary
        per_mm = np.minimum(1 / depth, np.float32(3 / self.rv_depth))
        return np.minimum(body, f["outlet"]), (f["a"] > valve) & (t < 1), per_mm

    def la(self, f, shape):
        """Level of the left atrium and where it may be."""
        level, allowed = self._atrium(f, shape.mitral, self.left_atrium)
        return level, allowed & (f["u"] < np.float32(self.septum_u - self.gap_mm))

    def ra(self, f, shape):
        """Level of the right atrium and where it may be."""
        level, allowed = self._atrium(f, shape.tricuspid, self.right_atrium)
        return level, allowed & (f["u"] > np.float32(self.septum_u + self.gap_mm))

    def _atrium(self, f, plane, plan):
        """A sac behind a valve plane; its back wall stays while the plane moves.

        Choice: so the atria fill as the ventricles shorten, and the heart keeps its outline. Each
        would reach beyond the septum, which cuts it off flat, so that both lie against it always.
        """
        x = (np.float32(plane) - f["a"]) / np.float32(plan["depth"] + plane)
        curve = (x - np.float32(0.45)) / np.float32(0.55)
        width = np.float32(plan["width"]) * (
            np.float32(0.1) + np.float32(0.9) * np.sqrt(np.clip(1 - curve * curve, 0, None))
        )
        y = (f["u"] - np.float32(plan["u"])) / width
        y = np.where(y * plan["septum"] > 0, y / SEPTAL_REACH, y)
        z = (f["v"] - np.float32(plan["v"])) / (width * np.float32(plan["aspect"]))
        clear = f["aorta"] > np.float32(self.aorta_mm + 2)
        return np.sqrt(y * y + z * z), (x > 0) & (x < 1) & clear

    # -- outline ------------------------------------------------------------------------------

    def outer_points(self):
        """Points of the end-diastolic heart with its walls, [3, n] heart coordinates in mm."""
        grid = self._grid()
        f, s = self.fields(grid), self.shapes[0]
        inside = self.epicardium(f, s) < 1
        for name, level in (("rv", s.rv_level), ("la", s.la_level), ("ra", s.ra_level)):
            values, allowed = getattr(self, name)(f, s)
            inside |= allowed & (values < level + 0.1)
        return grid[:, inside]
