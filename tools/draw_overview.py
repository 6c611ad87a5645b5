"""Draws the picture at the top of the README, video -> body -> virtual IMU -> classifier: docs/images/overview.png.

    python tools/draw_overview.py

Nothing in it is sketched by hand: the stand-in body moves as authored clips do, the traces come from `m3n.simulate`, and the
probabilities from an `m3n.M3NClassifier` that was trained on simulated clips and then sees three clips of another virtual person.
The video frame shows the same body, because no film may be copied here. Takes about a minute on two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from draw_placements import COLOURS, INK, PAPER, View, draw_frame, draw_mesh
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

import m3n
from m3n.body.kinematics import joint_transforms, skinned_points
from m3n.body.model import load_body
from m3n.imu.placement import mount
from m3n.sources.poses import choreography

OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "overview.png"
CLASSES = {"external rotation": "#3b6fb6", "abduction": "#e08a1e", "upright row": "#4c9a6a"}
LEARNT_FROM, SHOWN_S, RATE_HZ = 160, 6.0, 50.0  # clips; seconds of each clip that is shown; Hz
WINDOW_S, HOP_S = 2.0, 0.2
BONES = (
    (0, 1), (1, 4), (4, 7), (0, 2), (2, 5), (5, 8), (0, 12), (12, 15), (12, 16), (16, 18), (18, 20), (12, 17), (17, 19), (19, 21),
)  # fmt: skip
MUTED = "#7b828c"

Row = dict[str, Any]


def clips_of(labels: Sequence[str], seed: int) -> dict[str, list[Row]]:
    """Authored clips by label, made by the right arm, that last long enough to be shown."""
    options = choreography.Options(seed=seed, exercises_share=1.0, fps=30.0)
    found: dict[str, list[Row]] = {label: [] for label in labels}
    number = 0
    while sum(map(len, found.values())) < LEARNT_FROM:
        row = choreography.clip(number, options)
        number += 1
        if row["label"] in labels and "right" in row["text"] and row["n_frames"] / row["fps"] > SHOWN_S + 0.2:
            found[row["label"]].append(row)
    return found


def samples_of(row: Row) -> np.ndarray:
    """What the right wrist's virtual IMU reads, (samples, 6)."""
    simulated = m3n.simulate(
        row["poses"].reshape(-1, 24, 3),
        row["trans"],
        fps=row["fps"],
        betas=row["betas"],
        placements=("right_wrist",),
        rate_hz=RATE_HZ,
    )
    return simulated["right_wrist"]


