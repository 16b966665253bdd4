//! How far a file is: Progress messages of the stages that do not speak for themselves.
//!
//! Only where nothing leaves before the end: gst-launch-1.0 plays no pipeline that has prerolled while something is in
//! progress, so a caption that leaves early would wait for ever.

use gst::prelude::*;
use parking_lot::Mutex;

use crate::elements::load;

/// One stage, begun with its first word and over when it is told.
pub(super) struct Stage {
    code: &'static str,
    text: &'static str,
    told: Mutex<Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Percent(u64),
    End,
}

impl Stage {
    pub fn new(code: &'static str, text: &'static str) -> Self {
        Stage {
            code,
            text,
            told: Mutex::new(Told::Nothing),
        }
    }

    /// Before a run.
    pub fn reset(&self) {
        *self.told.lock() = Told::Nothing;
    }

    /// `done` of `all` is done. Says so when that is another per cent.
    pub fn tell(&self, element: &impl IsA<gst::Element>, done: gst::ClockTime, all: Option<gst::ClockTime>) {
        let percent = all.filter(|all| !all.is_zero()).map_or(0, |all| {
            (done.nseconds() / (all.nseconds() / 100).max(1)).min(100)
        });
        let before = {
            let mut told = self.told.lock();
            if matches!(*told, Told::End) || *told == Told::Percent(percent) {
                return;
            }
            std::mem::replace(&mut *told, Told::Percent(percent))
        };
        if before == Told::Nothing {
            load::progress(element, gst::ProgressType::Start, self.code, self.text);
        }
        let text = format!("{}: {percent} %", self.text);
        load::progress(element, gst::ProgressType::Continue, self.code, &text);
    }

    /// The stage is over.
    pub fn end(&self, element: &impl IsA<gst::Element>, text: &str) {
        let before = std::mem::replace(&mut *self.told.lock(), Told::End);
        match before {
            Told::End => return,
            Told::Nothing => load::progress(element, gst::ProgressType::Start, self.code, self.text),
            Told::Percent(_) => {}
        }
        load::progress(element, gst::ProgressType::Complete, self.code, text);
    }
}
