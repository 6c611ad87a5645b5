"""Where sensors go on SMPL, SMPL-H and SMPL-X bodies of every gender, against the package smplx.

The official files cannot be shipped, so files of their names and keys are made here: the stand-in's skin and joints, thinned, with
hand and face joints appended, random shapes, and random pose blend shapes that are not zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import m3n
from m3n.body.kinematics import rest_joints, skinned_points
from m3n.body.model import SMPL_PARENTS, load_body
from m3n.imu.placement import SITES, mount, sensor_vertex
from m3n.imu.simulate import sensor_paths
from m3n.schema import GENDERS, JOINT_COUNT


def hand_parents(first: int) -> list[int]:
    """Fifteen finger joints on either wrist, the left hand's first; `first` is the index of the first of them."""
    both = []
    for wrist, start in ((20, first), (21, first + 15)):
        for finger in range(5):
            both += [wrist, start + 3 * finger, start + 3 * finger + 1]
    return both


PARENTS = {
    "smpl": list(SMPL_PARENTS),
    "smplh": [*SMPL_PARENTS[:22], *hand_parents(22)],
    "smplx": [*SMPL_PARENTS[:22], 15, 15, 15, *hand_parents(25)],  # jaw and eyes on the head
}
FILES = {"smpl": "smpl/SMPL_{}.npz", "smplh": "smplh/SMPLH_{}.npz", "smplx": "smplx/SMPLX_{}.npz"}


