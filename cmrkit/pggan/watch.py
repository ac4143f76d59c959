"""What a running training shows of itself."""

import numpy as np
import torch

from cmrkit.pggan import realism
from cmrkit.pggan.data import level_frames
from cmrkit.pggan.files import written_whole
from cmrkit.pggan.sampling import sample

GRID_FRAMES = 16  # fixed-latent frames a view
DIVERSITY_PAIRS = 64  # pairs a view for the MS-SSIM of each tick
REALISM_FRAMES = 256  # frames a view and set for the sliced Wasserstein distance


class Watch:
    """Looks at the averaged generator beside the patients' frames, at one level.

    Args:
        data: TrainingData.
        resolution: pixels a side of the level.
        seed: of latents, patches and pairs.
    """

    def __init__(self, data, resolution, seed):
        self.resolution, self.seed, self.views = resolution, seed, data.view_names
        self.patients = {}  # view: [n, R, R] uint8 numpy, first half of the file then second half
        for number, name in enumerate(data.view_names):
            rows = torch.nonzero(data.view == number).flatten()
            # Evenly over the file, so that with frames stored patient by patient the halves that
            # are compared with each other come from different patients.
            count = min(len(rows), 2 * REALISM_FRAMES) // 2 * 2
            rows = rows[torch.linspace(0, len(rows) - 1, count).long()]
            self.patients[name] = level_frames(data.take(rows), resolution)[:, 0].numpy()
        self.floor = np.array([self._similarity(self.patients[view]) for view in self.views])

    def _similarity(self, images):
        return realism.pairwise_ms_ssim(images, DIVERSITY_PAIRS, self.seed)

    def diversity(self, generator):
        """MS-SSIM of pairs of frames of one view, which falls the more they differ.

        Returns:
            dict of `ms_ssim`, `ms_ssim_patients`: means over the views, generated frames and the
            patients' own; `alike`: of the view where it is largest, the share of the way from the
            patients' own (0) to frames that are all the same (1).
        """
        frames = self._frames(generator, 2 * GRID_FRAMES)
        found = np.array([self._similarity(frames[view][0]) for view in self.views])
        alike = (found - self.floor) / np.maximum(1 - self.floor, 1e-6)
        means = {"ms_ssim": found.mean(), "ms_ssim_patients": self.floor.mean()}
        return {name: float(value) for name, value in (means | {"alike": alike.max()}).items()}

    def realism(self, generator):
        """Sliced Wasserstein distance and MS-SSIM of a view, beside what patients' frames reach.

        Returns:
            list of dicts, one a view and scale: `view, scale, swd, swd_patients, ms_ssim,
            ms_ssim_patients`; none at 4 pixels, below a patch. `swd` compares generated frames with
            the first half of the patients' frames, `swd_patients` their second half, in equal
            numbers.
        """
        rows = []
        if self.resolution <= realism.PATCH:
            return rows
        for view in self.views:
            first, second = np.split(self.patients[view], 2)
            made = self._frames_of(view, generator, len(first))[0]
            settings = {"seed": self.seed, "patches": 64, "directions": 128}
            swd = realism.sliced_wasserstein(made, first, **settings)
            swd_patients = realism.sliced_wasserstein(second, first, **settings)
            similar = {
                "ms_ssim": self._similarity(made),
                "ms_ssim_patients": self._similarity(self.patients[view]),
            }
            for scale in swd:
                row = {"view": view, "scale": scale, "swd": swd[scale]}
                rows.append(row | {"swd_patients": swd_patients[scale]} | similar)
        return rows

    def _frames(self, generator, count):
        return {view: self._frames_of(view, generator, count) for view in self.views}

    def _frames_of(self, view, generator, count):
        return sample(generator, self.seed, range(count), [view] * count)

    def save_grid(self, generator, path):
        """Write the fixed-latent frames: `images` and `masks`, [V, GRID_FRAMES, R, R] uint8."""
        frames = self._frames(generator, GRID_FRAMES)
        images, masks = (np.stack([frames[view][part] for view in self.views]) for part in (0, 1))
        with written_whole(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, images=images, masks=masks)
