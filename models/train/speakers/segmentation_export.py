"""Write a checkpoint as ONNX, in the shape of pyannote's segmentation-3.0 for sherpa-onnx.

    python3 segmentation_export.py CHECKPOINT.pt OUT.onnx

Without a checkpoint (`-`) the network is untrained.  Plain operators of opset 16, one LSTM among
them.  Weights are stored in half precision, which makes a file of half the size, and cast when the
model is loaded.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch.nn.utils.fusion import fuse_conv_bn_eval

from segmentation_network import FIELD, RATE, SETS, SPEAKERS, STEP, Convolution, Segmentation

OPSET = 16
WINDOW = 160000
HALVED = 2000  # numbers in a tensor from which it is stored in half precision
METADATA = {
    "num_speakers": SPEAKERS,
    "powerset_max_classes": max(map(len, SETS)),
    "num_classes": len(SETS),
    "sample_rate": RATE,
    "window_size": WINDOW,
    "receptive_field_size": FIELD,
    "receptive_field_shift": STEP,
    "model_type": "pyannote-segmentation-3.0",
    "version": 1,
    "model_author": "gst-plugin-scribe",
    "maintainer": "gst-plugin-scribe",
    "url_1": "models/SPEAKERS.md",
    "url_2": "models/train/speakers/SEGMENTATION.md",
    "license": "MPL-2.0",
}


def fused(model):
    """The network with each batch normalisation folded into its convolution."""
    for module in model.modules():
        if isinstance(module, Convolution):
            module[0], module[1] = fuse_conv_bn_eval(module[0], module[1]), torch.nn.Identity()
    return model


def halve(graph):
    """Store the big weights in half precision, each with a Cast to what it was."""
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= HALVED:
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + ".half"))
            casts.append(
                helper.make_node("Cast", [name + ".half"], [name], to=onnx.TensorProto.FLOAT)
            )
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def export(model, path):
    """Write `model`."""
    axes = {"x": {0: "N", 2: "T"}, "y": {0: "N", 1: "frames"}}
    with warnings.catch_warnings():
        # The tracer warns of every shape it makes constant; the check at the end tries others.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            fused(model.eval()),
            (torch.zeros(2, 1, WINDOW),),
            str(path),
            input_names=["x"],
            output_names=["y"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    written = onnx.load(path)
    halve(written.graph)
    for key, value in METADATA.items():
        written.metadata_props.add(key=key, value=str(value))
    written.producer_name, written.producer_version = "gst-plugin-scribe", ""
    onnx.checker.check_model(written)
    onnx.save(written, path)


def check(model, path):
    """The file must say what the network says, for other lengths and batches too."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    for count, length in [(1, WINDOW), (3, WINDOW // 2), (2, 300123)]:
        # Something with the ups and downs of speech, lest all frames be sure.
        loud = torch.repeat_interleave(torch.rand(count, 1, length // 2000 + 1), 2000, -1)
        samples = 0.1 * loud[..., :length] * torch.randn(count, 1, length)
        with torch.no_grad():
            wanted = model(samples).exp().numpy()
        got = np.exp(session.run(None, {"x": samples.numpy()})[0])
        assert got.shape == wanted.shape, (got.shape, wanted.shape)
        print(f"{count} x {length}: {got.shape[1]} frames, off by {np.abs(got - wanted).max():.1e}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    model = Segmentation()
    if options.checkpoint != "-":
        model.load_state_dict(torch.load(options.checkpoint)["weights"])
    export(model, options.out)
    check(model, options.out)
    print(f"{options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
