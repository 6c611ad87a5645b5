"""Which column of a table is what: channels of each placement, time, subject, session and label, and those that are left over.

Names are compared without case and blanks. Likely names of other loggers are recognised for time, subject, session and label, which
changes nothing silently: what became of every column is printed and kept in the manifest. Channels are never recognised by
likeness, because a file may hold three kinds of acceleration; they are suggested.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from m3n.errors import InputError, nearest, shown
from m3n.schema import CHANNELS, PLACEMENTS
from m3n.sources.recordings.table_options import AUTO, Options

_TIMES = (  # the likeliest first; those of one line are alike
    ("time",), ("timestamp", "time_stamp"), ("seconds_elapsed", "elapsed_time", "elapsed", "time_elapsed", "relative_time"),
    ("unixtime", "unix_time", "unix_timestamp", "epoch", "epoch_time", "unix"), ("datetime", "date_time", "datetime_utc"),
    ("t", "ts", "sec", "secs", "seconds", "ms", "millis", "milliseconds"), ("logging_time", "loggingtime", "sensor_time"),
)  # fmt: skip
_UNIT_ENDINGS = re.compile(
    r"_(?:s|sec|secs|seconds|ms|msec|millis|milliseconds|us|micros|microseconds|ns|nanos|nanoseconds|min|mins|minutes|utc|unix|iso|txt)$"
)
_UNIT_IN_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")  # ax (m/s²), gx [deg/s]
_PEOPLE = ("subject", "subject_id", "subjectid", "subj", "user", "user_id", "userid", "participant", "participant_id",
           "participantid", "person", "person_id", "personid", "volunteer", "patient", "patient_id", "wearer")  # fmt: skip
_SESSIONS = ("session", "session_id", "sessionid", "trial", "trial_id", "run", "run_id", "recording", "recording_id", "take")
_LABELS = ("label", "labels", "activity", "activity_id", "activity_label", "activity_name", "activitylabel", "class", "class_id",
           "class_label", "class_name", "gesture", "exercise", "action", "movement", "annotation", "ground_truth")  # fmt: skip
_LIKE_CHANNEL = re.compile(r"(acc|gyr|rotation|omega|angular|^[agw]_?[xyz]$|^[xyz]$)", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """What the columns of a file are."""

    sensors: dict[str, list[str]]  # placement -> 3 or 6 columns
    time: str | None
    subject: str | None
    session: str | None
    label: str | None
    left: list[str]

    def told(self) -> str:
        """In words, for the manifest."""
        used = [(placement, ",".join(map(shown, names))) for placement, names in self.sensors.items()]
        used += [(name, shown(getattr(self, name))) for name in ("time", "subject", "session", "label") if getattr(self, name)]
        said = " ".join(f"{what}={names}" for what, names in used)
        return f"{said}; left over: {', '.join(map(shown, self.left)) or 'none'}"


def plain(name: str) -> str:
    """A name in small letters, with one _ between its words: subjectID and "Subject ID" are subject_id."""
    return re.sub(r"\W+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())).strip("_").lower()


def found_columns(
    where: str, names: Sequence[str], types: dict[str, pa.DataType | None], options: Options, said: Any
) -> Columns:
    """What the columns called `names` are; `said`: what the file's path says already. InputError, naming `where`, for a column that
    is missing, is there twice, or could be two things."""
    look = ColumnNames(where, list(names))
    sensors = _sensors(look, options)
    roles: dict[str, str] = {}
    for placement, channels in sensors.items():
        for name in channels:
            _once(where, roles, name, f"a channel of {placement}")
    taken = set(roles)
    time = _time(look, options, taken, types)
    if time:
        _once(where, roles, time, "the time")
        taken |= {time}
    own: dict[str, str | None] = {}
    for field, setting, likely in (
        ("subject", options.subject_column, _PEOPLE), ("session", options.session_column, _SESSIONS),
        ("label", options.label_column, _LABELS),
    ):  # fmt: skip
        stated = field in said
        own[field] = (
            None if setting is None or (setting == AUTO and stated) else look.one(setting, likely, f"{field}_column", taken)
        )
        if own[field] is not None and setting != AUTO and stated:
            raise InputError(
                f"{where}: {field}_column={shown(setting)} and {{{field}}} of path= both say the {field}; leave one out"
            )
        chosen = own[field]
        if chosen is not None:
            _once(where, roles, chosen, f"the {field}")
            taken |= {chosen}
    left = [name for name in names if name not in taken and name]
    return Columns(sensors, time, own["subject"], own["session"], own["label"], left)


def _once(where: str, roles: dict[str, str], name: str, role: str) -> None:
    """Note what a column is; InputError where it is something else already."""
    if name in roles:
        raise InputError(f"{where}: the column {shown(name)} is named twice, as {roles[name]} and as {role}; leave one out")
    roles[name] = role


class ColumnNames:
    """The names of a file's columns, looked up without case and blanks."""

    def __init__(self, where: str, names: list[str]) -> None:
        self.where, self.names = where, names
        self.plain = [plain(name) for name in names]

    def listed(self) -> str:
        return ", ".join(shown(name) for name in self.names[:12]) + (" ..." if len(self.names) > 12 else "")

    def find(self, name: str) -> str | None:
        """The column of this name: as written, or else without case and blanks."""
        for found in (
            [held for held in self.names if held == name],
            [held for held in self.names if held.strip().lower() == name.strip().lower()],
            [held for held, short in zip(self.names, self.plain, strict=True) if short == plain(name) and short],
            [held for held in self.names if plain(_UNIT_IN_BRACKETS.sub("", held)) == plain(name)],
        ):
            if len(found) > 1:
                raise InputError(f"{self.where}: {len(found)} columns are called '{shown(name)}'")
            if found:
                return found[0]
        return None

    def one(self, setting: str, likely: Sequence[str], option: str, taken: set[str]) -> str | None:
        """The column of a setting, which must be there unless it is `auto`."""
        if setting != AUTO:
            found = self.find(setting)
            if found is None and setting != likely[0]:
                raise InputError(
                    f"{self.where}: no column '{shown(setting)}' ({option}){nearest(setting, self.names)}; there are "
                    f"{self.listed()}"
                )
            return found
        found = self.find(likely[0])
        if found is not None and found not in taken:
            return found
        several = [held for name in likely if (held := self.find(name)) is not None and held not in taken]
        if option == "subject_column" and len(set(several)) > 1:  # a wrong one would put one person on both sides of a split
            named = " or ".join(f"{option}={shown(name)}" for name in several)
            raise InputError(f"{self.where}: {len(several)} columns may say who wore the sensor; give {named}")
        return several[0] if several else None


