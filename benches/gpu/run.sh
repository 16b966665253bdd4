#!/usr/bin/env bash
# Measures the plugin on a machine with an NVIDIA GPU: docs/gpu.md.
#
#   run.sh [build] [models] [STAGE...]      without a name: all
#
# Beside it lies what pack.sh gathered (bundle.tar.xz); without that, the plugin is the one in SCRIBE_PLUGINS (a folder with
# libgstscribe.so and the workers). Variables: DEVICE (cuda:0), OUT (results), MODELS (the shapes), TYPES (f16 q5_0), ARGUMENTS
# (more for measure.py). Needs CUDA's compiler, cmake, a C++ compiler, and Python 3 with NumPy.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
device=${DEVICE:-cuda:0}
out=$(mkdir -p "${OUT:-results}" && cd "${OUT:-results}" && pwd)
work=${WORK:-$here/work}
read -ra shapes <<<"${MODELS:-tiny base small medium large-v3 large-v3-turbo}"
read -ra types <<<"${TYPES:-f16 q5_0}"
read -ra more <<<"${ARGUMENTS:-}"
mkdir -p "$work"
export PYTHONDONTWRITEBYTECODE=1

say() { printf '== %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 2
}

unpack() {
    [ -e "$here/bundle.tar.xz" ] || return 0
    [ -d "$work/bundle" ] || { mkdir "$work/bundle" && tar -xJf "$here/bundle.tar.xz" -C "$work/bundle"; }
    local bundle=$work/bundle
    # The libraries are for GStreamer's programs alone: nvidia-smi, Python and the compiler have their own.
    export PATH="$bundle/bin:$PATH" SCRIBE_LIBRARIES="$bundle/lib"
    export GST_PLUGIN_SYSTEM_PATH="$bundle/gstreamer" GST_REGISTRY="$work/registry.bin"
    export GST_PLUGIN_SCANNER="$bundle/libexec/gst-plugin-scanner" ORT_DYLIB_PATH="$bundle/lib/libonnxruntime.so.1"
    SCRIBE_PLUGINS=$bundle/scribe
}

# whisper.cpp with CUDA for this card, and the worker of it and the Rust part.
build_worker() {
    [ -d "$work/bundle/whisper.cpp" ] || fail "there is nothing to build from: run pack.sh first"
    command -v nvcc >/dev/null || PATH="/usr/local/cuda/bin:$PATH"
    command -v nvcc >/dev/null || fail "nvcc is not here: CUDA's compiler is needed"
    local capability cuda libraries=()
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
    cuda=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
    say "building whisper.cpp for compute capability $capability"
    # The options of .cargo/config.toml.
    cmake -S "$work/bundle/whisper.cpp" -B "$work/whisper" -G "$(command -v ninja >/dev/null && echo Ninja || echo 'Unix Makefiles')" \
        -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
        -DWHISPER_BUILD_TESTS=OFF -DWHISPER_BUILD_EXAMPLES=OFF -DGGML_OPENMP=OFF -DGGML_METAL=OFF \
        -DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_BMI2=ON -DGGML_FMA=ON -DGGML_F16C=ON \
        -DGGML_LLAMAFILE=ON -DGGML_CUDA=ON -DGGML_CUDA_FA=OFF -DCMAKE_CUDA_ARCHITECTURES="$capability" >"$work/cmake.log"
    cmake --build "$work/whisper" -j "$(nproc)" --target whisper >"$work/build.log" || {
        tail -n 40 "$work/build.log" >&2
        fail "whisper.cpp does not build"
    }
    mapfile -t libraries < <(find "$work/whisper" -name 'lib*.a')
    local gstreamer=()
    mapfile -t gstreamer < <(sed 's/^/-l:/' "$work/bundle/parts/needed")
    c++ -o "$work/scribe-worker-cuda" -x c "$here/main.c" -x none -L"$work/bundle/lib" -L"$cuda/lib64" -L"$cuda/lib64/stubs" \
        "$work/bundle/parts/libscribe_worker_parts.a" -Wl,--start-group "${libraries[@]}" -Wl,--end-group \
        "${gstreamer[@]}" -lcudart -lcublas -lcublasLt -lcuda -lpthread -ldl -lm -Wl,-rpath,"$cuda/lib64" \
        -Wl,--allow-shlib-undefined
    say "built $work/scribe-worker-cuda"
}

# Random weights in the real shapes.
make_models() {
    local shape generator=${MODEL_GENERATOR:-$work/bundle/models/random_model.py}
    mkdir -p "$work/models"
    for shape in "${shapes[@]}"; do
        local file=$work/models/ggml-$shape.bin
        if [ ! -e "$file" ]; then
            [ -e "$generator" ] || fail "there is no program that makes models: MODEL_GENERATOR does not name one"
            say "making $shape"
            python3 "$generator" "$shape" "$file.part" --assets "${WHISPER_ASSETS:-$work/bundle/models}" --tokens 100 >/dev/null
            mv "$file.part" "$file"
        fi
        [[ " ${types[*]} " != *" q5_0 "* ]] || [ -e "${file%.bin}-q5_0.bin" ] ||
            python3 "$here/quantize.py" "$file" "${file%.bin}-q5_0.bin"
    done
}

measure() {
    local plugins=${SCRIBE_PLUGINS:?names the folder of libgstscribe.so} arguments=() shape type file
    export GST_PLUGIN_PATH="$work/plugins"
    # Alone in a folder: GStreamer opens every library that lies with plugins.
    mkdir -p "$work/plugins"
    ln -sf "$plugins/libgstscribe.so" "$work/plugins/"
    export SCRIBE_WORKER="${SCRIBE_WORKER:-$plugins/scribe-worker}"
    if [ "$device" != cpu ]; then
        export SCRIBE_WORKER_CUDA="${SCRIBE_WORKER_CUDA:-$work/scribe-worker-cuda}"
        [ -x "$SCRIBE_WORKER_CUDA" ] || fail "there is no $SCRIBE_WORKER_CUDA: run.sh build makes it"
        arguments+=(--inside "$SCRIBE_WORKER_CUDA" --fill python3 "$here/fill.py")
    fi
    for shape in "${shapes[@]}"; do
        if [ "$shape" = bundled ]; then
            arguments+=(--model bundled=bundled)
            continue
        fi
        for type in "${types[@]}"; do
            file=$work/models/ggml-$shape.bin
            [ "$type" = f16 ] || file=${file%.bin}-$type.bin
            arguments+=(--model "$shape-$type=$file")
        done
    done
    local compiler_flags=()
    [ ! -d "$work/bundle/lib" ] ||
        compiler_flags=(-L"$work/bundle/lib" "-Wl,-rpath-link,$work/bundle/lib" "-Wl,--allow-shlib-undefined")
    cc -O1 -o "$work/cycle" "$here/cycle.c" "${compiler_flags[@]}" -l:libgstreamer-1.0.so.0 ||
        fail "cycle.c does not build: GStreamer's library or a C compiler is missing"
    python3 "$here/measure.py" "$@" --out "$out" --device "$device" --cycle "$work/cycle" \
        --audio "${AUDIO:-$work/bundle/models/speech.wav}" "${arguments[@]}" "${more[@]}"
}

unpack
stages=()
[ $# -gt 0 ] || set -- build models all
for name in "$@"; do
    case $name in
    build) build_worker ;;
    models) make_models ;;
    all) stages=(checkpoints cleanup speed streams oom cycles resample) ;;
    *) stages+=("$name") ;;
    esac
done
[ ${#stages[@]} -eq 0 ] || measure "${stages[@]}"
