"""Search spaces: found by name or path, checked before a sweep starts, and enumerated for a grid.

A space is a function `space(trial)` that draws settings with Optuna's `trial.suggest_*`, each named by its dotted config key
below `pretrain.` or `finetune.`; a draw may depend on earlier draws. The list `FIRST` has settings to try before anything is
drawn. Settings that an entry leaves out have the value of the sweep's own config, so `{}` is that config itself.
"""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m3n import config as configs
from m3n import packaged
from m3n.config import FinetuneConfig, PretrainConfig, TuneConfig
from m3n.errors import InputError, nearest, one_line
from m3n.io import tables
from m3n.randomness import generator

Settings = dict[str, Any]  # dotted config key -> value
Draw = Callable[[Any], None]
CHECKED_DRAWS = 64  # random draws, so that every branch of a space is likely to be seen
LARGEST_GRID = 10_000
# settings that decide who is trained and scored on, or that all trials share
FIXED = ("pretrain.exclude_subjects", "pretrain.workers", "pretrain.device", "pretrain.restarts", "finetune.train_subjects",
         "finetune.val_subjects", "finetune.test_subjects", "finetune.fold", "finetune.folds", "finetune.ignore_labels",
         "finetune.allow_seen")  # fmt: skip


@dataclass(frozen=True)
class Space:
    """A search space that has been checked."""

    file: Path
    draw: Draw
    first: list[Settings]  # complete, except for keys that the config leaves open

    @property
    def sha256(self) -> str:
        return tables.file_sha256(self.file)


def trial_configs(config: TuneConfig, settings: Settings) -> tuple[PretrainConfig, FinetuneConfig]:
    """The configs of one trial: those of the sweep with the drawn settings on top, and the pretrained encoder as it is.

    Raises InputError for an unknown key or a value that does not fit.
    """
    checked = configs.check(TuneConfig, configs.updated(config.model_dump(exclude_unset=True), settings))
    return checked.pretrain, checked.finetune.model_copy(update={"model": None})


def load_space(name: str, config: TuneConfig) -> Space:
    """The space of a path, or of a file in `tune_spaces/`.

    Raises InputError for a file without a `space` that can be drawn from repeatedly, and for settings that no config has.
    """
    file = packaged.find(name, "tune_spaces", ".py", "search space")
    module = types.ModuleType("m3n_search_space")
    module.__file__ = str(file)
    try:
        exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), module.__dict__)
    except Exception as error:
        raise InputError(f"{file}{_line(error, file)} cannot be run: {_said(error)}") from None
    draw = getattr(module, "space", None)
    if not callable(draw):
        raise InputError(f"{file} has no function space(trial)")
    _check_draws(file, draw, config)
    first = getattr(module, "FIRST", [])
    if not isinstance(first, list) or not all(isinstance(entry, dict) for entry in first):
        raise InputError(f"{file}: FIRST must be a list of dictionaries, config key -> value")
    return Space(file, draw, [_completed(file, draw, i, entry, config) for i, entry in enumerate(first)])


def _said(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}", 300)


def _line(error: BaseException, file: Path) -> str:
    """The line of a space in which an error arose."""
    if isinstance(error, SyntaxError):
        return f" line {error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f" line {lines[-1]}" if lines else ""


