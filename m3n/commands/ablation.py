"""`m3n report ablation`: what each pretraining loss earns: every one alone, all together, and the paper's preset.

Each variant is pretrained for each seed, without the held-out subjects, and scored on them alone by `m3n evaluate`. A cell is a
variant and a seed. Its figures stay in OUT/cells/*/cell.json, so that a run that was interrupted, or is given more seeds, makes
the missing cells only; a cell of other settings, data or subjects is made again.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from m3n import config, schema, tracking
from m3n.commands.evaluate.command import evaluate
from m3n.commands.pretrain import pretrain
from m3n.config import EvaluateConfig, PretrainConfig
from m3n.config.names import LOSSES
from m3n.errors import InputError, nearest
from m3n.io import tables
from m3n.reports.markdown import markdown_table

COLUMNS = {
    "zero-shot F1": ("zero_shot_recording_macro_f1",),
    "kNN F1": ("knn_recording_macro_f1",),
    "linear probe F1": ("linear_probe_recording_macro_f1",),
    "text → IMU R@10": ("retrieval", "text_to_imu", "r10"),
    "IMU → pose R@10": ("retrieval", "imu_to_pose", "r10"),
    "Pose2IMU r acc": ("pose2imu_r_acc",),
    "Pose2IMU r gyro": ("pose2imu_r_gyro",),
}
CHANCE = {
    "zero-shot F1": ("chance_recording_macro_f1",),
    "kNN F1": ("chance_recording_macro_f1",),
    "linear probe F1": ("chance_recording_macro_f1",),
    "text → IMU R@10": ("retrieval", "text_to_imu", "chance_r10"),
    "IMU → pose R@10": ("retrieval", "imu_to_pose", "chance_r10"),
}


def ablation(
    clips: Path,
    recordings: Path,
    out: Path,
    held_out: Sequence[str],
    settings: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    names: Sequence[str] = (),
    config_file: Path | None = None,
    echo: Callable[[str], Any] = lambda line: None,
) -> dict[str, Any]:
    """Make the cells that `out` lacks, and OUT/ablation.md from all of them; returns variant -> the figures of every seed.

    `config_file` and `settings` (key=value) of `m3n pretrain` hold for every cell, whatever the variant's preset says; `names`:
    some of the variants (none: all). Raises InputError for a variant, a setting or a subject that does not fit, before anything is
    trained.
    """
    started = time.perf_counter()
    if not held_out:
        raise InputError("--held-out: expected one subject or more to test on")
    evaluation = config.check(EvaluateConfig, {"subjects": list(held_out), "picture": "none"})
    planned = list(cells(clips, held_out, settings, seeds, names, config_file))
    found: dict[str, list[dict[str, Any]]] = {}
    for number, (name, seed, pretraining) in enumerate(planned, 1):
        echo(f"cell {number} of {len(planned)}: {name}, seed {seed}")
        folder = out / "cells" / f"{name.replace(' ', '-')}-seed{seed}"
        found.setdefault(name, []).append(run_cell(folder, clips, recordings, pretraining, evaluation))
    command = ["m3n", "report", "ablation", str(clips), str(recordings), "--out", str(out)]
    command += [word for subject in held_out for word in ("--held-out", subject)]
    command += [word for seed in seeds for word in ("--seed", str(seed))] if list(seeds) != [0] else []
    command += [word for name in names for word in ("--variant", name)]
    command += ["--config", str(config_file)] if config_file else []
    text = (
        "# Ablation of the pretraining losses\n\nMacro F1 over whole recordings of the held-out subjects "
        f"{', '.join(held_out)}; recall at 10 and median correlation over their synthetic clips, cut as each variant was "
        "pretrained, so that recall compares only within one window length. Chance is the first variant's; "
        f"{f'{len(seeds)} seeds, mean ± standard deviation' if len(seeds) > 1 else 'one seed'}.\n\n{table(found)}\n"
        f"    {shlex.join([*command, *settings])}\n\n{date.today().isoformat()}, commit {tracking.git_sha()[:7] or 'unknown'}.\n"
    )
    tables.write_text(out / "ablation.md", text)
    return {"cells": len(planned), "elapsed_s": time.perf_counter() - started, "variants": found}


def variants() -> dict[str, tuple[Path | None, list[str]]]:
    """Name -> (preset, overrides) of a pretraining: all losses, the paper's preset, each loss alone at weight 1."""
    names = [name for name, loss in LOSSES.items() if not loss.recordings_only]
    alone = {name: [f"loss.{other}={int(other == name)}" for other in LOSSES] for name in names}
    whole: dict[str, tuple[Path | None, list[str]]] = {"all": (None, []), "paper": (config.preset("paper.yaml"), [])}
    return whole | {f"{name} alone": (None, overrides) for name, overrides in alone.items()}


