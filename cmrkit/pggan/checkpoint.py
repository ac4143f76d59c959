"""Checkpoints: all that a run needs to go on, in safetensors, complete or not there at all."""

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cmrkit.pggan.recipe import Recipe

FORMAT = "cmrkit pggan 1"


def write_tensors(path, tensors, metadata):
    """Write tensors and string metadata; a reader sees the whole file or none.

    The bytes are on the disk before the name appears, so that neither `kill -9` nor a power cut
    leaves a file that looks complete.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, temporary, {"format": FORMAT, **metadata})
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def read_tensors(path, device="cpu"):
    """Read a file that `write_tensors` wrote.

    Returns:
        tensors by name, metadata.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, or not such a file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint; train first")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"{path}: not a '{FORMAT}' file; give one that training wrote")
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: truncated or foreign ({error}); delete it") from None


def digest(path):
    """SHA-256 of a file: which data a run was trained on."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def network_state(network, prefix):
    """Weights of a network under `prefix`."""
    return {f"{prefix}.{name}": value for name, value in network.state_dict().items()}


def load_network(network, tensors, prefix):
    """Fill a network with the weights under `prefix`."""
    start = f"{prefix}."
    weights = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    network.load_state_dict(weights)


def adam_state(optimiser, network, prefix):
    """Adam's moments under `prefix`, by weight name."""
    return {
        f"{prefix}.{name}.{key}": value
        for name, weight in network.named_parameters()
        for key, value in optimiser.state.get(weight, {}).items()
    }


def load_adam(optimiser, network, tensors, prefix):
    """Fill an optimiser with the moments under `prefix`; a weight without any starts afresh."""
    for name, weight in network.named_parameters():
        start = f"{prefix}.{name}."
        state = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        if state:
            optimiser.state[weight] = {
                key: value if value.ndim == 0 else torch.empty_like(weight).copy_(value)
                for key, value in state.items()
            }


def checkpoint_path(folder, images_shown):
    """Name of a checkpoint; names sort in the order of training."""
    return Path(folder) / "checkpoints" / f"images_{images_shown:09d}.safetensors"


def last_checkpoint(folder):
    """The newest checkpoint of a run, or None."""
    found = sorted((Path(folder) / "checkpoints").glob("images_*.safetensors"))
    return found[-1] if found else None


def check_same_run(path, metadata, recipe, data_digest):
    """Refuse a checkpoint of another recipe or other data.

    Raises:
        ValueError: naming the first field that differs.
    """
    remedy = "give the same recipe, or another folder"
    theirs = Recipe.from_dict(json.loads(metadata["recipe"]))
    for name, value in recipe.to_dict().items():
        other = theirs.to_dict()[name]
        if value != other:
            raise ValueError(f"{path}: was trained with {name} {other}, not {value}; {remedy}")
    if metadata["data"] != data_digest:
        raise ValueError(f"{path}: was trained on other data; {remedy}")
