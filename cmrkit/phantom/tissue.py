"""Tissues of the phantom and the chamber label of each."""

from enum import IntEnum

import numpy as np


class Tissue(IntEnum):
    """What fills a point of the phantom."""

    AIR = 0
    LUNG = 1
    FAT = 2
    MUSCLE = 3
    BONE = 4
    LIVER = 5
    STOMACH = 6
    SPLEEN = 7
    FLUID = 8
    MYOCARDIUM = 9
    RV_WALL = 10
    LV_BLOOD = 11
    PAPILLARY = 12
    RV_BLOOD = 13
    TRABECULA = 14
    LA_BLOOD = 15
    RA_BLOOD = 16
    VESSEL = 17
    VESSEL_WALL = 18
    CARTILAGE = 19


BLOOD = (Tissue.LV_BLOOD, Tissue.RV_BLOOD, Tissue.LA_BLOOD, Tissue.RA_BLOOD, Tissue.VESSEL)

LABEL_OF_TISSUE = np.zeros(len(Tissue), np.uint8)
"""Label of each tissue, numbered as `cohort.frames.LABELS`.

Choice: papillary muscles, trabeculae and leaflets belong to the cavity, as most reference contours
have them; the free wall of the right ventricle and the walls of the atria are background, because
public data sets do not annotate them.
"""
LABEL_OF_TISSUE[[Tissue.LV_BLOOD, Tissue.PAPILLARY]] = 1
LABEL_OF_TISSUE[Tissue.MYOCARDIUM] = 2
LABEL_OF_TISSUE[[Tissue.RV_BLOOD, Tissue.TRABECULA]] = 3
LABEL_OF_TISSUE[Tissue.LA_BLOOD] = 4
LABEL_OF_TISSUE[Tissue.RA_BLOOD] = 5
