//! What the JSON lines of the crate share.

/// An f32 between 0 and 1 without the digits that it does not have; what is no number is 0.
pub fn thousandths(x: f32) -> f64 {
    if x.is_finite() {
        (f64::from(x) * 1_000.0).round() / 1_000.0
    } else {
        0.0
    }
}
