"""`m3n.simulate` takes what can only mean one thing, and refuses the rest with one line that names the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from people import walker

import m3n
from m3n.errors import InputError

POSES, TRANS = walker(30.0, 1.0)
PLAIN = m3n.simulate(POSES, TRANS, fps=30.0)


def read(**changed: Any) -> dict[str, np.ndarray]:
    return m3n.simulate(**({"poses": POSES, "trans": TRANS, "fps": 30.0} | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"gender": np.array("neutral")}, {"gender": np.array(b"neutral")}, {"gender": b"neutral"},
        {"gender": np.array(["Neutral"])},
        {"gender": np.array("b'neutral'")}, {"gender": np.str_("neutral")}, {"fps": np.array(30.0)},
        {"fps": np.array([30])},
        {"fps": np.float32(30)}, 
        {"fps": [30.0]}, {"fps": torch.tensor(30.0)}, {"rate_hz": np.array([60])}, {"poses": POSES.tolist()},
        {"poses": POSES.reshape(30, 72)}, {"poses": torch.tensor(POSES, requires_grad=True)}, {"trans": torch.tensor(TRANS)},
        {"poses": POSES.astype(">f8")}, {"placements": ["left_wrist", "right_wrist"]}, {"body_model": np.array("smpl")},
        {"placements": np.array(["left_wrist", "right_wrist"])}, {"betas": np.zeros((1, 16))}, {"betas": np.zeros(300)},
        {"betas": np.zeros((30, 10))}, {"poses": POSES[:, :22]}, {"poses": POSES[:, :22].reshape(30, 66)},
    ],
    ids=lambda changed: f"{next(iter(changed))}-{type(next(iter(changed.values()))).__name__}",
)  # fmt: skip
def test_what_can_only_mean_one_thing_is_taken(changed: dict[str, Any]) -> None:
    found = read(**changed)
    for placement, expected in PLAIN.items():
        np.testing.assert_allclose(found[placement], expected, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.int8])
def test_arrays_of_any_numbers_are_taken(dtype: Any) -> None:
    poses, trans = np.zeros((30, 24, 3), dtype), np.zeros((30, 3), dtype)
    norm = np.linalg.norm(m3n.simulate(poses, trans, fps=30)["left_wrist"][:, :3], axis=1)
    np.testing.assert_allclose(norm, 9.80665, rtol=1e-5)


@pytest.mark.parametrize(("columns", "model"), [(156, "smplh"), (165, "smplx"), (72, "smpl")])
def test_the_number_of_columns_tells_the_body_model(columns: int, model: str) -> None:
    poses = np.zeros((30, columns))
    poses[:, :66] = POSES[:, :22].reshape(30, 66)
    found = read(poses=poses)
    for placement, expected in read(poses=poses, body_model=model).items():
        np.testing.assert_array_equal(found[placement], expected)


def test_one_name_is_one_placement() -> None:
    for name in ("left_wrist", np.array("left_wrist"), b"left_wrist", {"left_wrist"}):
        assert list(read(placements=name)) == ["left_wrist"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fps": "120"}, "fps is 120, expected a number"), ({"fps": np.array([30, 60])}, r"fps has shape \(2,\)"),
        ({"fps": None}, "fps is None"), ({"fps": True}, "fps is True"), ({"fps": 0}, "fps is 0"), ({"fps": np.nan}, "fps is nan"),
        ({"rate_hz": "60"}, "rate_hz is 60"), ({"cutoff_hz": -1}, "cutoff_hz is -1"),
        ({"trans": None}, "trans is None"), ({"poses": None}, "poses is None"), ({"trans": TRANS[:5]}, r"trans has shape \(5, 3\)"),
        ({"poses": POSES[:, :21]}, "21 joints"), ({"poses": POSES[0]}, "24 joints|shape"),
        ({"poses": np.zeros((30, 24, 4))}, "quaternions"),
        ({"poses": np.zeros((30, 24, 3, 3))}, "rotation matrices"), ({"poses": np.array([["a"]])}, "poses is values of type"),
        ({"poses": [[1, 2], [3]]}, "same length"), ({"poses": POSES.astype(complex)}, "values of type complex128"),
        ({"poses": np.full_like(POSES, np.nan)}, "poses is nan at frame 0"), 
        ({"trans": np.full_like(TRANS, np.inf)}, "trans is inf"),
        ({"gender": "x"}, "gender is 'x'"), ({"gender": 3}, "gender is 3"),
        ({"gender": np.array(["male", "female"])}, "gender is"),
        ({"body_model": "smplh"}, "24 joints, but body_model is 'smplh'"), ({"body_model": "mano"}, "body_model is 'mano'"),
        ({"placements": "left_hand"}, "unknown placement 'left_hand'"), ({"placements": 3}, "placements is 3"),
        ({"placements": [3]}, "placements is 3"), ({"placements": ()}, "placements is empty"),
        ({"betas": np.random.default_rng(0).normal(size=(30, 10))}, "betas have shape"), ({"betas": [np.nan]}, "betas is nan"),
        ({"betas": "tall"}, "betas is tall"), ({"up": "x"}, "up is 'x'"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else next(iter(value)),
)  # fmt: skip
def test_anything_else_is_refused_with_the_name_of_the_argument(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read(**changed)
    assert "\n" not in str(raised.value)
