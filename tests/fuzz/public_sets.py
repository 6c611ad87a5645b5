"""Files of public datasets by their published layouts, of a sensor that swings: made byte for byte, not taken from the data."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from fuzz.source_files import sample_columns

G = 9.80665


def _samples(rate_hz: float, seconds: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clock s, acceleration g, angular rate rad/s."""
    clock = np.arange(int(rate_hz * seconds)) / rate_hz
    held = sample_columns(clock)
    acc, gyro = (np.stack([held[name] for name in names], axis=1) for names in (("ax", "ay", "az"), ("gx", "gy", "gz")))
    return clock, acc, np.radians(gyro)


def _lines(table: np.ndarray, sign: str, digits: int = 5) -> str:
    def word(value: float) -> str:
        return "NaN" if np.isnan(value) else f"{value:.{digits}f}".rstrip("0").rstrip(".")

    return "\n".join(sign.join(map(word, row)) for row in table) + "\n"


def pamap2_files(seconds: float = 6.0) -> dict[str, str]:
    """Two people at 100 Hz; the hand's IMU is silent for five rows."""
    clock, acc, gyro = _samples(100, seconds)
    table = np.full((len(clock), 54), 1.0)
    table[:, 0], table[:, 1], table[:, 2] = 8.38 + clock, np.where(clock < 1, 0, np.where(clock < 3, 17, 4)), np.nan
    table[:, 4:7], table[:, 7:10], table[:, 10:13] = G * acc, G * acc * 0.9, gyro
    table[100:105, 3:20] = np.nan
    text = _lines(table, " ")
    return {f"PAMAP2_Dataset/Protocol/subject{person}.dat": text for person in (101, 108)}


def mhealth_files(seconds: float = 6.0) -> dict[str, str]:
    """One person at 50 Hz."""
    clock, acc, _ = _samples(50, seconds)
    table = np.full((len(clock), 24), 0.5)
    table[:, 5:8], table[:, 14:17], table[:, 23] = G * acc[:, [1, 2, 0]], G * acc, np.where(clock < 2, 0, 4)
    return {"MHEALTHDATASET/mHealth_subject1.log": _lines(table, "\t")}


def dsads_files(segments: int = 2) -> dict[str, str]:
    """One person's walking (a10) in segments of 5 s at 25 Hz."""
    _, acc, gyro = _samples(25, 5.0 * segments)
    table = np.full((len(acc), 45), 0.5)
    table[:, 9:12], table[:, 12:15], table[:, 18:21], table[:, 21:24] = G * acc, gyro, G * acc, gyro
    return {f"data/a10/p3/s{k + 1:02d}.txt": _lines(table[125 * k : 125 * (k + 1)], ",") for k in range(segments)}


def opportunity_files(seconds: float = 6.0) -> dict[str, str]:
    """One run at 30 Hz: milli-g, and rad/s times 1000, in whole numbers."""
    clock, acc, gyro = _samples(30, seconds)
    table = np.zeros((len(clock), 250))
    table[:, 0] = np.round(1000 * clock)
    for first in (63, 89):
        table[:, first : first + 3], table[:, first + 3 : first + 6] = np.round(1000 * acc), np.round(1000 * gyro)
    table[:, 243], table[:, 249] = np.where(clock < 3, 1, 2), np.where(clock < 2, 0, np.where(clock < 4, 406516, 404520))
    return {"OpportunityUCIDataset/dataset/S1-ADL1.dat": _lines(table, " ")}


def wear_files(seconds: float = 6.0) -> dict[str, str]:
    """One person at 50 Hz, g."""
    clock, acc, _ = _samples(50, seconds)
    places = ("right_arm", "right_leg", "left_leg", "left_arm")
    lines = ["sbj_id," + ",".join(f"{place}_acc_{axis}" for place in places for axis in "xyz") + ",label"]
    for time, row in zip(clock, acc, strict=True):
        lines.append(",".join(["3", *(f"{value:.6f}" for value in np.tile(row, 4)), "" if time < 2 else "burpees"]))
    return {"inertial/50hz/sbj_3.csv": "\n".join(lines) + "\n"}


def wisdm_files(seconds: float = 6.0) -> dict[str, str]:
    """One person's walking and writing at 20 Hz; the gyroscope starts 30 ms later."""
    files = {}
    clock, acc, gyro = _samples(20, seconds)
    for sensor, values, late in (("accel", G * acc, 0), ("gyro", gyro, 30_000_000)):
        lines = []
        for number, letter in enumerate("AQ"):
            for time, row in zip(clock, values, strict=True):
                stamp = 90_426_757_696_641 + number * 300_000_000_000 + late + round(1e9 * time)
                lines.append(f"1600,{letter},{stamp}," + ",".join(f"{value:.7g}" for value in row) + ";")
        files[f"wisdm-dataset/raw/watch/{sensor}/data_1600_{sensor}_watch.txt"] = "\n".join(lines) + "\n"
    return files


def hhar_files(seconds: float = 6.0) -> dict[str, str]:
    """Person a's LG watch at 200 Hz and b's Gear at 100 Hz, whose rows a file mixes; their gyroscopes start 30 ms later."""
    head = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
    files = {}
    for sensor, late in (("accelerometer", 0), ("gyroscope", 30_000_000)):
        lines = []
        for person, model, rate in (("a", "lgwatch", 200), ("b", "gear", 100)):
            clock, acc, gyro = _samples(rate, seconds)
            for k, (time, row) in enumerate(zip(clock, G * acc if sensor == "accelerometer" else gyro, strict=True)):
                stamp, words = 27_920_678_471_000 + late + round(1e9 * time), ",".join(f"{value:.7g}" for value in row)
                activity = "null" if time < 2 else "stairsup" if time < 3 else "bike"
                arrival = 1_424_696_638_740 + late // 1_000_000 + round(1e3 * time)
                lines.append((k / rate, f"{k},{arrival},{stamp},{words},{person},{model},{model}_1,{activity}"))
        rows = [line for _, line in sorted(lines, key=lambda one: one[0])]
        files[f"Activity recognition exp/Watch_{sensor}.csv"] = "\n".join([head, *rows]) + "\n"
    return files


def _zipped(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def realworld_files(seconds: float = 6.0) -> dict[str, bytes]:
    """Person 3's walking, and climbing in two parts, which are zips in zips; 50 Hz, the gyroscope starts 30 ms later."""
    clock, acc, gyro = _samples(50, seconds)

    def lines(values: np.ndarray, late: int) -> str:
        rows = [
            f"{k + 1},{1_435_995_873_000 + late + round(1e3 * time)}," + ",".join(f"{value:.7g}" for value in row)
            for k, (time, row) in enumerate(zip(clock, values, strict=True))
        ]
        return "\n".join(["id,attr_time,attr_x,attr_y,attr_z", *rows]) + "\n"

    made = {}
    for short, name, values, late in (("acc", "acc", G * acc, 0), ("gyr", "Gyroscope", gyro, 30)):
        places = {place: lines(values * (1.0 if place == "forearm" else 0.5), late) for place in ("chest", "forearm")}
        made[f"proband3/data/{short}_walking_csv.zip"] = _zipped(
            {f"{name}_walking_{place}.csv": text for place, text in places.items()} | {"readMe": "units: m/s2"}
        )
        made[f"proband3/data/{short}_climbingup_csv.zip"] = _zipped(
            {
                f"{short}_climbingup_{part}_csv.zip": _zipped({f"{name}_climbingup_{part}_forearm.csv": lines(values, late)})
                for part in (1, 2)
            }
        )
    return made
