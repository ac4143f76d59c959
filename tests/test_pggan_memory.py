"""Tests of what a training tells of its memory."""

import resource
import sys
from types import SimpleNamespace

import psutil
import pytest

from cmrkit.pggan.memory import peak_memory


def test_the_peak_is_at_least_what_is_held_now():
    held = psutil.Process().memory_info().rss / 2**30
    assert 0.99 * held <= peak_memory() < psutil.virtual_memory().total / 2**30


@pytest.mark.parametrize(("system", "unit"), [("linux", 2**10), ("darwin", 1)])
def test_the_peak_is_in_gib_on_every_system(monkeypatch, system, unit):
    usage = SimpleNamespace(ru_maxrss=3 * 2**30 // unit)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(resource, "getrusage", lambda who: usage)
    assert peak_memory() == 3
