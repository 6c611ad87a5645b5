"""The body: its arrays, its files, and its kinematics against the package smplx."""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import joint_transforms, rest_joints, rotation_matrices, skinned_points
from m3n.body.model import SMPL_JOINTS, SMPL_PARENTS, body_from_arrays, load_body
from m3n.errors import InputError

# A 52-joint tree like SMPL-H's: the 22 body joints, then fifteen joints of fingers on either wrist.
HAND_PARENTS = [parent for wrist, first in ((20, 22), (21, 37)) for f in range(5) for parent in
                (wrist, first + 3 * f, first + 3 * f + 1)]  # fmt: skip
SMPLH_PARENTS = list(SMPL_PARENTS[:22]) + HAND_PARENTS


def random_body(body_model: str, seed: int = 0, vertices: int = 60) -> dict[str, Any]:
    """A body of random numbers in the official files' keys: every term of the formulas is exercised."""
    rng = np.random.default_rng(seed)
    parents = np.array(SMPL_PARENTS if body_model == "smpl" else SMPLH_PARENTS)
    joints = len(parents)
    return {
        "v_template": rng.normal(size=(vertices, 3)),
        "f": rng.integers(0, vertices, (20, 3)).astype(np.uint32),
        "shapedirs": 0.1 * rng.normal(size=(vertices, 3, 10)),
        "posedirs": 0.01 * rng.normal(size=(vertices, 3, 9 * (joints - 1))),
        "J_regressor": rng.dirichlet(np.ones(vertices), joints),
        "weights": rng.dirichlet(np.ones(joints), vertices),
        "kintree_table": np.stack([np.where(parents < 0, 2**32 - 1, parents), np.arange(joints)]).astype(np.uint32),
    }


def smplx_forward(data: dict[str, Any], poses: np.ndarray, trans: np.ndarray, betas: np.ndarray) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    lbs = pytest.importorskip("smplx.lbs").lbs

    def tensor(values: np.ndarray) -> Any:
        return torch.as_tensor(np.array(values), dtype=torch.float64)

    parents = np.array(data["kintree_table"], np.int64)[0]
    parents[0] = -1
    posedirs = data["posedirs"].reshape(-1, data["posedirs"].shape[-1]).T
    vertices, joints = lbs(
        tensor(betas)[None].expand(len(poses), -1), tensor(poses.reshape(len(poses), -1)), tensor(data["v_template"]),
        tensor(data["shapedirs"]), tensor(posedirs), tensor(data["J_regressor"]), torch.as_tensor(parents),
        tensor(data["weights"]),
    )  # fmt: skip
    return vertices.numpy() + trans[:, None], joints.numpy() + trans[:, None]


@pytest.mark.parametrize("body_model", ["smpl", "smplh"])
def test_joints_and_skin_agree_with_smplx(body_model: str) -> None:
    data = random_body(body_model)
    body = body_from_arrays(data, body_model)
    rng = np.random.default_rng(1)
    poses = rng.normal(size=(7, body.joints, 3))
    poses[0] = 0
    trans, betas = rng.normal(size=(7, 3)), rng.normal(size=10)
    vertices, joints = smplx_forward(data, poses, trans, betas)
    ids = [3, 59, 3, 17]
    np.testing.assert_allclose(skinned_points(body, poses, trans, betas, ids), vertices[:, ids], atol=1e-6)
    np.testing.assert_allclose(joint_transforms(body, poses, trans, betas)[1], joints, atol=1e-6)


def test_standin_agrees_with_the_class_smplx_smpl() -> None:
    torch = pytest.importorskip("torch")
    smplx = pytest.importorskip("smplx")
    struct = pytest.importorskip("smplx.utils").Struct
    body = load_body("smpl")
    vertex_count = len(body.v_template)
    parents = np.where(body.parents < 0, 2**32 - 1, body.parents)
    model = smplx.SMPL(
        "unused", batch_size=3, dtype=torch.float64, vertex_ids=dict.fromkeys(smplx.vertex_ids.vertex_ids["smplh"], 0),
        data_struct=struct(
            v_template=body.v_template.copy(), f=body.faces.copy(), shapedirs=body.shapedirs.copy(),
            J_regressor=body.joint_regressor.copy(), posedirs=np.zeros((vertex_count, 3, 207)), weights=body.weights.copy(),
            kintree_table=np.stack([parents, np.arange(24)]),
        ),
    )  # fmt: skip
    rng = np.random.default_rng(2)
    poses, trans, betas = rng.normal(size=(3, 24, 3)), rng.normal(size=(3, 3)), rng.normal(size=10)
    tensors = {"global_orient": poses[:, 0], "body_pose": poses[:, 1:].reshape(3, 69), "transl": trans,
               "betas": np.tile(betas, (3, 1))}  # fmt: skip
    output = model(**{name: torch.as_tensor(value) for name, value in tensors.items()})
    ids = rng.integers(0, vertex_count, 50)
    expected = output.vertices.detach().numpy()
    np.testing.assert_allclose(skinned_points(body, poses, trans, betas, ids), expected[:, ids], atol=1e-6)
    joints = output.joints.detach().numpy()[:, :24]
    np.testing.assert_allclose(joint_transforms(body, poses, trans, betas)[1], joints, atol=1e-6)


