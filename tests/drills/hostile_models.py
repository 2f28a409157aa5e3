"""Model files that do harm: the demo model with one thing changed, or something that is no model at all.

GGUF, as its specification says: a head with two counts, key-value pairs, tensor descriptions, padding, tensor data.
Only key-value pairs are changed here, so that the file stays a model that loads, where that is meant.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

STRING, ARRAY = 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
ALIGNMENT = 32
TEMPLATE = "tokenizer.chat_template"


def string(text: bytes) -> bytes:
    """A GGUF string: its length, and its bytes."""
    return struct.pack("<Q", len(text)) + text


def string_pair(key: str, text: bytes) -> bytes:
    """A key-value pair that holds a string."""
    return string(key.encode()) + struct.pack("<I", STRING) + string(text)


class Reader:
    """Walks over a file to find where each pair begins and ends."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def skip_string(self) -> bytes:
        length = self.number("<Q")
        self.at += length
        return self.data[self.at - length : self.at]

    def skip_value(self, kind: int) -> None:
        if kind == STRING:
            self.skip_string()
        elif kind == ARRAY:
            inner, count = self.number("<I"), self.number("<Q")
            if inner in SIZES:
                self.at += SIZES[inner] * count
            else:
                for _ in range(count):
                    self.skip_value(inner)
        else:
            self.at += SIZES[kind]


def padded(length: int) -> int:
    return -length % ALIGNMENT


def changed(original: Path, key: str, value: bytes) -> bytes:
    """The model at `original` with the string `value` under `key`."""
    reader = Reader(original.read_bytes())
    reader.at = 8
    tensors, pairs = reader.number("<Q"), reader.number("<Q")
    kept = []
    for _ in range(pairs):
        start = reader.at
        name = reader.skip_string().decode()
        reader.skip_value(reader.number("<I"))
        if name != key:
            kept.append(reader.data[start : reader.at])
    start = reader.at
    for _ in range(tensors):
        reader.skip_string()
        dimensions = reader.number("<I")
        reader.at += 8 * dimensions + 4 + 8
    described = reader.data[start : reader.at]
    data = reader.data[reader.at + padded(reader.at) :]
    head = reader.data[:8] + struct.pack("<QQ", tensors, len(kept) + 1)
    head += b"".join(kept) + string_pair(key, value) + described
    return head + b"\0" * padded(len(head)) + data


LOOPS = b"{% for a in range(3000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}"
DOUBLES = b"{% set ns = namespace(s='ab') %}{% for a in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}"
REPEATS = b"{{ 'ab' * 1000000000000 }}"
JOINS = b"{{ range(100000)|join('x' * 100000) }}"
RECURSES = b"{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}"
TEMPLATES = {"loops": LOOPS, "doubles": DOUBLES, "repeats": REPEATS, "joins": JOINS, "recurses": RECURSES}


def harmful_templates(demo: Path, folder: Path) -> dict[str, Path]:
    """Models that load, with chat templates that would run for hours or fill the memory, by name."""
    files = {}
    for name, template in TEMPLATES.items():
        files[f"template-{name}"] = folder / f"{name}.gguf"
        files[f"template-{name}"].write_bytes(changed(demo, TEMPLATE, template))
    return files


def unloadable(demo: Path, folder: Path) -> dict[str, Path]:
    """What must not be registered, by name."""
    data = demo.read_bytes()
    huge = struct.pack("<QQ", 2**60, 2**60)
    deep = string(b"deep") + struct.pack("<I", ARRAY) + struct.pack("<IQ", ARRAY, 1) * 50_000
    contents = {
        "architecture-10mb": changed(demo, "general.architecture", b"x" * 10_000_000),
        "architecture-escapes": changed(demo, "general.architecture", b"\x1b]0;owned\x07\x1b[2J\nllama"),
        "counts-2-60": data[:8] + huge + data[24:],
        "string-2-60": data[:8] + struct.pack("<QQ", 0, 1) + struct.pack("<Q", 2**60),
        "array-2-60": data[:8] + struct.pack("<QQ", 0, 1) + string(b"a") + struct.pack("<IIQ", ARRAY, 4, 2**60),
        "nested-arrays": data[:8] + struct.pack("<QQ", 0, 1) + deep,
        "truncated": data[: len(data) // 2],
        "head-alone": data[:24],
        "empty": b"",
        "zeros": b"\0" * 4096,
    }
    files = {}
    for name, content in contents.items():
        files[name] = folder / f"{name}.gguf"
        files[name].write_bytes(content)
    files["fifo"] = folder / "fifo.gguf"
    os.mkfifo(files["fifo"])
    files["folder"] = folder
    files["device"] = Path("/dev/zero")
    files["process-memory"] = Path("/proc/self/mem")
    return files
