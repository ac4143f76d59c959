"""Pseudonyms: the same patient always gets the same name, and nobody without the key finds back."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_VARIABLE = "CMRKIT_PSEUDONYM_KEY"


def pseudonym(source, original_id):
    """Keyed name of a patient, e.g. `chla-1a2b3c4d5e`.

    The key lies in the user's own folder, outside every study: `~/.cmrkit/pseudonym.key`, or the
    file that the environment variable CMRKIT_PSEUDONYM_KEY names. It is made on first use.

    Args:
        source: name of the data set; names in two sets are unrelated.
        original_id: the source's own id, as one writes it.
    """
    message = f"{source}\0{original_id}".encode()
    return f"{source}-{hmac.new(_key(), message, hashlib.sha256).hexdigest()[:10]}"


def _key():
    path = Path(os.environ.get(KEY_VARIABLE, Path.home() / ".cmrkit" / "pseudonym.key"))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n")
    key = path.read_text().strip()
    if not key:
        raise ValueError(f"{path}: empty pseudonym key; delete the file to have a new one made")
    return key.encode()