def windows_of(samples: np.ndarray, hop_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Windows (n, samples, 6) and the time of their middle [s]."""
    length, hop = round(WINDOW_S * RATE_HZ), round(hop_s * RATE_HZ)
    starts = np.arange(0, len(samples) - length + 1, hop)
    return np.stack([samples[start : start + length] for start in starts]), (starts + length / 2) / RATE_HZ


def classifier(found: dict[str, list[Row]], unseen: str) -> m3n.M3NClassifier:
    """A classifier that has learnt from everybody's clips but one person's."""
    X, y = [], []
    for label, rows in found.items():
        for row in rows:
            if row["subject"] != unseen:
                windows, _ = windows_of(samples_of(row), 1.0)
                X.append(windows)
                y += [label] * len(windows)
    return m3n.M3NClassifier(rate_hz=RATE_HZ, epochs=6, min_steps=250, model={"width": 32}).fit(np.concatenate(X), np.array(y))


def person_with_all(found: dict[str, list[Row]]) -> str:
    """A virtual person who has a clip of every class."""
    shared = set.intersection(*({row["subject"] for row in rows} for rows in found.values()))
    return sorted(shared)[0]


class Moving:
    """The stand-in body through one clip: meshes, joints and the sensor on the right wrist, with the person facing the camera."""

    def __init__(self, row: Row) -> None:
        self.body = load_body("smpl")
        self.row = row
        self.poses, self.trans = row["poses"].reshape(-1, 24, 3), row["trans"]
        rotations, self.joints = joint_transforms(self.body, self.poses, self.trans, row["betas"])
        facing = rotations[0, 0] @ np.array([0.0, 0.0, 1.0])
        aside = np.cross([0.0, 0.0, 1.0], facing)
        self.view = View.towards(facing - 0.35 * aside + np.array([0.0, 0.0, 0.18]))
        worn = mount(self.body, np.asarray(row["betas"], float), m3n.SITES["right_wrist"])
        turns, places = joint_transforms(self.body, self.poses, self.trans, row["betas"], joints=[worn.joint])
        self.sensor = places[:, 0] + turns[:, 0] @ worn.offset
        self.axes = turns[:, 0] @ worn.rotation
        self.faces = self.body.faces.astype(np.int64)

    def mesh(self, frame: int) -> np.ndarray:
        """Vertices (V, 3) m."""
        every = np.arange(len(self.body.v_template))
        return skinned_points(self.body, self.poses[[frame]], self.trans[[frame]], self.row["betas"], every)[0]

    def stroke(self) -> tuple[int, int]:
        """Frames between which the wrist rises the most: its lowest place, and the highest within two seconds after it."""
        height, reach = self.sensor[:, 2], round(2.0 * self.row["fps"])
        gains = [height[i : i + reach].max() - height[i] for i in range(len(height) - reach)]
        low = int(np.argmax(gains))
        return low, low + int(np.argmax(height[low : low + reach]))


def draw_video(axes: Axes, moving: Moving, frame: int) -> None:
    """A film frame of the person, with the joints that a pose estimator would find in it."""
    flat = moving.view.flat(moving.mesh(frame))
    centre = (flat[:, 0].min() + flat[:, 0].max()) / 2
    left, right = centre - 0.66, centre + 0.66
    low, high = flat[:, 1].min() - 0.14, flat[:, 1].max() + 0.16
    for shift in (2, 1):  # frames behind
        axes.add_patch(
            _card(left + 0.055 * shift, low + 0.05 * shift, right - left, high - low, "#c9ced6" if shift == 2 else "#9aa2ad")
        )
    front = axes.add_patch(_card(left, low, right - left, high - low, "#2b3038"))
    floor = axes.add_patch(Rectangle((left, low), right - left, 0.36, color="#3a404a", zorder=1.5))
    floor.set_clip_path(front)
    draw_tinted(axes, moving.view, moving.mesh(frame), moving.faces, np.array([0.56, 0.49, 0.45]), 2.0)
    joints = moving.view.flat(moving.joints[frame])
    axes.add_collection(LineCollection([joints[[a, b]] for a, b in BONES], colors="#ffd24d", linewidths=1.5, zorder=5))
    dots = joints[sorted({joint for bone in BONES for joint in bone})]
    axes.plot(
        dots[:, 0], dots[:, 1], "o", color="#ffd24d", markersize=3.4, markeredgecolor="#2b3038", markeredgewidth=0.6, zorder=6
    )
    axes.add_patch(
        Polygon([(left + 0.07, low + 0.05), (left + 0.07, low + 0.12), (left + 0.13, low + 0.085)], color=PAPER, zorder=7)
    )
    axes.plot([left + 0.19, right - 0.07], [low + 0.085] * 2, color="#8a919c", lw=2, solid_capstyle="round", zorder=7)
    axes.plot([left + 0.19, left + 0.62], [low + 0.085] * 2, color="#e5484d", lw=2, solid_capstyle="round", zorder=8)
    _fit(axes, (left - 0.04, right + 0.14), (low - 0.02, high + 0.13))


def draw_body(axes: Axes, moving: Moving, low: int, high: int) -> None:
    """The body at the end of a stroke, paler at earlier times, with the wrist's path and the sensor's axes."""
    view = moving.view
    for share, tint in ((0.0, 0.93), (0.4, 0.87), (0.7, 0.8)):
        frame = round(low + share * (high - low))
        draw_tinted(
            axes, view, moving.mesh(frame), moving.faces, np.array([tint, tint + 0.02, tint + 0.04]), 1 + share, flat=0.5
        )
    mesh = moving.mesh(high)
    draw_mesh(axes, view, mesh, moving.faces, (0.55, 0.95))
    path = view.flat(moving.sensor[low : high + 1])
    pieces = np.stack([path[:-1], path[1:]], axis=1)
    axes.add_collection(
        LineCollection(
            pieces,
            colors=plt.colormaps["plasma"](np.linspace(0.75, 0.15, len(pieces))),
            linewidths=3,
            capstyle="round",
            zorder=8,
        )
    )
    draw_frame(axes, view, moving.sensor[high], moving.axes[high], length=0.24, width=2.2)
    flat = view.flat(mesh)
    centre = moving.view.flat(moving.joints[high, 0])[0]
    _fit(axes, (centre - 0.86, centre + 0.62), (flat[:, 1].min() - 0.05, max(flat[:, 1].max(), path[:, 1].max()) + 0.2))


def draw_tinted(
    axes: Axes, view: View, vertices: np.ndarray, faces: np.ndarray, colour: np.ndarray, zorder: float, flat: float = 0.0
) -> None:
    """Faces that look at the camera, lit from above; `flat` takes away that share of the shading."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    near = np.flatnonzero(normals @ view.rows[2] > 0)
    near = near[np.argsort((corners[near] @ view.rows[2]).mean(1), kind="stable")]
    light = 0.75 * view.rows[2] + 0.45 * view.rows[1] - 0.35 * view.rows[0]
    lit = np.clip(normals[near] @ (light / np.linalg.norm(light)), 0, 1) ** 0.8
    shade = flat + (1 - flat) * (0.55 + 0.55 * lit)
    colours = np.clip(colour * shade[:, None] if not flat else colour - 0.12 * (1 - lit[:, None]), 0, 1)
    axes.add_collection(
        PolyCollection(
            view.flat(corners[near]), facecolors=colours, edgecolors=colours, linewidths=0.25, rasterized=True, zorder=zorder
        )
    )


def draw_traces(axes: tuple[Axes, Axes], samples: list[np.ndarray]) -> None:
    """Specific force and angular rate of the clips one after another, over bands of their classes' colours."""
    for row, (panel, words, unit) in enumerate(zip(axes, ("acceleration", "angular rate"), ("m/s²", "rad/s"), strict=True)):
        for number, (label, values) in enumerate(zip(CLASSES, samples, strict=True)):
            t = number * SHOWN_S + np.arange(len(values)) / RATE_HZ
            panel.axvspan(number * SHOWN_S, (number + 1) * SHOWN_S, color=CLASSES[label], alpha=0.09, lw=0)
            for k, name in enumerate("xyz"):
                panel.plot(t, values[:, 3 * row + k], color=COLOURS[name], lw=1.15, solid_capstyle="round")
        panel.set_xlim(0, SHOWN_S * len(samples))
        panel.set_ylabel(f"{words}\n[{unit}]", fontsize=8.5, color=MUTED)
        _plain(panel)
        panel.tick_params(labelbottom=False)
    for k, name in enumerate("xyz"):
        axes[0].text(
            1.008, 0.85 - 0.2 * k, name, transform=axes[0].transAxes, fontsize=10, color=COLOURS[name], fontweight="bold"
        )


def draw_probabilities(axes: Axes, model: m3n.M3NClassifier, samples: list[np.ndarray]) -> None:
    """What the classifier says of every window, as areas that add up to 1."""
    for number, values in enumerate(samples):
        windows, middle = windows_of(values, HOP_S)
        middle = np.concatenate([[0.0], middle, [SHOWN_S]]) + number * SHOWN_S
        probabilities = model.predict_proba(windows)
        probabilities = np.concatenate([probabilities[:1], probabilities, probabilities[-1:]])
        order = [list(model.classes_).index(label) for label in CLASSES]
        axes.stackplot(middle, probabilities[:, order].T, colors=list(CLASSES.values()), lw=0, alpha=0.92)
    for number, label in enumerate(CLASSES):
        axes.text((number + 0.5) * SHOWN_S, 0.5, label, color=PAPER, fontsize=11, ha="center", va="center", fontweight="bold")
    axes.set(xlim=(0, SHOWN_S * len(samples)), ylim=(0, 1), yticks=[0, 1], xlabel="seconds", ylabel="probability")
    _plain(axes)


def draw() -> plt.Figure:
    """The whole picture."""
    found = clips_of(tuple(CLASSES), seed=0)
    unseen = person_with_all(found)
    mine = {label: next(row for row in rows if row["subject"] == unseen) for label, rows in found.items()}
    samples = [samples_of(mine[label])[: round(SHOWN_S * RATE_HZ)] for label in CLASSES]
    model = classifier(found, unseen)
    moving = Moving(mine["abduction"])
    low, high = moving.stroke()

    figure = plt.figure(figsize=(13.6, 4.5), facecolor=PAPER)
    video = figure.add_axes((0.005, 0.05, 0.185, 0.79))
    body = figure.add_axes((0.222, 0.05, 0.235, 0.79))
    force = figure.add_axes((0.535, 0.615, 0.447, 0.235))
    rate = figure.add_axes((0.535, 0.365, 0.447, 0.235), sharex=force)
    classes = figure.add_axes((0.535, 0.105, 0.447, 0.135))
    draw_video(video, moving, round(low + 0.55 * (high - low)))
    draw_body(body, moving, low, high)
    draw_traces((force, rate), samples)
    draw_probabilities(classes, model, samples)
    for number, (x, y, title) in enumerate(
        (
            (0.09, 0.93, "video"),
            (0.335, 0.93, "body in motion"),
            (0.758, 0.93, "virtual IMU on the wrist"),
            (0.757, 0.285, "classifier"),
        )
    ):
        figure.text(x, y, f"{number + 1}  {title}", fontsize=13.5, color=INK, ha="center", va="center", fontweight="bold")
    for start, stop in (((0.196, 0.47), (0.23, 0.47)), ((0.44, 0.6), (0.474, 0.6)), ((0.4965, 0.36), (0.4965, 0.2))):
        figure.add_artist(
            FancyArrowPatch(
                start, stop, transform=figure.transFigure, arrowstyle="-|>,head_width=5,head_length=7", color="#aab1bb", lw=2.4
            )
        )
    return figure


def _card(left: float, low: float, width: float, height: float, colour: str) -> FancyBboxPatch:
    return FancyBboxPatch(
        (left, low),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.05",
        facecolor=colour,
        edgecolor=PAPER,
        linewidth=1.2,
        zorder=1,
    )


def _fit(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    axes.set(xlim=x, ylim=y, aspect="equal")
    axes.axis("off")


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8, colors=MUTED, length=2)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=MUTED, fontsize=8.5)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#c9ced6")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help="where to write (default: %(default)s)")
    arguments = parser.parse_args()
    figure = draw()
    figure.savefig(arguments.out, dpi=110, metadata={"Software": None})
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
