//! Asking about windows where the models may die over them.

use super::imp::Diarizer;
use super::lifecycle::Listening;
use crate::elements::flow::element::Refusal;
use crate::elements::restart::{About, Restarting};
use crate::infer::model::RunError;
use crate::infer::speaker_models::{Answer, Decode, Request, SpeakerFacts};
use crate::speech::diarize::{Analysis, Scores, Window};
use crate::time::samples_to_time;

impl Diarizer {
    /// What the models say to `windows`. Of a batch that ends its worker, each window is asked about by itself, so that no
    /// other is lost with the one that does it.
    pub(super) fn analyse(
        &self,
        running: &Listening,
        windows: Vec<Window>,
        decode: Decode,
    ) -> Result<Vec<Analysis>, Refusal> {
        let tries = if windows.len() == 1 { 2 } else { 1 };
        self.analyse_in(tries, running, windows, decode)
    }

    fn analyse_in(
        &self,
        tries: u32,
        running: &Listening,
        windows: Vec<Window>,
        decode: Decode,
    ) -> Result<Vec<Analysis>, Refusal> {
        let at = |window: Option<&Window>| samples_to_time(window.map_or(0, |w| w.start));
        let (first, last) = (at(windows.first()), at(windows.last()));
        let about = match windows.as_slice() {
            [_] => About {
                what: format!("The window at {first}"),
                then: "is asked again",
                lost: "ended two workers and counts as silence",
                late: "counts as silence",
            },
            _ => About {
                what: format!("Each window from {first} to {last}"),
                then: "is asked again",
                lost: "is asked again by itself",
                late: "is asked again by itself",
            },
        };
        let request = Request::Windows(windows.clone(), decode);
        if let Some(answer) = self.ask_and_restart(running, request, tries, &about)? {
            return analyses(answer);
        }
        if let [window] = windows.as_slice() {
            return Ok(vec![silence(
                window,
                running.stream.with_work(|work| work.facts()),
            )]);
        }
        let mut found = Vec::with_capacity(windows.len());
        for window in windows {
            found.extend(self.analyse_in(1, running, vec![window], decode)?);
        }
        Ok(found)
    }
}

fn analyses(answer: Answer) -> Result<Vec<Analysis>, Refusal> {
    match answer {
        Answer::Windows(analyses) => Ok(analyses),
        Answer::Voice(_) => Err(Refusal::Run(RunError::Failed(
            "the speaker models gave a voice where windows were asked about".into(),
        ))),
    }
}

/// Nobody speaks.
fn silence(window: &Window, facts: Option<SpeakerFacts>) -> Analysis {
    let geometry = facts.map(|facts| match window.samples.len() {
        length if length == facts.online.window => facts.online,
        _ => facts.geometry,
    });
    let (frames, speakers) = geometry.map_or((0, 0), |g| (g.frames, g.speakers));
    Analysis {
        start: window.start,
        scores: Scores {
            speakers,
            values: vec![0.0; frames * speakers],
        },
        embeddings: vec![None; speakers],
        pieces: Vec::new(),
    }
}
