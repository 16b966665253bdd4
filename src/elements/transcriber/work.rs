//! The transcription session with its voice detector, as a stream's work.

use crate::elements::flow::stream::{Piece, Work};
use crate::infer::vad::VoiceDetector;
use crate::speech::Word;
use crate::speech::transcribe::{Hypothesis, Session, SessionConfig, Window};

/// The session, and what tells it where somebody speaks. The detector takes under a millisecond for a second of audio.
pub(crate) struct Transcription {
    config: SessionConfig,
    session: Session,
    detector: VoiceDetector,
}

impl Transcription {
    pub fn new(config: SessionConfig) -> Self {
        Transcription {
            config,
            session: Session::new(config, 0),
            detector: VoiceDetector::new(),
        }
    }
}

impl Work for Transcription {
    type Request = Window;
    type Answer = Hypothesis;
    type Piece = Word;

    fn restart(&mut self, at: u64) {
        self.session.restart(at);
        self.detector.reset(at, self.session.speech_map());
    }

    fn begin_stream(&mut self) {
        self.session = Session::new(self.config, 0);
    }

    fn room(&self) -> usize {
        self.session.room()
    }

    fn push(&mut self, samples: &[f32]) {
        self.session.push(samples);
        if self.config.gate {
            self.detector.push(samples, self.session.speech_map());
        }
    }

    /// Text does not go on over a hole: what is before it must be written first.
    fn skip(&mut self, _: u64) -> bool {
        false
    }

    fn finish(&mut self) {
        self.detector.finish(self.session.speech_map());
        self.session.finish();
    }

    fn next_request(&mut self) -> Option<Window> {
        self.session.next_window()
    }

    fn accept(&mut self, hypothesis: Hypothesis) -> Vec<Word> {
        self.session.accept(&hypothesis)
    }

    fn settled(&self) -> u64 {
        self.session.settled()
    }

    fn is_done(&self) -> bool {
        self.session.is_done()
    }
}

impl Piece for Word {
    fn start(&self) -> u64 {
        self.start
    }

    fn end(&self) -> u64 {
        self.end
    }
}
