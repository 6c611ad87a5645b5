"""Files of torch.save, read without torch and compared with torch."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from m3n.errors import InputError
from m3n.untrusted.torch_files import load_torch


def test_tensors_of_every_kind_come_back_as_torch_loads_them(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    saved = {
        "whole": base, "turned": base.T, "part": base[1:3, ::2], "repeated": base[:1].expand(3, 6), "single": torch.tensor(3.5),
        "none": torch.zeros(0, 3), "half": base.half(), "long": base.long(), "truth": base > 3, "byte": base.byte(),
    }  # fmt: skip
    torch.save({**saved, "list": [base, (base,)], "brain": base.bfloat16()}, tmp_path / "a.pt")
    found = load_torch(tmp_path / "a.pt")
    for key, tensor in saved.items():
        np.testing.assert_array_equal(found[key], tensor.numpy())
    np.testing.assert_array_equal(found["list"][1][0], base.numpy())
    assert found["brain"] is None


@pytest.mark.parametrize(("size", "message"), [((10**6, 6), "truncated"), ((-1, 6), "the shape"), ((2**40, 1), "the shape")])
def test_a_tensor_that_promises_more_than_its_storage_is_refused(tmp_path: Path, size: tuple[int, int], message: str) -> None:
    file = tmp_path / "a.pt"
    torch.save(torch.arange(24.0).reshape(4, 6), file)
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (program,) = [name for name in parts if name.endswith("data.pkl")]
    at = b"K\x04K\x06\x86"  # the tuple (4, 6)
    assert parts[program].count(at) == 1
    parts[program] = parts[program].replace(at, pickle.dumps(size, 2)[2:-1].replace(b"q\x00", b""))
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=rf"a\.pt.*{message}"):
        load_torch(file)


def test_a_function_in_a_torch_file_is_refused_by_name_and_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "was_run"),)

    torch.save({"poses": torch.zeros(3), "trap": Hostile()}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a\.pt: .*'posix\.mkdir'.*was not loaded"):
        load_torch(tmp_path / "a.pt")
    assert not (tmp_path / "was_run").exists()


def test_files_that_torch_did_not_write_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(pickle.dumps({"poses": [1.0]}))  # as before PyTorch 1.6
    with zipfile.ZipFile(tmp_path / "b.pt", "w") as archive:
        archive.writestr("b/notes.txt", "hello")
    for name, message in (("a.pt", "not written by torch.save of PyTorch 1.6"), ("b.pt", r"has no data\.pkl")):
        with pytest.raises(InputError, match=rf"{name[0]}\.pt: .*{message}"):
            load_torch(tmp_path / name)


def test_a_storage_that_is_missing_or_truncated_is_named(tmp_path: Path) -> None:
    torch.save(torch.arange(24.0), tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (numbers,) = [name for name in parts if "/data/" in name]
    for changed, message in (({}, "storage data/0 is missing"), ({numbers: parts[numbers][:-4]}, "storage 0 is truncated")):
        with zipfile.ZipFile(tmp_path / "b.pt", "w") as archive:
            for name, content in ({k: v for k, v in parts.items() if k != numbers} | changed).items():
                archive.writestr(name, content)
        with pytest.raises(InputError, match=rf"b\.pt: .*{message}"):
            load_torch(tmp_path / "b.pt")
