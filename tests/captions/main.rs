//! `scribecaptions` by harness, in pipelines with stock elements, and before other people's parsers.

mod common;
mod element;
mod formats;
mod parsers;
mod pipelines;
