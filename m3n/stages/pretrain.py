"""`m3n pretrain`: synthetic clips to a Multi3Net checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from m3n import schema, tables, text, tracking
from m3n.cluster.pretrain import run_workers
from m3n.cluster.start import connect
from m3n.config import PretrainConfig
from m3n.errors import InputError
from m3n.progress import bar
from m3n.storage import Location
from m3n.training.pretrain import Corpus, global_batch, make_corpus
from m3n.windows import cut_clips


def pretrain(
    data: Location,
    out: Path,
    config: PretrainConfig = PretrainConfig(),
    address: str | None = None,
    parent_run: str | None = None,
) -> dict[str, Any]:
    """Pretrain on a table of synthetic clips; the best checkpoint is left in `out`. Returns the figures of the best epoch.

    Raises InputError for data or settings that cannot be trained with; then nothing is left in `out`.
    """
    started = time.perf_counter()
    with tables.staged(out, inputs=[data]) as staging:
        corpus = load_corpus(data, config)
        global_batch(config.optim.batch_size, len(corpus.train), config.workers)  # known before any worker starts
        data_sha = tables.data_sha256(data)
        history: list[dict[str, float]] = []
        with (
            tracking.track("pretrain", out.name, config, out=staging, data_sha=data_sha, parent_id=parent_run) as run,
            bar("pretrain", config.optim.epochs) as advance,
        ):

            def on_metrics(epoch: int, metrics: dict[str, float]) -> None:
                history.append(metrics)
                run.metrics(metrics, epoch)
                advance(1, f"loss {metrics.get('val/loss', metrics['train/loss']):.3f}")

            connect(address, config.workers)
            run_workers(corpus, config, staging, on_metrics)
            best = min(range(len(history)), key=lambda i: history[i].get("val/loss", history[i]["train/loss"]))
            figures = {
                "windows": len(corpus.windows.clip),
                "clips": len(corpus.windows.clip_ids),
                "clips_too_short": len(corpus.windows.short),
                "epochs": len(history),
                "best_epoch": best,
                **history[best],
                "elapsed_s": time.perf_counter() - started,
            }
            run.metrics({"best/epoch": best, "windows": figures["windows"]}, best)
            tables.write_manifest(
                staging, table="checkpoint", totals=figures, inputs={data.name: data_sha}, config=config.model_dump(mode="json")
            )
            run.artifact(staging / tables.MANIFEST)
    return figures


def load_corpus(data: Location, config: PretrainConfig) -> Corpus:
    """Windows of a table of synthetic clips, split, normalised, and with their sentences embedded."""
    shards = tables.shard_paths(data)
    placements = schema.validate_synthetic_clips(tables.read_schema(shards[0]), str(shards[0]))
    windows = cut_clips(_rows(shards, placements, set(config.exclude_subjects)), config.windows, placements)
    vectors = text.embed(windows.texts or [""], config.text_model)
    return make_corpus(windows, vectors[: len(windows.texts)], val_share=config.val_share, seed=config.seed)


def _rows(shards: Sequence[Location], placements: tuple[str, ...], excluded: set[str]) -> Iterator[dict[str, Any]]:
    columns = schema.synthetic_clips(placements)
    for shard in shards:
        schema.validate_synthetic_clips(tables.read_schema(shard), str(shard))
        for number, row in enumerate(tables.rows(tables.read_shard(shard, columns))):
            problem = schema.check_synthetic_clip(row, placements)
            if problem:
                raise InputError(f"{shard} row {number} (clip '{row['clip_id']}'): {problem}; simulate the clips again")
            if row["subject"] not in excluded:
                yield row
