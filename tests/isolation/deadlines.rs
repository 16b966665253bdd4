//! What the real worker does with requests whose time is over, asked in its own words.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use gstscribe::infer::model::RunError;
use gstscribe::infer::onnx::SpeakersConfig;
use gstscribe::infer::protocol::frame::{self, Frame};
use gstscribe::infer::protocol::{
    FromWorker, Load, News, Packed, Reply, ToWorker, pack_window, pack_windows, software,
};
use gstscribe::infer::speaker_models::Decode;
use gstscribe::infer::whisper::WhisperConfig;
use gstscribe::infer::worker;
use gstscribe::memory::probes::Device;
use gstscribe::speech::diarize;
use gstscribe::speech::transcribe::{Context, Window};

use crate::common::RATE;
use crate::rig::conversation;

/// More than any answer here takes, in ms.
const AMPLE: u32 = 600_000;

/// A worker with one model.
struct Rig {
    process: Child,
    socket: UnixStream,
}

impl Rig {
    fn new(load: Load) -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        let process = Command::new(worker::find(Device::Cpu).unwrap())
            .args([&std::process::id().to_string(), "cpu"])
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut rig = Rig { process, socket };
        let folders = Vec::new();
        let software = software();
        rig.say(&ToWorker::Hello { software, folders }, &[]);
        rig.say(&ToWorker::Load { model: 1, load }, &[]);
        while !matches!(rig.news(), News::Loaded(_)) {}
        rig
    }

    fn say(&mut self, message: &ToWorker, audio: &[&[f32]]) {
        let frame = frame::encode(message, audio).unwrap();
        std::io::Write::write_all(&mut self.socket, &frame).unwrap();
    }

    fn news(&mut self) -> News {
        loop {
            let Frame { message, .. } = frame::read(&mut self.socket).unwrap().unwrap();
            if let FromWorker::Model { model: 1, news } = message {
                return news;
            }
        }
    }

    /// Asks, and whether the worker has begun.
    fn ask(&mut self, id: u64, packed: &Packed<'_>, budget: u32) -> (bool, Result<Reply, RunError>) {
        let run = ToWorker::Run {
            model: 1,
            id,
            question: packed.question.clone(),
            budget,
        };
        self.say(&run, &packed.audio);
        let mut begun = false;
        loop {
            match self.news() {
                News::Begun { id: of } if of == id => begun = true,
                News::Answer { id: of, reply } if of == id => return (begun, Ok(reply)),
                News::RunFailed { id: of, error } if of == id => return (begun, Err(error)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// `long` takes longer than it has, `short` is answered behind it as if nothing had been.
    #[track_caller]
    fn check(mut self, long: &Packed<'_>, short: &Packed<'_>) {
        let (begun, refused) = self.ask(1, long, 0);
        assert!(
            matches!(&refused, Err(RunError::Late(_))) && !begun,
            "{refused:?}"
        );
        let (begun, late) = self.ask(2, long, 1);
        assert!(begun, "{late:?}");
        let Err(RunError::Late(text)) = late else {
            panic!("{late:?}");
        };
        assert!(text.contains("0.001 s") && text.contains("gave it up"), "{text}");
        let (begun, answer) = self.ask(3, short, AMPLE);
        assert!(begun && answer.is_ok(), "{answer:?}");
        self.say(&ToWorker::Bye, &[]);
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it has ended where all went well
        let _ = self.process.wait();
    }
}

/// Half a minute that no decode is good enough for: six temperatures, eight candidates each.
#[test]
fn whisper_gives_up_in_time() {
    let rig = Rig::new(Load::Whisper(WhisperConfig {
        language: Some("en".into()),
        best_of: 8,
        entropy_threshold: 10.0,
        logprob_threshold: 0.0,
        ..WhisperConfig::default()
    }));
    let window = |seconds: u64| Window {
        start: 0,
        samples: conversation(1)[..(seconds * RATE) as usize].to_vec(),
        before: Vec::new(),
        context: Context::Start,
        history: Vec::new(),
        language: None,
    };
    let (long, short) = (window(30), window(1));
    rig.check(&pack_window(&long), &pack_window(&short));
}

/// The largest batch.
#[test]
fn the_speaker_models_give_up_in_time() {
    let rig = Rig::new(Load::Speakers(SpeakersConfig {
        device: Device::Cpu,
        ..SpeakersConfig::default()
    }));
    let speech = conversation(1);
    let window = |n: u64| diarize::Window {
        start: n * RATE,
        samples: speech[..10 * RATE as usize].to_vec(),
        focus: None,
    };
    let batch: Vec<_> = (0..256).map(window).collect();
    let decode = Decode::Hard;
    rig.check(&pack_windows(&batch, decode), &pack_windows(&batch[..1], decode));
}
