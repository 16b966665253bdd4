#!/usr/bin/env bash
# A recording becomes data: transcript.json, one JSON object a line for each caption, with every word's times
# and confidence.
#
#   03-transcript-json.sh [FILE] [MODEL]
#
# You will see the first caption, such as
#
#   {"text":"Sarah will call Thomas on Sunday.","start":0.82,"end":3.02,"speaker":null,"language":"en",
#    "words":[{"text":"Sarah","start":0.82,"end":1.02,"confidence":0.978}, ...
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/recipe.sh
source "$(dirname "$0")/../scripts/recipe.sh"

gst-launch-1.0 -q filesrc location="$FILE" ! decodebin ! scriberesample ! \
    scribetranscriber model-path="$MODEL" ! scribecaptions ! \
    application/x-json,format=transcript ! filesink location=transcript.json

head -n 1 transcript.json