def model_file(body_model: str, gender: str) -> dict[str, Any]:
    """An official file's arrays, different for every model and gender."""
    rng = np.random.default_rng([list(FILES).index(body_model), GENDERS.index(gender)])
    standin, parents = load_body(), PARENTS[body_model]
    worn = [sensor_vertex(standin, site) for site in SITES.values()]
    bearing = np.flatnonzero(standin.joint_regressor.any(0))
    chosen = np.unique([*worn, *bearing, *range(0, len(standin.v_template), 64)])
    count, shared = len(parents), 24 if body_model == "smpl" else 22
    regressor = np.concatenate([standin.joint_regressor[:shared, chosen], np.zeros((count - shared, len(chosen)))])
    weights = np.concatenate([standin.weights[chosen, :shared], np.zeros((len(chosen), count - shared))], axis=1)
    if body_model != "smpl":  # the stand-in's hands have a joint of their own, these have fingers
        weights[:, 20:22] += standin.weights[chosen, 22:24]
    for extra in range(shared, count):  # somewhere on the skin that its parent moves
        near = np.argsort(weights[:, parents[extra]])[-12:]
        regressor[extra, rng.choice(near, 3, replace=False)] = [0.5, 0.3, 0.2]
        share = rng.uniform(0, 0.3, len(near))
        weights[near, extra] = share * weights[near, parents[extra]]
        weights[near, parents[extra]] *= 1 - share
    return {
        "v_template": standin.v_template[chosen], "f": np.zeros((1, 3), np.uint32), "weights": weights, "J_regressor": regressor,
        "shapedirs": 0.01 * rng.normal(size=(len(chosen), 3, 10)),
        "posedirs": 0.005 * rng.normal(size=(len(chosen), 3, 9 * (count - 1))),
        "kintree_table": np.stack([np.array([2**32 - 1, *parents[1:]]), np.arange(count)]).astype(np.uint32),
    }  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of nine model files, as the package smplx lays them out."""
    folder = tmp_path_factory.mktemp("models")
    for body_model, name in FILES.items():
        (folder / body_model).mkdir()
        for gender in GENDERS:
            np.savez(folder / name.format(gender.upper()), **model_file(body_model, gender))
    return folder


def smplx_skin(data: dict[str, Any], poses: np.ndarray, trans: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """Every vertex by the package smplx, (frames, V, 3)."""
    torch = pytest.importorskip("torch")
    lbs = pytest.importorskip("smplx.lbs").lbs

    def tensor(values: np.ndarray) -> Any:
        return torch.as_tensor(np.array(values), dtype=torch.float64)

    parents = np.array(data["kintree_table"], np.int64)[0]
    parents[0] = -1
    vertices, _ = lbs(
        tensor(betas)[None].expand(len(poses), -1), tensor(poses.reshape(len(poses), -1)), tensor(data["v_template"]),
        tensor(data["shapedirs"]), tensor(data["posedirs"].reshape(-1, data["posedirs"].shape[-1]).T),
        tensor(data["J_regressor"]), torch.as_tensor(parents), tensor(data["weights"]),
    )  # fmt: skip
    return vertices.numpy() + trans[:, None]


def motion(body_model: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 0.8 * rng.normal(size=(6, JOINT_COUNT[body_model], 3)), rng.normal(size=(6, 3)), rng.normal(size=10)


@pytest.mark.parametrize("gender", GENDERS)
@pytest.mark.parametrize("body_model", FILES)
def test_skin_under_every_sensor_is_where_smplx_has_it(models: Path, body_model: str, gender: str) -> None:
    data, (poses, trans, betas) = model_file(body_model, gender), motion(body_model)
    body = load_body(body_model, gender, models)
    assert not body.standin
    assert body.posedirs is not None
    assert body.joints == JOINT_COUNT[body_model]
    vertices = [sensor_vertex(body, site) for site in SITES.values()]
    expected = smplx_skin(data, poses, trans, betas)[:, vertices]
    np.testing.assert_allclose(skinned_points(body, poses, trans, betas, vertices), expected, atol=1e-6)
    at_rest = smplx_skin(data, np.zeros_like(poses[:1]), np.zeros((1, 3)), betas)[0, vertices]
    for site, skin in zip(SITES.values(), at_rest, strict=True):
        found = mount(body, betas, site)
        np.testing.assert_allclose(rest_joints(body, betas)[found.joint] + found.offset, skin, atol=1e-6)


@pytest.mark.parametrize("gender", GENDERS)
@pytest.mark.parametrize("body_model", FILES)
def test_a_sensors_path_is_that_of_a_point_bound_to_its_bone_alone(models: Path, body_model: str, gender: str) -> None:
    """smplx moves extra vertices, one per sensor and one 1 m along each of its axes, that hang on the sensor's bone alone."""
    data, (poses, trans, betas) = model_file(body_model, gender), motion(body_model, seed=1)
    body = load_body(body_model, gender, models)
    count, first = len(SITES), len(data["v_template"])
    mounts = [mount(body, betas, site) for site in SITES.values()]
    points = np.concatenate([
        rest_joints(body, betas)[m.joint] + m.offset + np.concatenate([np.zeros((1, 3)), m.rotation.T]) for m in mounts
    ])  # fmt: skip
    bound = np.zeros((4 * count, body.joints))
    bound[np.arange(4 * count), np.repeat([m.joint for m in mounts], 4)] = 1
    extended = data | {
        "v_template": np.concatenate([data["v_template"], points]),
        "weights": np.concatenate([data["weights"], bound]),
        "J_regressor": np.pad(data["J_regressor"], ((0, 0), (0, 4 * count))),
        "shapedirs": np.pad(data["shapedirs"], ((0, 4 * count), (0, 0), (0, 0))),
        "posedirs": np.pad(data["posedirs"], ((0, 4 * count), (0, 0), (0, 0))),
    }
    moved = smplx_skin(extended, poses, trans, betas)[:, first:].reshape(len(poses), count, 4, 3)
    path = sensor_paths(body, poses, trans, betas, SITES).reshape(len(poses), count, 7)
    np.testing.assert_allclose(path[..., :3], moved[:, :, 0], atol=1e-6)
    axes = np.swapaxes(moved[:, :, 1:] - moved[:, :, :1], -1, -2)
    found = Rotation.from_quat(path[..., 3:].reshape(-1, 4)).as_matrix().reshape(axes.shape)
    np.testing.assert_allclose(found, axes, atol=1e-6)


def test_the_environment_names_the_bodies_that_a_simulation_uses(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine bodies, nine different signals of the same movement of the 22 joints that they share."""
    monkeypatch.setenv("M3N_BODY_MODELS", str(models))
    t = np.arange(60)[:, None, None] / 30
    seen = set()
    for body_model in FILES:
        poses = np.zeros((60, JOINT_COUNT[body_model], 3))
        poses[:, :22] = 0.3 * np.sin(t * np.linspace(1, 4, 66).reshape(22, 3))
        for gender in GENDERS:
            body = {"body_model": body_model, "gender": gender, "betas": np.ones(10)}
            seen.add(m3n.simulate(poses, np.zeros((60, 3)), fps=30, **body)["left_wrist"].tobytes())
    assert len(seen) == 9
