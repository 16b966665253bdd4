#!/usr/bin/env bash
# Many recordings, one after the other: NAME.vtt of each, and one memory log of all runs, judged at the end.
#
#   07-many-files.sh [FILE...]
#
# Each file is a run of its own, so whatever it took is back when the next one begins. A file that fails is told, and
# the next one goes on; the exit status is 1 then. MODEL=ggml-base.en.bin in the environment is the Whisper model. In
# one process, with one pipeline: examples/batch.rs. You will see
#
#   conversation.flac → conversation.vtt
#
# and a timeline of each run, such as
#
#   Whisper Cleanup:           ✅ 100.0% freed, good
set -euo pipefail
# What stands there of the first file is said below, like that of the others.
option=${1-}
[[ $option == -* ]] || option=
# shellcheck source-path=SCRIPTDIR source=../scripts/recipe.sh
source "$(dirname "$0")/../scripts/recipe.sh" "$option" "${MODEL-}"
[ $# -gt 0 ] || set -- "$FILE" "$ROOT/models/recordings/silence-and-noise.flac"

rm -f memory.log
failed=0
for file in "$@"; do
    name=$(basename "$file")
    captions=${name%.*}.vtt
    if gst-launch-1.0 -q filesrc location="$file" ! decodebin caps=audio/x-raw expose-all-streams=false ! \
        scribebin whisper-model="$MODEL" memory-log=memory.log ! \
        application/x-subtitle-vtt ! filesink location="$captions"; then
        echo "$name → $captions"
    else
        echo "$name failed" >&2
        failed=1
    fi
done

PATH="$PATH:$ROOT/target/release"
scribe-memory memory.log || failed=1
exit $failed
