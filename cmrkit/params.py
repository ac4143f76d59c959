"""Parameters of a study: what each one means, and what it may be.

`params/<study>.yaml` has a section `common` and one section a notebook. The models below are the
only list of what may stand in it; their defaults are the quick study, as in each notebook's
`parameters` cell. `cmrkit.study` reads the files and checks them against these models.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from cmrkit.paths import NOTEBOOKS, given_path

Given = Annotated[str, AfterValidator(lambda text: text and str(given_path(text)))]

View = Literal["4ch", "2ch", "sax"]
SIMULATED = "simulated"
Reader = Literal["chla", "sunnybrook", "acdc", "mnms", "mnms2", "dicom"]
VIEWS_OF_SOURCE = {
    SIMULATED: {"4ch", "2ch", "sax"},
    "chla": {"sax"},
    "sunnybrook": {"sax"},
    "acdc": {"sax"},
    "mnms": {"sax"},
    "mnms2": {"4ch", "sax"},
    "dicom": {"4ch", "2ch", "sax"},
}


def key(default, meaning, unit="", source="", **limits):
    """Field of a section: default, meaning, unit, range and where the value comes from."""
    extra = {"unit": unit, "source": source}
    return Field(default, description=meaning, json_schema_extra=extra, **limits)


class Section(BaseModel):
    """Parameters of one notebook; the common ones come first."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    study: str = key("quick", "name of the study; names its folders", pattern=r"^[a-z0-9_-]+$")
    seed: int = key(1, "seed of everything drawn at random", ge=0, le=2**31 - 1)


class Views(Section):
    """Parameters of a notebook that works view by view."""

    views: list[View] = key(
        ["4ch", "sax"],
        "views of the study",
        source="Diller 2020 abstract: 4ch and 2ch; its results table: long and short axis",
        min_length=1,
    )

    @field_validator("views")
    @classmethod
    def _no_view_twice(cls, views):
        if len(set(views)) < len(views):
            raise ValueError("a view is listed twice; list each once")
        return views


