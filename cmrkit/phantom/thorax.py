"""Everything around the heart: chest wall, lungs, spine, great vessels, organs under the diaphragm.

Patient coordinates (x, y, z) in mm: to the patient's left, posterior and superior (DICOM LPS), with the
origin in the middle of the chest at the height of the end-diastolic mitral plane.
"""

import numpy as np

from cmrkit.phantom.texture import random_tubes, smooth_noise
from cmrkit.phantom.tissue import Tissue


class Thorax:
    """One patient's chest, built around the heart so that the heart fits.

    Args:
        patient: `population.Patient`.
        heart_surface: [3, n] end-diastolic outer points of the heart, patient coordinates in mm.
        rng: Generator for the individual build.
    """

    def __init__(self, patient, heart_surface, rng):
        build = (patient.bsa_m2 / 1.8) ** 0.42
        self.build = build
        half = np.array([rng.normal(114, 6), rng.normal(73, 5)]) * build
        x, y, _ = heart_surface
        crowding = np.max((np.abs(x / half[0]) ** 2.4 + np.abs((y + 2) / half[1]) ** 2.4) ** (1 / 2.4))
        self.half = half * max(1.0, crowding)  # mm, inner semi-axes
        self.muscle_mm = rng.uniform(7, 12) * build
        self.fat_mm = np.clip(rng.gamma(5, 2.4), 4, 28) * build
        self.breast_mm = rng.uniform(8, 32) * build if patient.sex == "f" and patient.age_years > 14 else 0
        self.spine = np.array([0.0, self.half[1] - 2.0 * build])
        self.vertebra_mm = 17 * build
        self.aorta = np.array([20.0 * build, self.half[1] - 16.0 * build])
        self.aorta_mm = rng.uniform(8.0, 11.0) * build
        self.texture = float(rng.random())
        self.dome = np.array([rng.normal(-62, 6), rng.normal(64, 6)]) * build
        self.left_lower = rng.normal(14, 6) * build
        self.floor = 0.0
        gap = heart_surface[2] - self._diaphragm(heart_surface[0], heart_surface[1])
        self.floor = float(np.percentile(gap, 0.5)) - 1.5
        self.stomach = np.array([rng.normal(58, 8), rng.normal(-8, 12), 0]) * build
        self.stomach_mm = rng.uniform(28, 42) * build
        self.stomach_gas = rng.random() < 0.35
        self.liver_edge = rng.normal(35, 15) * build

    def _diaphragm(self, x, y):
        """Height of the diaphragm's two domes, mm."""
        domes = []
        for centre, low in zip(self.dome, (0.0, self.left_lower), strict=True):
            distance = ((x - centre) / 1.15) ** 2 + (y + 5) ** 2
            domes.append(-distance / (170 * self.build) - low)
        return np.maximum(*domes) + self.floor

    def paint(self, points):
        """Tissue at points.

        Args:
            points: [3, ...] float32, patient coordinates in mm.

        Returns:
            [...] uint8 tissue numbers.
        """
        x, y, z = points
        tissue = np.zeros(x.shape, np.uint8)
        ring = np.abs(x / self.half[0]) ** 2.4 + np.abs((y + 2) / self.half[1]) ** 2.4
        depth = (ring ** (1 / 2.4) - 1) * self.half[1]  # mm outside the rib cage, about
        rough = smooth_noise(points, 40, self.texture)
        front = np.clip(-y / self.half[1], 0, 1)
        breast = self.breast_mm * np.exp(
            -((np.abs(x) - 75 * self.build) / (42 * self.build)) ** 2
            - ((z + 20) / (55 * self.build)) ** 2
        ) * front
        skin = self.muscle_mm + self.fat_mm * (1 + 0.12 * rough) + breast
        tissue[depth < skin] = Tissue.FAT
        tissue[depth < skin - self.fat_mm * (0.9 + 0.1 * rough) - breast] = Tissue.MUSCLE
        self._paint_cage(tissue, points, depth)
        inside = depth < 0
        tissue[inside] = Tissue.LUNG
        tubes = random_tubes(points, 26, self.texture, 0.20)
        tissue[inside & tubes] = Tissue.VESSEL
        self._paint_mediastinum(tissue, points, inside)
        below = inside & (z < self._diaphragm(x, y))
        self._paint_abdomen(tissue, points, below)
        self._paint_spine(tissue, points, depth)
        return tissue

    def _paint_cage(self, tissue, points, depth):
        x, y, z = points
        wall = (depth >= 0) & (depth < self.muscle_mm)
        ribs = np.sin(2 * np.pi * (z - 0.35 * y + 0.1 * np.abs(x)) / (26 * self.build)) > 0.35
        tissue[wall & ribs & (depth > 1.5) & (depth < self.muscle_mm - 2)] = Tissue.BONE
        plate = (np.abs(x) < 17 * self.build) & (y < 0) & (depth > 1) & (depth < 11 * self.build)
        tissue[plate] = Tissue.BONE

    def _paint_mediastinum(self, tissue, points, inside):
        x, y, z = points
        middle = ((x - 8 * self.build) / 30) ** 2 + ((y - 0.80 * self.half[1]) / 34) ** 2
        rough = smooth_noise(points, 28, self.texture + 0.1, 2)
        tissue[inside & (middle < (self.build * (1 + 0.18 * rough)) ** 2)] = Tissue.FAT
        oesophagus = (x - 8 * self.build) ** 2 + (y - self.aorta[1] + 12 * self.build) ** 2
        tissue[inside & (oesophagus < (6 * self.build) ** 2)] = Tissue.MUSCLE
        aorta = (x - self.aorta[0]) ** 2 + (y - self.aorta[1]) ** 2
        tissue[inside & (aorta < (self.aorta_mm + 1.2) ** 2)] = Tissue.ATRIAL_WALL
        tissue[inside & (aorta < self.aorta_mm**2)] = Tissue.VESSEL

    def _paint_abdomen(self, tissue, points, below):
        x, y, z = points
        depth = self._diaphragm(x, y) - z
        lumps = smooth_noise(points, 30, self.texture + 0.3, 2)
        tissue[below] = np.where(lumps[below] > 0.2, Tissue.FAT, Tissue.CARTILAGE)
        spleen = ((x - 88 * self.build) / 34) ** 2 + ((y - 38 * self.build) / 40) ** 2 + (
            (depth - 45) / 38
        ) ** 2
        tissue[below & (spleen < self.build**2)] = Tissue.SPLEEN
        liver = below & (x < self.liver_edge - 0.5 * np.clip(depth, 0, None) - 0.25 * y)
        tissue[liver] = Tissue.LIVER
        tissue[liver & random_tubes(points, 34, self.texture + 0.6, 0.22)] = Tissue.VESSEL
        centre_z = self._diaphragm(*self.stomach[:2]) - self.stomach_mm * 1.05
        stomach = np.sqrt(
            ((x - self.stomach[0]) / 1.3) ** 2 + (y - self.stomach[1]) ** 2 + (z - centre_z) ** 2
        )
        tissue[below & (stomach < self.stomach_mm)] = Tissue.MUSCLE
        lumen = below & (stomach < self.stomach_mm - 4)
        tissue[lumen] = Tissue.STOMACH
        if self.stomach_gas:  # gas rises to the front of a patient who lies on the back
            tissue[lumen & (y < self.stomach[1] - 0.2 * self.stomach_mm)] = Tissue.AIR
        cava = (x + 22 * self.build) ** 2 + (y - 18 * self.build) ** 2
        tissue[below & (cava < (10 * self.build) ** 2)] = Tissue.VESSEL
        tissue[below & (depth < 2.2)] = Tissue.MUSCLE

    def _paint_spine(self, tissue, points, depth):
        x, y, z = points
        inner = depth < self.muscle_mm + 30
        away = np.hypot(x, y - self.spine[1])
        body = inner & (away < self.vertebra_mm)
        disc = np.mod(z + 9, 28 * self.build) < 6 * self.build
        tissue[body] = np.where(disc[body], Tissue.CARTILAGE, Tissue.BONE)
        canal = np.hypot(x, y - self.spine[1] - self.vertebra_mm - 7 * self.build)
        arch = inner & (canal < 13 * self.build)
        tissue[arch] = Tissue.BONE
        tissue[inner & (canal < 8 * self.build)] = Tissue.FLUID
        tissue[inner & (canal < 4.5 * self.build)] = Tissue.CARTILAGE
