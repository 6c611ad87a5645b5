"""Files of loggers, byte for byte as each writes them (by its documentation and published examples), of the sensor of `sensors`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sensors
from logger_files import write

G, START = 9.80665, 1_717_158_322.0  # 2024-05-31 12:25:22 UTC
DEG = 180 / np.pi


def samples(rate_hz: float, seconds: float = 20.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clock (n,) s, force (n, 3) m/s², rate (n, 3) rad/s."""
    clock = np.arange(0, seconds, 1 / rate_hz)
    return clock, *sensors.worn_sensor(clock)


def table(header: str, *columns: object, sign: str = ",", digits: int = 6) -> str:
    """Lines of a CSV; a column is text, or an array (n,) or (n, k)."""
    cells: list[list[str]] = []
    for column in columns:
        if isinstance(column, list):
            cells.append(column)
        else:
            array = np.asarray(column)
            array = array[:, None] if array.ndim == 1 else array
            whole = array.dtype.kind in "iu"
            cells += [[f"{value}" if whole else f"{value:.{digits}f}" for value in array[:, k]] for k in range(array.shape[1])]
    rows = [sign.join(row) for row in zip(*cells, strict=True)]
    return "\n".join([*([header] if header else []), *rows]) + "\n"


def _dates(clock: np.ndarray, form: str, digits: int = 3) -> list[str]:
    made = [datetime.fromtimestamp(START, UTC) + timedelta(seconds=float(t)) for t in clock]
    return [moment.strftime(form)[: -(6 - digits) or None] for moment in made]


def _nanoseconds(clock: np.ndarray) -> np.ndarray:
    return (int(START) * 10**9 + np.round(clock * 1e9)).astype(np.int64)


def _zyx(values: np.ndarray) -> np.ndarray:
    return values[:, ::-1]


def sensor_logger_phone(folder: Path, platform: str = "ios", standardised: str = "false") -> Path:
    """Acceleration without gravity, gravity and gyroscope apart, the gyroscope 3 ms later and at another rate."""
    sign = -1.0 if platform == "ios" and standardised == "false" else 1.0
    clock, force, _ = samples(100)
    down = np.tile(force.mean(axis=0), (len(force), 1))
    late = samples(50)[0] + 0.003
    turned = sensors.worn_sensor(late)[1]
    head = "time,seconds_elapsed,z,y,x"
    write(folder / "Accelerometer.csv", table(head, _nanoseconds(clock), clock, _zyx(sign * (force - down)), digits=9))
    write(folder / "Gravity.csv", table(head, _nanoseconds(clock), clock, _zyx(sign * down), digits=9))
    write(folder / "Gyroscope.csv", table(head, _nanoseconds(late), late, _zyx(turned), digits=9))
    write(
        folder / "Metadata.csv",
        "version,device name,recording epoch time,recording time,recording timezone,platform,appVersion,device id,sensors,"
        f"sampleRateMs,standardisation,platform version\n3,phone,{int(START * 1000)},2024-05-31_12-25-22,Europe/Berlin,{platform},"
        f"1.30,abc,Accelerometer|Gravity|Gyroscope,10|10|20,{standardised},17.4\n",
    )
    return folder


def sensor_logger_watch(folder: Path) -> Path:
    clock, force, turned = samples(50)
    down = np.tile(force.mean(axis=0), (len(force), 1)) / -G
    axes = [f"{name}{axis}" for name in ("rotationRate", "gravity", "acceleration", "quaternion") for axis in "WXYZ"]
    head = ",".join(["time", "seconds_elapsed", *(name for name in axes if name[-1] != "W" or name.startswith("quat"))])
    text = table(
        head, _nanoseconds(clock), clock, turned, down, force / -G - down, np.tile([1.0, 0, 0, 0], (len(clock), 1)), digits=9
    )
    write(folder / "WristMotion.csv", text)
    write(folder / "HeartRate.csv", "time,seconds_elapsed,bpm\n1717158322000000000,0.0,62\n")
    return folder


def sensorlog(folder: Path) -> Path:
    clock, force, turned = samples(50)
    head = (
        "loggingTime(txt),loggingSample(N),accelerometerTimestamp_sinceReboot(s),accelerometerAccelerationX(G),"
        "accelerometerAccelerationY(G),accelerometerAccelerationZ(G),motionTimestamp_sinceReboot(s),motionRotationRateX(rad/s),"
        "motionRotationRateY(rad/s),motionRotationRateZ(rad/s)"
    )
    stamps = [f"{stamp} +0000" for stamp in _dates(clock, "%Y-%m-%d %H:%M:%S.%f")]
    return write(folder / "walk.csv", table(head, stamps, np.arange(len(clock)), 5e4 + clock, force / -G, 5e4 + clock, turned))


