//! Memory accounting: what the models hold, measured, judged and reported.
