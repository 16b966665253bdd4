//! Buffers of speaker turns → turns in running time.

use super::timing::{Segment, running_range};
use crate::speech::diarize::{Turn, from_json};
use crate::time::time_to_samples;

/// The turns in `buffer`, and what is wrong with the first line that is none.
///
/// A turn alone in its buffer has the buffer's times, which went through whatever shifts segments and pads; the times
/// in its text are the running time of the element that wrote it. Where there are several, only the text has them.
pub(super) fn read(buffer: &gst::BufferRef, segment: &Segment) -> (Vec<Turn>, Option<String>) {
    let Ok(map) = buffer.map_readable() else {
        return (Vec::new(), Some("the memory of a buffer cannot be read".into()));
    };
    let text = String::from_utf8_lossy(&map);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut wrong = None;
    let mut turns: Vec<Turn> = lines
        .filter_map(|line| match from_json(line) {
            Ok(turn) => Some(turn),
            Err(error) => {
                wrong.get_or_insert_with(|| error.to_string());
                None
            }
        })
        .collect();
    if let ([turn], Some(pts), Some(duration)) = (turns.as_mut_slice(), buffer.pts(), buffer.duration()) {
        let (start, end) = running_range(segment, pts, duration);
        (turn.start, turn.end) = (time_to_samples(start), time_to_samples(end));
    }
    (turns, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::ClockTime;

    /// Turns as `speaker start end` in tenths of a second.
    #[track_caller]
    fn check(text: &[u8], times: Option<(u64, u64)>, expected: &[&str], wrong: Option<&str>) {
        gst::init().unwrap();
        let mut segment = Segment::new();
        segment.set_start(ClockTime::from_seconds(10));
        let mut buffer = gst::Buffer::from_slice(text.to_vec());
        if let Some((start, duration)) = times {
            let writable = buffer.get_mut().unwrap();
            writable.set_pts(ClockTime::from_mseconds(start * 100));
            writable.set_duration(ClockTime::from_mseconds(duration * 100));
        }
        let (turns, found) = read(&buffer, &segment);
        let turns: Vec<String> = turns
            .iter()
            .map(|t| format!("{} {} {}", t.speaker, t.start / 1_600, t.end / 1_600))
            .collect();
        assert_eq!(turns, expected);
        match (found, wrong) {
            (Some(found), Some(wrong)) => assert!(found.contains(wrong), "{found}"),
            (found, wrong) => assert_eq!(found.as_deref(), wrong),
        }
    }

    const A: &str = r#"{"speaker":"A","start":1.0,"end":2.0,"confidence":0.5}"#;
    const B: &str = r#"{"speaker":"B","start":3.0,"end":4.0,"confidence":0.5}"#;

    #[test]
    fn a_turn_alone_has_the_times_of_its_buffer() {
        check(A.as_bytes(), Some((150, 20)), &["A 50 70"], None);
        check(A.as_bytes(), Some((50, 60)), &["A 0 10"], None);
        check(A.as_bytes(), None, &["A 10 20"], None);
    }

    #[test]
    fn several_turns_have_the_times_of_the_text() {
        let both = format!("{A}\n\n{B}\n");
        check(both.as_bytes(), Some((150, 20)), &["A 10 20", "B 30 40"], None);
    }

    #[test]
    fn what_is_no_turn_is_told_and_the_others_are_read() {
        let text = format!("{A}\nnonsense\n{B}\n");
        check(
            text.as_bytes(),
            None,
            &["A 10 20", "B 30 40"],
            Some("expected ident"),
        );
        check(b"\xff\xfe", Some((1, 1)), &[], Some("expected value"));
        check(b"\n", Some((1, 1)), &[], None);
    }
}
