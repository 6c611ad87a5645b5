"""Draws where the virtual sensors sit and which way their axes point: docs/images/sensor_frames.png.

    python tools/draw_placements.py

The stand-in body has its arms a little away from the trunk, seen from the front and from the back, and closer at the right wrist.
Positions and axes come from `m3n.imu.placement`, so the picture shows what the simulator does. Drawn without perspective; the
same code makes the same picture.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patheffects import withStroke

from m3n.body.kinematics import joint_transforms, skinned_points
from m3n.body.model import load_body
from m3n.imu.placement import SITES, mount
from m3n.motion.posture import Arm, Body, in_world, smpl_motion
from m3n.schema import PLACEMENTS

OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "sensor_frames.png"
COLOURS = {"x": "#d62728", "y": "#2a9134", "z": "#1f5fd0"}
INK, PAPER = "#30343b", "white"
RIGHT_ARM = (17, 19, 21, 23)  # SMPL joints: shoulder, elbow, wrist, hand
CASE_M = (0.036, 0.032, 0.009)  # of a watch, along the sensor's x, y, z


@dataclass(frozen=True)
class View:
    """A camera far away: unit vectors to the right of the picture, up in it, and towards the camera, as rows (3, 3)."""

    rows: np.ndarray

    @staticmethod
    def towards(direction: np.ndarray) -> View:
        """The view of a camera in this direction from the body; z of the world points up in the picture."""
        near = direction / np.linalg.norm(direction)
        right = np.cross([0.0, 0.0, 1.0], near)
        right /= np.linalg.norm(right)
        return View(np.stack([right, np.cross(near, right), near]))

    def flat(self, points: np.ndarray) -> np.ndarray:
        """Where world points (..., 3) m appear in the picture, (..., 2) m."""
        return points @ self.rows[:2].T


@dataclass(frozen=True)
class Scene:
    """The standing body's vertices (V, 3) and faces (T, 3), those of its right arm, and each placement's position (3,) and axes
    (3, 3; columns)."""

    vertices: np.ndarray
    faces: np.ndarray
    right_arm: np.ndarray
    frames: dict[str, tuple[np.ndarray, np.ndarray]]


def standing() -> Scene:
    """A person who looks along -y, arms a little away from the body."""
    body = load_body("smpl")
    arm = Arm(elevation=0.5, plane=0.05, axial=0.0, elbow=0.25, pronation=0.25)
    poses, trans = in_world(*smpl_motion(Body(arm, arm), 1), yaw=0.0, height=0.93)
    poses = poses.reshape(1, 24, 3)
    vertices = skinned_points(body, poses, trans, None, np.arange(len(body.v_template)))[0]
    frames = {}
    for placement in PLACEMENTS:
        worn = mount(body, np.zeros(10), SITES[placement])
        rotation, position = joint_transforms(body, poses, trans, joints=[worn.joint])
        frames[placement] = position[0, 0] + rotation[0, 0] @ worn.offset, rotation[0, 0] @ worn.rotation
    faces = body.faces.astype(np.int64)
    in_arm = np.isin(body.weights.argmax(1), RIGHT_ARM)
    return Scene(vertices, faces, faces[in_arm[faces].all(1)], frames)


def draw_mesh(axes: Axes, view: View, vertices: np.ndarray, faces: np.ndarray, grey: tuple[float, float]) -> None:
    """Faces that look at the camera, the far ones first, `grey` from the shaded to the lit side."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    light = 0.75 * view.rows[2] + 0.45 * view.rows[1] - 0.35 * view.rows[0]
    lit = np.clip(normals @ (light / np.linalg.norm(light)), 0, 1)
    shade = grey[0] + (grey[1] - grey[0]) * lit**0.8
    near = np.flatnonzero(normals @ view.rows[2] > 0)
    near = near[np.argsort((corners[near] @ view.rows[2]).mean(1), kind="stable")]
    colours = np.repeat(shade[near, None], 3, axis=1)
    axes.add_collection(
        PolyCollection(view.flat(corners[near]), facecolors=colours, edgecolors=colours, linewidths=0.25, rasterized=True)
    )


def draw_frame(axes: Axes, view: View, place: np.ndarray, turn: np.ndarray, length: float, width: float) -> None:
    """The three axes as arrows, the farthest first; one that points at the camera is a dot, away from it a cross."""
    start = view.flat(place)
    for k in np.argsort(turn.T @ view.rows[2]):
        name, along = "xyz"[k], turn[:, k]
        shift = view.flat(length * along)
        size = np.linalg.norm(shift)
        colour = COLOURS[name]
        if size < 0.3 * length:
            marker = "o" if along @ view.rows[2] > 0 else "x"
            axes.plot(*start, marker=marker, color=colour, markersize=2.2 * width, markeredgewidth=1.5, zorder=12)
            axes.annotate(
                name, start, (5, -9), textcoords="offset points", color=colour, fontsize=9, zorder=14, path_effects=_halo()
            )
            continue
        axes.annotate(
            "", start + shift, start, zorder=10,
            arrowprops={"arrowstyle": "-|>,head_width=0.28,head_length=0.5", "color": colour, "lw": width, "shrinkA": 0,
                        "shrinkB": 0},
        )  # fmt: skip
        axes.text(
            *(start + shift + 0.16 * length * shift / size), name, color=colour, fontsize=9 + width, ha="center", va="center",
            fontweight="bold", zorder=14, path_effects=_halo(),
        )  # fmt: skip
    axes.plot(*start, "o", color=INK, markersize=2.1 * width, markeredgecolor=PAPER, markeredgewidth=0.7, zorder=13)


