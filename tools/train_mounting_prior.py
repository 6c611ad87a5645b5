"""Train the network with which `m3n report mounting` scores rotations; writes m3n/imu/mounting_prior.npz.

    python tools/train_mounting_prior.py --ui-prmd ui_prmd.zip

It learns from movements that m3n writes as formulas, once with their own forearm twist and once through the fit to joints, which
leaves the forearm neutral; and from the optical markers of UI-PRMD (public domain), whose two wrist markers show the twist.
Each example is a person made of a few clips. The network sees the statistics turned by random rotations, half of them mirrored,
and learns to name the one in m3n's axes (a cross-entropy over 128 candidates). Dropout and noise make it too cautious, so
its scores are divided by a temperature below 1, chosen with results on Bandai Namco, UTD-MHAD and MSR Action3D in view.
"""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from m3n.body.joint_fit import fit_joints
from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.imu import mounting
from m3n.imu.motion_statistics import ODD_CUBES, ODD_MATRICES, ODD_VECTORS, Sums, added, described, mirrored, motion_sums
from m3n.imu.signals import ideal_imu
from m3n.imu.simulate import simulate_clip
from m3n.imu.smoothing import low_pass
from m3n.sources.poses.choreography import Options, clip

RATE_HZ = 50.0
SHARES = {"formula": 0.3, "neutral": 0.45, "markers": 0.25}  # of the examples
WRISTS = ("left_wrist", "right_wrist")
JITTER_RAD = 0.14  # how exactly people wear a sensor (standard deviation about each axis)
MARKERS = {"left_wrist": (11, 13, 14), "right_wrist": (18, 20, 21)}  # columns of LELB, LWRA, LWRB; RELB, RWRA, RWRB
_FILE = re.compile(r"Vicon.*/m(\d+)_s(\d+)_e\d+_positions\.txt$")

Example = tuple[str, str, Sums]  # source, activity, sums of one clip and wrist (the left one mirrored)


def of_choreography(clips: int, seed: int, neutral: bool) -> Iterator[Example]:
    """Clips of formulas; `neutral`: through their joints alone, as a depth camera or a video gives them."""
    body = load_body()
    options = Options(clips=clips, seed=seed, fps=30.0, gestures_share=0.2, exercises_share=0.3)
    for index in range(clips):
        row = clip(index, options)
        if neutral:
            joints = joint_transforms(body, row["poses"].reshape(-1, 24, 3), row["trans"], row["betas"])[1]
            fit = fit_joints(joints, SMPL_JOINTS, smooth_frames=1.0)
            row |= {"poses": fit.poses.reshape(len(fit.poses), -1), "trans": fit.trans, "betas": fit.betas}
        samples = simulate_clip(row, placements=WRISTS, rate_hz=RATE_HZ, low_pass=None, sensor="bmi160", seed=seed)
        for wrist, values in samples.items():
            yield from _example("neutral" if neutral else "formula", str(row["label"]), wrist, values)


def of_markers(file: Path) -> Iterator[Example]:
    """UI-PRMD: forearms from the elbow's marker and the two of the wrist; A is on the thumb's side."""
    with zipfile.ZipFile(file) as archive:
        for name in sorted(archive.namelist()):
            match = _FILE.search(name)
            if match is None:
                continue
            text = archive.read(name).decode().replace(",", " ")
            points = low_pass(np.loadtxt(io.StringIO(text)).reshape(-1, 39, 3) / 1000, 6.0, 100.0)
            for wrist, (elbow, a, b) in MARKERS.items():
                x = _unit((points[:, a] + points[:, b]) / 2 - points[:, elbow])
                thumb = points[:, a] - points[:, b]
                y = _unit(thumb - (thumb * x).sum(1, keepdims=True) * x) * (1 if wrist == "right_wrist" else -1)
                axes = np.stack([x, y, np.cross(x, y)], axis=-1)
                at = (points[:, a] + points[:, b]) / 2 - 0.03 * x + 0.03 * axes[..., 2]
                values = ideal_imu(at[:, None], axes[:, None], fps=100.0, rate_hz=RATE_HZ)[:, 0]
                yield from _example("markers", match[1], wrist, values)