class CohortSection(Views):
    """01_cohort: who the patients are and what becomes of their frames."""

    source: Literal[SIMULATED, Reader] = key(
        SIMULATED, "where the patients come from; dicom is an archive of your own"
    )
    data: Given = key("", "folder of the data set; empty for simulated patients")
    external_source: Literal["", Reader] = key(
        "", "second data set, all of it external; read where external_data is given"
    )
    external_data: Given = key("", "folder of the second data set")
    resolution: int = key(64, "frames are resolution x resolution", "pixels", ge=16, le=512)
    fov_mm: float = key(
        170.0, "side of the square cut around the heart", "mm", "Choice: holds an enlarged heart",
        ge=80, le=400,
    )  # fmt: skip
    crop: Literal["centre", "motion", "mask"] = key(
        "centre", "what the cut is centred on; mask looks at the answer, also in external patients"
    )
    assumed_spacing_mm: float = key(
        1.36, "pixel size where a source states none (Sunnybrook PNG)", "mm",
        "Choice: median of the Sunnybrook DICOM headers", gt=0.2, le=5,
    )  # fmt: skip
    patients_gan: int = key(
        60, "patients that train the PG-GAN; 0: as stated in roles", "patients",
        "Diller 2020: 303", ge=0,
    )  # fmt: skip
    patients_unet: int = key(
        24, "patients that train the comparison U-Net; 0: as stated in roles", "patients",
        "Diller 2020: 42", ge=0,
    )  # fmt: skip
    patients_external: int = key(
        24, "patients that only test; 0: as stated in roles", "patients", "Diller 2020: 50", ge=0
    )
    diseases: list[str] = key([], "patients with these diseases alone; [] for all patients")
    external_vendors: list[Literal["Siemens", "Philips", "GE", "Canon", "other"]] = key(
        [], "scanner vendors whose patients are external, and no others; [] draws them by seed"
    )
    roles_gan: list[str] = key([], "patients by the source's id; [] draws them by seed")
    roles_unet: list[str] = key([], "patients by the source's id; [] draws them by seed")
    roles_external: list[str] = key([], "patients by the source's id; [] draws them by seed")
    phases: int = key(8, "phases a cardiac cycle (simulated patients)", "frames", ge=2, le=60)
    sax_slices: int = key(1, "short-axis slices a patient (simulated)", "slices", ge=1, le=20)
    domain_shift: bool = key(
        True, "external simulated patients come from another scanner and centre"
    )
    real_data: list[str] = key(
        [], "real data sets to lay beside simulated frames, each name=folder, e.g. chla=data/chla"
    )

    @field_validator("real_data")
    @classmethod
    def _real_data_exist(cls, real_data):
        resolved = []
        for entry in real_data:
            name, _, folder = entry.partition("=")
            if not folder or name not in VIEWS_OF_SOURCE or name == SIMULATED:
                known = ", ".join(source for source in VIEWS_OF_SOURCE if source != SIMULATED)
                raise ValueError(f"{entry!r}: write name=folder with one of the names {known}")
            if not given_path(folder).is_dir():
                raise ValueError(f"{entry!r}: no folder {folder!r}; check the path")
            resolved.append(f"{name}={given_path(folder)}")
        return resolved

    @field_validator("resolution")
    @classmethod
    def _power_of_two(cls, resolution):
        if resolution & (resolution - 1):
            nearest = 2 ** round(resolution.bit_length() - 0.5)
            raise ValueError(f"not a power of two; the PG-GAN doubles from 4; try {nearest}")
        return resolution

    @model_validator(mode="after")
    def _possible(self):
        self._check_folder(self.source, "data")
        self._check_views("source")
        if self.external_data:
            self._check_folder(self.external_source, "external_data")
            self._check_views("external_source")
        self._check_roles()
        return self

    def _check_views(self, which):
        has = VIEWS_OF_SOURCE[getattr(self, which)]
        missing = [view for view in self.views if view not in has]
        if missing:
            raise ValueError(
                f"views: {missing[0]} is not in {which} {getattr(self, which)}; "
                f"use {', '.join(sorted(has))}"
            )

    def _check_folder(self, source, data):
        folder = getattr(self, data)
        if source in ("", SIMULATED):
            if folder:
                raise ValueError(f"{data}: {folder!r} given, but no source reads it; leave it out")
        elif not folder:
            raise ValueError(
                f"{data}: empty; give the folder of {source}: make study DATA=<folder>"
            )
        elif not Path(folder).is_dir():
            raise ValueError(
                f"{data}: no folder {folder!r}; check the path or unpack {source} there"
            )

    def _check_roles(self):
        stated = {role: getattr(self, f"roles_{role}") for role in ("gan", "unet", "external")}
        seen = {}
        for role, patients in stated.items():
            for patient in patients:
                if patient in seen:
                    raise ValueError(
                        f"roles_{role}: patient {patient!r} is also in roles_{seen[patient]}; "
                        "a patient has one role"
                    )
                seen[patient] = role
        by_id = bool(seen)
        if self.external_vendors and (by_id or self.source == SIMULATED):
            raise ValueError("external_vendors: roles are stated or simulated; use []")
        for role in stated:
            count = getattr(self, f"patients_{role}")
            if by_id and self.source == SIMULATED:
                raise ValueError(f"roles_{role}: simulated patients are given by number; use []")
            if by_id and count:
                raise ValueError(f"patients_{role}: {count}, but roles are stated; set it to 0")
            elsewhere = role == "external" and (self.external_vendors or self.external_data)
            if not by_id and not count and not elsewhere:
                raise ValueError(f"patients_{role}: 0 and no roles stated; give a number")


class TrainingSection(Views):
    """02_pggan_training: how the network grows."""

    preset: Literal["quick", "paper"] = key(
        "quick", "recipe: quick for a CPU, paper as published", source="Karras et al. 2018"
    )
    train_kimg: float = key(
        50.0, "training length of the quick recipe; the paper recipe has its own", "kimg",
        "Choice: 6 to 13 minutes on 2 cores with AVX-512", gt=0,
    )  # fmt: skip
    processes: int = key(1, "processes that train together (one a GPU)", "processes", ge=1, le=64)


class SyntheticSection(Views):
    """03_synthetic_cohort: what the trained network makes."""

    synthetic_frames: int = key(
        2000, "synthetic frames, shared evenly by the views", "frames", "Diller 2020: 100,000",
        ge=16, le=10_000_000,
    )  # fmt: skip
    truncation: float = key(
        1.0, "share of the latent's length that is kept; less: more alike frames",
        "", "Karras 2019 (StyleGAN), truncation trick", gt=0, le=1,
    )  # fmt: skip
    shards: int = key(
        1, "jobs or processes that share the making; the frames do not depend on it", "jobs",
        ge=1, le=1000,
    )  # fmt: skip
    synthetic_source: Literal["generator", "bundle"] = key(
        "generator", "who made the frames: this study's generator, or whoever released a bundle"
    )
    bundle: Given = key(
        "", "folder of a received bundle (make study DATA=<folder>); empty for none"
    )

    @model_validator(mode="after")
    def _one_source(self):
        if self.synthetic_source == "generator":
            if self.bundle:
                raise ValueError(
                    f"bundle: {self.bundle!r} given, but synthetic_source is generator; drop one"
                )
        elif not self.bundle:
            raise ValueError("bundle: empty; give its folder: make study STUDY=... DATA=<folder>")
        elif not Path(self.bundle).is_dir():
            raise ValueError(
                f"bundle: no folder {self.bundle!r}; check the path or unpack it there"
            )
        return self


