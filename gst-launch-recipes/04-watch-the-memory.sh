#!/usr/bin/env bash
# The memory that a run takes and gives back, as it does: a line at each checkpoint, and in the end the verdict
# of scribe-memory on the log, memory.log.
#
#   04-watch-the-memory.sh [FILE] [MODEL]
#
# You will see, on a machine without a GPU (the amounts are the process's own, in the machine's memory),
#
#   [GPU Memory] Before Transcription: Allocated: 0.01GB (0.0%) | 6.1 MiB | host
#   [GPU Memory] Before Whisper Cleanup: Allocated: 0.12GB (0.5%) | 122.5 MiB | host
#   [GPU Memory] After Whisper Cleanup: Allocated: 0.01GB (0.1%) | 13.0 MiB | freed 100.0% | good | host
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/recipe.sh
source "$(dirname "$0")/../scripts/recipe.sh"

rm -f memory.log
GST_DEBUG=scribe-memory:4 GST_DEBUG_NO_COLOR=1 \
    gst-launch-1.0 -q filesrc location="$FILE" ! decodebin ! scriberesample memory-log=memory.log ! \
    scribetranscriber model-path="$MODEL" memory-log=memory.log ! fakesink 2>&1 |
    grep --line-buffered -o "\[GPU Memory\].*"

PATH="$PATH:$ROOT/target/release"
scribe-memory memory.log