def test_global_rotation_is_the_product_down_the_tree() -> None:
    body = load_body("smpl")
    poses = np.random.default_rng(3).normal(size=(5, 24, 3))
    expected = Rotation.identity(5)
    for joint in (0, 3, 6, 9, 14, 17, 19):  # pelvis, spine, right collar, shoulder, elbow
        expected = expected * Rotation.from_rotvec(poses[:, joint])
    rotations, _ = joint_transforms(body, poses, np.zeros((5, 3)), joints=[19])
    np.testing.assert_allclose(rotations[:, 0], expected.as_matrix(), atol=1e-12)


def test_only_the_ancestors_of_the_joints_asked_for_matter() -> None:
    body = load_body("smpl")
    poses = np.random.default_rng(4).normal(size=(4, 24, 3))
    before = joint_transforms(body, poses, np.zeros((4, 3)), joints=[21])
    poses[:, [1, 15, 16, 22, 23]] = np.nan  # a leg, the head, the other arm, the hands
    after = joint_transforms(body, poses, np.zeros((4, 3)), joints=[21])
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])


def test_rotation_matrices_of_tiny_and_half_turns_agree_with_scipy() -> None:
    vectors = np.array([[0, 0, 0], [1e-12, 0, 0], [1e-5, -2e-5, 3e-5], [np.pi, 0, 0], [0, -np.pi, 0], [3, 4, 5]])
    np.testing.assert_allclose(rotation_matrices(vectors), Rotation.from_rotvec(vectors).as_matrix(), atol=1e-14)


def test_translation_moves_every_joint_by_itself() -> None:
    body = load_body("smpl")
    trans = np.array([[1.0, -2.0, 0.5]])
    _, joints = joint_transforms(body, np.zeros((1, 24, 3)), trans)
    np.testing.assert_allclose(joints[0], rest_joints(body) + trans, atol=1e-12)


