"""Files of tensors and a few facts about them: safetensors, written whole or not at all."""

import hashlib
import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file


def write(path, kind, tensors, facts):
    """Write tensors and facts; a reader sees the whole file or none.

    The bytes are on the disk before the name appears, and the name before it returns, so that
    neither `kill -9` nor a power cut leaves a file that looks complete, or loses one that was
    written. The same content gives the same bytes.

    Args:
        path: file to write.
        kind: what sort of file it is, with its version; `read` asks for the same.
        tensors: dict from name to tensor, on any device.
        facts: dict of what JSON can hold.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry, because safetensors writes several in an order of its own.
    save_file(tensors, temporary, {"cmrkit": json.dumps({"kind": kind, **facts})})
    temporary.chmod(0o644)  # safetensors leaves it to the owner alone
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


def _sync(path):
    """Bring the bytes of a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