def quiet_optuna() -> Any:
    """The package optuna, with its log turned off."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _check_draws(file: Path, draw: Draw, config: TuneConfig) -> None:
    optuna = quiet_optuna()
    one, other = (optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)) for _ in range(2))
    for _ in range(CHECKED_DRAWS):
        found = [_asked(file, draw, study) for study in (one, other)]
        settings = found[0].params
        if not settings:
            raise InputError(
                f"{file}: space(trial) draws no setting: expected trial.suggest_float('pretrain.loss.text_imu', …)"
            )
        if settings != found[1].params:
            raise InputError(
                f"{file}: space(trial) draws other settings when it is called again: it may depend on `trial` only"
            )
        _check_settings(file, settings, config)


def _asked(file: Path, draw: Draw, study: Any) -> Any:
    trial = study.ask()
    try:
        draw(trial)
    except Exception as error:
        raise InputError(f"{file}{_line(error, file)}: space(trial) fails: {_said(error)}") from None
    return trial


def _check_settings(file: Path, settings: Settings, config: TuneConfig) -> None:
    for key in settings:
        if key in FIXED or key.partition(".")[0] not in ("pretrain", "finetune"):
            raise InputError(
                f"{file} draws '{key}', which cannot be searched: expected another key below pretrain. or finetune."
            )
        if key.startswith("finetune.model."):
            raise InputError(f"{file} draws '{key}', which the pretrained encoder decides: draw pretrain.{key[9:]} instead")
    try:
        trial_configs(config, settings)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _completed(file: Path, draw: Draw, number: int, entry: Settings, config: TuneConfig) -> Settings:
    """An entry of FIRST, with the config's values for all other drawn settings; what the config leaves open stays open."""
    optuna = quiet_optuna()
    own = configs.flatten(config)
    settings = dict(entry)
    for _ in range(20):  # a value of the config may lead into another branch
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        study.enqueue_trial(settings)
        with warnings.catch_warnings(action="ignore"):  # of values out of range, which are refused below
            ranges = _asked(file, draw, study).distributions
        more = {key: own[key] for key in ranges if key not in settings and key in own and _holds(ranges[key], own[key])}
        if not more:
            break
        settings |= more
    for key, value in settings.items():
        if key not in ranges and key in entry:
            raise InputError(
                f"{file}: FIRST[{number}] names '{key}'{nearest(key, ranges)}, which space(trial) does not draw in that case"
            )
        if key in ranges and not _holds(ranges[key], value):
            raise InputError(f"{file}: FIRST[{number}] has {key} = {value!r}, which space(trial) does not draw")
    settings = {key: value for key, value in settings.items() if key in ranges}
    _check_settings(file, settings, config)
    return settings


def _holds(distribution: Any, value: Any) -> bool:
    if hasattr(distribution, "choices"):
        return value in distribution.choices
    return isinstance(value, int | float) and distribution.low <= value <= distribution.high


def grid(space: Space, points: int, seed: int) -> list[Settings]:
    """Every combination of a space, with ranges at `points` values from end to end.

    The order is drawn from the seed, so that a part of the grid is spread over all of it.
    """
    found: list[Settings] = []
    for settings in _combinations(space.draw, points):
        if len(found) == LARGEST_GRID:
            raise InputError(
                f"{space.file} has over {LARGEST_GRID:,} combinations: lower grid_points, or choose another sampler"
            )
        found.append(settings)
    return [found[i] for i in generator(seed, "tune", "grid").permutation(len(found))]


def _combinations(draw: Draw, points: int) -> Iterator[Settings]:
    places: list[int] | None = []
    while places is not None:
        trial = _GridTrial(places, points)
        draw(trial)
        yield trial.params
        places = trial.next_places()


class _GridTrial:
    """In place of Optuna's trial: the n-th setting drawn takes the value at the n-th of `places` in its list."""

    def __init__(self, places: list[int], points: int) -> None:
        self.params: Settings = {}
        self._places, self._points, self._sizes = places, points, list[int]()

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        if name not in self.params:
            n = len(self._sizes)
            self._sizes.append(len(choices))
            self.params[name] = choices[self._places[n] if n < len(self._places) else 0]
        return self.params[name]

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        if step is not None:
            return self.suggest_categorical(
                name, _thinned([low + i * step for i in range(int((high - low) / step + 1e-9) + 1)], self._points)
            )
        return self.suggest_categorical(name, _spread(low, high, self._points, log))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        if log:
            return self.suggest_categorical(name, sorted({round(value) for value in _spread(low, high, self._points, log)}))
        return self.suggest_categorical(name, _thinned(list(range(low, high + 1, step)), self._points))

    def next_places(self) -> list[int] | None:
        """The places of the next combination, counting like an odometer; None after the last."""
        places = [*self._places, *[0] * len(self._sizes)][: len(self._sizes)]
        while places and places[-1] + 1 == self._sizes[len(places) - 1]:
            places.pop()
        return [*places[:-1], places[-1] + 1] if places else None


def _spread(low: float, high: float, points: int, log: bool) -> list[float]:
    shares = [i / (points - 1) for i in range(points)] if points > 1 else [0.5]
    inner = [math.exp(math.log(low) + s * math.log(high / low)) if log else low + s * (high - low) for s in shares]
    return [min(max(value, low), high) for value in inner]


def _thinned(values: list[Any], points: int) -> list[Any]:
    """`points` of a list's values, evenly spread from end to end."""
    if points >= len(values):
        return values
    return [values[round(place)] for place in _spread(0, len(values) - 1, points, log=False)]
