#!/usr/bin/env bash
# The memory that a run takes and gives back, as it does: a line at each of the 19 checkpoints, in the end the verdict of
# scribe-memory on the log, memory.log, and the same as a picture, memory.svg.
#
#   04-watch-the-memory.sh [FILE] [MODEL]
#
# You will see, on a machine without a GPU (the amounts are the process's own, in the machine's memory),
#
#   [GPU Memory] Before Transcription: Allocated: 0.01GB (0.1%) | 12.4 MiB | host
#   [GPU Memory] Before Whisper Cleanup: Allocated: 0.13GB (0.5%) | 132.1 MiB | host
#   [GPU Memory] After Whisper Cleanup: Allocated: 0.03GB (0.1%) | 27.9 MiB | freed 100.0% | good | host
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/recipe.sh
source "$(dirname "$0")/../scripts/recipe.sh"

rm -f memory.log
GST_DEBUG=scribe-memory:4 GST_DEBUG_NO_COLOR=1 \
    gst-launch-1.0 -q filesrc location="$FILE" ! decodebin caps=audio/x-raw expose-all-streams=false ! \
    scribebin whisper-model="$MODEL" memory-log=memory.log ! fakesink 2>&1 |
    grep --line-buffered -o "\[GPU Memory\].*"

PATH="$PATH:$ROOT/target/release"
scribe-memory --chart memory.svg memory.log
