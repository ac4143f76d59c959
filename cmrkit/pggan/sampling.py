"""Frames from a trained generator: a frame depends on seed, index and view alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from cmrkit.pggan import tensor_file
from cmrkit.pggan.data import decode
from cmrkit.pggan.networks import Generator
from cmrkit.pggan.recipe import Recipe
from cmrkit.pggan.weights import KIND, load_network

CHUNK = 32  # frames that pass together; always full, so that none depends on how many are asked for
WHOLE = 64  # up to this many pixels a side they pass together; above it on a CPU in parts
PART_PIXELS = 2**16  # of a part: its activations then stay in the processor's caches


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator with all that sampling needs.

    Attributes:
        network: averaged (EMA) weights.
        recipe: as trained.
        resolution: pixels a side of its frames.
        alpha: weight of the newest block.
        allowed: [V, labels] bool, labels that the patients of each view have.
    """

    network: Generator
    recipe: Recipe
    resolution: int
    alpha: float
    allowed: torch.Tensor

    @property
    def device(self):
        """Where the weights are."""
        return self.network.dense.weight.device


def load_generator(path, device="cpu"):
    """Read a generator from `generator.safetensors` or from a checkpoint of a run.

    Choice: with precision "auto" it samples in what the device does fast, whatever type it was
    trained in (`computed_in` among the facts of the file): weights are float32 in both.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated or foreign file.
    """
    tensors, facts = tensor_file.read(path, KIND)
    recipe = Recipe.from_dict(facts["recipe"])
    network = Generator(recipe, torch.Generator())
    load_network(network, tensors, "ema")
    network = network.requires_grad_(False).on(torch.device(device))
    return TrainedGenerator(
        network,
        recipe,
        facts["resolution"],
        facts["alpha"],
        torch.tensor(facts["allowed"]).reshape(len(recipe.views), -1).to(device),
    )


def latents(seed, indices, size):
    """Latents by seed and index, whatever else is sampled with them.

    Args:
        seed: of the cohort.
        indices: n frame numbers from 0.
        size: of a latent.

    Returns:
        [n, size] float32.
    """
    z = np.empty((len(indices), size), np.float32)
    for row, index in zip(z, indices, strict=True):
        row[:] = np.random.default_rng([seed, int(index)]).standard_normal(size, dtype=np.float32)
    return z


def sample(generator, seed, indices, views, truncation=1.0):
    """Make labelled frames.

    Args:
        generator: TrainedGenerator.
        seed: of the cohort.
        indices: n frame numbers from 0; a frame keeps its number in any order and batch.
        views: n view names.
        truncation: as in `Generator.start`; 1 for all the variety there is.

    Returns:
        images: [n, R, R] uint8; from a GPU in pinned memory, so ask it for some thousand at a time.
        masks: [n, R, R] uint8, label numbers of the recipe.

    Raises:
        ValueError: a view that the generator was not trained on, not as many views as indices, or a
            truncation out of range.
    """
    if not 0 < truncation <= 1:
        raise ValueError(f"truncation: {truncation}; give a share above 0, 1 for none")
    if len(views) != len(indices):
        raise ValueError(f"views: {len(views)} given; give one for each of {len(indices)} indices")
    return render(generator, latents(seed, indices, generator.recipe.latent), views, truncation)


def interpolate(generator, seed, index_a, index_b, view, steps):
    """Walk from one frame to another on the latent sphere, for a film strip.

    Returns:
        images, masks: [steps, R, R] uint8; the first and last are the frames of the two indices.

    Source: Shoemake 1985 (spherical interpolation), as latents are normalised to a sphere.
    """
    a, b = latents(seed, [index_a, index_b], generator.recipe.latent).astype(np.float64)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b, -1, 1))
    t = np.linspace(0, 1, steps)[:, None]
    if angle < 1e-6:
        z = a + 0 * t
    else:
        z = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
    return render(generator, z.astype(np.float32), [view] * steps)


def render(generator, z, views, truncation=1.0):
    """Frames of given latents.

    Args:
        generator: TrainedGenerator.
        z: [n, latent] float32.
        views: n view names.
        truncation: as in `sample`.

    Returns:
        images, masks: [n, R, R] uint8.
    """
    names = generator.recipe.views
    for name in set(views) - set(names):
        raise ValueError(f"views: {name!r} was not trained; this generator has {', '.join(names)}")
    n, r, device = len(z), generator.resolution, generator.device
    numbers = torch.tensor([0, *generator.recipe.labels], dtype=torch.uint8, device=device)
    pad = -n % CHUNK
    z = torch.cat([torch.from_numpy(z), torch.zeros(pad, z.shape[1])]).to(device)
    view = torch.tensor([names.index(name) for name in views] + [0] * pad).to(device)
    shape, on_gpu = (n + pad, r, r), device.type == "cuda"
    images = torch.empty(shape, dtype=torch.uint8, pin_memory=on_gpu)  # pinned: copied to meanwhile
    masks = torch.empty(shape, dtype=torch.uint8, pin_memory=on_gpu)

    def draw_chunk(start):
        part = slice(start, start + CHUNK)
        image, label = draw_frames(generator, z[part], view[part], truncation)
        images[part].copy_(image, non_blocking=True)
        masks[part].copy_(numbers[label.long()], non_blocking=True)

    starts = range(0, n, CHUNK)
    if on_gpu:
        for start in starts:
            draw_chunk(start)
        torch.cuda.synchronize(device)
    else:
        one_core_each(draw_chunk, starts)
    return images[:n].numpy(), masks[:n].numpy()


@torch.inference_mode()
def draw_frames(generator, z, view, truncation=1.0):
    """The generator's answer to some latents.

    Args:
        generator: TrainedGenerator.
        z: [N, latent] float32, on its device.
        view: [N] int64, position of the view in the recipe.
        truncation: as in `sample`.

    Returns:
        image, label: [N, R, R] uint8 each, as from `decode`.
    """
    network, r = generator.network, generator.resolution
    alpha = generator.alpha if generator.alpha < 1 else None
    x, allowed = network.start(z, view, truncation), generator.allowed[view]
    if r <= WHOLE or x.device.type != "cpu":
        return decode(network.draw(x, r, alpha), allowed)
    part = max(1, PART_PIXELS // r**2)
    pairs = zip(network.grow(x, WHOLE).split(part), allowed.split(part), strict=True)
    done = [decode(network.draw(own, r, alpha), labels) for own, labels in pairs]
    return tuple(torch.cat(pieces) for pieces in zip(*done, strict=True))


def one_core_each(work, items):
    """Work on several items at a time, each on one core.

    Choice: rather than all cores on one item, because cores then never wait for each other, and
    because an item's bytes cannot depend on the number of cores.
    """
    cores = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, items))
    finally:
        torch.set_num_threads(cores)
