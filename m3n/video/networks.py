"""MediaPipe's pose networks (Bazarevsky et al., BlazePose, arXiv 2006.10204; Apache-2.0), run by ai-edge-litert on one core.

Only the two network files are used, not the package: what surrounds them there (anchors, regions of interest, the refinement of
landmarks by heat maps) is written here from its published graphs. The detector finds people by the middle of the hips and the size
of the circle around the body; the landmark network sees that region, turned upright, and gives 33 landmarks in the image, their
visibility, the same in metres about the hips, and two points that place the region in the next frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from m3n.errors import InputError
from m3n.video.network_files import DETECTOR, NETWORKS

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]  # (height, width, 3) RGB

LANDMARKS = 33
_POINTS = 39  # landmarks of the network: those of the body, two for the region of interest, four that are not used
_DETECTOR_SIZE, _LANDMARK_SIZE = 224, 256  # pixels
_DETECTED, _OVERLAP = 0.5, 0.3  # least score of a person; overlap of boxes that show the same one
_PRESENT = 0.5  # least probability that somebody is in the region
_LARGER = 1.25  # the region, in diameters of the circle around the body
_HEAT_CELLS, _HEAT_LEAST = 3, 0.5  # refinement: cells on each side of a landmark, least confidence


@dataclass(frozen=True)
class Region:
    """A square of the image: centre (pixels), side (pixels), and the turn (rad) that makes the person upright."""

    x: float
    y: float
    side: float
    turn: float

    @classmethod
    def around(cls, hips: NDArray[Any], edge: NDArray[Any]) -> Region:
        """The region of a person, from the middle of the hips and a point above the head on the circle around the body."""
        turn = np.pi / 2 - np.arctan2(hips[1] - edge[1], edge[0] - hips[0])
        turn = (turn + np.pi) % (2 * np.pi) - np.pi
        return cls(float(hips[0]), float(hips[1]), float(2 * _LARGER * np.hypot(*(edge - hips))), float(turn))


@dataclass(frozen=True)
class Seen:
    """A person in one frame: `pixels` (33, 2), `metres` (33, 3) about the hips (x right, y down, z away from the camera),
    `visibility` (33,), `presence`, and the points (2, 2) that place the next region."""

    pixels: FloatArray
    metres: FloatArray
    visibility: FloatArray
    presence: float
    guides: FloatArray


class PoseNetworks:
    """The detector and a landmark network, loaded from a folder (`m3n.video.network_files.folder`)."""

    def __init__(self, folder: Path, model: str = "full") -> None:
        self._detector = _Network(folder / DETECTOR)
        self._landmarks = _Network(folder / NETWORKS[model])
        self._anchors = _anchors()

    def people(self, image: Image) -> list[Region]:
        """Regions of the people in an image, the surest first."""
        height, width = image.shape[:2]
        whole = Region(width / 2, height / 2, float(max(height, width)), 0.0)
        crop, to_image = cropped(image, whole, _DETECTOR_SIZE, 2 / 255, -1.0, replicate=False)
        raw, logits = self._detector(crop)
        scores = _sigmoid(logits[0, :, 0])
        chosen = np.flatnonzero(scores >= _DETECTED)
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
        boxes, scores = raw[0, chosen] / _DETECTOR_SIZE, scores[chosen]
        centre = self._anchors[chosen] + boxes[:, :2]
        low, high = centre - boxes[:, 2:4] / 2, centre + boxes[:, 2:4] / 2
        points = boxes[:, 4:8].reshape(-1, 2, 2) + self._anchors[chosen][:, None]
        found, left = [], np.ones(len(chosen), bool)
        while left.any():
            best = int(np.argmax(left))
            shared = np.clip(np.minimum(high, high[best]) - np.maximum(low, low[best]), 0, None).prod(1)
            union = (high - low).prod(1) + (high[best] - low[best]).prod() - shared
            same = left & (shared > _OVERLAP * union)
            same[best] = True
            mean = np.average(points[same], axis=0, weights=scores[same]) * _DETECTOR_SIZE
            found.append(Region.around(*(mean @ to_image[:, :2].T + to_image[:, 2])))
            left &= ~same
        return found

    def landmarks(self, image: Image, region: Region) -> Seen | None:
        """The person in a region; None where nobody is there."""
        crop, to_image = cropped(image, region, _LANDMARK_SIZE, 1 / 255, 0.0, replicate=True)
        raw, present, _, heat, world = self._landmarks(crop)
        if not present[0, 0] >= _PRESENT:
            return None
        points = raw.reshape(_POINTS, 5).astype(np.float64)
        refined = _refined(points[:, :2], heat[0])
        pixels = refined @ to_image[:, :2].T + to_image[:, 2]
        metres = world.reshape(_POINTS, 3)[:LANDMARKS].astype(np.float64)
        c, s = np.cos(region.turn), np.sin(region.turn)
        metres[:, :2] = metres[:, :2] @ np.array([[c, s], [-s, c]])
        guides = pixels[LANDMARKS : LANDMARKS + 2]
        return Seen(pixels[:LANDMARKS], metres, _sigmoid(points[:LANDMARKS, 3]), float(present[0, 0]), guides)


class _Network:
    def __init__(self, file: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(str(file), num_threads=1)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{file} cannot be loaded ({error}): run `m3n setup video` again") from None
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def __call__(self, crop: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        self._interpreter.set_tensor(self._input, crop[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output) for output in self._outputs]


def _anchors() -> FloatArray:
    """Centres (2254, 2) of the detector's anchors, in shares of its input."""
    layers = []
    for stride, each in ((8, 2), (16, 2), (32, 6)):
        grid = (np.arange(_DETECTOR_SIZE // stride) + 0.5) * stride / _DETECTOR_SIZE
        y, x = np.meshgrid(grid, grid, indexing="ij")
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), each, axis=0))
    return np.concatenate(layers)


