//! Version and build date for GStreamer.

fn main() {
    gst_plugin_version_helper::info();
    // whisper-rs-sys does not rebuild when these change, so say at least that the plugin has.
    for key in ["GGML_NATIVE", "GGML_LLAMAFILE"] {
        println!("cargo:rerun-if-env-changed={key}");
    }
}
