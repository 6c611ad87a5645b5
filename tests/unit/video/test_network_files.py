"""Only the published networks are loaded; a missing package or file is named, with what to do about it."""

from __future__ import annotations

import zipfile

import pytest

from m3n.errors import InputError, MissingError
from m3n.video import network_files


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv(network_files.FOLDER, str(tmp_path))
    monkeypatch.setattr(network_files, "PACKAGES", ())
    return tmp_path


def test_a_missing_network_is_one_line_with_the_command_that_fetches_it(folder):
    with pytest.raises(MissingError, match=r"pose_detection.tflite is missing: run `m3n setup video`, or set M3N_POSE_MODELS"):
        network_files.checked_folder()


def test_a_file_that_is_not_the_published_one_is_refused(folder):
    for name in network_files.needed("full"):
        (folder / name).write_bytes(b"TFL3")
    with pytest.raises(InputError, match="is not the published network"):
        network_files.checked_folder()


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(network_files, "PACKAGES", ("no_such_package",))
    with pytest.raises(MissingError, match=r"no_such_package not installed: pip install m3n\[video\]"):
        network_files.checked_folder()


def test_a_wheel_with_another_network_is_refused(tmp_path):
    wheel = tmp_path / "mediapipe-0.10.21.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(network_files.IN_WHEEL[network_files.DETECTOR], b"something else")
    with pytest.raises(InputError, match="SHA-256"):
        network_files._taken(wheel, network_files.DETECTOR)
    with pytest.raises(InputError, match="does not hold pose_landmark_full"):
        network_files._taken(wheel, network_files.NETWORKS["full"])
