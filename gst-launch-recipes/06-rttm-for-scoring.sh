#!/usr/bin/env bash
# Who spoke when: a recording becomes RTTM, which dscore, pyannote.metrics and other scorers read, in speakers.rttm.
#
#   06-rttm-for-scoring.sh [FILE]
#
# With SEGMENTATION=segmentation-3.0.onnx and EMBEDDING=voxceleb_resnet34.onnx in the environment these models are
# taken instead of the bundled ones. You will see a line for each turn, its start and length in seconds:
#
#   SPEAKER conversation 1 0.799 5.248 <NA> <NA> SPEAKER_00 <NA> <NA>
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/recipe.sh
source "$(dirname "$0")/../scripts/recipe.sh" "$@"

models=()
[ -z "${SEGMENTATION-}" ] || models+=("segmentation-model=$SEGMENTATION")
[ -z "${EMBEDDING-}" ] || models+=("embedding-model=$EMBEDDING")

gst-launch-1.0 -q filesrc location="$FILE" ! decodebin ! scriberesample ! \
    scribediarizer "${models[@]}" ! application/x-rttm ! filesink location=speakers.rttm

cat speakers.rttm
