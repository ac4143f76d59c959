"""From surfaces to tissues: the heart of one phase, written over the chest."""

import numpy as np

from cmrkit.phantom.surfaces import capsule_distance
from cmrkit.phantom.tissue import Tissue

ATRIAL_WALL_MM = 2.0
LEAFLET_MM = 0.9  # half the thickness that blurs to what is seen of a leaflet


def paint_vessels(tissue, heart, points):
    """Great vessels: aorta, pulmonary trunk, both caval veins, pulmonary veins.

    Args:
        tissue: [...] uint8, changed in place.
        heart: `anatomy.Heart`.
        points: [3, ...] float32 heart coordinates in mm.

    Choice: straight tubes; they keep still, which is true enough beside the ventricles.
    """
    tubes = vessel_tubes(heart)
    for wall, kind in ((1.3, Tissue.VESSEL_WALL), (0.0, Tissue.VESSEL)):
        for start, end, radius in tubes:
            tissue[capsule_distance(points, start, end) < radius + wall] = kind


def vessel_tubes(heart):
    """(start, end, radius) of each vessel, heart coordinates in mm."""
    up, left, back, scale = heart.superior, heart.left, heart.posterior, heart.scale
    root, arch = heart.aorta()
    valve = heart.outlet()[1]
    trunk = valve + 40 * scale * _unit(0.75 * back + 0.65 * up + 0.1 * left)
    right_atrium, left_atrium = (
        np.array([-share * plan["depth"], plan["u"], plan["v"]])
        for share, plan in ((0.55, heart.right_atrium), (0.70, heart.left_atrium))
    )
    branch = 0.55 * heart.outlet_radius
    tubes = [
        (root, arch, heart.aorta_mm),
        (arch, arch + scale * (60 * back + 25 * left + 8 * up), 0.8 * heart.aorta_mm),
        (valve, trunk, 0.8 * heart.outlet_radius),
        (trunk, trunk + scale * (45 * left + 25 * back), branch),
        (trunk, trunk + scale * (-60 * left + 15 * back - 5 * up), branch),
        (right_atrium, right_atrium + 110 * scale * up, 8.5 * scale),
        (right_atrium, right_atrium - 70 * scale * up, 10 * scale),
    ]
    for side, lift in ((1.0, 0.35), (1.0, -0.25), (-1.0, 0.30), (-1.0, -0.25)):
        end = left_atrium + 55 * scale * _unit(side * left + 0.35 * back + lift * up)
        tubes.append((left_atrium, end, 5.5 * scale))
    return tubes


def paint_heart(tissue, heart, f, textures, phase):
    """Chambers, walls, fat, papillary muscles and valves of one phase.

    Args:
        tissue: [...] uint8, changed in place.
        heart: `anatomy.Heart`.
        f: `heart.fields` of the same points.
        textures: two [...] float32 fields of unit SD, fine (trabeculae) and coarse (fat).
        phase: index of the phase.
    """
    s = heart.shapes[phase]
    fine, coarse = textures
    radial = heart.radial(f, s)
    epi = heart.epicardium(f, s, radial)
    endo = heart.endocardium(f, s, radial)
    rv, rv_may, rv_per_mm = heart.rv_surface(f, s)
    la, la_may = heart.la(f, s)
    ra, ra_may = heart.ra(f, s)
    mm = np.float32(1 / heart.radius)
    atrial_mm = np.float32(1 / heart.left_atrium["width"])
    wall = np.float32(heart.patient.rv_wall_mm * (1 + 0.3 * s.contraction)) * rv_per_mm
    fat = np.float32(heart.fat_mm) * np.clip(np.float32(0.35) + coarse, 0, 2.2)

    thin = np.float32(ATRIAL_WALL_MM) * atrial_mm
    left_wall, right_wall = la_may & (la < s.la_level + thin), ra_may & (ra < s.ra_level + thin)
    coat = (epi < 1 + fat * mm) | (rv_may & (rv < s.rv_level + wall + fat * rv_per_mm))
    coat |= (la_may & (la < s.la_level + thin + fat * atrial_mm * np.float32(0.5))) | (
        ra_may & (ra < s.ra_level + thin + fat * atrial_mm * np.float32(0.5))
    )
    groove = np.abs(f["a"] - np.float32(0.5 * (s.mitral + s.tricuspid))) < 8 * heart.scale
    coat |= groove & ((epi < 1.22) | (rv_may & (rv < s.rv_level + np.float32(0.28))))
    # the vessels keep their blood where they leave the heart
    tissue[coat & (tissue != Tissue.VESSEL)] = Tissue.FAT
    tissue[left_wall | right_wall] = Tissue.VESSEL_WALL
    between = np.abs(f["u"] - np.float32(heart.septum_u)) < heart.gap_mm
    plane = np.float32(max(s.mitral, s.tricuspid))
    near = (la < s.la_level) & (f["a"] < plane) & (f["a"] > -0.9 * heart.left_atrium["depth"])
    tissue[between & near] = Tissue.VESSEL_WALL
    tissue[f["aorta"] < heart.aorta_mm + 1.3] = Tissue.VESSEL_WALL
    tissue[f["aorta"] < heart.aorta_mm] = Tissue.VESSEL
    tissue[la_may & (la < s.la_level)] = Tissue.LA_BLOOD
    tissue[ra_may & (ra < s.ra_level)] = Tissue.RA_BLOOD

    tissue[rv_may & (rv < s.rv_level + wall)] = Tissue.RV_WALL
    right = rv_may & (rv < s.rv_level) & (epi > 1)
    tissue[right] = Tissue.RV_BLOOD
    _paint_trabeculae(tissue, heart, f, s, fine, (s.rv_level - rv) / rv_per_mm, right)
    tissue[epi < 1] = Tissue.MYOCARDIUM
    left = endo < 1
    tissue[left] = Tissue.LV_BLOOD
    _paint_papillary(tissue, heart, f, s, fine, endo, left)
    _paint_leaflets(tissue, heart, f, s, radial, left, rv, right)


