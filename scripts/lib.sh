# shellcheck shell=bash
# What the scripts share; `source` it. Sets ROOT, goes there, and puts Rust's tools on the PATH.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
NEEDED_RUST=1.92
NEEDED_GSTREAMER=1.22
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export PATH

# Debian's names. subenc (webvttenc, srtenc) is in -bad, the decoder of AAC (mp4) in -libav.
PACKAGES=(
    build-essential cmake pkg-config git curl ca-certificates
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
    gstreamer1.0-libav
    python3-venv # brings pip, which gets ONNX Runtime
)
# What only the tests take: GStreamer in Python, for examples/python.
TEST_PACKAGES=(python3-gi gir1.2-gstreamer-1.0)
# And parsers of captions written by others.
PYTHON_PACKAGES=(webvtt-py pysubs2)
TEST_PYTHON="$ROOT/target/test-python"
# What the speaker models run on: the library in the wheel for Python 3.11, whichever Python is here.
ONNXRUNTIME=1.31.1
ONNXRUNTIME_SHA256_x86_64=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f
ONNXRUNTIME_SHA256_aarch64=da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3

say() { printf '== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Runs a command whose output matters only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# version_at_least FOUND NEEDED
version_at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# --- the system's packages -----------------------------------------------------------------------

# Prints those of the packages named that are not installed.
missing_packages() {
    comm -23 <(printf '%s\n' "$@" | sort) \
        <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
            sed -n 's/^installed //p' | sort -u)
}

setup_debian() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        fail "there is no sudo here, so run as root: apt-get install ${missing[*]}"
    fi
    say "installing with apt: ${missing[*]}"
    quietly as_root apt-get update -q || fail "apt-get update failed"
    quietly as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}" || fail "apt-get install failed"
}

# On other systems we cannot know the package names: ask for what the build and the run look for.
check_other_system() {
    local missing=() tool module element
    for tool in c++ cmake pkg-config git python3 gst-launch-1.0 gst-inspect-1.0; do
        command -v "$tool" >/dev/null || missing+=("the program $tool")
    done
    for module in gstreamer gstreamer-base gstreamer-audio gstreamer-app gstreamer-check; do
        pkg-config --exists "$module-1.0" 2>/dev/null || missing+=("$module-1.0 with its headers (pkg-config)")
    done
    for element in decodebin flacparse flacdec mpg123audiodec qtdemux matroskademux avdec_aac webvttenc srtenc; do
        gst-inspect-1.0 --exists "$element" 2>/dev/null || missing+=("the GStreamer element $element")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    {
        echo "This is not Debian, so these are yours to install:"
        printf '  - %s\n' "${missing[@]}"
        echo "They are in a C++ compiler, cmake, and GStreamer $NEEDED_GSTREAMER or later: its headers, tools,"
        echo "and the plugin sets base, good, bad and libav. Debian's packages are: ${PACKAGES[*]}"
    } >&2
    exit 1
}

setup_system() {
    if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
        setup_debian "$@"
    else
        check_other_system
    fi
    pkg-config --atleast-version="$NEEDED_GSTREAMER" gstreamer-1.0 ||
        fail "GStreamer $NEEDED_GSTREAMER or later is needed, and $(pkg-config --modversion gstreamer-1.0) is here"
}

# --- Rust ----------------------------------------------------------------------------------------

rust_version() { rustc --version 2>/dev/null | cut -d ' ' -f 2; }

setup_rust() {
    local found
    found=$(rust_version) || found=
    if [ -n "$found" ] && version_at_least "$found" "$NEEDED_RUST"; then
        return
    fi
    say "Rust $NEEDED_RUST or later is needed, and here is ${found:-none}: getting it with rustup"
    if command -v rustup >/dev/null; then
        if quietly rustup toolchain install stable --profile minimal --no-self-update; then
            export RUSTUP_TOOLCHAIN=stable
        fi
    else
        local installer
        installer=$(mktemp)
        if curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs -o "$installer"; then
            quietly sh "$installer" -y --profile minimal --default-toolchain stable --no-modify-path || true
        fi
        rm -f "$installer"
    fi
    hash -r
    found=$(rust_version) || found=
    [ -n "$found" ] || fail "rustup could not be had, and there is no Rust here. Install Rust $NEEDED_RUST or later: https://rustup.rs"
    version_at_least "$found" "$NEEDED_RUST" ||
        fail "Rust $found is too old and rustup could not get a newer one. Install Rust $NEEDED_RUST or later: https://rustup.rs"
}

