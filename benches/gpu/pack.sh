#!/usr/bin/env bash
# Gathers what run.sh needs on a machine with an NVIDIA GPU that has CUDA's compiler, cmake and Python 3 with NumPy, but no
# Rust, no GStreamer and no network: docs/gpu.md.
#
#   pack.sh FOLDER
#
# WHISPER_ASSETS names the folder whisper/assets of the package openai-whisper, MODEL_GENERATOR the program that makes models
# with random weights (../shared/tools/random_model.py). LIMIT is what the folder may take, in MiB.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
limit=${LIMIT:-64}
generator=${MODEL_GENERATOR:-$root/../shared/tools/random_model.py}
assets=${WHISPER_ASSETS:-}
[ $# = 1 ] || {
    sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//' >&2
    exit 2
}

say() { printf '== %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}
[ -e "$generator" ] || fail "there is no $generator: MODEL_GENERATOR names the program that makes models"
[ -e "$assets/multilingual.tiktoken" ] || fail "WHISPER_ASSETS does not name the folder of Whisper's vocabularies"
folder=$(mkdir -p "$1" && cd "$1" && pwd)
bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
mkdir -p "$bundle"/{bin,lib,libexec,gstreamer,scribe,parts,models}

say "building the plugin, and the Rust part of scribe-worker-cuda"
cd "$root"
cargo build --release --locked --quiet --lib --bins
# Without whisper.cpp, which is built where CUDA is: so whisper-rs-sys is built for documentation.
DOCS_RS=1 cargo build --release --locked --quiet --manifest-path cuda/Cargo.toml --lib --no-default-features
release=$root/target/release
for file in libgstscribe.so scribe-worker; do strip -o "$bundle/scribe/$file" "$release/$file"; done
strip -o "$bundle/bin/scribe-memory" "$release/scribe-memory"
strip --strip-debug -o "$bundle/parts/libscribe_worker_parts.a" cuda/target/release/libscribe_worker_parts.a
# Some of these the worker is not linked to in the end.
readelf -d "$release/libgstscribe.so" | sed -n 's/.*NEEDED.*\[\(libg[a-z]*-[^]]*\)\].*/\1/p' >"$bundle/parts/needed"

say "whisper.cpp"
sources=$(cargo metadata --format-version 1 --locked --offline |
    python3 -c 'import json, sys; print(next(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "whisper-rs-sys"))')
mkdir "$bundle/whisper.cpp"
tar -C "$(dirname "$sources")/whisper.cpp" -c \
    --exclude='./ggml/src/ggml-'{vulkan,sycl,opencl,metal,cann,hexagon,hip,musa,webgpu,zdnn,zendnn,rpc,blas} . |
    tar -C "$bundle/whisper.cpp" -x

say "GStreamer"
scanner=$(pkg-config --variable=pluginscannerdir gstreamer-1.0)/gst-plugin-scanner
plugins=$(pkg-config --variable=pluginsdir gstreamer-1.0)
cp "$(command -v gst-launch-1.0)" "$(command -v gst-inspect-1.0)" "$bundle/bin/"
cp "$scanner" "$bundle/libexec/"
for plugin in coreelements typefindfunctions wavparse audiotestsrc audioconvert audioresample app; do
    cp "$plugins/libgst$plugin.so" "$bundle/gstreamer/"
done
# All that these are linked to but the C and C++ libraries, which every system has in the version of its compiler.
ldd "$bundle"/bin/* "$bundle"/gstreamer/* "$bundle"/scribe/* "$bundle"/libexec/* | awk '$2 == "=>" && $3 ~ "^/" { print $3 }' |
    sort -u | grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv|libstdc\+\+|libgcc_s|ld-linux.*)\.so' |
    xargs -I{} cp -L {} "$bundle/lib/"
for runtime in target/onnxruntime/libonnxruntime.so.1.*; do
    [ ! -e "$runtime" ] || cp -L "$runtime" "$bundle/lib/libonnxruntime.so.1"
done

say "models"
cp "$generator" "$bundle/models/random_model.py"
for file in multilingual.tiktoken gpt2.tiktoken mel_filters.npz; do cp "$assets/$file" "$bundle/models/"; done
GST_PLUGIN_PATH='' gst-launch-1.0 -q filesrc location="$root/models/recordings/conversation.flac" ! decodebin ! audioconvert ! \
    audioresample ! audio/x-raw,format=S16LE,rate=16000,channels=1 ! wavenc ! filesink location="$bundle/models/speech.wav"

say "packing"
tar -C "$bundle" -c . | xz -6 -T0 >"$folder/bundle.tar.xz"
cp "$here"/{run.sh,*.py,*.c} "$folder/"
size=$(du -sm --apparent-size "$folder" | cut -f 1)
[ "$size" -le "$limit" ] || fail "$folder takes $size MiB, more than $limit"
say "$folder takes $size MiB"