def _example(source: str, activity: str, wrist: str, samples: np.ndarray) -> Iterator[Example]:
    sums = motion_sums(mirrored(samples) if wrist == "left_wrist" else samples, RATE_HZ)
    if sums is not None:
        yield source, activity, sums


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def people(examples: list[Example], count: int, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """People made of 4 to 60 clips of one source, from one activity up to all: vectors, matrices, cubes and scalars of each."""
    sources = {s: [e for e in examples if e[0] == s] for s in dict.fromkeys(e[0] for e in examples)}
    found: list[list[np.ndarray]] = []
    while len(found) < count:
        pool = sources[str(rng.choice(list(SHARES), p=list(SHARES.values())))]
        activities = list(dict.fromkeys(e[1] for e in pool))
        chosen = set(rng.permutation(activities)[: int(np.exp(rng.uniform(0, np.log(25))))])
        pool = [e for e in pool if e[1] in chosen]
        size = min(len(pool), int(np.exp(rng.uniform(np.log(4), np.log(60)))))
        sums = added(pool[i][2] for i in rng.choice(len(pool), size, replace=False))
        if sums is not None and sums["windows"] >= 15:
            one = described(sums)
            found.append([one.vectors, one.matrices, one.cubes, one.scalars])
    return found


def turned(tensors: list[torch.Tensor], rotations: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
    """`m3n.imu.mounting.turned_statistics` for a batch: rotations (batch, k, 3, 3), sign of their determinants (k,)."""
    a, b, c = tensors
    a = torch.einsum("bkij,bnj->bkni", rotations, a)
    b = torch.einsum("bkjm,bknim->bknij", rotations, torch.einsum("bkil,bnlm->bknim", rotations, b))
    c = torch.einsum("bkip,bnplm->bknilm", rotations, c)
    c = torch.einsum("bkml,bknijl->bknijm", rotations, torch.einsum("bkjl,bknilm->bknijm", rotations, c))
    parts = []
    for t, odd in ((a, ODD_VECTORS), (b, ODD_MATRICES), (c, ODD_CUBES)):
        signs = torch.where(torch.tensor(odd), sign[:, None], torch.ones(1))
        parts.append((t.flatten(3) * signs[None, ..., None]).flatten(2))
    return torch.cat(parts, -1)


def candidates(batch: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotations (batch, count, 3, 3): first the true one, give or take how exactly people wear it; the second half mirrors."""
    rotations = Rotation.random(batch * count, rng=np.random.default_rng(int(torch.randint(2**31, (1,)))))
    matrices = rotations.as_matrix().reshape(batch, count, 3, 3)
    matrices[:, 0] = Rotation.from_rotvec(JITTER_RAD * torch.randn(batch, 3).numpy()).as_matrix()
    matrices[:, count // 2 :] = matrices[:, count // 2 :] @ mounting.MIRROR
    sign = torch.ones(count)
    sign[count // 2 :] = -1
    return torch.tensor(matrices, dtype=torch.float32), sign


class Scorer(torch.nn.Module):
    """Two hidden layers over standardised statistics."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor, hidden: int = 48, dropout: float = 0.4) -> None:
        super().__init__()
        self.mean, self.scale = mean, scale
        self.first, self.second, self.last = (
            torch.nn.Linear(i, o) for i, o in ((len(mean), hidden), (hidden, hidden), (hidden, 1))
        )
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (…,) of statistics (…, n)."""
        h = torch.nn.functional.silu(self.first(self.dropout((x - self.mean) / self.scale)))
        return self.last(self.dropout(torch.nn.functional.silu(self.second(self.dropout(h)))))[..., 0]


def train(examples: list[list[np.ndarray]], steps: int, seed: int, batch: int = 32, count: int = 128) -> Scorer:
    """One network; the statistics get a factor of 1 ± 0.3 each, so that none is trusted blindly."""
    torch.manual_seed(seed)
    *tensors, scalars = (torch.tensor(np.stack(part), dtype=torch.float32) for part in zip(*examples, strict=True))

    def inputs(chosen: torch.Tensor) -> torch.Tensor:
        rotations, sign = candidates(len(chosen), count)
        noisy = [t[chosen] * (1 + 0.3 * torch.randn(len(chosen), t.shape[1], *[1] * (t.dim() - 2))) for t in tensors]
        known = scalars[chosen] + 0.1 * torch.randn(len(chosen), scalars.shape[1])
        return torch.cat([turned(noisy, rotations, sign), known[:, None].expand(-1, count, -1)], -1)

    sample = inputs(torch.randint(len(scalars), (256,))).flatten(0, 1)
    mean = sample.mean(0)
    mean[: -scalars.shape[1]] = 0
    network = Scorer(mean, sample.std(0) + 1e-3)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, steps)
    for step in range(steps):
        scores = network(inputs(torch.randint(len(scalars), (batch,))))
        loss = torch.nn.functional.cross_entropy(scores, torch.zeros(batch, dtype=torch.long))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 200 == 199:
            print(f"  network {seed}, step {step + 1}: loss {float(loss.detach()):.2f}", flush=True)
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ui-prmd", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=1400)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--temperature", type=float, default=0.35)
    parser.add_argument("--out", type=Path, default=mounting.PRIOR)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    examples = [
        *of_choreography(arguments.clips, 77, False),
        *of_choreography(arguments.clips // 2, 78, True),
        *of_markers(arguments.ui_prmd),
    ]
    print(f"{len(examples)} clips of {sorted({e[0] for e in examples})}", flush=True)
    crowd = people(examples, 2000, np.random.default_rng(0))
    networks = [train(crowd, arguments.steps, seed) for seed in range(arguments.networks)]
    weights = {
        "w1": [n.first.weight.T for n in networks], "b1": [n.first.bias for n in networks],
        "w2": [n.second.weight.T for n in networks], "b2": [n.second.bias for n in networks],
        "w3": [n.last.weight[0] for n in networks],
    }  # fmt: skip
    # every network has a scale of its own: fold them into the first layer
    for n, w1, b1 in zip(networks, weights["w1"], weights["b1"], strict=True):
        b1.data -= (n.mean / n.scale) @ w1.data
        w1.data /= n.scale[:, None]
    arrays = {k: torch.stack(list(v)).detach().numpy().astype(np.float16) for k, v in weights.items()}
    np.savez_compressed(arguments.out, **arrays, temperature=np.float32(arguments.temperature))
    print(f"-> {arguments.out}, {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
