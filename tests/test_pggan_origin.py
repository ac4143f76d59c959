"""Runs that other code began or finished are kept, and told of in one line."""

import pytest
from pggan_runs import tiny_data, tiny_recipe

from cmrkit.pggan import origin, tensor_file
from cmrkit.pggan.training import train
from cmrkit.pggan.weights import KIND

OTHER = origin.PRESENT | {"sources": "0123456789ab", "torch": "2.11.0"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data") / "data.safetensors")


def stop(line):
    if line["tick"] == 5:
        raise KeyboardInterrupt


def last_facts(folder):
    return tensor_file.read(sorted((folder / "checkpoints").glob("*"))[-1], KIND)[1]


def test_run_of_the_present_code_is_told_nothing_of(data, tmp_path, capsys):
    train(tiny_recipe(), data, tmp_path)
    train(tiny_recipe(), data, tmp_path)
    assert capsys.readouterr().out == ""
    assert last_facts(tmp_path)["trained_by"] == [origin.PRESENT]


def test_finished_run_of_other_code_is_kept_and_told_of(data, tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(origin, "PRESENT", OTHER)
        path = train(tiny_recipe(), data, tmp_path)
    before = tensor_file.digest(path)
    train(tiny_recipe(), data, tmp_path)
    told = capsys.readouterr().out
    assert told.startswith(
        f"{tmp_path}: finished with weights that were trained otherwise (other sources; "
        "torch 2.11.0, now 2."
    )
    assert told.endswith("delete the folder to train anew\n")
    assert told.count("\n") == 1
    assert tensor_file.digest(path) == before


def test_run_that_other_code_began_goes_on_and_both_are_recorded(
    data, tmp_path, capsys, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(origin, "PRESENT", OTHER)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_recipe(), data, tmp_path, stop)
    train(tiny_recipe(), data, tmp_path)
    assert "goes on from weights that were trained otherwise" in capsys.readouterr().out
    assert last_facts(tmp_path)["trained_by"] == [OTHER, origin.PRESENT]
    train(tiny_recipe(), data, tmp_path)
    assert "finished with weights that were trained otherwise" in capsys.readouterr().out


def test_run_that_goes_on_with_another_number_of_threads_is_told_of(
    data, tmp_path, capsys, monkeypatch
):
    other = origin.PRESENT | {"threads": 64}
    with monkeypatch.context() as patched:
        patched.setattr(origin, "PRESENT", other)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_recipe(), data, tmp_path, stop)
    train(tiny_recipe(), data, tmp_path)
    now = origin.PRESENT["threads"]
    assert f"trained otherwise (threads 64, now {now}); delete" in capsys.readouterr().out


def test_generator_file_does_not_change_with_the_code(data, tmp_path, monkeypatch):
    one = train(tiny_recipe(), data, tmp_path / "one")
    monkeypatch.setattr(origin, "PRESENT", OTHER)
    other = train(tiny_recipe(), data, tmp_path / "other")
    assert tensor_file.digest(one) == tensor_file.digest(other)
