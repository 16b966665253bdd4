//! The diarization sessions, offline and online, as a stream's work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::settings::SessionConfig;
use crate::elements::flow::stream::{Piece, Work};
use crate::infer::speaker_models::{Decode, SpeakerFacts};
use crate::speech::diarize::online::OnlineSession;
use crate::speech::diarize::{Analysis, Conclusion, OfflineSession, Speaker, Turn, Voices, Window};

/// A session, made anew for each stretch of audio.
pub(crate) struct Diarization {
    config: SessionConfig,
    /// What the models brought; not there as long as they are not loaded.
    facts: Option<SpeakerFacts>,
    /// Whether the source is live, as the element last heard.
    live: Arc<AtomicBool>,
    session: Session,
    /// Windows that wait for the batch to be full.
    windows: Vec<Window>,
    finished: bool,
    /// Where the session began.
    begun: u64,
}

enum Session {
    Offline(Box<OfflineSession>),
    /// The offline session is with the task, which clusters; it ends where it says.
    Concluding {
        end: u64,
    },
    Online(Box<OnlineSession>),
    /// All turns are out, up to here.
    Over {
        end: u64,
    },
}

/// When the turns of analysed windows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turns {
    AtTheEnd,
    Live,
}

/// What the task has to do.
pub(crate) enum Request {
    /// Have the models look at these.
    Analyse(Vec<Window>, Decode, Turns),
    /// Cluster, which may take seconds: no lock may be held meanwhile. Who is known gets the name.
    Conclude(Box<OfflineSession>, Voices),
    /// The stream is over, and these people spoke.
    Introduce(Vec<Speaker>),
}

/// What came of it.
pub(crate) enum Answer {
    Analyses(Vec<Analysis>),
    Concluded(Conclusion),
    Introduced,
}

impl Diarization {
    /// Without `facts`, it takes audio only after [`Diarization::equip`].
    pub fn new(config: SessionConfig, facts: Option<SpeakerFacts>, live: Arc<AtomicBool>) -> Self {
        Diarization {
            config,
            facts,
            live,
            session: Session::Over { end: 0 },
            windows: Vec::new(),
            finished: false,
            begun: 0,
        }
    }

    /// The models are there.
    pub fn equip(&mut self, config: SessionConfig, facts: SpeakerFacts) {
        (self.config, self.facts) = (config, Some(facts));
    }

    pub fn facts(&self) -> Option<SpeakerFacts> {
        self.facts
    }

    pub fn is_equipped(&self) -> bool {
        self.facts.is_some()
    }

    fn online(&self) -> bool {
        self.config.mode.is_online(self.live.load(Ordering::Relaxed))
    }
}

impl Work for Diarization {
    type Request = Request;
    type Answer = Answer;
    type Piece = Turn;

    fn restart(&mut self, at: u64) {
        self.windows.clear();
        self.finished = false;
        self.begun = at;
        let Some(facts) = &self.facts else {
            self.session = Session::Over { end: at };
            return;
        };
        self.session = if self.online() {
            let mut session = OnlineSession::new(self.config.online(facts), facts.online);
            session.restart(at);
            Session::Online(Box::new(session))
        } else {
            let config = self.config.offline(facts);
            let mut session = OfflineSession::new(config, facts.geometry);
            session.restart(at);
            Session::Offline(Box::new(session))
        };
    }

    fn room(&self) -> usize {
        match &self.session {
            Session::Offline(session) => session.room(),
            Session::Online(session) => session.room(),
            Session::Concluding { .. } | Session::Over { .. } => 0,
        }
    }

    fn push(&mut self, samples: &[f32]) {
        match &mut self.session {
            Session::Offline(session) => session.push(samples),
            Session::Online(session) => session.push(samples),
            Session::Concluding { .. } | Session::Over { .. } => {}
        }
    }

    /// A hole is silence: who speaks behind it may be who spoke before.
    fn skip(&mut self, samples: u64) -> bool {
        match &mut self.session {
            Session::Offline(session) => session.skip(samples),
            Session::Online(session) => session.skip(samples),
            Session::Concluding { .. } | Session::Over { .. } => return false,
        }
        true
    }

    fn finish(&mut self) {
        self.finished = true;
        match &mut self.session {
            Session::Offline(session) => session.finish(),
            Session::Online(session) => session.finish(),
            Session::Concluding { .. } | Session::Over { .. } => {}
        }
    }

    fn next_request(&mut self) -> Option<Request> {
        match &mut self.session {
            Session::Offline(session) => {
                while self.windows.len() < self.config.batch {
                    let Some(window) = session.next_window() else {
                        break;
                    };
                    self.windows.push(window);
                }
                let full = self.windows.len() >= self.config.batch;
                if full || (self.finished && !self.windows.is_empty()) {
                    let windows = std::mem::take(&mut self.windows);
                    let pieces = windows.iter().any(|window| window.focus.is_some());
                    let decode = self.config.decode(pieces);
                    return Some(Request::Analyse(windows, decode, Turns::AtTheEnd));
                }
                if !session.is_done() {
                    return None;
                }
                let end = session.covered();
                let over = std::mem::replace(&mut self.session, Session::Concluding { end });
                let Session::Offline(session) = over else {
                    return None;
                };
                Some(Request::Conclude(session, self.config.voices.clone()))
            }
            Session::Online(session) => {
                // Whatever is due: one window in step with the stream, more when the models have to catch up.
                let due = std::iter::from_fn(|| session.next_window()).take(self.config.batch);
                let windows: Vec<Window> = due.collect();
                if !windows.is_empty() {
                    return Some(Request::Analyse(windows, Decode::Soft, Turns::Live));
                }
                if !session.is_done() {
                    return None;
                }
                let (end, speakers) = (session.settled(), session.speakers());
                self.session = Session::Over { end };
                Some(Request::Introduce(speakers))
            }
            Session::Concluding { .. } | Session::Over { .. } => None,
        }
    }

    fn accept(&mut self, answer: Answer) -> Vec<Turn> {
        match answer {
            Answer::Analyses(analyses) => match &mut self.session {
                Session::Offline(session) => {
                    analyses.into_iter().for_each(|a| session.accept(a));
                    Vec::new()
                }
                Session::Online(session) => {
                    analyses.iter().for_each(|a| session.accept(a));
                    session.take_turns()
                }
                Session::Concluding { .. } | Session::Over { .. } => Vec::new(),
            },
            Answer::Concluded(conclusion) => {
                if let Session::Concluding { end } = self.session {
                    self.session = Session::Over { end };
                }
                conclusion.turns
            }
            Answer::Introduced => Vec::new(),
        }
    }

    fn settled(&self) -> u64 {
        match &self.session {
            Session::Offline(_) | Session::Concluding { .. } => self.begun,
            Session::Online(session) => session.settled(),
            Session::Over { end } => *end,
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.session, Session::Over { .. })
    }
}

impl Piece for Turn {
    fn start(&self) -> u64 {
        self.start
    }

    fn end(&self) -> u64 {
        self.end
    }
}
