# Shortcuts; `just --list` shows them. Nothing here is needed to build: cargo, meson and scripts/ do the work.

set positional-arguments

# What to do when nothing is said.
default:
    @just --list

# Installs what building and testing needs.
setup:
    scripts/setup --tests

# The plugin and the programs, portable: for any x86-64 CPU with AVX2.
build:
    cargo build --release --locked --lib --bins

# The same for this machine's CPU alone: faster, and it may crash on another (docs/adr/0005-build-flags.md).
native: _forget_whisper
    GGML_NATIVE=ON cargo build --release --locked --lib --bins

# Back from native to portable.
portable: _forget_whisper build

# whisper-rs-sys does not notice that its environment has changed.
_forget_whisper:
    cargo clean --release -p whisper-rs-sys

# The worker for GPUs, where CUDA's compiler is: docs/gpu.md.
cuda:
    cargo build --release --locked --manifest-path cuda/Cargo.toml --bin scribe-worker-cuda

# The same looked through where it is not: whisper.cpp is not built then.
cuda-check:
    DOCS_RS=1 cargo check --release --locked --manifest-path cuda/Cargo.toml

# Every test.
test *arguments:
    scripts/test "$@"

# What a change has to pass before it is proposed.
lint:
    cargo fmt --check
    cargo clippy --release --locked --all-targets -- -D warnings
    shellcheck -x scripts/demo scripts/get-model scripts/meson-build scripts/meson-install-runtime scripts/setup scripts/test scripts/*.sh gst-launch-recipes/*.sh benches/gpu/*.sh .ci/run

# Licences, advisories and sources of the dependencies.
deny:
    cargo deny --locked check

# From a file to captions and its memory.
demo *arguments:
    scripts/demo "$@"

# All benches, or the one named.
bench *name:
    cargo bench --locked {{ if name == "" { "" } else { "--bench " + name } }}

# Once, on a system that has nothing: see docs/clean-machine.md.
clean-machine:
    scripts/clean-machine