def cropped(
    image: Image, region: Region, size: int, scale: float, shift: float, *, replicate: bool
) -> tuple[NDArray[np.float32], FloatArray]:
    """A region at (size, size, 3) as scale * value + shift, bilinear, and the affine map (2, 3) from its pixels to the image's.

    Outside the image the nearest pixel is repeated or, without `replicate`, everything is black.
    """
    c, s = np.cos(region.turn) * region.side / size, np.sin(region.turn) * region.side / size
    half = size / 2
    to_image = np.array([[c, -s, region.x - (c - s) * half], [s, c, region.y - (s + c) * half]])
    out = np.empty((size, size, 3), np.float32)
    _sample(image, to_image, np.float32(scale), np.float32(shift), replicate, out)
    return out, to_image


@njit(cache=True, nogil=True)
def _sample(image, to_image, scale, shift, replicate, out):  # type: ignore[no-untyped-def]
    height, width = image.shape[0], image.shape[1]
    size = out.shape[0]
    for row in range(size):
        for column in range(size):
            x = to_image[0, 0] * column + to_image[0, 1] * row + to_image[0, 2]
            y = to_image[1, 0] * column + to_image[1, 1] * row + to_image[1, 2]
            x0, y0 = int(np.floor(x)), int(np.floor(y))
            fx, fy = np.float32(x - x0), np.float32(y - y0)
            for channel in range(3):
                total = np.float32(0.0)
                for dy in range(2):
                    for dx in range(2):
                        r, q = y0 + dy, x0 + dx
                        inside = 0 <= r < height and 0 <= q < width
                        if inside or replicate:
                            r, q = min(max(r, 0), height - 1), min(max(q, 0), width - 1)
                            weight = (fx if dx else 1 - fx) * (fy if dy else 1 - fy)
                            total += np.float32(weight) * np.float32(image[r, q, channel])
                out[row, column, channel] = scale * total + shift


@njit(cache=True, nogil=True)
def _refined(points, heat):  # type: ignore[no-untyped-def]
    """Landmarks (K, 2), in pixels of the crop, at the centre of mass of the heat map (64, 64, K) of logits around them."""
    cells = heat.shape[0]
    step = _LANDMARK_SIZE / cells
    refined = points.copy()
    for k in range(len(points)):
        column, row = int(points[k, 0] / step), int(points[k, 1] / step)
        if not (0 <= column < cells and 0 <= row < cells):
            continue
        total = x = y = best = 0.0
        for r in range(max(0, row - _HEAT_CELLS), min(cells, row + _HEAT_CELLS + 1)):
            for q in range(max(0, column - _HEAT_CELLS), min(cells, column + _HEAT_CELLS + 1)):
                weight = 1 / (1 + np.exp(-heat[r, q, k]))
                best = max(best, weight)
                total += weight
                x += q * weight
                y += r * weight
        if best >= _HEAT_LEAST:
            refined[k, 0], refined[k, 1] = x / total * step, y / total * step
    return refined


def _sigmoid(logits: NDArray[Any]) -> FloatArray:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
