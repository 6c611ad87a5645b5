"""What an attacker or a broken disk puts where a value belongs: numbers, words, settings, pickles and npy headers that lie."""

from __future__ import annotations

import pickle
import struct

HOSTILE_NUMBERS = (0, -1, 1, 2, 1e38, -1e38, 1e300, 1e-300, float("nan"), float("inf"), 1 << 40, 10**5000, -(10**30), 0.5, True)
HOSTILE_WORDS = (
    "", "x", "nan", "ünïcödé 走る", "a\nb", "a\x00b", "\ud800", "y" * 5000, "../../etc/passwd", "{0}", "%s", "-y", "12", "\u202ex",
)  # fmt: skip


HOSTILE_TOKENS = (
    "nan", "inf", "1e400", "1e38", "-1e300", "-1", "0", "99999999999999999999", "1_000", "１", "0x10", "", "{", "}", "a", "1e-320",
    "999999", "\x00", "\ud800", "JOINT", "End", "MOTION", "CHANNELS 3", "OFFSET", "Frames: 3", "1;2", "#", "\t", "'", "1j",
)  # fmt: skip


SETTING_VALUES = (
    "", "null", "nan", "inf", "0", "-1", "1", "2", "0.5", "30", "1e-9", "1e9", "1e300", "[]", "[1,2]", "[99]", "{a: 1}", "walk",
    "true", "'", "[", "${oc.env:HOME}", "${x}", "a\nb", "\udcff", "999999999999999999999999", "neutral", "hand", "y", "!!int",
)  # fmt: skip


# pickle programs ------------------------------------------------------------------------------------------------------------


def _doubled(opcode: bytes, times: int) -> bytes:
    return b"N" + b"".join(b"q%c(h%ch%c" % (k % 200, k % 200, k % 200) + opcode for k in range(times))


def _called(module: str, name: str, arguments: bytes) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode() + arguments + b"R"


def _number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


_DTYPE_F8 = _called("numpy", "dtype", b"(X\x02\x00\x00\x00f8I00\nI01\nt")
_HUGE = _number(10**10)
PROGRAMS: tuple[bytes, ...] = (
    _called("os", "system", b"(X\x0d\x00\x00\x00touch was_runt"),
    _called("posix", "system", b"(X\x0d\x00\x00\x00touch was_runt"),
    _called("builtins", "eval", b"(X\x16\x00\x00\x00open('was_run', 'w')   t"),
    _called("builtins", "exec", b"(X\x16\x00\x00\x00open('was_run', 'w')   t"),
    _called("builtins", "getattr", b"(Nt"),
    b"\x8c\x02os\x8c\x06system\x93\x8c\x0dtouch was_run\x85R",
    b"(X\x0d\x00\x00\x00touch was_runios\nsystem\n",  # INST
    b"(cos\nsystem\nX\x0d\x00\x00\x00touch was_runo",  # OBJ
    b"cnumpy\nload\n(X\x01\x00\x00\x00ttR",
    b"\x8a\xff" + b"\x7f" * 255,  # LONG1 of 255 bytes
    b"\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000,  # LONG4 of 100,000 bytes
    b"\x8b" + struct.pack("<i", -5),
    b"L" + b"9" * 20_000 + b"L\n",
    b"]" * 50_000 + b"a" * 49_999,  # lists 50,000 deep
    b"N" + b"\x85" * 200_000,  # a tuple 200,000 deep
    b"}(N" + b"\x85" * 200_000 + b"Nu",  # the same as a key, so that it is hashed
    b"}(" + _doubled(b"t", 40) + b"Nu",  # 2^40 leaves, hashed
    _doubled(b"t", 60),
    _doubled(b"l", 60),
    b"]q\x01h\x01a",  # a list within itself
    b"}q\x01(X\x01\x00\x00\x00ah\x01u",
    b"}(]Nu",  # a key that cannot be hashed
    b"\x8f(]\x90",
    _called("builtins", "bytearray", b"(" + _HUGE + b"t"),
    _called("builtins", "list", b"(X\x01\x00\x00\x00at"),
    _called("builtins", "complex", b"(K\x01t"),
    _called("numpy", "ndarray", b"((" + _HUGE + _HUGE + b"t" + _DTYPE_F8 + b"t"),
    _called("numpy", "ndarray", b"((" + _HUGE + b"t" + _DTYPE_F8 + b"t"),
    _called("numpy.core.multiarray", "_reconstruct", b"(cnumpy\nndarray\n(" + _HUGE + b"tC\x01bt"),
    _called("numpy.core.multiarray", "_reconstruct", b"(cnumpy\nndarray\n(K\x00tC\x01bt")
    + b"(K\x01(" + _HUGE + b"t" + _DTYPE_F8 + b"I00\nC\x04abcdtb",
    _called("numpy.core.multiarray", "_reconstruct", b"(cnumpy\nndarray\n(K\x00tC\x01bt") + b"Nb",
    _called("numpy.core.multiarray", "_reconstruct", b"(cnumpy\nndarray\n(K\x00tC\x01bt") + b"}X\x01\x00\x00\x00aK\x01sb",
    _called("numpy.core.multiarray", "scalar", b"(" + _DTYPE_F8 + b"C\x02abt"),
    _called("numpy.core.multiarray", "scalar", b"(" + _called("numpy", "dtype", b"(X\x01\x00\x00\x00Ot") + b"C\x08abcdefght"),
    _called("numpy.core.numeric", "_frombuffer", b"(C\x03abc" + _DTYPE_F8 + b"(K\x01tX\x01\x00\x00\x00Ct"),
    _called("numpy", "dtype", b"(X\x0c\x00\x00\x00V10000000000t"),
    _called("numpy", "dtype", b"(X\x09\x00\x00\x00(9999,)f8t"),
    _called("numpy", "dtype", b"(X\x01\x00\x00\x00Ot"),
    _called("_codecs", "encode", b"(X\x01\x00\x00\x00aX\x03\x00\x00\x00hext"),
    _called("collections", "OrderedDict", b"(t") + b"}X\x03\x00\x00\x00popNsb",
    _called("collections", "OrderedDict", b"(t") + b"}X\x05\x00\x00\x00itemsNsb",
    _called("collections", "defaultdict", b"(cos\nsystem\nt"),
    b"Pabc\n", b"(K\x01tQ", b"\x82\x01", b"h\x63", b"0", b".", b"\x97", b"\x98", b"\x95" + b"\xff" * 8, b"C\xff",
    b"\x8e" + struct.pack("<Q", 1 << 60), b"X\xff\xff\xff\xff", b"B\xff\xff\xff\x7f", b"\x8d" + struct.pack("<Q", 1 << 60),
    b"r\xff\xff\xff\x7f", b"Nr\xff\xff\xff\x07", b"V\\ud800\n", b"S'\\xff'\n", b"F1e400\n", b"Fnan\n", b"I" + b"9" * 5000 + b"\n",
)  # fmt: skip


