//! The children, and how they are linked.
//!
//!     sink ─ input ┬ resample ─ waveform ┬ queue ─ transcriber ─ words ┐
//!                  │                     └ spool ─ diarizer ── turns ─ aligner ─ captions ─ src
//!                  └ queue ─ audio_src

use gst::prelude::*;

use super::proxy::Child;
use super::spool::Spool;

/// Of `audio_src`: the muxer that it goes to waits for captions, and Whisper looks at 30 s at once, then works.
const AUDIO_WAITS: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// All that is in the bin.
pub(super) struct Chain {
    /// Splits the input as it is.
    pub input: gst::Element,
    /// Splits the 16 kHz audio.
    waveform: gst::Element,
    queue: gst::Element,
    pub spool: Spool,
    children: [gst::Element; 5],
}

impl Chain {
    /// Makes the children in `bin`, linked for diarization.
    ///
    /// # Errors
    /// The name of an element of GStreamer's own that is not installed.
    pub fn new(bin: &gst::Bin) -> Result<Chain, &'static str> {
        let make = |factory: &'static str, name: &str| {
            let element = gst::ElementFactory::make(factory).name(name).build();
            element.map_err(|_| factory)
        };
        let chain = Chain {
            input: make("tee", "input")?,
            waveform: make("tee", "waveform")?,
            queue: make("queue", "queue")?,
            spool: Spool::new(),
            children: Child::ALL.map(Child::make),
        };
        let own = [
            &chain.input,
            &chain.waveform,
            &chain.queue,
            chain.spool.upcast_ref(),
        ];
        for element in own.into_iter().chain(&chain.children) {
            // A new element with a name of its own: it cannot be refused.
            bin.add(element).expect("a new element");
        }
        chain.link(&[&chain.input, chain.child(Child::Resample), &chain.waveform]);
        chain.link(&[&chain.waveform, &chain.queue, chain.child(Child::Transcriber)]);
        chain.link(&[chain.spool.upcast_ref(), chain.child(Child::Diarizer)]);
        let (turns, aligner) = (chain.child(Child::Diarizer), chain.child(Child::Aligner));
        join(&pad(turns, "src"), &pad(aligner, "turns"));
        chain.set_diarize(true);
        Ok(chain)
    }

    pub fn child(&self, child: Child) -> &gst::Element {
        &self.children[child as usize]
    }

    pub fn sink(&self) -> gst::Pad {
        pad(&self.input, "sink")
    }

    pub fn source(&self) -> gst::Pad {
        pad(self.child(Child::Captions), "src")
    }

    /// Links the way of the words and that of the turns, or the words' alone. In READY and below.
    pub fn set_diarize(&self, diarize: bool) {
        let [transcriber, diarizer, aligner, captions] = [
            Child::Transcriber,
            Child::Diarizer,
            Child::Aligner,
            Child::Captions,
        ]
        .map(|c| self.child(c));
        for sink in [pad(captions, "sink"), pad(aligner, "words")] {
            if let Some(peer) = sink.peer() {
                // They are linked, so they can be unlinked.
                let _ = peer.unlink(&sink);
            }
        }
        let spool = pad(self.spool.upcast_ref(), "sink");
        if let Some(peer) = spool.peer() {
            let _ = peer.unlink(&spool);
            self.waveform.release_request_pad(&peer);
        }
        let branch: [&gst::Element; 3] = [self.spool.upcast_ref(), diarizer, aligner];
        for element in branch {
            // What has no part in this run stays where it is.
            element.set_locked_state(!diarize);
        }
        if diarize {
            self.link(&[&self.waveform, self.spool.upcast_ref()]);
            join(&pad(transcriber, "src"), &pad(aligner, "words"));
            join(&pad(aligner, "src"), &pad(captions, "sink"));
        } else {
            join(&pad(transcriber, "src"), &pad(captions, "sink"));
        }
    }

    /// A way out for the input as it is: the pad to show, and the queue to give to [`Chain::remove_audio`].
    ///
    /// # Errors
    /// What is not installed.
    pub fn add_audio(&self, bin: &gst::Bin) -> Result<(gst::Element, gst::Pad), gst::glib::BoolError> {
        let queue = gst::ElementFactory::make("queue")
            .name("audio")
            .property("max-size-buffers", 0_u32)
            .property("max-size-bytes", 0_u32)
            .property("max-size-time", AUDIO_WAITS)
            .build()?;
        bin.add(&queue)?;
        self.link(&[&self.input, &queue]);
        queue.sync_state_with_parent()?;
        let source = pad(&queue, "src");
        Ok((queue, source))
    }

    pub fn remove_audio(&self, bin: &gst::Bin, queue: &gst::Element) {
        let sink = pad(queue, "sink");
        if let Some(peer) = sink.peer() {
            let _ = peer.unlink(&sink);
            self.input.release_request_pad(&peer);
        }
        let _ = queue.set_state(gst::State::Null);
        let _ = bin.remove(queue);
    }

    fn link(&self, elements: &[&gst::Element]) {
        // All of them take what the one before makes, and have a pad free.
        gst::Element::link_many(elements.iter().copied()).expect("elements that fit");
    }
}

fn join(source: &gst::Pad, sink: &gst::Pad) {
    // Both are free, and their templates have the same caps.
    source.link(sink).expect("pads that fit");
}

fn pad(element: &gst::Element, name: &str) -> gst::Pad {
    // All names here are of always pads.
    element.static_pad(name).expect("an always pad")
}