def test_standin_looks_like_a_person_in_t_pose() -> None:
    body = load_body("smpl")
    assert body.standin
    assert body.faces.max() == len(body.v_template) - 1
    np.testing.assert_allclose(body.weights.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(body.joint_regressor.sum(1), 1, atol=1e-12)
    joint = dict(zip(SMPL_JOINTS, rest_joints(body), strict=True))
    assert 1.6 < np.ptp(body.v_template[:, 1]) < 1.95  # a grown-up, y up
    assert joint["left_wrist"][0] > 0.6
    assert joint["right_wrist"][0] < -0.6
    assert joint["left_foot"][2] > joint["left_ankle"][2] + 0.1  # toes point to +z
    for side in ("left", "right"):
        line = np.array([joint[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist", "hand")])
        np.testing.assert_allclose(line[:, 1:], line[:1, 1:].repeat(4, 0), atol=0.01)
    assert np.linalg.norm(joint["left_elbow"] - joint["left_wrist"]) == pytest.approx(0.25, abs=0.03)


def test_betas_are_cut_or_padded_to_the_bodys_own() -> None:
    body = load_body("smpl")
    betas = np.random.default_rng(5).normal(size=16)
    np.testing.assert_allclose(rest_joints(body, betas), rest_joints(body, betas[:10]))
    np.testing.assert_allclose(rest_joints(body, betas[:3]), rest_joints(body, [*betas[:3], *np.zeros(7)]))


@pytest.mark.parametrize(("body_model", "joints"), [("smplh", 52), ("smplx", 55)])
def test_poses_with_hands_move_the_shared_body_joints_of_the_standin(body_model: str, joints: int) -> None:
    body = load_body(body_model)
    assert body.name == body_model
    assert body.joints == 24
    poses = np.random.default_rng(6).normal(size=(3, joints, 3))
    with_hands_at_rest = np.concatenate([poses[:, :22], np.zeros((3, 2, 3))], axis=1)
    found = joint_transforms(body, poses.reshape(3, -1), np.zeros((3, 3)))
    expected = joint_transforms(load_body("smpl"), with_hands_at_rest, np.zeros((3, 3)))
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_poses_of_the_wrong_shape_are_named() -> None:
    body = load_body("smpl")
    with pytest.raises(InputError, match="21 joints"):
        joint_transforms(body, np.zeros((2, 21, 3)), np.zeros((2, 3)))
    with pytest.raises(InputError, match="trans"):
        joint_transforms(body, np.zeros((2, 24, 3)), np.zeros((3, 3)))
    with pytest.raises(InputError, match="vertex"):
        skinned_points(body, np.zeros((2, 24, 3)), np.zeros((2, 3)), None, [10**6])


@pytest.mark.parametrize("name", ["smpl/SMPL_MALE.npz", "SMPL_MALE.npz"])
def test_official_npz_is_read_in_both_layouts(tmp_path: Path, name: str) -> None:
    data = random_body("smpl")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    np.savez(tmp_path / name, **data)
    body = load_body("smpl", "male", tmp_path)
    assert not body.standin
    assert body.gender == "male"
    np.testing.assert_array_equal(body.weights, data["weights"])
    assert body.parents.tolist() == list(SMPL_PARENTS)


def test_amass_layout_and_environment_variable_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "smplh" / "female").mkdir(parents=True)
    np.savez(tmp_path / "smplh" / "female" / "model.npz", **random_body("smplh"))
    monkeypatch.setenv("M3N_BODY_MODELS", str(tmp_path))
    body = load_body("smplh", "female")
    assert body.joints == 52
    assert not body.standin


def test_missing_file_key_and_wrong_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"smpl/SMPL_NEUTRAL\.npz.*M3N_BODY_MODELS"):
        load_body("smpl", "neutral", tmp_path)
    data = random_body("smpl")
    np.savez(tmp_path / "SMPLH_MALE.npz", **data)
    with pytest.raises(InputError, match=r"SMPLH_MALE\.npz.*smplh body needs"):
        load_body("smplh", "male", tmp_path)
    del data["weights"]
    np.savez(tmp_path / "SMPL_FEMALE.npz", **data)
    with pytest.raises(InputError, match=r"SMPL_FEMALE\.npz: lacks weights"):
        load_body("smpl", "female", tmp_path)
    (tmp_path / "SMPL_MALE.npz").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="cannot be read"):
        load_body("smpl", "male", tmp_path)
    with pytest.raises(InputError, match="unknown body model"):
        load_body("smlp")


def test_official_pickle_with_chumpy_and_sparse_matrix_is_read_inertly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.sparse import csc_matrix

    class Ch:
        def __init__(self, x: Any) -> None:
            self.x = x

    chumpy = types.ModuleType("chumpy.ch")
    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    chumpy.Ch = Ch  # type: ignore[attr-defined]
    for name, module in (("chumpy", types.ModuleType("chumpy")), ("chumpy.ch", chumpy)):
        monkeypatch.setitem(sys.modules, name, module)
    data: dict[str, Any] = dict(random_body("smpl"))
    expected = {key: value.copy() for key, value in data.items()}
    data["J_regressor"] = csc_matrix(data["J_regressor"])
    data["shapedirs"], data["v_template"] = Ch(data["shapedirs"]), Ch(data["v_template"])
    data["bs_style"] = "lbs"
    for protocol in (2, 4):
        folder = tmp_path / str(protocol)
        folder.mkdir()
        (folder / "SMPL_NEUTRAL.pkl").write_bytes(pickle.dumps(data, protocol=protocol))
        body = load_body("smpl", "neutral", folder)
        np.testing.assert_array_equal(body.joint_regressor, expected["J_regressor"])
        np.testing.assert_array_equal(body.shapedirs, expected["shapedirs"])
        np.testing.assert_array_equal(body.v_template, expected["v_template"])


@pytest.mark.parametrize("function", [os.mkdir, exec, io.open])
def test_hostile_pickle_is_refused_and_not_run(tmp_path: Path, function: Any) -> None:
    trace = tmp_path / "trace"

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return (function, (str(trace), "w")[: 1 if function is not io.open else 2])

    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(pickle.dumps({"v_template": Hostile()}))
    with pytest.raises(InputError, match="asks for"):
        load_body("smpl", "neutral", tmp_path)
    assert not trace.exists()
