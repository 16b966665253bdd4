#!/usr/bin/env bash
# A recording becomes captions: transcript.vtt, which browsers and players show.
#
#   01-transcribe-a-file.sh [FILE] [MODEL]
#
# You will see nothing while it runs, then the first captions, such as
#
#   00:00:00.820 --> 00:00:03.020
#   Sarah will call Thomas on Sunday.
#
# For other formats put these behind scribecaptions:
#   ! text/x-raw,format=utf8 ! filesink location=transcript.txt        plain text, a caption a line
#   ! application/x-subtitle ! filesink location=transcript.srt        SubRip
#   ! webvttenc ! filesink location=transcript.vtt                     WebVTT by GStreamer's own encoder
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/recipe.sh
source "$(dirname "$0")/../scripts/recipe.sh"

gst-launch-1.0 -q filesrc location="$FILE" ! decodebin ! scriberesample ! \
    scribetranscriber model-path="$MODEL" ! scribecaptions ! \
    application/x-subtitle-vtt ! filesink location=transcript.vtt

head -n 12 transcript.vtt
