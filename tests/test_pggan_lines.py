"""JSON lines files after a stop in the middle of a line."""

import os
import stat

import pytest
import torch

from cmrkit.pggan import tensor_file
from cmrkit.pggan.lines import append_lines, read_lines


@pytest.mark.parametrize("damage", [b'{"tick": 3, "kim', b"\0\0\0\0", b"\xff\xfe{"])
def test_damaged_last_line_is_dropped(damage, tmp_path):
    path = tmp_path / "stats.jsonl"
    append_lines(path, [{"tick": 1}, {"tick": 2}])
    with open(path, "ab") as file:
        file.write(damage)
    assert read_lines(path) == [{"tick": 1}, {"tick": 2}]


def test_damage_before_the_end_is_refused_with_file_and_line(tmp_path):
    path = tmp_path / "stats.jsonl"
    path.write_text('{"tick": 1}\n{"ti\n{"tick": 3}\n')
    with pytest.raises(ValueError, match=r"stats\.jsonl: line 2 is damaged; delete"):
        read_lines(path)


def test_lines_and_names_of_files_are_brought_to_the_disk(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def spy(descriptor):
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    append_lines(tmp_path / "stats.jsonl", [{"tick": 1}])
    assert synced == [False]
    tensor_file.write(tmp_path / "a.safetensors", "a kind", {"weight": torch.zeros(3)}, {})
    assert synced == [False, False, True]
