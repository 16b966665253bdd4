"""Write a trained network as ONNX with the metadata that runtimes for WeSpeaker models read.

    python3 embedding_export.py CHECKPOINT.pt MODEL.onnx [--bank BANK] [--threshold 0.8]

Without a checkpoint file (`-`) the weights are random: the right shape for trying out a runtime.
Batch normalisation is folded into convolutions and the last layer, so is the centre of
`embedding_space.py` if there is a bank to estimate it from.  The clustering threshold is a
Euclidean distance between vectors of unit length; `embedding_evaluate.py` finds it.
"""

import argparse
import copy
from pathlib import Path

import onnx
import onnxruntime
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from embedding_network import BINS, EMBEDDING, Embedder
from embedding_space import centre

OPSET = 13
METADATA = {
    "framework": "wespeaker",
    "feature_profile": "wespeaker",
    "model_type": "scribe-thin-resnet",
    "model_author": "gst-plugin-scribe",
    "url": "models/SPEAKERS.md of gst-plugin-scribe",
    "license": "MPL-2.0",
    "language": "English",
    "version": "1",
    "sample_rate": "16000",
    "output_dim": str(EMBEDDING),
    "normalize_samples": "0",
}
TOLERANCE = 1e-3
LENGTHS = (10, 30, 101, 998)  # frames to compare both runtimes on


def scale_and_shift(norm):
    """What a normalisation does when it no longer learns."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        scale, shift = (
            scale * norm.weight.double(),
            shift * norm.weight.double() + norm.bias.double(),
        )
    return scale, shift


def last_layer(last, middle):
    """Both normalisations, the layer between them and the centre as one layer."""
    before, layer, after = last
    scale, shift = scale_and_shift(before)
    weight = layer.weight.double()
    bias = weight @ shift
    weight = weight * scale
    scale, shift = scale_and_shift(after)
    weight, bias = weight * scale[:, None], bias * scale + shift
    result = torch.nn.Linear(weight.shape[1], EMBEDDING)
    result.weight.data = weight.float()
    result.bias.data = (bias - middle).float()
    return result


def folded(module):
    """The same network with each normalisation folded into the convolution before it."""
    for name, child in module.named_children():
        if name == "last":
            continue
        if isinstance(child, torch.nn.Sequential):
            layers = []
            for layer in child:
                if isinstance(layer, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
                    layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
                else:
                    layers.append(folded(layer))
            setattr(module, name, torch.nn.Sequential(*layers))
        else:
            folded(child)
    return module


def load(path):
    """The network of a checkpoint, or one with random weights for `-`."""
    torch.manual_seed(1)
    network = Embedder()
    if path != "-":
        network.load_state_dict(torch.load(path, weights_only=True)["average"])
    return network.eval()


def export(network, path, metadata, middle):
    """Write the file, check it, and compare it with the network; gives the kinds of its nodes."""
    plain = folded(copy.deepcopy(network))
    plain.last = last_layer(network.last, middle)
    with torch.no_grad():
        torch.onnx.export(
            plain,
            torch.randn(1, 200, BINS),
            path,
            input_names=["feats"],
            output_names=["embs"],
            dynamic_axes={"feats": {0: "B", 1: "T"}, "embs": {0: "B"}},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for length in LENGTHS:
        feats = 3 * torch.randn(2, length, BINS)
        with torch.no_grad():
            wanted = (network(feats).double() - middle).float()
        found = torch.from_numpy(session.run(["embs"], {"feats": feats.numpy()})[0])
        error = float((found - wanted).abs().max() / wanted.abs().max())
        assert error < TOLERANCE, f"{length} frames: {error}"
    return sorted({node.op_type for node in model.graph.node})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument("model")
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--threshold", type=float)
    options = parser.parse_args()
    metadata = dict(METADATA)
    if options.threshold:
        metadata["clustering_threshold"] = str(options.threshold)
    torch.set_num_threads(1)  # threads that wait for each other are slower on a busy machine
    network = load(options.checkpoint)
    middle = centre(options.bank, network) if options.bank else torch.zeros(EMBEDDING)
    print(*export(network, options.model, metadata, middle))
