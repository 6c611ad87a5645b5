"""Files of NumPy from elsewhere: a header is compared with the bytes behind it before anything is allocated."""

from __future__ import annotations

import io

import numpy as np
import pytest
from fuzz.hostile import npy_members
from fuzz.originals import Raw, npy

from m3n.errors import InputError
from m3n.untrusted.npy import load_object_npy, object_array, plain_array


def test_npy_headers_that_promise_what_is_not_there_are_refused_without_allocating() -> None:
    good = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(plain_array(npy(good), "a.npy"), good)
    refused = 0
    for data in npy_members():
        try:
            plain_array(npy(Raw(data)), "a.npy")
        except InputError as error:
            refused += str(error).startswith("a.npy: ")
    assert refused >= len(npy_members()) - 3  # a few claims happen to be true of the 32 bytes behind them


def test_plain_and_damaged_npy_files(tmp_path):
    np.save(tmp_path / "plain.npy", np.arange(4))
    np.testing.assert_array_equal(load_object_npy(tmp_path / "plain.npy"), np.arange(4))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "plain.npy").read_bytes()[:-9])
    (tmp_path / "text.npy").write_text("hello")
    for name in ("cut.npy", "text.npy", "absent.npy"):
        with pytest.raises(InputError, match=name):
            load_object_npy(tmp_path / name)


def test_a_saved_dict_comes_back_as_a_dict_and_a_plain_reader_refuses_it(tmp_path):
    np.save(tmp_path / "a.npy", np.array({"poses": np.arange(3.0)}, dtype=object), allow_pickle=True)
    found = load_object_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(found["poses"], [0, 1, 2])
    with pytest.raises(InputError, match=r"a\.npy: .*it holds Python objects \(a pickle\)"):
        plain_array((tmp_path / "a.npy").read_bytes(), "a.npy")


def test_an_object_body_must_have_the_shape_of_its_header():
    def saved(value: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.save(file, value, allow_pickle=True)
        return file.getvalue()

    one, two = saved(np.array([None], dtype=object)), saved(np.array([None, None], dtype=object))
    assert object_array(one, "a.npy").shape == (1,)
    swapped = one[:128] + two[128:]  # NumPy pads its headers to a multiple of 64
    with pytest.raises(InputError, match=r"its header promises an array of shape \(1,\)"):
        object_array(swapped, "a.npy")


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", "?", "<U5", "<c16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers_and_text_come_back(dtype, order):
    file, array = io.BytesIO(), np.asarray(np.arange(6).reshape(2, 3).astype(dtype), order=order)
    np.save(file, array)
    np.testing.assert_array_equal(plain_array(file.getvalue(), "a.npy"), array)
