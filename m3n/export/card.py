"""The model card (Mitchell et al., FAT* 2019), in the format of model hubs: what a stranger must know before using the model.

Everything in it is read from the checkpoint and from the figures of fine-tuning; what is not known is marked as such.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from m3n import __version__
from m3n.errors import one_line
from m3n.reports.markdown import markdown_table
from m3n.schema import CHANNELS, GRAVITY
from m3n.training.checkpoint import Checkpoint

SCORES = {
    "test_macro_f1": "macro F1 over windows",
    "test_recording_macro_f1": "macro F1 over labelled segments (mean probabilities)",
    "test_accuracy": "accuracy over windows",
}


def model_card(found: Checkpoint, metrics: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """Markdown with a YAML head; `metrics` as of `m3n finetune` (may be empty), `figures` as of `m3n export`."""
    shape, samples, many = found.windows, found.windows.samples, len(found.placements) > 1
    model = found.architecture
    parts = [
        "---\nlibrary_name: onnx\nlicense: other\nlicense_name: see-licences-below\n"
        "tags:\n- human-activity-recognition\n- imu\n- wearable\n- m3n\n---\n",
        f"# Activity recognition from {_listed(found.placements)}\n",
        f"Tells {len(found.classes)} activities apart in windows of {shape.window_s:g} s of accelerometer and gyroscope. "
        f"IMU encoder `{model.imu_encoder}` (width {model.width}, depth {model.depth}) with the head `{found.head}`, "
        f"{figures['parameters']:,} parameters; {_training(metrics)}. "
        f"Made by m3n {__version__} after Multi^3Net (arXiv 2406.01316).\n",
        "## Classes\n",
        "".join(f"{i}. {_text(name)}\n" for i, name in enumerate(found.classes)),
        "## Inputs and outputs\n",
        markdown_table(["input", "shape", "meaning"], _inputs(found)),
        f"Channels: {' '.join(CHANNELS)}. Acceleration is **specific force in m/s²** (at rest a sensor reads +{GRAVITY:g} along "
        "the axis that points up; a sensor that gives g must be multiplied), angular rate is in **rad/s**, both in the sensor's "
        "frame. A wrist sensor's frame is a watch's: x along the forearm towards the hand, z out of the back of the wrist, "
        f"y = z × x. Windows are {samples} samples at **{shape.rate_hz:g} Hz**; training took one every "
        f"{shape.hop_s:g} s. The graph scales the samples itself.\n",
        "The outputs are `logits` and `probabilities`, (batch, classes).\n",
        "## How to run it\n",
        "With NumPy and onnxruntime:\n",
        f"```python\n{snippet(many)}```\n",
        "On a live sensor, with m3n installed, in constant memory and at any sampling rate:\n",
        f"```python\n{_live(found)}```\n",
        "## Accuracy\n",
        _quality(metrics),
        "## Speed\n",
        f"One window takes {figures['latency_ms_median']:.2f} ms (median; 95th percentile {figures['latency_ms_p95']:.2f} ms) on "
        f"one core of {figures['processor']}, measured by `m3n export` on {figures['measured']}. The graph's logits differ from "
        f"those of the original classifier by at most {figures['largest_difference']:.0e}.\n",
        "## Data\n",
        _data(metrics),
        "## Licences\n",
        "m3n's code is under Apache-2.0. Whether these weights may be shared, and how, depends on the licences of the data above; "
        "the publisher must observe them.\n",
        "## Limits\n",
        "- It knows only its classes: any other activity gets one of their labels. Check `probabilities` on your own data before "
        "relying on them; they were not calibrated.\n"
        "- It was evaluated on the people, sensors and places of its data. Others may move, or wear a sensor, differently.\n"
        "- A sensor in another frame or other units gives wrong labels without any warning.\n"
        "- It is not a medical device, and not meant for monitoring people without their consent.\n",
    ]  # fmt: skip
    return "\n".join(parts)


def snippet(several: bool) -> str:
    """Python that runs the model.onnx in the working folder on one window."""
    worn = '    "worn": np.ones((1, placements), bool),  # False for a sensor that is not worn\n' if several else ""
    return f"""import json

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
facts = json.loads(session.get_modelmeta().custom_metadata_map["m3n"])
placements = len(facts["placements"])
imu = np.zeros((1, placements, facts["samples"], 6), np.float32)  # your samples: ax ay az [m/s²], gx gy gz [rad/s]
imu[..., 2] = {GRAVITY:g}  # here: sensors at rest, z up
inputs = {{
    "imu": imu,
{worn}    "rate_hz": np.full(1, facts["rate_hz"], np.float32),  # sampling rate of the sensor, before resampling
}}
logits, probabilities = session.run(["logits", "probabilities"], inputs)
best = probabilities[0].argmax()
print(facts["classes"][best], f"{{probabilities[0, best]:.2f}}")
"""


def _live(found: Checkpoint) -> str:
    worn = f", worn={json.dumps(found.placements[-1:])}" if len(found.placements) > 1 else ""
    return f"""import numpy as np

