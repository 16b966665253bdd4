//! [`Word`] ↔ [`gst::Buffer`]: the text is the payload, the rest rides in `GstScribeWordMeta`.

use std::sync::Once;

use crate::{speech::Word, time};

/// Name of the custom meta: `confidence` double 0..1, `speaker` string or unset, `segment` uint,
/// `language` string or unset. Transforms copy it, so it survives elements that group words.
pub const META_NAME: &str = "GstScribeWordMeta";

/// Registers the meta once per process; a second plugin load or a static registration is harmless.
pub fn register_meta() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if !gst::meta::CustomMeta::is_registered(META_NAME) {
            gst::meta::CustomMeta::register(META_NAME, &[]);
        }
    });
}

/// A buffer for `word`, whose sample 0 is at running time zero of the stream.
pub fn to_buffer(word: &Word) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(word.text.clone().into_bytes());
    // Just made, so there is no second reference to it.
    let writable = buffer.get_mut().expect("a new buffer is writable");
    let start = time::samples_to_time(word.start);
    writable.set_pts(start);
    writable.set_duration(time::samples_to_time(word.end).saturating_sub(start));
    if let Ok(mut meta) = gst::meta::CustomMeta::add(writable, META_NAME) {
        let fields = meta.mut_structure();
        fields.set("confidence", f64::from(word.confidence));
        fields.set("segment", word.segment);
        if let Some(speaker) = &word.speaker {
            fields.set("speaker", speaker.as_ref());
        }
        if let Some(language) = &word.language {
            fields.set("language", language.as_ref());
        }
    }
    buffer
}

/// The word in `buffer`, its times as samples of the buffer's own PTS line. `None` when the buffer
/// has no PTS or holds no UTF-8 text. Without the meta (text from another element) the confidence is 1.
pub fn from_buffer(buffer: &gst::BufferRef) -> Option<Word> {
    let pts = buffer.pts()?;
    let map = buffer.map_readable().ok()?;
    let text = std::str::from_utf8(&map).ok()?.trim();
    if text.is_empty() {
        return None;
    }
    let end = pts.saturating_add(buffer.duration().unwrap_or(gst::ClockTime::ZERO));
    let meta = gst::meta::CustomMeta::from_buffer(buffer, META_NAME).ok();
    let fields = meta.as_ref().map(|m| m.structure());
    let text_field = |name: &str| fields.and_then(|f| f.get::<&str>(name).ok()).map(Into::into);
    Some(Word {
        text: text.to_owned(),
        start: time::time_to_samples(pts),
        end: time::time_to_samples(end),
        confidence: fields
            .and_then(|f| f.get::<f64>("confidence").ok())
            .unwrap_or(1.0) as f32,
        segment: fields.and_then(|f| f.get::<u32>("segment").ok()).unwrap_or(0),
        speaker: text_field("speaker"),
        language: text_field("language"),
    })
}

/// Writes `speaker` into the meta of a word, which it gets where it has none; all else stays.
pub fn set_speaker(buffer: &mut gst::BufferRef, speaker: &str) {
    if let Ok(mut meta) = gst::meta::CustomMeta::from_mut_buffer(buffer, META_NAME) {
        meta.mut_structure().set("speaker", speaker);
    } else if let Ok(mut meta) = gst::meta::CustomMeta::add(buffer, META_NAME) {
        meta.mut_structure().set("speaker", speaker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_buffer_and_a_copy_of_it() {
        gst::init().unwrap();
        register_meta();
        let word = Word {
            text: "Grüße,".into(),
            start: 16_000,
            end: 20_800,
            confidence: 0.75,
            segment: 3,
            speaker: Some("Ana".into()),
            language: Some("de".into()),
        };
        let buffer = to_buffer(&word);
        assert_eq!(from_buffer(&buffer), Some(word.clone()));
        assert_eq!(from_buffer(&buffer.copy()), Some(word));
    }

    #[test]
    fn text_of_other_elements_is_a_word_without_extras() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::from_slice(b" hello \n");
        assert_eq!(from_buffer(&buffer), None, "no PTS");
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::SECOND);
        let word = from_buffer(&buffer).unwrap();
        assert_eq!(
            (word.text.as_str(), word.start, word.end, word.confidence),
            ("hello", 16_000, 16_000, 1.0)
        );
    }

    #[test]
    fn a_speaker_is_written_beside_what_is_there() {
        gst::init().unwrap();
        register_meta();
        let word = Word {
            text: "so".into(),
            start: 16_000,
            end: 20_800,
            confidence: 0.5,
            segment: 2,
            speaker: Some("LEFT".into()),
            language: Some("de".into()),
        };
        let mut known = to_buffer(&word);
        set_speaker(known.make_mut(), "Ana");
        let expected = Word {
            speaker: Some("Ana".into()),
            ..word
        };
        assert_eq!(from_buffer(&known), Some(expected));
        let mut bare = gst::Buffer::from_slice(b"so");
        bare.make_mut().set_pts(gst::ClockTime::SECOND);
        set_speaker(bare.make_mut(), "Ana");
        assert_eq!(from_buffer(&bare).unwrap().speaker.as_deref(), Some("Ana"));
    }
}
