#!/usr/bin/env python3
"""Writes expected.bin: what kaldi-native-fbank makes of the signal of `src/infer/fbank/tests.rs`.

    python3 -m venv /some/folder && /some/folder/bin/pip install kaldi-native-fbank==1.23.0 numpy
    /some/folder/bin/python tests/data/fbank/make.py

Little-endian f32, for each recipe below in its order: frames times 80 bands, no normalisation over time.
"""
import pathlib

import kaldi_native_fbank as knf
import numpy as np

SAMPLES = 1200


def signal():
    """Integers alone, so that the test makes the very same: a saw-tooth glide in noise, with an offset."""
    state, phase, out = 1, 0, []
    for n in range(SAMPLES):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        noise = (state >> 20) - 2048
        phase = (phase + 400 + 3 * n) & 0xFFFF
        saw = (phase >> 3) - 4096
        quiet = 16 if n < SAMPLES // 3 else 1
        out.append((saw + noise) // quiet + 300)
    return np.array(out, dtype=np.float32) / 32768


def recipe(window, snip_edges, high, dc, slaney, low, scale):
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.window_type = window
    options.frame_opts.snip_edges = snip_edges
    options.frame_opts.remove_dc_offset = dc
    options.frame_opts.samp_freq = 16000
    options.mel_opts.num_bins = 80
    options.mel_opts.low_freq = low
    options.mel_opts.high_freq = high
    options.mel_opts.is_librosa = slaney
    options.use_energy = False
    bank = knf.OnlineFbank(options)
    bank.accept_waveform(16000, (signal() * np.float32(scale)).tolist())
    bank.input_finished()
    return np.stack([bank.get_frame(i) for i in range(bank.num_frames_ready)])


RECIPES = [
    recipe("hamming", True, 0, True, False, 20, 32768),  # WeSpeaker
    recipe("povey", False, -400, True, False, 20, 32768),  # sherpa-onnx, WeSpeaker models
    recipe("povey", False, -400, True, False, 20, 1),  # sherpa-onnx, 3D-Speaker models
    recipe("hann", False, 0, False, True, 0, 1),  # sherpa-onnx, NeMo models
]

if __name__ == "__main__":
    path = pathlib.Path(__file__).with_name("expected.bin")
    path.write_bytes(b"".join(r.astype("<f4").tobytes() for r in RECIPES))
    for r in RECIPES:
        print(r.shape, r.min(), r.max())
    print(path, path.stat().st_size, "bytes")
