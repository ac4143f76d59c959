"""Pseudonyms: stable under one key, unlinkable under another, the key for the user alone."""

import hashlib
import hmac
import stat

import pytest

from cmrkit.cohort.pseudonym import KEY_VARIABLE, key_file, pseudonym


@pytest.fixture
def key(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "a.key"
    monkeypatch.setenv(KEY_VARIABLE, str(path))
    return path


def test_a_pseudonym_is_the_hmac_of_prefix_and_id_under_the_users_key(key):
    key.parent.mkdir()
    key.write_text("secret\n")
    digest = hmac.new(b"secret", b"chla\x0012", hashlib.sha256).hexdigest()
    assert pseudonym("chla", 12) == f"chla-{digest[:10]}"


def test_the_key_is_made_once_and_only_its_user_can_read_it(key):
    first = pseudonym("chla", "7")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_text().strip()) == 64
    assert pseudonym("chla", "7") == first
    assert [path.name for path in key.parent.iterdir()] == ["a.key"]


def test_another_key_another_prefix_or_another_id_gives_another_pseudonym(key, monkeypatch):
    names = {pseudonym("chla", "7"), pseudonym("chla", "8"), pseudonym("acdc", "7")}
    monkeypatch.setenv(KEY_VARIABLE, str(key.with_name("b.key")))
    assert len(names | {pseudonym("chla", "7")}) == 4


def test_without_the_variable_the_key_lies_in_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert key_file() == tmp_path / ".cmrkit" / "pseudonym.key"


def test_an_empty_key_is_refused(key):
    key.parent.mkdir()
    key.write_text("\n")
    with pytest.raises(ValueError, match="empty pseudonym key"):
        pseudonym("chla", "7")
