#!/usr/bin/env python3
"""Writes a ggml Whisper model with its matrices in q5_0, as whisper.cpp's own tool does.

    quantize.py IN.bin OUT.bin

Two-dimensional tensors but the positions and the convolutions' biases (whisper.cpp, examples/quantize).
"""

import struct
import sys

import numpy as np

MAGIC = 0x67676D6C
F32, F16, Q5_0 = 0, 1, 6
FTYPE_Q5_0 = 2008  # quantisation version 2, ftype 8
KEPT = (
    "encoder.conv1.bias",
    "encoder.conv2.bias",
    "encoder.positional_embedding",
    "decoder.positional_embedding",
)
BLOCK = 32  # values that share a scale


def q5_0(values):
    """quantize_row_q5_0_ref of ggml-quants.c: for each 32 values a scale in f16, the fifth bits, then the lower four
    bits of value i beside those of value i + 16."""
    blocks = np.float32(values).reshape(-1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)
    scale = largest / np.float32(-16)
    with np.errstate(divide="ignore"):
        inverse = np.where(scale == 0, np.float32(0), 1 / scale)
    steps = np.minimum(31, (blocks * inverse + np.float32(16.5)).astype(np.int8)).astype(np.uint8)
    packed = np.zeros(len(blocks), [("scale", "<f2"), ("fifth", "u1", 4), ("lower", "u1", 16)])
    packed["scale"] = scale[:, 0]
    packed["fifth"] = np.packbits(steps >> 4, axis=1, bitorder="little")
    packed["lower"] = (steps[:, :16] & 15) | (steps[:, 16:] & 15) << 4
    return packed.tobytes()


def copy_head(source, target):
    """Hyper-parameters with another ftype, filters, vocabulary."""
    head = list(struct.unpack("<12i", source.read(48)))
    if head[0] != MAGIC:
        sys.exit(f"{source.name} is no ggml model")
    head[11] = FTYPE_Q5_0
    target.write(struct.pack("<12i", *head))
    bands, bins = struct.unpack("<2i", source.read(8))
    target.write(struct.pack("<2i", bands, bins) + source.read(4 * bands * bins))
    (words,) = struct.unpack("<i", source.read(4))
    target.write(struct.pack("<i", words))
    for _ in range(words):
        size = source.read(4)
        target.write(size + source.read(*struct.unpack("<i", size)))


def copy_tensor(source, target):
    """`False` at the end of the file."""
    head = source.read(12)
    if len(head) < 12:
        return False
    dimensions, length, kind = struct.unpack("<3i", head)
    shape = struct.unpack(f"<{dimensions}i", source.read(4 * dimensions))
    name = source.read(length)
    if kind not in (F32, F16):
        sys.exit(f"{source.name}: {name.decode()} is quantized already")
    stored = np.dtype("<f4" if kind == F32 else "<f2")
    data = source.read(int(np.prod(shape)) * stored.itemsize)
    if dimensions == 2 and name.decode() not in KEPT and shape[0] % BLOCK == 0:
        kind, data = Q5_0, q5_0(np.frombuffer(data, stored))
    target.write(struct.pack("<3i", dimensions, length, kind) + struct.pack(f"<{dimensions}i", *shape))
    target.write(name + data)
    return True


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
        copy_head(source, target)
        while copy_tensor(source, target):
            pass


if __name__ == "__main__":
    main()