def phyphox(folder: Path) -> Path:
    clock, force, turned = samples(100)
    head = (
        '"Time (s)","Acceleration x (m/s^2)","Acceleration y (m/s^2)","Acceleration z (m/s^2)","Absolute acceleration (m/s^2)"'
    )
    write(folder / "Accelerometer.csv", table(head, clock, force, np.linalg.norm(force, axis=1)))
    head = '"Time (s)","Gyroscope x (rad/s)","Gyroscope y (rad/s)","Gyroscope z (rad/s)","Absolute (rad/s)"'
    write(
        folder / "Gyroscope.csv",
        table(head, clock + 0.002, sensors.worn_sensor(clock + 0.002)[1], np.linalg.norm(turned, axis=1)),
    )
    write(folder / "meta" / "time.csv", '"event","experiment time","system time"\n"START",0.0,1717158322.0\n')
    return folder


def physics_toolbox(folder: Path) -> Path:
    clock, force, turned = samples(100)
    text = table("time,gFx,gFy,gFz,ax,ay,az,wx,wy,wz", clock, force / G, force - force.mean(0), turned, digits=4)
    return write(folder / "walk.csv", text)


def androsensor(folder: Path) -> Path:
    clock, force, turned = samples(50)
    head = (
        "ACCELEROMETER X (m/s²);ACCELEROMETER Y (m/s²);ACCELEROMETER Z (m/s²);LINEAR ACCELERATION X (m/s²);"
        "LINEAR ACCELERATION Y (m/s²);LINEAR ACCELERATION Z (m/s²);GYROSCOPE X (rad/s);GYROSCOPE Y (rad/s);GYROSCOPE Z (rad/s);"
        "Time since start in ms ;YYYY-MO-DD HH-MI-SS_SSS"
    )
    stamps = _dates(clock, "%Y-%m-%d %H:%M:%S:%f")
    text = table(head, force, force - force.mean(0), turned, (1000 * clock).astype(int), stamps, sign=";", digits=4)
    return write(folder / "Sensor_record.csv", text)


def empatica(folder: Path) -> Path:
    _, force, _ = samples(32)
    counts = np.round(64 * force / G).astype(int)
    write(folder / "ACC.csv", f"{START:.6f}, {START:.6f}, {START:.6f}\n32.000000, 32.000000, 32.000000\n" + table("", counts))
    write(folder / "tags.csv", f"{START + 3:.2f}\n")
    return folder


def geneactiv(folder: Path) -> Path:
    clock, force, _ = samples(100)
    about = [
        "Device Type,GENEActiv",
        "Device Model,1.1",
        "Measurement Frequency,100 Hz",
        *[f"Field {k},value" for k in range(97)],
    ]
    rest = np.tile([12, 0], (len(clock), 1))
    text = table("", _dates(clock, "%Y-%m-%d %H:%M:%S:%f"), force / G, rest, np.full(len(clock), 25.1), digits=4)
    return write(folder / "watch.csv", "\n".join(about) + "\n" + text)


def actigraph(folder: Path) -> Path:
    _, force, _ = samples(30)
    head = (
        "------------ Data File Created By ActiGraph GT3X+ ActiLife v6.13.3 Firmware v2.5.0 date format M/d/yyyy at 30 Hz  Filter "
        "Normal -----------\nSerial Number: NEO1B41100255\nStart Time 12:25:22\nStart Date 5/31/2024\n"
        "Epoch Period (hh:mm:ss) 00:00:00\nDownload Time 13:00:00\nDownload Date 5/31/2024\n"
        "Current Memory Address: 0\nCurrent Battery Voltage: 4.21     Mode = 12\n"
        "--------------------------------------------------\nAccelerometer X,Accelerometer Y,Accelerometer Z"
    )
    return write(folder / "RAW.csv", table(head, force / G, digits=3))


def axivity(folder: Path) -> Path:
    clock, force, turned = samples(100)
    head = "Time,Accel-X (g), Accel-Y (g), Accel-Z (g), Gyro-X (d/s), Gyro-Y (d/s), Gyro-Z (d/s)"
    return write(folder / "cwa.csv", table(head, _dates(clock, "%Y-%m-%d %H:%M:%S.%f"), force / G, turned * DEG))