# The test runner. Compiling it takes longer than all else here, so its own binary or none.
setup_nextest() {
    ! command -v cargo-nextest >/dev/null || return 0
    local platform archive
    case "$(uname -sm)" in
        "Linux x86_64") platform=linux ;;
        "Linux aarch64") platform=linux-arm ;;
        *) return 0 ;;
    esac
    say "getting cargo-nextest"
    archive=$(mktemp)
    if curl --proto '=https' --tlsv1.2 -sSfL "https://get.nexte.st/0.9/$platform" -o "$archive" 2>/dev/null; then
        tar -xzf "$archive" -C "${CARGO_HOME:-$HOME/.cargo}/bin" || true
    fi
    rm -f "$archive"
    command -v cargo-nextest >/dev/null || say "cargo-nextest cannot be had from here: cargo test runs instead"
}

# --- Python packages of the tests ----------------------------------------------------------------

# Into a folder of their own. Without them the tests that need them say so and are skipped.
setup_python() {
    local stamp="$TEST_PYTHON/packages" wanted="${PYTHON_PACKAGES[*]}"
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
    say "getting the parsers that the tests compare with: $wanted"
    rm -rf "$TEST_PYTHON"
    mkdir -p "$(dirname "$TEST_PYTHON")"
    local log
    log=$(mktemp)
    if {
        python3 -m venv "$TEST_PYTHON" &&
            "$TEST_PYTHON/bin/pip" install -q --retries 1 --disable-pip-version-check "${PYTHON_PACKAGES[@]}"
    } >"$log" 2>&1; then
        echo "$wanted" >"$stamp"
    else
        rm -rf "$TEST_PYTHON"
        say "the tests that parse captions with them are skipped, as pip said: $(tail -n 1 "$log")"
    fi
    rm -f "$log"
}

# --- ONNX Runtime --------------------------------------------------------------------------------

# Into a folder beside the one that GStreamer looks into: the plugin looks there. Without it the plugin still
# builds, and all runs but what finds out who speaks.
setup_onnxruntime() {
    local folder file sha256 work log
    folder=$(target_dir)/onnxruntime
    file=libonnxruntime.so.$ONNXRUNTIME
    [ -z "${ORT_DYLIB_PATH-}" ] || return 0
    [ ! -f "$folder/$file" ] || return 0
    case "$(uname -sm)" in
        "Linux x86_64") sha256=$ONNXRUNTIME_SHA256_x86_64 ;;
        "Linux aarch64") sha256=$ONNXRUNTIME_SHA256_aarch64 ;;
        *)
            say "there is no ONNX Runtime for $(uname -sm) here: set ORT_DYLIB_PATH to one of your own"
            return 0
            ;;
    esac
    say "getting ONNX Runtime $ONNXRUNTIME"
    work=$(mktemp -d)
    log=$work/log
    echo "onnxruntime==$ONNXRUNTIME --hash=sha256:$sha256" >"$work/requirements"
    if {
        python3 -m venv "$work/venv" &&
            "$work/venv/bin/pip" download -q --retries 1 --disable-pip-version-check --no-deps --require-hashes \
                --only-binary=:all: --implementation cp --python-version 3.11 \
                --platform "manylinux_2_28_$(uname -m)" -d "$work" -r "$work/requirements" &&
            python3 -m zipfile -e "$work"/onnxruntime-*.whl "$work/wheel"
    } >"$log" 2>&1; then
        mkdir -p "$folder"
        cp "$work/wheel/onnxruntime/LICENSE" "$work/wheel/onnxruntime/ThirdPartyNotices.txt" "$folder/"
        # Under another name first: what has its name is whole.
        cp "$work/wheel/onnxruntime/capi/$file" "$folder/unfinished"
        mv "$folder/unfinished" "$folder/$file"
        ln -sfn "$file" "$folder/libonnxruntime.so"
    else
        say "scribediarizer will not run, as pip said: $(tail -n 1 "$log")"
    fi
    rm -rf "$work"
}

# --- what all of it is for -----------------------------------------------------------------------

setup() {
    setup_system "${PACKAGES[@]}"
    setup_rust
    setup_onnxruntime
}

setup_for_tests() {
    # All packages at once; setup finds them there.
    setup_system "${PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    setup
    setup_nextest
    setup_python
}

target_dir() { echo "${CARGO_TARGET_DIR:-$ROOT/target}"; }

# Builds the plugin and the programs in release.
build() {
    # Cargo reads .cargo/config.toml (how whisper.cpp is built) from the current folder upwards.
    (cd "$ROOT" && cargo build --release --locked --quiet --lib --bins)
}

# GStreamer shall find the plugin just built, in a folder with nothing else: it looks into sub-folders too.
use_plugin() {
    local target
    target=$(cd "$(target_dir)" && pwd)
    mkdir -p "$target/gstreamer-1.0"
    ln -sfn "$target/release/libgstscribe.so" "$target/gstreamer-1.0/libgstscribe.so"
    export GST_PLUGIN_PATH="$target/gstreamer-1.0${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
}
