//! Numbers as people read them.

/// A duration given in milliseconds.
pub(crate) fn duration(milliseconds: f64) -> String {
    match milliseconds {
        short if short < 10.0 => format!("{short:.1} ms"),
        middle if middle < 1_000.0 => format!("{middle:.0} ms"),
        long if long < 120_000.0 => format!("{:.1} s", long / 1_000.0),
        longer => format!("{:.1} min", longer / 60_000.0),
    }
}

/// A count with its noun, in the plural where it belongs.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        many => format!("{many} {noun}s"),
    }
}

/// A share from 0 to 1 in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A small probability.
pub(crate) fn chance(probability: f64) -> String {
    if probability < 0.001 {
        format!("{probability:.0e}")
    } else {
        format!("{probability:.3}")
    }
}

/// Names in a list, the last joined by "and".
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