def dot(folder: Path) -> Path:
    clock, force, turned = samples(60)
    about = (
        "DeviceTag:,left\nFirmwareVersion:,2.0.0\nAppVersion:,2021.0.0\nSyncStatus:,Synced\nOutputRate:,60Hz\nFilterProfile:,General\n"
        "Measurement Mode:,Custom Mode 4\nStartTime:,2024-05-31_12-25-22\n© Movella Technologies B.V. 2005-2023\n\n"
    )
    head = "PacketCounter,SampleTimeFine,Quat_W,Quat_X,Quat_Y,Quat_Z,Acc_X,Acc_Y,Acc_Z,Gyr_X,Gyr_Y,Gyr_Z,Status"
    fine = (4_284_967_296 + np.round(clock * 1e6)).astype(np.int64) % 2**32  # the counter starts again at 0
    still = np.tile([1.0, 0, 0, 0], (len(clock), 1))
    text = table(head, np.arange(1, len(clock) + 1), fine, still, force, turned * DEG, np.zeros(len(clock), int))
    return write(folder / "left.csv", about + text)


def xsens(folder: Path) -> Path:
    _, force, turned = samples(100)
    about = "// Start Time: Unknown\n// Update Rate: 100.0Hz\n// Filter Profile: human (46.1)\n// Firmware Version: 4.6.0\n"
    head = "PacketCounter\tSampleTimeFine\tAcc_X\tAcc_Y\tAcc_Z\tGyr_X\tGyr_Y\tGyr_Z"
    count = (65_000 + np.arange(len(force))) % 65_536
    kept = np.r_[0:400, 410:1500, 1600 : len(force)]  # 10 packets lost, then 100
    blank = [""] * len(kept)
    return write(folder / "MT_0120.txt", about + table(head, count[kept], blank, force[kept], turned[kept], sign="\t"))


def metamotion(folder: Path) -> Path:
    for sensor, unit, rate, start in (("Accelerometer", "g", 50, 0.0), ("Gyroscope", "deg/s", 100, -0.004)):
        clock = start + samples(rate)[0]
        force, turned = sensors.worn_sensor(clock)
        axes = ",".join(f"{axis}-axis ({unit})" for axis in "xyz")
        values = force / G if unit == "g" else turned * DEG
        stamps = [stamp.replace(":", ".") for stamp in _dates(clock, "%Y-%m-%dT%H:%M:%S.%f")]
        epoch = (START * 1000 + np.round(1000 * clock)).astype(np.int64)
        text = table(f"epoc (ms),timestamp (+0000),elapsed (s),{axes}", epoch, stamps, clock, values, digits=3)
        write(folder / f"MetaWear_2024-05-31T12.25.22.000_C8B4_{sensor}_{rate}.000Hz_1.5.0.csv", text)
    return folder


def arduino(folder: Path) -> Path:
    clock, force, turned = samples(100)
    counts = [np.round(force / G * 32768 / 4).astype(int), np.round(turned * DEG * 32768 / 2000).astype(int)]
    return write(folder / "log.csv", table("millis,ax,ay,az,gx,gy,gz", 1234 + (1000 * clock).astype(int), *counts))


WRITERS: dict[str, Callable[[Path], Path]] = {
    "sensor_logger": sensor_logger_watch, "sensorlog": sensorlog, "phyphox": phyphox, "physics_toolbox": physics_toolbox,
    "androsensor": androsensor, "empatica": empatica, "geneactiv": geneactiv, "actigraph": actigraph, "axivity": axivity,
    "dot": dot, "xsens": xsens, "metamotion": metamotion, "arduino": arduino,
}  # fmt: skip
# Hz, and whether the file says when (in a zone) and has a gyroscope
EXPECTED = {
    "sensor_logger": (50, True, True), "sensorlog": (50, True, True), "phyphox": (100, False, True),
    "physics_toolbox": (100, False, True), "androsensor": (50, False, True), "empatica": (32, True, False),
    "geneactiv": (100, False, False), "actigraph": (30, False, False), "axivity": (100, False, True), "dot": (60, False, True),
    "xsens": (100, False, True), "metamotion": (50, True, True), "arduino": (100, False, True),
}  # fmt: skip
EXTRA = {"arduino": {"acc_range": 4, "gyro_range": 2000}}
