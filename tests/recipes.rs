//! Runs each script of `gst-launch-recipes/` on the bundled recording and model, as a reader would.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gstscribe::memory::Label;
use serde_json::Value;
use tempfile::TempDir;

/// A folder to run in, with the plugin of this build.
struct Place {
    folder: TempDir,
    plugins: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let plugins = TempDir::new().expect("a temporary folder");
        // Alone in a folder: beside it in target/ lie libraries that GStreamer would try as plugins.
        let library = beside_this_test("libgstscribe.so");
        std::os::unix::fs::symlink(library, plugins.path().join("libgstscribe.so")).expect("a link");
        Place { folder, plugins }
    }

    /// A program that is not started yet.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut path = OsString::from(beside_this_test("..").as_os_str());
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("GST_PLUGIN_PATH", self.plugins.path())
            .env("GST_REGISTRY", self.plugins.path().join("registry.bin"));
        command
    }

    fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Output {
        let program = program.as_ref();
        let output = self
            .command(program, arguments)
            .output()
            .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        assert!(
            output.status.success(),
            "{}: {}\n{}\n{}",
            program.display(),
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        output
    }

    /// What a recipe printed.
    fn recipe(&self, name: &str, arguments: &[&str]) -> String {
        text(
            &self
                .run(root().join("gst-launch-recipes").join(name), arguments)
                .stdout,
        )
    }

    fn launch(&self, pipeline: &str) {
        let mut arguments = vec!["-q"];
        arguments.extend(pipeline.split_whitespace());
        self.run("gst-launch-1.0", &arguments);
    }

    fn read(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

fn beside_this_test(name: &str) -> PathBuf {
    let path = env::current_exe()
        .expect("the path of this test")
        .with_file_name(name);
    assert!(path.exists(), "{} is not built", path.display());
    path
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Words of the bundled recording, as they were given to the voices.
fn words_spoken() -> usize {
    let path = root().join("models/recordings/conversation.words.json");
    let words: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(path).expect("the transcript")).expect("JSON");
    words.len()
}

/// How well they are recognized is another test's question: here about all of them shall arrive.
#[track_caller]
fn check_words(found: usize) {
    let spoken = words_spoken();
    assert!(
        (spoken * 8 / 10..=spoken * 12 / 10).contains(&found),
        "{spoken} words are spoken, {found} came"
    );
}

/// Texts of the cues of a WebVTT file, after a look at their times.
fn cues(vtt: &str) -> Vec<String> {
    let mut blocks = vtt.split("\n\n");
    let header = blocks.next().unwrap_or_default();
    assert!(header.starts_with("WEBVTT"), "begins with {header:?}");
    let mut last = String::new();
    let mut found = Vec::new();
    for block in blocks
        .map(str::trim)
        .filter(|block| !block.is_empty() && !block.starts_with("NOTE"))
    {
        let times = block
            .lines()
            .find(|line| line.contains(" --> "))
            .expect("a line with times");
        let (start, end) = times.split_once(" --> ").expect("two times");
        let end = end.split(' ').next().unwrap_or_default();
        // Of one length, so their order is that of the text.
        assert!(start < end && last.as_str() <= start, "{times} after {last}");
        last = start.to_owned();
        let lines: Vec<_> = block.lines().skip_while(|line| *line != times).skip(1).collect();
        found.push(lines.join(" "));
    }
    found
}

fn count_words<S: AsRef<str>>(texts: &[S]) -> usize {
    texts
        .iter()
        .map(|text| text.as_ref().split_whitespace().count())
        .sum()
}

#[test]
fn a_file_is_transcribed() {
    let place = Place::new();
    let shown = place.recipe("01-transcribe-a-file.sh", &[]);
    assert!(shown.contains(" --> "), "shows no caption: {shown}");
    check_words(count_words(&cues(&place.read("transcript.vtt"))));
}

#[test]
fn subtitles_go_into_a_matroska_video() {
    let place = Place::new();
    place.recipe("02-subtitles-into-a-video.sh", &[]);
    place.launch(
        "filesrc location=captioned.mkv ! matroskademux name=in \
         in.video_0 ! queue ! filesink location=video in.audio_0 ! queue ! filesink location=audio \
         in.subtitle_0 ! queue ! filesink location=text buffer-mode=unbuffered",
    );
    check_read_back(&place);
}

#[test]
fn subtitles_go_into_an_mp4_video() {
    let place = Place::new();
    let recording = root().join("models/recordings/conversation.flac");
    place.launch(&format!(
        "mp4mux name=mux ! filesink location=talk.mp4 \
         videotestsrc num-buffers=120 ! video/x-raw,format=I420,width=320,height=192,framerate=2/1 ! \
         openh264enc ! h264parse ! queue ! mux.video_0 \
         filesrc location={} ! decodebin ! audioconvert ! avenc_aac ! aacparse ! queue ! mux.audio_0",
        recording.display()
    ));
    place.recipe("02-subtitles-into-a-video.sh", &["talk.mp4"]);
    place.launch(
        "filesrc location=captioned.mp4 ! qtdemux name=in \
         in.video_0 ! queue ! filesink location=video in.audio_0 ! queue ! filesink location=audio \
         in.subtitle_0 ! queue ! filesink location=text buffer-mode=unbuffered",
    );
    check_read_back(&place);
}

#[track_caller]
fn check_read_back(place: &Place) {
    for stream in ["video", "audio"] {
        let bytes = fs::metadata(place.folder.path().join(stream))
            .expect("the stream")
            .len();
        assert!(bytes > 1000, "{stream} has only {bytes} bytes");
    }
    // Cues follow each other without anything between them in the raw stream.
    let text = place.read("text");
    let spoken = words_spoken();
    assert!(count_words(&[text]) > spoken / 2, "too few of {spoken} words");
}

#[test]
fn a_transcript_is_data() {
    let place = Place::new();
    let shown = place.recipe("03-transcript-json.sh", &[]);
    let transcript = place.read("transcript.json");
    assert_eq!(shown.lines().next(), transcript.lines().next());
    let (mut words, mut before) = (0, 0.0);
    for line in transcript.lines() {
        let cue: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let (start, end) = (
            cue["start"].as_f64().expect("start"),
            cue["end"].as_f64().expect("end"),
        );
        assert!(before <= start && start < end, "times are out of order: {line}");
        before = start;
        assert!(!cue["text"].as_str().expect("text").is_empty(), "no text: {line}");
        for word in cue["words"].as_array().expect("words") {
            let confidence = word["confidence"].as_f64().expect("confidence");
            assert!(
                (0.0..=1.0).contains(&confidence),
                "confidence {confidence}: {line}"
            );
            words += 1;
        }
    }
    check_words(words);
}

#[test]
fn the_memory_is_watched() {
    let place = Place::new();
    let shown = place.recipe("04-watch-the-memory.sh", &[]);
    let labels: Vec<&str> = Label::all().map(Label::text).collect();
    for label in &labels {
        let line = format!("[GPU Memory] {label}: Allocated: ");
        assert_eq!(shown.matches(&line).count(), 1, "{label} in\n{shown}");
    }
    assert!(
        shown.contains("Whisper Cleanup:           ✅"),
        "no verdict: {shown}"
    );
    let log = place.read("memory.log");
    assert_eq!(log.lines().count(), labels.len(), "{log}");
    for line in log.lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(record["allocated"].as_u64().expect("allocated") > 0, "{line}");
    }
    let chart = place.read("memory.svg");
    let chart = roxmltree::Document::parse(&chart).unwrap_or_else(|e| panic!("{e}: {chart}"));
    assert!(
        chart
            .root_element()
            .has_tag_name(("http://www.w3.org/2000/svg", "svg"))
    );
}

#[test]
fn speakers_are_written_for_scorers() {
    let place = Place::new();
    let shown = place.recipe("06-rttm-for-scoring.sh", &[]);
    let rttm = place.read("speakers.rttm");
    assert_eq!(shown, rttm);
    let records = gstscribe::speech::rttm::read(&rttm).unwrap_or_else(|e| panic!("{e}: {rttm}"));
    // How well they are told apart is another test's question.
    assert!(
        records.len() >= 10,
        "the conversation has more turns than {}",
        records.len()
    );
    assert!(records.iter().all(|r| r.file == "conversation"), "{rttm}");
}

#[test]
fn captions_say_who_speaks() {
    let place = Place::new();
    let shown = place.recipe("05-who-said-what.sh", &[]);
    assert!(shown.contains("<v SPEAKER_00>"), "no speaker: {shown}");
    let cues = cues(&place.read("who-said-what.vtt"));
    for speaker in ["<v SPEAKER_00>", "<v SPEAKER_01>"] {
        let theirs = cues.iter().filter(|cue| cue.starts_with(speaker)).count();
        assert!(
            theirs * 4 >= cues.len(),
            "{speaker} says {theirs} of {}",
            cues.len()
        );
    }
    let spoken: Vec<_> = cues
        .iter()
        .map(|cue| cue.split_once('>').map_or("", |(_, text)| text))
        .collect();
    check_words(count_words(&spoken));
}

#[test]
fn many_files_come_one_after_the_other() {
    let place = Place::new();
    let shown = place.recipe("07-many-files.sh", &[]);
    assert!(
        shown.contains("conversation.flac → conversation.vtt\n"),
        "{shown}"
    );
    assert!(shown.contains("memory.log, run 2 of 2: "), "{shown}");
    assert!(cues(&place.read("conversation.vtt")).len() > 10);
    assert_eq!(cues(&place.read("silence-and-noise.vtt")), [""; 0]);
}

#[test]
fn a_file_that_fails_does_not_keep_the_next_from_its_captions() {
    let place = Place::new();
    let recording = root().join("models/recordings/silence-and-noise.flac");
    let recipe = root().join("gst-launch-recipes/07-many-files.sh");
    let output = place
        .command(&recipe, &["nowhere.flac", &recording.display().to_string()])
        .output()
        .expect("the recipe runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nowhere.flac failed"));
    assert!(text(&output.stdout).contains("silence-and-noise.flac → silence-and-noise.vtt\n"));
    assert!(place.read("silence-and-noise.vtt").starts_with("WEBVTT"));
}

