"""Write a checkpoint as the file that whisper.cpp loads, its matrices as f16 or q5_0.

    python3 export.py IN.pt ggml-scribe-demo.en-q5_0.bin [--type f16]

The format is that of whisper.cpp's models/convert-pt-to-ggml.py, the choice of tensors that of its
examples/quantize.  The one row of unused tokens is copied to each of them.
"""

import argparse
import struct

import numpy as np
import torch

from mel import BANDS, filters
from network import AUDIO_CONTEXT, HEAD, TEXT_CONTEXT
from tokens import TO_WHISPER, UNUSED, VOCABULARY, ranks

MAGIC = 0x67676D6C  # "ggml"
# Name: (ftype of the file, type of its matrices).  2008 is quantisation version 2 and ftype 8.
F32, F16, Q5_0 = 0, 1, 6
TYPES = {"f16": (1, F16), "q5_0": (2008, Q5_0)}

# Kept in f32 by whisper.cpp; the biases become columns.
COLUMNS = ("encoder.conv1.bias", "encoder.conv2.bias")
POSITIONS = ("encoder.positional_embedding", "decoder.positional_embedding")
HELPERS = ("frame_head", "phone_head")

BLOCK = 32  # values that share a scale in q5_0


def q5_0(values):
    """ggml's q5_0 (quantize_row_q5_0_ref in ggml-quants.c): for each 32 values a scale in f16, the
    fifth bits, then the lower four bits of value i beside those of value i + 16."""
    blocks = np.float32(values).reshape(-1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)
    scale = largest / np.float32(-16)
    with np.errstate(divide="ignore"):
        inverse = np.where(scale == 0, np.float32(0), 1 / scale)
    steps = np.minimum(31, (blocks * inverse + np.float32(16.5)).astype(np.int8)).astype(np.uint8)
    low, high = steps[:, :16], steps[:, 16:]
    packed = np.zeros(len(blocks), [("scale", "<f2"), ("fifth", "u1", 4), ("lower", "u1", 16)])
    packed["scale"] = scale[:, 0]
    packed["fifth"] = np.packbits(steps >> 4, axis=1, bitorder="little")
    packed["lower"] = (low & 15) | (high & 15) << 4
    return packed.tobytes()


def full_vocabulary(embedding):
    """A row for each of Whisper's tokens."""
    rows = np.full(VOCABULARY, UNUSED)
    for compact, token in enumerate(TO_WHISPER):
        if token is not None:
            rows[token] = compact
    return embedding[rows]


def tensor(name, values, matrix_type):
    """One tensor of the file: matrices in `matrix_type`, convolutions in f16, the rest in f32."""
    if name in COLUMNS:
        values = values[:, None]
    if values.ndim < 2 or name in COLUMNS + POSITIONS:
        number, data = F32, np.float32(values).tobytes()
    elif values.ndim > 2 or matrix_type == F16:
        number, data = F16, np.float16(values).tobytes()
    else:
        number, data = Q5_0, q5_0(values)
    shape = values.shape[::-1]
    head = struct.pack(f"<3i{len(shape)}i", len(shape), len(name), number, *shape)
    return head + name.encode() + data


def write(checkpoint, path, type_name):
    """The whole file."""
    weights = {
        name: value.float().numpy()
        for name, value in checkpoint["weights"].items()
        if not name.startswith(HELPERS)
    }
    weights["decoder.token_embedding.weight"] = full_vocabulary(
        weights["decoder.token_embedding.weight"]
    )
    # Positions are stored in f32; fewer bits are plenty and let the file compress.
    for name in POSITIONS:
        weights[name] = (
            np.round(weights[name] * 512) / 512
            if name.startswith("encoder")
            else np.float16(weights[name])
        )
    width, layers = checkpoint["shape"]["width"], checkpoint["shape"]["layers"]
    heads = width // HEAD
    ftype, matrix_type = TYPES[type_name]
    with open(path, "wb") as file:
        file.write(
            struct.pack(
                "<12i",
                MAGIC,
                VOCABULARY,
                AUDIO_CONTEXT,
                width,
                heads,
                layers,
                TEXT_CONTEXT,
                width,
                heads,
                layers,
                BANDS,
                ftype,
            )
        )
        bank = filters().numpy()
        file.write(struct.pack("<2i", *bank.shape) + np.float32(bank).tobytes())
        texts = sorted(ranks(), key=ranks().get)
        file.write(struct.pack("<i", len(texts)))
        for text in texts:
            file.write(struct.pack("<i", len(text)) + text)
        for name, values in weights.items():
            file.write(tensor(name, values, matrix_type))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    parser.add_argument("--type", choices=TYPES, default="q5_0")
    options = parser.parse_args()
    write(torch.load(options.checkpoint, map_location="cpu"), options.out, options.type)
