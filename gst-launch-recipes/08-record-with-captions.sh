#!/usr/bin/env bash
# A programme is recorded together with its captions, in one go: recorded.mkv with picture, sound and a text track.
#
#   08-record-with-captions.sh [FILE] [MODEL]
#
# The programme is the sound of FILE and a picture drawn from it. Of a broadcast, put its sources there instead of
# filesrc and wavescope. You will see how to play it.
#
# scribebin hands the sound on as it came, on the pad audio_src. It then transcribes and tells the speakers while the
# sound passes, not when it is over, and holds back what the muxer cannot take before its captions are there. The
# picture has to wait as long, 40 s in the middle: encoded, so that it is small, in a queue with a limit in time alone.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/recipe.sh
source "$(dirname "$0")/../scripts/recipe.sh"

WAITS="max-size-buffers=0 max-size-bytes=0 max-size-time=120000000000"
# shellcheck disable=SC2086 # words of their own
gst-launch-1.0 -q matroskamux name=mux ! filesink location=recorded.mkv \
    filesrc location="$FILE" ! decodebin caps=audio/x-raw expose-all-streams=false ! \
    scribebin name=scribe whisper-model="$MODEL" ! text/x-raw,format=utf8 ! queue ! mux.subtitle_0 \
    scribe.audio_src ! tee name=sound \
    sound. ! queue $WAITS ! audioconvert ! flacenc ! mux.audio_0 \
    sound. ! queue ! audioconvert ! wavescope ! video/x-raw,width=320,height=180,framerate=10/1 ! \
    videoconvert ! jpegenc ! queue $WAITS ! mux.video_0

echo "recorded.mkv has captions. To watch it: gst-launch-1.0 playbin uri=file://$(realpath recorded.mkv)"
