//! Runs each script of `gst-launch-recipes/` on the bundled recording and model, as a reader would.
