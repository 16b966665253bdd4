#!/usr/bin/env bash
# A video gets subtitles of its own: captioned.mkv (or captioned.mp4 of an mp4), picture and sound untouched.
#
#   02-subtitles-into-a-video.sh [VIDEO] [MODEL]
#
# You will see how to play it. Without arguments the bundled recording is first given a test picture.
#
# The file is read twice, once to be copied and once to be transcribed: the transcriber looks up to 35 s ahead,
# and one reader for both would have to hold that much of the video in its queues.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/recipe.sh
source "$(dirname "$0")/../scripts/recipe.sh"

if [ $# = 0 ]; then
    gst-launch-1.0 -q matroskamux name=mux ! filesink location=test-picture.mkv \
        videotestsrc num-buffers=120 pattern=circular ! video/x-raw,width=320,height=180,framerate=2/1 ! \
        jpegenc ! mux. \
        filesrc location="$FILE" ! flacparse ! mux.
    FILE=test-picture.mkv
fi

case "$FILE" in
    *.mp4 | *.m4v | *.mov) DEMUX=qtdemux MUX=mp4mux OUT=captioned.mp4 ;;
    *) DEMUX=matroskademux MUX=matroskamux OUT=captioned.mkv ;;
esac

gst-launch-1.0 -q $MUX name=mux ! filesink location=$OUT \
    filesrc location="$FILE" ! $DEMUX name=video \
    video.video_0 ! parsebin ! queue ! mux.video_0 \
    video.audio_0 ! parsebin ! queue ! mux.audio_0 \
    filesrc location="$FILE" ! decodebin caps=audio/x-raw expose-all-streams=false ! scriberesample ! \
    scribetranscriber model-path="$MODEL" ! scribecaptions ! text/x-raw,format=utf8 ! queue ! mux.subtitle_0

echo "$OUT has subtitles. To watch it: gst-launch-1.0 playbin uri=file://$(realpath $OUT)"
