"""Pseudonyms: the only names under which the kit writes patients, series and files."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_VARIABLE = "CMRKIT_PSEUDONYM_KEY"
_DIGITS = 10  # 40 bits: among 10,000 patients a doubled pseudonym has a chance of 1 in 20,000


def pseudonym(prefix, original_id):
    """Name that stands for an original id and does not lead back to it without the user's key.

    Args:
        prefix: what or whose it is, e.g. `chla`.
        original_id: id in the source.

    Returns:
        str such as `chla-1a2b3c4d5e`; the same for the same id and key.

    Raises:
        ValueError: the key file is empty.

    Choice: HMAC-SHA256 rather than a plain hash, since ids such as `patient007` can be guessed and
    hashed by anyone, and a key kept in the user's folder rather than in the study, which may be
    handed on.
    """
    digest = hmac.new(_key(), f"{prefix}\0{original_id}".encode(), hashlib.sha256)
    return f"{prefix}-{digest.hexdigest()[:_DIGITS]}"


def key_file():
    """`~/.cmrkit/pseudonym.key`, or the file that CMRKIT_PSEUDONYM_KEY names."""
    named = os.environ.get(KEY_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cmrkit" / "pseudonym.key"


def _key():
    path = key_file()
    if not path.exists():
        _make_key(path)
    key = path.read_bytes().strip()
    if not key:
        raise ValueError(f"{path}: empty pseudonym key; delete the file and a new one is made")
    return key


def _make_key(path):
    """Write a new key that only the user can read; the first of several processes wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32) + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
