"""One typed config per command: a YAML file plus dotted `key=value` overrides, checked by pydantic.

A config file has one section per command (`simulate:`, `pretrain:`, `finetune:`, ...), so one preset covers a whole path; each
command reads its own section. An unknown key is an error that names the nearest known one. Every field has a description with its
unit, from which `--help` is made.
"""

from __future__ import annotations

from m3n.config.base import Options, Positive
from m3n.config.evaluate import EvaluateConfig
from m3n.config.fidelity import FidelityConfig
from m3n.config.finetune import FinetuneConfig, FreezeOptions
from m3n.config.ingest import IngestConfig
from m3n.config.learning import AugmentConfig, ModelConfig, WindowsConfig
from m3n.config.mounting import MountingConfig
from m3n.config.predict import PredictConfig
from m3n.config.pretrain import HARDWARE, LossConfig, OptimConfig, ParameterGroup, PretrainConfig
from m3n.config.reading import NAME, STAGES, check, describe, flatten, keys, preset, resolve, sha256, updated
from m3n.config.reproduce import ProtocolConfig, ReproduceConfig
from m3n.config.simulate import CalibrateConfig, SimulateConfig, Site
from m3n.config.strangers import StrangersConfig
from m3n.config.tune import TuneConfig
from m3n.config.view import ViewConfig

__all__ = [
    "HARDWARE",
    "NAME",
    "STAGES",
    "AugmentConfig",
    "CalibrateConfig",
    "EvaluateConfig",
    "FidelityConfig",
    "FinetuneConfig",
    "FreezeOptions",
    "IngestConfig",
    "LossConfig",
    "ModelConfig",
    "MountingConfig",
    "OptimConfig",
    "Options",
    "ParameterGroup",
    "Positive",
    "PredictConfig",
    "PretrainConfig",
    "ProtocolConfig",
    "ReproduceConfig",
    "SimulateConfig",
    "Site",
    "StrangersConfig",
    "TuneConfig",
    "ViewConfig",
    "WindowsConfig",
    "check",
    "describe",
    "flatten",
    "keys",
    "preset",
    "resolve",
    "sha256",
    "updated",
]  # fmt: skip