#[test]
fn a_programme_is_recorded_with_its_captions() {
    let place = Place::new();
    let shown = place.recipe("08-record-with-captions.sh", &[]);
    assert!(shown.contains("recorded.mkv"), "{shown}");
    place.launch(
        "filesrc location=recorded.mkv ! matroskademux name=in \
         in.video_0 ! queue ! filesink location=video in.audio_0 ! queue ! filesink location=audio \
         in.subtitle_0 ! queue ! filesink location=text buffer-mode=unbuffered",
    );
    check_read_back(&place);
    for speaker in ["SPEAKER_00: ", "SPEAKER_01: "] {
        assert!(place.read("text").matches(speaker).count() > 2, "{speaker}");
    }
    // The sound is what was recorded, sample for sample.
    let original = root().join("models/recordings/conversation.flac");
    let decoded = |file: &str, to: &str| {
        place.launch(&format!("filesrc location={file} ! decodebin caps=audio/x-raw expose-all-streams=false ! audioconvert ! audio/x-raw,format=S16LE ! filesink location={to}"));
        fs::read(place.folder.path().join(to)).expect("samples")
    };
    let original = decoded(&original.display().to_string(), "before");
    assert!(
        decoded("recorded.mkv", "after") == original,
        "the sound was touched"
    );
}
