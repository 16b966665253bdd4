# shellcheck shell=bash
# What the recipes share; `source` it with the recipe's arguments. Sets FILE and MODEL: the arguments, or the
# bundled recording and model. The plugin is the one built in this checkout, unless GST_PLUGIN_PATH says where.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

case "${1-}" in
    -h | --help)
        # What stands at the top of the recipe.
        sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
        exit
        ;;
esac
FILE=${1:-$ROOT/models/recordings/conversation.flac}
MODEL=${2:-$ROOT/models/ggml-scribe-demo.en-q5_0.bin}

for file in "$FILE" "$MODEL"; do
    [ -f "$file" ] || {
        echo "$(basename "$0"): there is no file $file" >&2
        exit 1
    }
done

if [ -z "${GST_PLUGIN_PATH-}" ] && [ -f "$ROOT/target/release/libgstscribe.so" ]; then
    export GST_PLUGIN_PATH="$ROOT/target/release"
fi
# Without a version --exists asks for GStreamer's own.
gst-inspect-1.0 --exists --atleast-version=0.0 scribetranscriber || {
    echo "$(basename "$0"): GStreamer does not find the plugin. Build it: scripts/setup && cargo build --release" >&2
    exit 1
}
