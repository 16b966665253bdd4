#!/usr/bin/env python3
"""Writes the models of `tests/onnx`: the interfaces of models that people use, with next to nothing in them.

    python3 -m venv /some/folder && /some/folder/bin/pip install onnx
    /some/folder/bin/python tests/data/onnx/make.py

The embedding models give the mean and the mean square of each band over time, so that a test sees what they were
fed with. The segmentation model hears loudness: speaker 0 is active where the mean of |x| is above 0.05.
"""
import pathlib

from onnx import TensorProto, checker, helper, save

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
HERE = pathlib.Path(__file__).parent


def write(name, nodes, inputs, outputs, constants, metadata):
    graph = helper.make_graph(
        nodes,
        "fake",
        [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
        [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs],
        [helper.make_tensor(n, t, s, v) for n, t, s, v in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="make.py")
    model.ir_version = 8
    helper.set_model_props(model, metadata)
    checker.check_model(model)
    save(model, HERE / name)


def rows(name, input_name, output_name, metadata):
    """[N, T, 80] to [N, 160]."""
    write(
        name,
        [
            helper.make_node("Mul", [input_name, input_name], ["squares"]),
            helper.make_node("ReduceMean", [input_name], ["mean"], axes=[1], keepdims=0),
            helper.make_node("ReduceMean", ["squares"], ["square"], axes=[1], keepdims=0),
            helper.make_node("Concat", ["mean", "square"], [output_name], axis=1),
        ],
        [(input_name, FLOAT, ["N", "T", 80])],
        [(output_name, FLOAT, ["N", 160])],
        [],
        metadata,
    )


def nemo(name, metadata):
    """[N, 80, T] and lengths to classes and [N, 160], over the length alone."""
    write(
        name,
        [
            helper.make_node("Mul", ["audio_signal", "audio_signal"], ["squares"]),
            helper.make_node("ReduceSum", ["audio_signal", "time"], ["sum"], keepdims=0),
            helper.make_node("ReduceSum", ["squares", "time"], ["sum_of_squares"], keepdims=0),
            helper.make_node("Concat", ["sum", "sum_of_squares"], ["sums"], axis=1),
            helper.make_node("Cast", ["length"], ["rows"], to=FLOAT),
            helper.make_node("Unsqueeze", ["rows", "time_less_one"], ["row"]),
            helper.make_node("Div", ["sums", "row"], ["embs"]),
            helper.make_node("Mul", ["row", "row"], ["logits"]),
        ],
        [("audio_signal", FLOAT, ["N", 80, "T"]), ("length", INT64, ["N"])],
        [("logits", FLOAT, ["N", 1]), ("embs", FLOAT, ["N", 160])],
        [("time", INT64, [1], [2]), ("time_less_one", INT64, [1], [1])],
        metadata,
    )


def segmentation(name, input_name, output_name, shape, metadata, classes=7):
    """Loudness over the receptive field, in pyannote's frames."""
    n, _, t = shape
    write(
        name,
        [
            helper.make_node("Abs", [input_name], ["loud"]),
            helper.make_node("AveragePool", ["loud"], ["level"], kernel_shape=[991], strides=[270]),
            helper.make_node("Transpose", ["level"], ["frames"], perm=[0, 2, 1]),
            helper.make_node("MatMul", ["frames", "weights"], ["weighted"]),
            helper.make_node("Add", ["weighted", "bias"], ["scores"]),
            helper.make_node("LogSoftmax", ["scores"], [output_name], axis=2),
        ],
        [(input_name, FLOAT, shape)],
        [(output_name, FLOAT, [n, "frames", classes])],
        [
            ("weights", FLOAT, [1, classes], [0.0, 400.0] + [0.0] * (classes - 2)),
            ("bias", FLOAT, [classes], [0.0, -20.0] + [-30.0] * (classes - 2)),
        ],
        metadata,
    )


PYANNOTE = {
    "num_speakers": "3",
    "powerset_max_classes": "2",
    "num_classes": "7",
    "sample_rate": "16000",
    "window_size": "160000",
    "receptive_field_size": "991",
    "receptive_field_shift": "270",
    "model_type": "pyannote-segmentation-3.0",
}
WESPEAKER = {
    "framework": "wespeaker",
    "language": "English",
    "output_dim": "160",
    "sample_rate": "16000",
    "normalize_samples": "0",
}
THREE_D_SPEAKER = {
    "framework": "3d-speaker",
    "output_dim": "160",
    "sample_rate": "16000",
    "normalize_samples": "1",
    "feature_normalize_type": "global-mean",
    "clustering_threshold": "0.65",
}
NEMO = {
    "framework": "nemo",
    "output_dim": "160",
    "feat_dim": "80",
    "sample_rate": "16000",
    "window_size_ms": "25",
    "window_stride_ms": "10",
    "window_type": "hann",
    "feature_normalize_type": "per_feature",
}

if __name__ == "__main__":
    segmentation("segmentation.onnx", "x", "y", ["N", 1, "T"], PYANNOTE)
    segmentation("segmentation-fixed.onnx", "input", "output", [2, 1, 32000], {})
    segmentation("segmentation-two-speakers.onnx", "x", "y", ["N", 1, "T"], PYANNOTE | {"num_speakers": "2"})
    segmentation("segmentation-8khz.onnx", "x", "y", ["N", 1, "T"], PYANNOTE | {"sample_rate": "8000"})
    segmentation("segmentation-no-number.onnx", "x", "y", ["N", 1, "T"], PYANNOTE | {"num_classes": "many"})
    segmentation("segmentation-shift.onnx", "x", "y", ["N", 1, "T"], PYANNOTE | {"receptive_field_shift": "27"})
    segmentation("segmentation-5-classes.onnx", "x", "y", ["N", 1, "T"], PYANNOTE, classes=5)
    rows("wespeaker.onnx", "feats", "embs", WESPEAKER)
    rows("nameless.onnx", "feats", "embs", {})
    rows("3d-speaker.onnx", "x", "embedding", THREE_D_SPEAKER)
    nemo("nemo.onnx", NEMO)
    rows("embedding-unknown.onnx", "feats", "embs", WESPEAKER | {"framework": "cloud"})
    rows("embedding-dimension.onnx", "feats", "embs", WESPEAKER | {"output_dim": "256"})
    rows("embedding-16-bands.onnx", "feats", "embs", WESPEAKER | {"feat_dim": "16"})
    rows("embedding-as-nemo.onnx", "feats", "embs", NEMO)
    for path in sorted(HERE.glob("*.onnx")):
        print(path.name, path.stat().st_size)