# npy headers -----------------------------------------------------------------------------------------------------------------


def _header(text: str, version: tuple[int, int] = (1, 0), body: bytes = b"12345678" * 4) -> bytes:
    packed = (text + "\n").encode("utf-8", "surrogatepass")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(packed) % (1 << 16 if version == (1, 0) else 1 << 32))
    return b"\x93NUMPY" + bytes(version) + length + packed + body


def npy_members() -> tuple[bytes, ...]:
    """Whole npy files with headers that lie."""
    claims = [
        (shape, descr)
        for shape in ("(1000000000, 156)", "(100000000, 3)", "(99999999999999999999, 3)", "(-5, 3)", "(4, 3)", "(2.5, 3)", "()",
                      "(3,", "'a'", "(0, 72)", "(1,)*40", "(True, 3)", "(536870911,)", "(2000000,)")
        for descr in ("'<f8'", "'|O'", "'V1000000'")
    ]  # fmt: skip
    headers = [f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}" for shape, descr in claims]
    headers += [
        "", "{", "[]", "1+1", "__import__('os').system('touch was_run')", "{'descr': '<f8'}", "[" * 3000, "-" * 5000 + "1",
        "{'descr': 'x', 'fortran_order': False, 'shape': (1,)}", "{'descr': [('a', '<f8')], 'fortran_order': 1, 'shape': (1,)}",
        "{'descr': [('a', '<f8')], 'fortran_order': True, 'shape': (1,)}", "9" * 9000, "{'a': " * 90 + "1" + "}" * 90,
        "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (4,)}", "{'descr': '<U9', 'fortran_order': False, 'shape': (1,)}",
    ]  # fmt: skip
    made = [_header(text) for text in headers]
    made += [_header(headers[0], (2, 0)), _header(headers[0], (3, 0)), _header(headers[0], (9, 9))]
    made += [b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}", b"\x93NUMPY\x01\x00", b"", b"\x93NUM", b"\x80\x04N."]
    return tuple(made)


def zeros_member(mebibytes: int) -> bytes:
    """An npy of zeros that unpacks to this size."""
    count = mebibytes << 17
    head = _header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({count}, 1), }}", body=b"")
    return head + bytes(8 * count)
