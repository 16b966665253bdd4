//! Runs as a picture for a report: SVG, or a page of HTML around the same SVG.
//!
//! Written by hand rather than with a plotting crate: most of it, the numbered marks that keep off each other, the
//! lanes of the stages and the verdicts, is not what such a crate draws, and what remains is two axes.
//!
//! [`layout`] says where things are, in user units of the SVG; [`panel`] draws one run there; [`svg`] and [`html`]
//! make files of it. Readings are made at checkpoints alone, so between two of them the larger is drawn:
//! a model is loaded right after its stage begins and freed right before its cleanup ends.

mod device;
mod heading;
mod html;
mod layout;
mod legend;
mod panel;
mod scale;
mod spread;
mod style;
mod svg;
#[cfg(test)]
mod tests;
mod words;

use std::path::Path;

use super::timeline::Run;

/// A run and what stands above it.
#[derive(Clone, Copy, Debug)]
pub struct Sheet<'a> {
    /// Such as `run.log, run 1 of 3`.
    pub title: &'a str,
    /// What is drawn.
    pub run: &'a Run,
}

/// The kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An image, for a document.
    Svg,
    /// A page with the image and a table, for a browser. Needs nothing besides itself.
    Html,
}

/// A file name that does not tell what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither .svg nor .html: the name's end says which of the two to write")]
pub struct UnknownFormat(String);

impl Format {
    /// By the end of the file's name.
    pub fn of(path: &Path) -> Result<Format, UnknownFormat> {
        let end = path.extension().map(|end| end.to_string_lossy().to_lowercase());
        match end.as_deref() {
            Some("svg") => Ok(Format::Svg),
            Some("html" | "htm") => Ok(Format::Html),
            _ => Err(UnknownFormat(path.display().to_string())),
        }
    }

    /// The file: `sheets` one below the other.
    pub fn draw(self, sheets: &[Sheet]) -> String {
        match self {
            Format::Svg => svg::file(sheets),
            Format::Html => html::page(sheets),
        }
    }
}
