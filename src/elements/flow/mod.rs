//! How audio flows through an element with a model behind a session: buffers in, requests to the model, pieces out.

pub(crate) mod element;
mod input;
mod output;
mod slot;
pub(crate) mod stream;