def cells(
    clips: Path,
    held_out: Sequence[str],
    settings: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    names: Sequence[str] = (),
    config_file: Path | None = None,
) -> Iterator[tuple[str, int, PretrainConfig]]:
    """(variant, seed, settings) of every cell; left_right alone only where the clips have both wrists.

    Raises InputError for a variant that is unknown or needs a wrist that is not there, and for an unknown setting.
    """
    known = variants()
    for name in names:
        if name not in known:
            raise InputError(f"unknown variant '{name}'{nearest(name, known)}; expected some of {', '.join(known)}")
    there = schema.simulated_placements(tables.read_schema(tables.shard_paths(clips)[0]).names)
    if not {"left_wrist", "right_wrist"} <= set(there):
        known.pop("left_right alone")
        if "left_right alone" in names:
            raise InputError(f"{clips}: 'left_right alone' needs both wrists, and there is {', '.join(there)}")
    chosen = {setting.partition("=")[0] for setting in settings}
    for key, option in (("seed", "--seed"), ("exclude_subjects", "--held-out")):
        if key in chosen:
            raise InputError(f"{key} is given by {option}: remove {key}=")
    for seed in seeds:
        for name in names or known:
            preset, overrides = known[name]
            own = [override for override in overrides if override.partition("=")[0] not in chosen]
            given = [*own, *settings, f"seed={seed}", f"exclude_subjects=[{','.join(held_out)}]"]
            yield name, seed, config.resolve(PretrainConfig, "pretrain", config_file, given, base=preset)


def run_cell(
    folder: Path, clips: Path, recordings: Path, pretraining: PretrainConfig, evaluation: EvaluateConfig
) -> dict[str, Any]:
    """Pretrain and evaluate, or what is left of it to do; the figures of the evaluation."""
    inputs = {"clips": tables.data_sha256(clips), "recordings": tables.data_sha256(recordings)}
    wanted = {
        "pretrain": pretraining.model_dump(mode="json"), "evaluate": evaluation.model_dump(mode="json"), "inputs": inputs,
    }  # fmt: skip
    kept = _read(folder / "cell.json")
    if kept and _deciding(kept["settings"]) == _deciding(wanted):
        figures: dict[str, Any] = kept["figures"]
        return figures
    trained = _read(folder / "pretrain" / tables.MANIFEST) or {}
    same_data = list(trained.get("inputs", {}).values()) == [inputs["clips"]]
    if not same_data or _deciding({"pretrain": trained["config"]}) != _deciding({"pretrain": wanted["pretrain"]}):
        pretrain(clips, folder / "pretrain", pretraining)
    figures = evaluate(folder / "pretrain", folder / "evaluate", evaluation, clips, recordings)
    cell = {"settings": wanted, "commit": tracking.git_sha(), "figures": figures}
    tables.write_text(folder / "cell.json", json.dumps(cell, indent=2) + "\n")
    return figures


def _deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a cell but for those of the pretraining that only decide how fast it is."""
    return {**settings, "pretrain": {key: value for key, value in settings["pretrain"].items() if key not in config.HARDWARE}}


def _read(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Markdown of variant -> one dict of figures per seed: means, with the standard deviation where there are several seeds."""
    rows = [[name, *(_cell(scores, path) for path in COLUMNS.values())] for name, scores in found.items()]
    first = next(iter(found.values()))
    rows.append(["chance", *(_cell(first[:1], CHANCE.get(column, ())) for column in COLUMNS)])
    return markdown_table(["losses", *COLUMNS], rows)


def _cell(scores: Sequence[Mapping[str, Any]], path: Sequence[str]) -> str:
    values = [value for value in (_dig(one, path) for one in scores) if isinstance(value, float)]
    if not values:
        return "-"
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def _dig(figures: Any, path: Sequence[str]) -> Any:
    for key in path:
        figures = figures.get(key) if isinstance(figures, dict) else None
    return figures
