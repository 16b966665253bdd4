//! What the user sets, and the one valid [`Config`] that is made of it at READY→PAUSED.

use crate::speech::captions::Rules;

/// The properties as they were set. Times in milliseconds.
#[derive(Clone, Debug)]
pub struct Settings {
    pub max_line_length: u32,
    pub max_lines: u32,
    pub max_duration: u32,
    pub min_duration: u32,
    pub max_cps: u32,
    pub speaker_labels: bool,
    pub speaker_colors: bool,
}

/// The values of [`Rules::default`], which says where they come from.
pub const DEFAULTS: Settings = Settings {
    max_line_length: 42,
    max_lines: 2,
    max_duration: 7_000,
    min_duration: 833,
    max_cps: 20,
    speaker_labels: true,
    speaker_colors: false,
};

impl Default for Settings {
    fn default() -> Self {
        DEFAULTS
    }
}

/// Settings that make sense together.
#[derive(Clone, Debug)]
pub struct Config {
    /// Without labels: whether they are wanted depends on the format.
    pub rules: Rules,
    pub max_duration: gst::ClockTime,
    pub speaker_labels: bool,
    pub speaker_colors: bool,
}

impl TryFrom<&Settings> for Config {
    /// What is wrong, and what to do.
    type Error = String;

    fn try_from(s: &Settings) -> Result<Self, String> {
        within(
            "max-line-length",
            s.max_line_length,
            1,
            1_000,
            "columns; 42 is usual",
        )?;
        within("max-lines", s.max_lines, 1, 20, "lines; 2 is usual")?;
        within(
            "max-duration",
            s.max_duration,
            100,
            600_000,
            "milliseconds; 7000 is usual, 2000 for live captions",
        )?;
        if s.min_duration > s.max_duration {
            return Err(format!(
                "min-duration is {} ms and must not exceed max-duration, which is {} ms: lower min-duration or \
                 raise max-duration",
                s.min_duration, s.max_duration
            ));
        }
        Ok(Self {
            rules: Rules {
                max_line_length: s.max_line_length as usize,
                max_lines: s.max_lines as usize,
                max_duration: samples(s.max_duration),
                min_duration: samples(s.min_duration),
                max_cps: s.max_cps,
                labels: false,
            },
            max_duration: gst::ClockTime::from_mseconds(s.max_duration.into()),
            speaker_labels: s.speaker_labels,
            speaker_colors: s.speaker_colors,
        })
    }
}

fn within(name: &str, value: u32, least: u32, most: u32, unit: &str) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!(
        "{name} is {value} and must be {least} to {most} ({unit}): set it within that range"
    ))
}

fn samples(ms: u32) -> u64 {
    u64::from(ms) * u64::from(crate::time::SAMPLE_RATE) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_rules() {
        let mut rules = Config::try_from(&Settings::default()).unwrap().rules;
        let expected = Rules::default();
        assert!(
            rules.min_duration.abs_diff(expected.min_duration) < 16,
            "5/6 s in milliseconds"
        );
        rules.min_duration = expected.min_duration;
        assert_eq!(rules, expected);
    }

    #[test]
    fn a_wrong_value_is_named_with_what_to_do() {
        for (settings, name) in [
            (
                Settings {
                    max_line_length: 0,
                    ..DEFAULTS
                },
                "max-line-length is 0",
            ),
            (
                Settings {
                    max_lines: 0,
                    ..DEFAULTS
                },
                "max-lines is 0",
            ),
            (
                Settings {
                    max_duration: 0,
                    ..DEFAULTS
                },
                "max-duration is 0",
            ),
            (
                Settings {
                    min_duration: 7_001,
                    ..DEFAULTS
                },
                "min-duration is 7001 ms",
            ),
        ] {
            let error = Config::try_from(&settings).unwrap_err();
            assert!(error.starts_with(name) && error.contains(": "), "{error}");
        }
    }
}
