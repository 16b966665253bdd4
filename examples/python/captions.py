#!/usr/bin/env python3
"""Who said what in a recording, from Python: captions to the standard output, progress and memory to the standard error.

    python3 examples/python/captions.py FILE [WHISPER_MODEL]

Needs Debian's python3-gi and gir1.2-gstreamer-1.0, and the plugin where GStreamer finds it (GST_PLUGIN_PATH). Ctrl-C ends
the run as its end does: everything is given back, and the exit status is 130.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402 (the version comes first)

PIPELINE = (
    "filesrc name=file ! decodebin caps=audio/x-raw expose-all-streams=false ! scribebin name=scribe ! "
    "application/x-json,format=transcript ! appsink name=captions sync=false emit-signals=true"
)
# How long a Ctrl-C may have to wait: Python hears of it when GStreamer returns.
PATIENCE = 100 * Gst.MSECOND


def say(stream, line):
    """A line in one piece: captions come on another thread than messages."""
    stream.write(line + "\n")
    stream.flush()


def print_caption(sink):
    """Called on a thread of GStreamer's for each caption."""
    buffer = sink.emit("pull-sample").get_buffer()
    caption = json.loads(buffer.extract_dup(0, buffer.get_size()))
    minutes, seconds = divmod(caption["start"], 60)
    say(sys.stdout, f"{minutes:02.0f}:{seconds:05.2f}  {caption['speaker'] or '?'}: {caption['text']}")
    return Gst.FlowReturn.OK


def tell(message):
    """Shows a message of the bus, if it is one of those that people want to see."""
    if message.type == Gst.MessageType.PROGRESS:
        kind, _code, text = message.parse_progress()
        if kind != Gst.ProgressType.CONTINUE or sys.stderr.isatty():
            say(sys.stderr, text)
    elif message.type == Gst.MessageType.WARNING:
        say(sys.stderr, f"warning: {message.parse_warning()[0].message}")
    elif message.type == Gst.MessageType.ELEMENT and message.has_name("gpu-memory"):
        checkpoint = message.get_structure()
        line = f"[memory] {checkpoint.get_uint('number')[1]:2}  {checkpoint.get_string('label'):<38}"
        line += f" {checkpoint.get_uint64('allocated')[1] / 2**20:8.1f} MiB"
        verdict = checkpoint.get_string("verdict")
        if verdict:
            line += f"  {checkpoint.get_double('freed-percent')[1]:.0f} % freed: {verdict}"
        say(sys.stderr, line)


def play(pipeline):
    """Plays to the end. Raises what the first error says."""
    bus = pipeline.get_bus()
    started = pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE
    while True:
        message = bus.timed_pop(PATIENCE if started else 0)
        if message is None:
            if not started:
                raise RuntimeError("the pipeline does not start")
        elif message.type == Gst.MessageType.EOS:
            return
        elif message.type == Gst.MessageType.ERROR:
            raise RuntimeError(message.parse_error()[0].message)
        else:
            tell(message)


def main(arguments):
    if len(arguments) not in (1, 2):
        say(sys.stderr, "usage: captions.py FILE [WHISPER_MODEL]")
        return 2
    try:
        open(arguments[0], "rb").close()
    except OSError as error:
        say(sys.stderr, f"captions.py: {error.filename}: {error.strerror}")
        return 1
    Gst.init(None)
    try:
        pipeline = Gst.parse_launch(PIPELINE)
    except GLib.Error as error:
        say(sys.stderr, f"captions.py: {error.message}. Is GST_PLUGIN_PATH the folder of libgstscribe.so?")
        return 1
    pipeline.get_by_name("file").set_property("location", arguments[0])
    if arguments[1:]:
        pipeline.get_by_name("scribe").set_property("whisper-model", arguments[1])
    pipeline.get_by_name("captions").connect("new-sample", print_caption)

    status = 0
    try:
        play(pipeline)
    except KeyboardInterrupt:
        status = 130  # as shells say it
    except RuntimeError as error:
        say(sys.stderr, f"captions.py: {error}")
        status = 1
    # READY has everything given back and says so. Going on to NULL empties the bus, so it is read before.
    pipeline.set_state(Gst.State.READY)
    while message := pipeline.get_bus().pop():
        tell(message)
    pipeline.set_state(Gst.State.NULL)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
