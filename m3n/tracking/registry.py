"""A classifier as a model in MLflow's registry: `models:/m3n-wrist-har@best`.

It is a `pyfunc` model whose loader is `m3n.export.samples` and whose data is the checkpoint (JSON and safetensors). It contains no
pickle and no code, so m3n must be installed where it is loaded. The alias moves to a new version unless its present holder has a
better score by the same metric on the same data.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from m3n import __version__

MODEL, ALIAS = "m3n-wrist-har", "best"
LOADER = "m3n.export.samples"
FOLDER = "model"  # among the run's artifacts
ABOUT = (
    "Activities from wrist-worn IMUs. `mlflow.pyfunc.load_model('models:/m3n-wrist-har@best').predict(samples)`: a DataFrame with "
    "a row per sample and the columns `right_wrist_ax` … `right_wrist_gz` (specific force in m/s², at rest 9.81 along the axis "
    "that points up; angular rate in rad/s). Pass `params={'rate_hz': 100}` if the samples have another rate than the model. "
    "Returns start_s, stop_s, label and confidence, a row per half window. m3n must be installed."
)


def register(client: Any, run_id: str, folder: Path, record: dict[str, Any]) -> None:
    """Log the checkpoint in `folder` to a run as a model, and register it as a new version; repeating this changes nothing.

    `record`: `metric` and `score` (higher is better), which decide whether it becomes the best, `note`, and `facts`, its tags.
    """
    with tempfile.TemporaryDirectory(prefix="m3n-") as name:
        made = Path(name) / FOLDER
        save(folder, made)
        client.log_artifacts(run_id, str(made), FOLDER)
    run = client.get_run(run_id)
    _registered(client)
    version = next(iter(client.search_model_versions(f"name = '{MODEL}' and run_id = '{run_id}'")), None)
    if version is None:
        tags = {name: value for name, value in run.data.tags.items() if name.startswith("m3n.")}
        tags |= {"metric": record["metric"], "score": repr(float(record["score"])), **record.get("facts", {})}
        source = f"{run.info.artifact_uri.rstrip('/')}/{FOLDER}"
        version = client.create_model_version(MODEL, source, run_id, tags=tags, description=record["note"])
    if _best(client, version):
        client.set_registered_model_alias(MODEL, ALIAS, version.version)


def save(checkpoint: Path, out: Path) -> None:
    """Write the classifier in a folder made by `m3n finetune` as an MLflow model, with signature and input example."""
    import mlflow.pyfunc
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    from m3n.export.samples import example_samples, sample_columns

    described = json.loads((checkpoint / "checkpoint.json").read_text(encoding="utf-8"))
    placements, windows = described["placements"], described["windows"]
    required = len(placements) == 1  # of several, some may not have been worn
    columns = [ColSpec("double", name, required=required) for p in placements for name in sample_columns(p)]
    answers = [("start_s", "double"), ("stop_s", "double"), ("label", "string"), ("confidence", "double")]
    params = {"rate_hz": float(windows["rate_hz"]), "hop_s": float(windows["window_s"]) / 2}
    signature = ModelSignature(
        Schema(columns),
        Schema([ColSpec(kind, name) for name, kind in answers]),
        ParamSchema([ParamSpec(name, "double", default) for name, default in params.items()]),
    )
    mlflow.pyfunc.save_model(
        str(out),
        loader_module=LOADER,
        data_path=str(checkpoint),
        signature=signature,
        input_example=example_samples(placements, windows["rate_hz"], windows["window_s"]),
        pip_requirements=[f"m3n=={__version__}"],
        metadata={"classes": described["classes"], "placements": placements, "units": "m/s² and rad/s"},
    )


def _registered(client: Any) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(MODEL, description=ABOUT)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _best(client: Any, version: Any) -> bool:
    """Whether a version should get the alias."""
    holder = client.get_registered_model(MODEL).aliases.get(ALIAS)
    if holder is None or str(holder) == str(version.version):
        return True
    before = client.get_model_version(MODEL, holder).tags
    comparable = all(before.get(name) == version.tags.get(name) for name in ("m3n.data_sha", "metric"))
    return not comparable or float(version.tags["score"]) >= float(before.get("score", "-inf"))
