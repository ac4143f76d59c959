"""Files of tensors and a few facts about them: safetensors, written whole or not at all."""

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cmrkit.pggan.files import written_whole


def write(path, kind, tensors, facts):
    """Write tensors and facts; a reader sees the whole file or none.

    The same content gives the same bytes.

    Args:
        path: file to write.
        kind: what sort of file it is, with its version; `read` asks for the same.
        tensors: dict from name to tensor, on any device.
        facts: dict of what JSON can hold.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with written_whole(path) as temporary:
        # One entry, because safetensors writes several in an order of its own.
        save_file(tensors, temporary, {"cmrkit": json.dumps({"kind": kind, **facts})})
        temporary.chmod(0o644)  # safetensors leaves it to the owner alone


def read(path, kind, device="cpu"):
    """Read a file that `write` wrote; nothing in it is executed.

    Returns:
        tensors by name, facts.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, or not of this kind.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; a '{kind}' file is needed")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            facts = json.loads((file.metadata() or {}).get("cmrkit", "{}"))
            if facts.get("kind") != kind:
                raise ValueError(f"{path}: not a '{kind}' file; give one that this kit wrote")
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: truncated or foreign ({error}); delete it") from None


def digest(path):
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