def _time(look: ColumnNames, options: Options, taken: set[str], types: dict[str, pa.DataType | None]) -> str | None:
    if options.time is None:
        return None
    if options.time != AUTO:
        found = look.find(options.time)
        if found is None:
            raise _no_time(look, options.time)
        return found
    short = {name: _UNIT_ENDINGS.sub("", plain(name)) or plain(name) for name in look.names if name not in taken}
    for alike in _TIMES:
        likely = [name for name, word in short.items() if word in alike or plain(name) in alike]
        exact = [name for name in likely if plain(name) in alike]
        likely = exact if len(exact) == 1 else likely
        if len(likely) > 1:
            named = " or ".join(f"time={shown(name)}" for name in likely)
            raise InputError(f"{look.where}: {len(likely)} columns may be the time; give {named}")
        if likely:
            return look.find(likely[0])
    typed = [name for name in short if (kind := types.get(name)) is not None and (pa.types.is_temporal(kind))]
    if len(typed) == 1:
        return typed[0]
    vague = [name for name in short if re.search(r"time|stamp|clock|date", plain(name))]
    if vague:
        raise InputError(
            f"{look.where}: the column {shown(vague[0])} may be the time; give time={shown(vague[0])}, or time=null and "
            "rate_hz=<Hz> "
            "if it is not"
        )
    if options.rate_hz is None:
        raise _no_time(look, "time")
    return None


def _no_time(look: ColumnNames, name: str) -> InputError:
    return InputError(
        f"{look.where}: no column '{shown(name)}' and no rate_hz; give rate_hz=<Hz> (with time=null) or time=<column> of "
        f"{look.listed()}"
    )


def _sensors(look: ColumnNames, options: Options) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    if options.columns:
        wanted = dict(options.columns)
    else:
        for placement in PLACEMENTS:
            if look.find(f"{placement}_ax") is not None:
                wanted[placement] = _channels(look, f"{placement}_")
        if look.find("ax") is not None:
            if options.placement in wanted:
                raise InputError(
                    f"{look.where}: columns ax and {options.placement}_ax are both of placement={options.placement}"
                )
            wanted[options.placement] = _channels(look, "")
    sensors = {}
    for placement, names in wanted.items():
        sensors[placement] = [found for name in names if (found := look.find(name)) is not None]
        missing = [name for name in names if look.find(name) is None]
        if missing:
            raise InputError(
                f"{look.where}: column '{shown(missing[0])}' of {placement} is missing{nearest(missing[0], look.names)}; there are "
                f"{look.listed()}"
            )
        if len(set(sensors[placement])) != len(names):
            raise InputError(f"{look.where}: columns.{placement} names one column twice")
    if not sensors:
        likely = [shown(name) for name in look.names if _LIKE_CHANNEL.search(plain(name))]
        hint = f" (perhaps {', '.join(likely[:9])})" if likely else ""
        raise InputError(
            f"{look.where}: no columns ax ay az or right_wrist_ax ...; name them by columns.right_wrist=[...]{hint}; there are "
            f"{look.listed()}"
        )
    return sensors


def _channels(look: ColumnNames, prefix: str) -> list[str]:
    has_gyro = any(look.find(f"{prefix}{name}") is not None for name in CHANNELS[3:])
    return [f"{prefix}{name}" for name in (CHANNELS if has_gyro else CHANNELS[:3])]