class PlausibilitySection(Views):
    """04_plausibility_audit: do observers believe the frames?"""

    reading_frames: int = key(
        48, "synthetic frames a view on the reading list", "frames", ge=8, le=10_000
    )
    observers: int = key(
        2, "reading lists to make, each in its own order", "observers", ge=1, le=50
    )
    embedding_steps: int = key(
        60, "training of the network that knows frames again, for realism and copies", "steps",
        "Choice: seconds on 2 cores; more steps find more of the changed copies", ge=1,
    )  # fmt: skip


class MemorisationSection(Views):
    """05_memorisation_audit: is any synthetic frame a patient's?"""

    copies_planted: int = key(
        40, "known copies planted a view, to see whether they are found", "frames", ge=10, le=10_000
    )


class ComparisonSection(Views):
    """06_unet_comparison: does a U-Net learn as well from synthetic frames?"""

    arms: list[
        Literal[
            "patient", "synthetic", "synthetic-teacher", "synthetic-manual", "patient+synthetic"
        ]
    ] = key(["patient", "synthetic"], "training sets to compare; the published two always run")
    equal_frames: bool = key(False, "every arm gets as many frames as the smallest")
    unet_seeds: int = key(1, "U-Nets trained an arm and view, each from its own seed", ge=1, le=50)
    unet_steps: int = key(250, "optimiser steps, the same for every arm", "steps", ge=1)
    unet_batch: int = key(16, "frames an optimiser step", "frames", ge=1, le=1024)
    unet_width: int = key(16, "channels of the first U-Net level", "channels", ge=4, le=128)
    validation_share: float = key(
        0.15, "share of an arm's own patients or frames that choose the weights; 0 keeps the last",
        "", "Choice: 4 of 24 patients", ge=0, le=0.5,
    )  # fmt: skip
    dose_seeds: int = key(0, "dose curves: U-Nets a dose and view; 0 for none", ge=0, le=50)
    drawings: Annotated[str, AfterValidator(os.path.expanduser)] = key(
        "", "folder of frames for people to outline, made where absent (from the repository)"
    )
    drawing_frames: int = key(
        50, "synthetic frames a view that people are asked to outline", "frames", ge=2
    )

    @field_validator("arms")
    @classmethod
    def _published_arms(cls, arms):
        for arm in ("patient", "synthetic"):
            if arm not in arms:
                raise ValueError(f"{arm!r} is missing; the published comparison always runs")
        if len(set(arms)) < len(arms):
            raise ValueError("an arm is listed twice; list each once")
        return arms

    @model_validator(mode="after")
    def _drawings_for_manual(self):
        if "synthetic-manual" in self.arms and not self.drawings:
            raise ValueError(
                "drawings: empty, but arm synthetic-manual is asked for; name a folder, run once "
                "without the arm, and outline the frames in it"
            )
        return self


class SignificanceSection(Section):
    """07_significance: is the difference real, and does it matter?"""

    margin: float = key(
        0.01, "largest difference that does not matter", "Dice",
        "Diller 2020: differences below 1 % called negligible", gt=0, lt=0.5,
    )  # fmt: skip
    alpha: float = key(0.05, "significance level", source="Diller 2020", gt=0, lt=0.5)
    arm: str = key("synthetic", "arm that is judged; each other arm of the table follows")
    reference: str = key("patient", "arm that it is compared with")
    scores: Given = key("", "score table of your own (CSV or parquet); empty for this study's")

    @model_validator(mode="after")
    def _two_arms(self):
        if self.arm == self.reference:
            raise ValueError(f"arm: {self.arm!r} is also the reference; name two different arms")
        return self

    @field_validator("scores")
    @classmethod
    def _scores_exist(cls, scores):
        if scores and not Path(scores).is_file():
            raise ValueError("no such file; give a score table or leave it empty")
        return scores


SECTIONS = dict(
    zip(
        NOTEBOOKS,
        (
            CohortSection,
            TrainingSection,
            SyntheticSection,
            PlausibilitySection,
            MemorisationSection,
            ComparisonSection,
            SignificanceSection,
        ),
        strict=True,
    )
)
COMMON = tuple(Views.model_fields)
