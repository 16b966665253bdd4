//! Queries on the three pads.

use gst::{prelude::*, subclass::prelude::*};

use super::imp::ScribeAligner;
use super::latency::Upstream;

impl ScribeAligner {
    /// How long things take is a matter of both inputs; where and how long they are, of the words alone.
    pub(super) fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.type_() {
            gst::QueryType::Latency => self.answer_latency(query),
            gst::QueryType::Caps | gst::QueryType::AcceptCaps => {
                gst::Pad::query_default(pad, Some(&*self.obj()), query)
            }
            _ => self.words.peer_query(query),
        }
    }

    pub(super) fn words_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    /// Nothing of the turns goes downstream, so nothing there can answer for them.
    pub(super) fn turns_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.type_() {
            gst::QueryType::Caps | gst::QueryType::AcceptCaps => {
                gst::Pad::query_default(pad, Some(&*self.obj()), query)
            }
            _ => false,
        }
    }

    /// From the properties and what is in front: nothing needs to flow.
    fn answer_latency(&self, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return false;
        };
        let Some(upstream) = Upstream::ask([&self.words, &self.turns]) else {
            return false;
        };
        // The latency may have changed, which is why somebody asks.
        if let Some(shared) = self.shared() {
            shared.with(|stream| stream.set_upstream(upstream));
        }
        upstream.answer(self.settings().own_latency(), latency);
        true
    }
}