def _halo() -> list[withStroke]:
    return [withStroke(linewidth=2.5, foreground=PAPER)]


def draw_body(axes: Axes, scene: Scene, view: View, labels: dict[str, tuple[float, float]], title: str) -> None:
    """The whole body with the placements that are named in `labels`: where each label stands from its sensor, in metres."""
    draw_mesh(axes, view, scene.vertices, scene.faces, (0.62, 0.94))
    for placement, offset in labels.items():
        place, turn = scene.frames[placement]
        draw_frame(axes, view, place, turn, length=0.14, width=1.9)
        spot = view.flat(place)
        axes.annotate(
            placement, spot, spot + offset, fontsize=10.5, color=INK, ha="center", va="center",
            zorder=15, arrowprops={"arrowstyle": "-", "color": "#8a9099", "lw": 0.7, "shrinkB": 5}, path_effects=_halo(),
        )  # fmt: skip
    flat = view.flat(scene.vertices)
    axes.set_xlim(flat[:, 0].mean() - 0.7, flat[:, 0].mean() + 0.7)
    axes.set_ylim(flat[:, 1].min() - 0.1, flat[:, 1].max() + 0.1)
    _bare(axes, title)


def draw_wrist(axes: Axes, scene: Scene) -> None:
    """The right wrist as a watch sits on it, seen from outside and a little from the thumb's side."""
    place, turn = scene.frames["right_wrist"]
    view = View.towards(0.72 * turn[:, 2] + 0.55 * turn[:, 1] + 0.25 * turn[:, 0])
    draw_mesh(axes, view, scene.vertices, scene.right_arm, (0.6, 0.94))
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-0.6, 1.4)]) / 2 * CASE_M
    sides = np.array([(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    draw_mesh(axes, view, place + corners @ turn.T, np.concatenate([sides[:, :3], sides[:, [0, 2, 3]]]), (0.12, 0.34))
    top = place + turn @ np.array([0.0, 0.0, 0.7 * CASE_M[2]])
    draw_frame(axes, view, top, turn, length=0.075, width=3.0)
    for k, words, shift in (
        (0, "x: along the forearm,\ntowards the hand", (-0.085, -0.004)),
        (1, "y = z × x: on the right\narm, to the thumb", (0.045, -0.03)),
        (2, "z: out of the back\nof the wrist", (-0.03, 0.03)),
    ):
        spot = view.flat(top + 0.085 * turn[:, k]) + shift
        axes.text(
            *spot, words, color=COLOURS["xyz"[k]], fontsize=10.5, ha="center", va="center", zorder=15, path_effects=_halo()
        )
    centre = view.flat(place)
    axes.set_xlim(centre[0] - 0.19, centre[0] + 0.2)
    axes.set_ylim(centre[1] - 0.235, centre[1] + 0.2)
    _bare(axes, "right_wrist, closer")
    axes.axis("on")
    axes.set(xticks=[], yticks=[], facecolor="#f4f6f9")
    for spine in axes.spines.values():
        spine.set_color("#c9ced6")


def _bare(axes: Axes, title: str) -> None:
    axes.set_aspect("equal")
    axes.set_title(title, fontsize=12, color=INK, pad=4)
    axes.axis("off")


def draw() -> plt.Figure:
    """The whole picture."""
    scene = standing()
    figure, panels = plt.subplots(1, 3, figsize=(12.6, 6.4), width_ratios=[1, 1, 1.02], facecolor=PAPER)
    front, back = View.towards(np.array([-0.4, -1.0, 0.36])), View.towards(np.array([0.4, 1.0, 0.36]))
    sides = {"head": (0.3, 0.04), "left_wrist": (0.15, 0.23), "right_wrist": (-0.12, 0.23)}
    legs = {
        "left_thigh": (0.34, -0.12),
        "right_thigh": (-0.34, -0.12),
        "left_ankle": (0.26, 0.14),
        "right_ankle": (-0.26, 0.14),
    }
    draw_body(panels[0], scene, front, sides | legs, "from the front")
    draw_body(
        panels[1], scene, back, {"pelvis": (0.1, 0.3), "left_wrist": (-0.12, 0.22), "right_wrist": (0.1, 0.23)}, "from the back"
    )
    draw_wrist(panels[2], scene)
    figure.subplots_adjust(left=0.005, right=0.985, bottom=0.02, top=0.95, wspace=0.01)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help="where to write (default: %(default)s)")
    arguments = parser.parse_args()
    figure = draw()
    figure.savefig(arguments.out, dpi=104, metadata={"Software": None})
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