from m3n.export import Stream

stream = Stream("model.onnx"{worn}, rate_hz=100)
for samples in np.zeros((20, 100, 6)):  # your sensor's packets: any number of samples, 6 channels each
    for time_s, label, confidence in stream.push(samples):
        print(f"{{time_s:.1f}} s: {{label}} ({{confidence:.2f}})")
"""


def _inputs(found: Checkpoint) -> list[list[str]]:
    count, samples = len(found.placements), found.windows.samples
    rows = [["`imu`", f"(batch, {count}, {samples}, 6) float32", f"raw samples of {_listed(found.placements)}"]]
    if count > 1:
        rows.append(["`worn`", f"(batch, {count}) bool", "which placements are worn; samples of the others are ignored"])
    return [*rows, ["`rate_hz`", "(batch,) float32", "sampling rate of the sensor in Hz, before any resampling"]]


def _training(metrics: Mapping[str, Any]) -> str:
    if not metrics:
        return "its training is not recorded"
    how = {
        "scratch": "trained from scratch",
        "frozen": "a pretrained encoder, kept frozen",
        "not_frozen": "a fine-tuned encoder",
        "co_trained": "trained from scratch beside simulated clips",
    }
    method = str(metrics.get("method", "unknown"))
    windows, people = (
        metrics.get("train_windows", "an unknown number of"),
        metrics.get("train_subjects", "an unknown number of"),
    )
    return f"{how.get(method, f'trained by the method {method}')}, on {windows} windows of {people} people"


def _quality(metrics: Mapping[str, Any]) -> str:
    if not any(name in metrics for name in SCORES):
        return "No figures came with the classifier: evaluate it on unseen people before using it.\n"
    rows = [[what, f"{metrics[name]:.3f}", _interval(metrics, name)] for name, what in SCORES.items() if name in metrics]
    classes = [
        [_text(label), f"{s['precision']:.3f}", f"{s['recall']:.3f}", f"{s['f1']:.3f}", str(s["count"])]
        for label, s in metrics.get("test_per_class", {}).items()
    ]
    subjects = metrics.get("test_subjects", [])
    few = "" if any(row[2] for row in rows) else ", which are too few for a confidence interval" if len(subjects) < 5 else ""
    return (
        f"On {len(subjects)} unseen people{few} ({metrics.get('test_windows', '?')} windows, "
        f"{metrics.get('test_recordings', '?')} labelled segments):\n\n"
        + markdown_table(["score", "value", "95 % interval"], [[a, b, c or "not given"] for a, b, c in rows])
        + ("\n" + markdown_table(["class", "precision", "recall", "F1", "windows"], classes) if classes else "")
    )


def _interval(metrics: Mapping[str, Any], name: str) -> str:
    found = metrics.get(f"{name}_ci95")
    return f"{found[0]:.3f} to {found[1]:.3f}" if found else ""


def _data(metrics: Mapping[str, Any]) -> str:
    def named(key: str, none: str) -> str:
        if key not in metrics:
            return "not recorded"
        return ", ".join(f"`{one_line(name, 80).replace('`', '')}`" for name in metrics[key]) or none

    return (
        f"- Labelled recordings, by the names of their sources in m3n: {named('sources', 'none')}\n"
        f"- Simulated clips for pretraining the encoder: {named('pretraining_sources', 'none')}\n"
    )


def _listed(placements: Sequence[str]) -> str:
    return " and ".join(f"the {p.replace('_', ' ')}" for p in placements)


def _text(name: str) -> str:
    """A label inside Markdown."""
    return "".join(f"\\{c}" if c in "|*_`<>[]#\\" else c for c in one_line(name, 80))
