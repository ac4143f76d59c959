"""Digests of what a study leaves, and the commit that made it."""

from cmrkit import provenance


def test_a_folders_digest_leaves_out_what_is_hidden_and_nothing_else(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "0").write_text("pixels")
    before = provenance.sha256(tmp_path)
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "c" / ".snakemake_timestamp").touch()
    assert provenance.sha256(tmp_path) == before
    (tmp_path / "c" / "1").write_text("more")
    assert provenance.sha256(tmp_path) != before


def test_a_machine_without_git_knows_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() is None