def _paint_trabeculae(tissue, heart, f, s, fine, depth_mm, right):
    """Coarse trabeculae of the right ventricle: on the free wall, deeper towards the apex."""
    low = np.clip(f["a"] / np.float32(heart.length), 0, 1)
    reach = np.float32(heart.scale * heart.roughness) * (2.5 + 15 * low * low)
    rough = np.clip(1 - depth_mm / reach, 0, 1) * (np.float32(0.5) + low)
    tissue[right & (fine > 2.1 - 2 * rough)] = Tissue.TRABECULA
    # moderator band, from the septum to the free wall
    level = 0.62 * heart.rv_apex
    band = np.hypot(f["a"] - np.float32(level), f["v"] + np.float32(0.25 * heart.radius))
    tissue[right & (band < 2.4 * heart.scale)] = Tissue.TRABECULA


def _paint_papillary(tissue, heart, f, s, fine, endo, left):
    t = (f["a"] - np.float32(s.mitral)) * np.float32(1 / s.lv_length)
    for angle, thick in zip(heart.papillary_angle, heart.papillary_mm, strict=True):
        turn = angle + 0.12 * s.contraction  # the ventricle twists
        place = 0.74 * s.lv_width
        x = f["u"] - np.float32(place * np.cos(turn))
        y = f["v"] - np.float32(place * np.sin(turn))
        reach = np.clip(1 - ((t - np.float32(0.60)) / np.float32(0.28)) ** 2, 0, 1)
        tissue[left & (x * x + y * y < np.float32(thick**2) * reach)] = Tissue.PAPILLARY
    rim = np.clip((endo - np.float32(0.70)) / np.float32(0.30), 0, 1) * np.clip(t + 0.3, 0, 1)
    tissue[left & (fine > 1.9 - np.float32(1.9 * heart.roughness) * rim)] = Tissue.PAPILLARY


def _paint_leaflets(tissue, heart, f, s, radial, left, rv, right):
    """Leaflets as a cone from the valve ring: shut across the plane, open along the inflow."""
    lean = np.deg2rad(12 + 62 * s.opening)
    right_radial = rv * np.float32(0.8 * heart.radius / s.rv_level)
    for plane, ring, distance, inside, kind in (
        (s.mitral, 0.82 * s.lv_width, radial, left, Tissue.PAPILLARY),
        (s.tricuspid, 0.8 * heart.radius, right_radial, right, Tissue.TRABECULA),
    ):
        reach = min(ring, 24 * heart.scale)
        tip = np.array([reach * np.sin(lean), ring - reach * np.cos(lean)], np.float32)
        deep, out = f["a"] - np.float32(plane), distance - np.float32(ring)
        step = tip - np.array([0, ring], np.float32)
        along = np.clip((deep * step[0] + out * step[1]) / np.float32(reach**2), 0, 1)
        off = (deep - along * step[0]) ** 2 + (out - along * step[1]) ** 2
        tissue[inside & (off < np.float32((LEAFLET_MM * heart.scale) ** 2))] = kind


def _unit(vector):
    return vector / np.linalg.norm(vector)
