#!/usr/bin/env bash
# A recording becomes captions that say who speaks: who-said-what.vtt.
#
#   05-who-said-what.sh [FILE] [MODEL]
#
# With SEGMENTATION=segmentation-3.0.onnx and EMBEDDING=voxceleb_resnet34.onnx in the environment these models tell the
# speakers instead of the bundled ones. What is known of the recording helps: put num-speakers=2 behind scribebin, or
# enrollment=people/, a folder of Name.wav. You will see the first captions, such as
#
#   00:00:00.820 --> 00:00:03.020
#   <v SPEAKER_00>Sarah will call Thomas on Sunday.</v>
#
# For other formats put these behind scribebin:
#   ! text/x-raw,format=utf8 ! filesink location=who-said-what.txt            plain text
#   ! application/x-json,format=transcript ! filesink location=who.json       data, with every word's times
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/recipe.sh
source "$(dirname "$0")/../scripts/recipe.sh"

models=("whisper-model=$MODEL")
[ -z "${SEGMENTATION-}" ] || models+=("segmentation-model=$SEGMENTATION")
[ -z "${EMBEDDING-}" ] || models+=("embedding-model=$EMBEDDING")

gst-launch-1.0 -q filesrc location="$FILE" ! decodebin caps=audio/x-raw expose-all-streams=false ! \
    scribebin "${models[@]}" ! application/x-subtitle-vtt ! filesink location=who-said-what.vtt

head -n 12 who-said-what.vtt
