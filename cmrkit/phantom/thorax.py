"""Everything around the heart: chest wall, lungs, spine, great vessels, organs under the diaphragm.

Patient coordinates (x, y, z) in mm: to the patient's left, posterior and superior (DICOM LPS), with
the origin in the middle of the chest at the height of the end-diastolic mitral plane.
"""

import numpy as np

from cmrkit.phantom.texture import random_tubes, smooth_noise
from cmrkit.phantom.tissue import Tissue

_SQUARE = 2.4  # exponent of the chest's outline; Choice: between an ellipse and a box


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
        self.half = np.array([rng.normal(120, 7), rng.normal(76, 6)]) * build
        self._fit(heart_surface, rng.uniform(1, 5))
        self.muscle_mm = rng.uniform(7, 12) * build
        self.fat_mm = np.clip(rng.gamma(4, 2.6), 3, 28) * build
        grown = patient.sex == "f" and patient.age_years > 14
        self.breast_mm = rng.uniform(8, 32) * build if grown else 0.0
        self.vertebra_mm = 17 * build
        self.back = self.middle + self.half[1]  # y of the inner chest wall at the back
        self.aorta = np.array([20.0 * build, self.back - 14 * build])
        self.aorta_mm = rng.uniform(8.0, 11.0) * build
        self.texture = float(rng.random())
        self.dome = np.array([rng.normal(-62, 6), rng.normal(64, 6)]) * build
        self.left_lower = rng.normal(12, 6) * build
        self.floor = 0.0
        gap = heart_surface[2] - self._diaphragm(heart_surface[0], heart_surface[1])
        # the heart lies on the diaphragm and flattens it
        self.floor = float(np.percentile(gap, 0.2)) + rng.uniform(10, 22) * build
        # Choice: fat fills the front of the mediastinum and the angles beside the heart
        self.front_fat_mm = rng.uniform(2, 15) * build
        self.pad_mm = rng.uniform(2, 12) * build
        self.stomach = np.array([rng.normal(52, 10), rng.normal(-12, 12)]) * build
        self.stomach_mm = rng.uniform(28, 44) * build
        self.stomach_gas = rng.random() < 0.35
        self.liver_edge = rng.normal(35, 18) * build

    def _fit(self, surface, gap_mm):
        """Place the front wall `gap_mm` before the heart, and widen a chest that is too narrow."""
        x, y, _ = surface
        for _ in range(3):
            across = np.clip(np.abs(x / self.half[0]), 0, 0.97)
            depth = self.half[1] * (1 - across**_SQUARE) ** (1 / _SQUARE)
            self.middle = float(np.min(y + depth) - gap_mm)
            crowded = float(self._ring(x, y).max())
            central = np.abs(x - 8 * self.build) < 24 * self.build
            needed = float(y[central].max()) + 22 * self.build - self.middle  # aorta and spine
            if crowded <= 1 and needed <= self.half[1]:
                return
            self.half = self.half * [max(1.0, crowded), max(1.0, crowded, needed / self.half[1])]

    def _ring(self, x, y):
        """1 on the inner chest wall, below 1 inside."""
        across = np.abs(x) * np.float32(1 / self.half[0])
        along = np.abs(y - np.float32(self.middle)) * np.float32(1 / self.half[1])
        power = np.float32(_SQUARE)
        return (across**power + along**power) ** np.float32(1 / _SQUARE)

    def _diaphragm(self, x, y):
        """Height of the diaphragm's two domes, mm."""
        domes = []
        for centre, low in zip(self.dome, (0.0, self.left_lower), strict=True):
            distance = ((x - centre) / 1.15) ** 2 + (y - self.middle) ** 2
            domes.append(-distance / (190 * self.build) - low)
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
        depth = (self._ring(x, y) - 1) * np.float32(self.half[1])  # mm outside the ribs, about
        rough = smooth_noise(points, 40, self.texture)
        front = np.clip((self.middle - y) / self.half[1], 0, 1)
        breast = (
            self.breast_mm
            * np.exp(
                -(((np.abs(x) - 75 * self.build) / (42 * self.build)) ** 2)
                - ((z + 20) / (55 * self.build)) ** 2
            )
            * front
        )
        skin = self.muscle_mm + self.fat_mm * (1 + 0.12 * rough) + breast
        tissue[depth < skin] = Tissue.FAT
        tissue[depth < skin - self.fat_mm * (0.9 + 0.1 * rough) - breast] = Tissue.MUSCLE
        self._paint_cage(tissue, points, depth)
        inside = depth < 0
        tissue[inside] = Tissue.LUNG
        for size_mm, width in ((46, 0.16), (24, 0.19)):  # lung vessels, coarse and fine
            tubes = random_tubes(points, size_mm, self.texture, width)
            tissue[inside & tubes] = Tissue.VESSEL
        self._paint_mediastinum(tissue, points, inside)
        below = self._paint_fat_pads(tissue, points, depth, inside)
        self._paint_abdomen(tissue, points, below)
        self._paint_spine(tissue, points, depth)
        return tissue

    def _paint_fat_pads(self, tissue, points, depth, inside):
        """Fat behind the sternum and on the diaphragm; returns what lies below the diaphragm."""
        x, y, z = points
        rough = smooth_noise(points, 30, self.texture + 0.7, 1)
        across = (x - 12 * self.build) / (62 * self.build)
        thick = self.front_fat_mm * (1 - across * across) * (1 + 0.25 * rough)
        height = z - self._diaphragm(x, y)
        pad = (height < self.pad_mm * (1 + 0.5 * rough)) & (np.abs(across) < 1.1)
        pad &= y < self.middle + 0.3 * self.half[1]
        tissue[inside & ((-depth < thick) & (y < self.middle) | pad)] = Tissue.FAT
        return inside & (height < 0)

    def _paint_cage(self, tissue, points, depth):
        x, y, z = points
        wall = (depth >= 0) & (depth < self.muscle_mm)
        slope = z - 0.35 * (y - self.middle) + 0.1 * np.abs(x)
        ribs = np.sin(2 * np.pi * slope / (26 * self.build)) > 0.35
        tissue[wall & ribs & (depth > 1.5) & (depth < self.muscle_mm - 2)] = Tissue.BONE
        front = (np.abs(x) < 17 * self.build) & (y < self.middle)
        plate = front & (depth > 1) & (depth < 11 * self.build)
        tissue[plate] = Tissue.BONE

    def _paint_mediastinum(self, tissue, points, inside):
        x, y, _ = points
        middle = ((x - 8 * self.build) / 30) ** 2 + ((y - self.back + 16 * self.build) / 34) ** 2
        rough = smooth_noise(points, 28, self.texture + 0.1, 2)
        tissue[inside & (middle < (self.build * (1 + 0.18 * rough)) ** 2)] = Tissue.FAT
        oesophagus = (x - 8 * self.build) ** 2 + (y - self.aorta[1] + 12 * self.build) ** 2
        tissue[inside & (oesophagus < (6 * self.build) ** 2)] = Tissue.MUSCLE
        aorta = (x - self.aorta[0]) ** 2 + (y - self.aorta[1]) ** 2
        tissue[inside & (aorta < (self.aorta_mm + 1.2) ** 2)] = Tissue.VESSEL_WALL
        tissue[inside & (aorta < self.aorta_mm**2)] = Tissue.VESSEL

    def _paint_abdomen(self, tissue, points, below):
        x, y, z = points
        depth = self._diaphragm(x, y) - z
        lumps = smooth_noise(points, 30, self.texture + 0.3, 2)
        tissue[below] = np.where(lumps[below] > -0.5, Tissue.FAT, Tissue.CARTILAGE)
        spleen = (
            ((x - 88 * self.build) / 34) ** 2
            + ((y - 38 * self.build) / 40) ** 2
            + ((depth - 45) / 38) ** 2
        )
        tissue[below & (spleen < self.build**2)] = Tissue.SPLEEN
        liver = below & (x < self.liver_edge - 0.5 * np.clip(depth, 0, None) - 0.25 * y)
        tissue[liver] = Tissue.LIVER
        tissue[liver & random_tubes(points, 34, self.texture + 0.6, 0.17)] = Tissue.VESSEL
        self._paint_stomach(tissue, points, below)
        cava = (x + 22 * self.build) ** 2 + (y - 18 * self.build) ** 2
        tissue[below & (cava < (10 * self.build) ** 2)] = Tissue.VESSEL
        tissue[below & (depth < 2.2)] = Tissue.MUSCLE

    def _paint_stomach(self, tissue, points, below):
        x, y, z = points
        height = self._diaphragm(*self.stomach) - 1.05 * self.stomach_mm
        away = np.sqrt(
            ((x - self.stomach[0]) / 1.4) ** 2 + (y - self.stomach[1]) ** 2 + (z - height) ** 2
        )
        away *= 1 + 0.16 * smooth_noise(points, 55, self.texture + 0.4, 1)
        tissue[below & (away < self.stomach_mm)] = Tissue.MUSCLE
        lumen = below & (away < self.stomach_mm - 3)
        food = smooth_noise(points, 22, self.texture + 0.2, 0)
        tissue[lumen] = np.where(food[lumen] > -0.9, Tissue.STOMACH, Tissue.CARTILAGE)
        if self.stomach_gas:  # gas rises to the front of a patient who lies on the back
            tissue[lumen & (y < self.stomach[1] - 0.2 * self.stomach_mm)] = Tissue.AIR

    def _paint_spine(self, tissue, points, depth):
        x, y, z = points
        inner = depth < self.muscle_mm + 30
        away = np.hypot(x, y - self.back)
        body = inner & (away < self.vertebra_mm)
        disc = np.mod(z + 9, 28 * self.build) < 6 * self.build
        tissue[body] = np.where(disc[body], Tissue.CARTILAGE, Tissue.BONE)
        canal = np.hypot(x, y - self.back - self.vertebra_mm - 7 * self.build)
        arch = inner & (canal < 13 * self.build)
        tissue[arch] = Tissue.BONE
        tissue[inner & (canal < 8 * self.build)] = Tissue.FLUID
        tissue[inner & (canal < 4.5 * self.build)] = Tissue.CARTILAGE
