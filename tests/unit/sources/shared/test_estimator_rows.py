"""What all video pose estimators share: the frame rate is given, and pickles are not run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

from m3n.errors import InputError
from m3n.sources import load


class Evil:
    """Pickles into a call of os.system, as a hostile file would."""

    def __init__(self, command: str = "true") -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("source", ["wham", "gvhmr", "hmr4d", "romp", "glamr", "smplx_npz"])
def test_frame_rate_must_be_given(tmp_path: Path, source: str) -> None:
    module = load(source)
    with pytest.raises(InputError, match="give fps="):
        list(module.pose_clips(tmp_path, module.Options()))


@pytest.mark.parametrize(
    ("source", "name"),
    [("wham", "a.pkl"), ("hmr4d", "a.pkl"), ("glamr", "a.pkl"), ("gvhmr", "a.pt"), ("romp", "a.npz")],
)
def test_hostile_pickles_are_refused_without_running_them(tmp_path: Path, source: str, name: str) -> None:
    mark, file = tmp_path / "was_run", tmp_path / name
    evil = Evil(f"touch {mark}")
    if source == "romp":
        np.savez(file, results=np.array(evil, dtype=object))
    elif source == "gvhmr":
        torch.save({"smpl_params_global": evil}, file)
    elif source == "glamr":
        file.write_bytes(pickle.dumps({"person_data": {0: evil}}))
    else:
        joblib.dump({0: {"pose_world": np.zeros(3), "x": evil}}, file)
    module = load(source)
    with pytest.raises(InputError, match=name.replace(".", r"\.")) as raised:
        list(module.pose_clips(file, module.Options(fps=30)))
    assert "\n" not in str(raised.value)
    assert not mark.exists()
