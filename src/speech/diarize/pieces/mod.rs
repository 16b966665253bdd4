//! Who spoke when, from the voices of short pieces of speech.
//!
//! pyannote and diart know one voice for each local speaker of a window, which is right where the segmentation model
//! tells people apart. The bundled one takes two alike readers for one at times, and then their common embedding lies
//! between both, so that no clustering can mend it, while pieces of two seconds are told apart well. So here the segmentation
//! says when somebody speaks, when two do, and where another voice may begin; who it is, each piece says for itself.
//! Every window answers for the pieces around its [`Window::focus`](super::Window::focus) only, so that each moment is
//! embedded about three times, and not in every window. `docs/adr/0014` has what this gains.
//!
//! The stages: a window's scores → pieces ([`cut`]); scores of all windows → how many speak in a frame ([`presence`]);
//! pieces → speakers ([`speakers`]); both together → who is active in each frame ([`timeline`]).

mod cut;
mod presence;
mod speakers;
mod timeline;

pub use cut::{Cut, cut, piece_mask};
pub use presence::Presence;
pub use speakers::{Found, Known, PieceRule, find};
pub use timeline::{Heard, Timeline};

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Embedding;

/// A piece of a window in which, as far as the window shows, one person speaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// The local speaker who is active most of the time.
    pub speaker: usize,
    /// Its frames in the window.
    pub frames: Range<usize>,
    /// Frames of them in which one person is active: what the embedding is made of, and how far it is to be trusted.
    pub clean: usize,
    /// Its voice.
    pub embedding: Embedding,
}
