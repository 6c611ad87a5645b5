"""`m3n reproduce`: the paper's claim on one dataset, from its file to a table, in one command.

Ingest, simulate, pretrain without the poses of the test subjects, then every cell of method x label budget x seed x fold. Each step
leaves its result in the output folder: an interrupted run resumes with the missing steps, and a later run with more methods, label
budgets or seeds adds only those.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m3n import packaged, tracking
from m3n.cluster.grid import run_cells
from m3n.cluster.start import connect
from m3n.commands.reproduce.cells import NO_PRETRAINING, ZERO, Cell, CellResult, run_cell
from m3n.commands.reproduce.data import Files, Fold, Study, corpus_files, ingested, pretraining_key, subject_parts
from m3n.commands.reproduce.text import by_amount, results_text
from m3n.config import HARDWARE, FinetuneConfig, ReproduceConfig, check
from m3n.config.names import BASELINES
from m3n.data.splits import Split
from m3n.errors import InputError
from m3n.io import locks, tables
from m3n.progress import bar
from m3n.reports import classification_plots

PLAN, RESULTS = "plan.json", "results.parquet"
GRID = ("settings", "methods", "labels", "seeds", "workers")  # what may grow from one run to the next
IDENTITY = ("dataset", "setting", "method", "labels", "seed", "fold")


def protocol_file(name: str) -> Path:
    """The file of a protocol, given by its path or its name in `configs/protocols/`; InputError if there is none."""
    return packaged.find(name, "configs/protocols", ".yaml", "protocol")


def reproduce(
    name: str,
    data: Files,
    out: Path,
    config: ReproduceConfig,
    corpora: Mapping[str, Files] | None = None,
    address: str | None = None,
    shared: Path | None = None,
) -> dict[str, Any]:
    """Run or resume the protocol called `name` in `out`; returns the figures of the table.

    `data`: the dataset's files (none for a source that needs none); `corpora`: source -> files, for pretraining on other datasets,
    whose tables are kept in the folder `shared`, by default out/data. Leaves results.parquet, results.md,
    learning_curve.png and confusion.png of all cells made in `out` by this and earlier runs. Raises InputError for unsuitable data
    and settings, and if `out` holds a run with other settings.
    """
    started = time.perf_counter()
    for file in data:
        if not file.exists():
            raise InputError(f"--data {file} does not exist")
    files = corpus_files(data, config, corpora or {})
    out.mkdir(parents=True, exist_ok=True)
    with locks.held(out):
        plan = _planned(name, out, config, files, data)
        shared = shared or out / "data"
        target = ingested(config.protocol.source, data, shared / config.protocol.source, config.protocol.ingest)
        folds = list(subject_parts(target / "recordings", config))
        validating = tuple(sorted(config.protocol.val_subjects))
        splits = [json.loads(Split(tuple(sorted(a)), validating, tuple(sorted(b))).manifest(0)) for a, b in folds]
        tables.write_text(out / "splits.json", json.dumps(splits, indent=2) + "\n")
        wanted = list(_cells(name, config, target / "recordings", folds))
        made = Study(out, shared, config, target, files, address).pretrained(folds, wanted)
        todo = [made[pretraining_key(cell)].given_to(cell) for cell in wanted]
        missing = [cell for cell in todo if not _result_file(out, cell).is_file()]
        with tracking.track("reproduce", f"{name}-{out.name}", config, out=out, run_id=plan.get("mlflow_run")) as run:
            plan["mlflow_run"] = run.reference
            tables.write_text(out / PLAN, json.dumps(plan, indent=2) + "\n")
            if missing:
                connect(address, config.workers)
            with bar("cells", len(todo)) as advance:
                advance(len(todo) - len(missing), "")
                for cell, result in run_cells(run_cell, missing, config.workers):
                    _track_cell(result, config, run.reference)  # before the file: a cell with a file is not run again
                    file = _result_file(out, cell)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    tables.write_text(file, json.dumps(asdict(result)) + "\n")
                    advance(1, f"{result.method} {result.labels}: {result.macro_f1:.3f}")
            results = results_in(out)
            figures = _write(out, name, results, config)
            run.metrics({f"test/{key.replace('%', '_percent')}": value for key, value in figures.items()})
            for artifact in ("results.md", "learning_curve.png", "confusion.png", "splits.json", RESULTS):
                run.artifact(out / artifact)
    return figures | {"cells": len(results), "cells_run": len(missing), "elapsed_s": time.perf_counter() - started}


def results_in(out: Path) -> list[CellResult]:
    """The results of all cells that were run in `out`."""
    return [CellResult.read(file) for file in sorted((out / "cells").rglob("*.json"))]


def _planned(name: str, out: Path, config: ReproduceConfig, files: Mapping[str, Files], data: Files) -> dict[str, Any]:
    """The plan noted by the first run in `out`; InputError if this run has another."""
    fixed = _fixed(config)
    inputs = {source: _sha256(given) for source, given in [(config.protocol.source, data), *files.items()] if given}
    content: dict[str, Any] = {"name": name, "config": fixed, "inputs": inputs}
    if not (out / PLAN).is_file():
        if any(out.iterdir()):
            raise InputError(f"{out} exists and was not made by `m3n reproduce`: choose another --out, or remove the folder")
        tables.write_text(out / PLAN, json.dumps(content, indent=2) + "\n")
        return content
    earlier = json.loads((out / PLAN).read_text(encoding="utf-8"))
    with contextlib.suppress(InputError):  # what no version of ours wrote differs below
        earlier["config"] = _fixed(check(ReproduceConfig, earlier["config"]))
    earlier["inputs"] |= {source: digest for source, digest in content["inputs"].items() if source not in earlier["inputs"]}
    if earlier["name"] != name:
        raise InputError(f"{out} holds a run of {earlier['name']}: choose another --out, or remove the folder")
    for part in ("config", "inputs"):
        differing = [key for key, value in content[part].items() if earlier[part].get(key) != value]
        if differing:
            raise InputError(
                f"{out} holds a run with another {part}.{differing[0]}: choose another --out, or remove the folder"
            )
    return earlier


def _sha256(files: Files) -> str:
    digests = [tables.file_sha256(file) for file in files]
    return digests[0] if len(digests) == 1 else tables.joint_sha256(digests)


def _fixed(config: ReproduceConfig) -> dict[str, Any]:
    """The settings that must stay the same from one run into a folder to the next; a method has a start of its own."""
    apart: dict[str, Any] = {**dict.fromkeys(GRID, True), "pretrain": HARDWARE, "simulate": {"workers"}, "finetune": {"start"}}
    return config.model_dump(mode="json", exclude=apart)


def _cells(name: str, config: ReproduceConfig, recordings: Path, folds: Sequence[Fold]) -> Iterator[Cell]:
    """Every cell, seed by seed, so that early results already fill the whole table."""
    for seed in config.seeds:
        for method in config.methods:
            settings = [NO_PRETRAINING] if method in BASELINES else config.settings
            budgets = config.labels if method != "zero_shot" else [ZERO] * (seed == config.seeds[0])
            for setting in settings:
                for labels in budgets:
                    for fold, (train, test) in enumerate(folds):
                        yield Cell(
                            dataset=name,
                            setting=setting,
                            method=method,
                            labels=labels,
                            seed=seed,
                            fold=fold,
                            recordings=recordings.resolve(),
                            train_subjects=tuple(train),
                            test_subjects=tuple(test),
                            placements=tuple(config.protocol.placements),
                            finetune=config.finetune,
                        )


def _result_file(out: Path, cell: Cell) -> Path:
    labels = cell.labels.replace("%", "pct")
    return out / "cells" / cell.setting / cell.method / f"labels{labels}-seed{cell.seed}-fold{cell.fold}.json"


def _track_cell(result: CellResult, config: ReproduceConfig, parent: str) -> None:
    name = "-".join(str(getattr(result, key)) for key in IDENTITY[1:])
    own = check(FinetuneConfig, config.finetune.model_dump(exclude_unset=True) | {"seed": result.seed})
    params = {key: getattr(result, key) for key in IDENTITY}
    with tracking.track(
        "reproduce", name, own, parent_id=parent, run_id=tracking.reference(parent, name), params=params
    ) as run:
        run.metrics({f"test/{key}": getattr(result, key) for key in ("macro_f1", "accuracy", "window_macro_f1")})


def _write(out: Path, name: str, results: list[CellResult], config: ReproduceConfig) -> dict[str, Any]:
    """The table of all cells, results.md and the pictures; returns the figures of the table."""
    columns = {key: pa.array([getattr(result, key) for result in results]) for key in (*IDENTITY, "macro_f1", "accuracy",
               "window_macro_f1", "train_examples", "test_examples", "test_subjects", "elapsed_s")}  # fmt: skip
    columns |= {key: pa.array([json.dumps(getattr(result, key)) for result in results]) for key in ("per_class", "confusion")}
    tables.write_shard(out / RESULTS, pa.table(columns))
    text, figures, curves = results_text(name, results, config)
    tables.write_text(out / "results.md", text)
    budgets = by_amount({result.labels for result in results} - {ZERO})
    places = {labels: float(i) for i, labels in enumerate(budgets)}
    points = {method: {places[b]: v for b, v in scores.items() if b in places} for method, scores in curves.items()}
    classification_plots.learning_curve_plot(
        out / "learning_curve.png", points, "labels of the training subjects", f"{name}: macro F1 on unseen subjects",
        {place: labels if labels.endswith("%") else f"{labels} per class" for labels, place in places.items()},
    )  # fmt: skip
    shown = [result for result in results if result.labels == budgets[-1]] if budgets else results
    kind = max(((r.setting, r.method) for r in shown), key=lambda k: (k[1] == "not_frozen", k[0] == "same_corpus"))
    shown = [result for result in shown if (result.setting, result.method) == kind]
    confusion = np.sum([result.confusion for result in shown], axis=0).tolist()
    title = f"{kind[1]}, {shown[0].labels} of the labels, all folds and seeds"
    classification_plots.confusion_plot(out / "confusion.png", confusion, list(shown[0].per_class), title)
    return figures
