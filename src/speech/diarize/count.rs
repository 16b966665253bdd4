//! How many speak at once: the mean over the windows that see a frame, as a whole number.

use super::frames::round_half_even;

/// Speakers of a frame, when the `windows` that see it count `active` of them in total, and `most` can be.
///
/// The mean goes to the nearest whole number, halves to the even one, as pyannote's `speaker_count` (`numpy.rint`)
/// does: half of the windows are not enough for a first speaker, and more than enough for a second.
pub fn speaker_count(active: u64, windows: u64, most: u64) -> u64 {
    round_half_even(active, windows.max(1)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_rounded_half_to_even_and_limited() {
        for (active, windows, most, count) in [
            (0, 10, 9, 0),
            (5, 10, 9, 0),
            (6, 10, 9, 1),
            (14, 10, 9, 1),
            (15, 10, 9, 2),
            (25, 10, 9, 2),
            (26, 10, 9, 3),
            (26, 10, 2, 2),
            (1, 1, 9, 1),
            (3, 0, 9, 3),
        ] {
            assert_eq!(
                speaker_count(active, windows, most),
                count,
                "{active} in {windows} windows"
            );
        }
    }
}
