"""Files that come with m3n are found by name, in a checkout and in an installed package alike."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from places import REPOSITORY

from m3n import packaged
from m3n.errors import InputError


def test_a_checkout_has_them_at_its_top_level():
    assert packaged.is_checkout()
    for name in ("configs", "tune_spaces", "jobs", "benchmarks", "constraints.txt"):
        assert packaged.place(name) == REPOSITORY / name


def test_a_package_has_them_inside_whatever_else_is_installed_beside_it(tmp_path, monkeypatch):
    inside = tmp_path / "site-packages" / "m3n"
    for folder in (inside / "configs", tmp_path / "site-packages" / "configs"):  # the second is somebody else's
        folder.mkdir(parents=True)
        (folder / "demo.yaml").touch()
    monkeypatch.setattr(packaged, "PACKAGE", inside)
    assert not packaged.is_checkout()
    assert packaged.find("demo", "configs", ".yaml", "config file") == inside / "configs" / "demo.yaml"


@pytest.mark.parametrize("name", ["joint", "joint.py"])
def test_a_name_finds_the_file_with_or_without_its_suffix(name):
    assert packaged.find(name, "tune_spaces", ".py", "search space") == REPOSITORY / "tune_spaces" / "joint.py"


def test_a_file_at_that_path_wins_over_a_name_and_a_folder_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert packaged.find("demo", "configs", ".yaml", "config file") == REPOSITORY / "configs" / "demo.yaml"
    (tmp_path / "demo").rmdir()
    (tmp_path / "demo").write_text("pretrain: {seed: 1}\n")
    assert packaged.find(Path("demo"), "configs", ".yaml", "config file") == Path("demo")


def test_a_pipe_is_a_file_too(tmp_path):
    pipe = tmp_path / "settings"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("pretrain: {seed: 7}\n"))
    writer.start()
    assert packaged.find(pipe, "configs", ".yaml", "config file").read_text() == "pretrain: {seed: 7}\n"
    writer.join()


@pytest.mark.parametrize("name", ["demmo", "", ".", "x" * 5000])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(InputError, match=r"no config file '.*: expected a YAML file, or one of .*demo.*paper") as failure:
        packaged.find(name, "configs", ".yaml", "config file")
    if name == "demmo":
        assert "did you mean 'demo'?" in str(failure.value)
