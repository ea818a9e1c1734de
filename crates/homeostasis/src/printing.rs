//! What goes to the terminal. Results go to standard output; everything about Homeostasis itself to standard error,
//! so that the watched program's own output stays what it was.

use owo_colors::{OwoColorize, Stream};
use std::io::Write;
use tracing_subscriber::EnvFilter;

/// Diagnostics of Homeostasis itself.
pub(crate) fn start_logging(verbose: bool) {
    let default = if verbose {
        "homeostasis=debug,info"
    } else {
        "error,tower_http=off,homeostasis_api=off"
    };
    let filter =
        EnvFilter::try_from_env("HOMEOSTASIS_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}

/// A line of a result. A closed pipe is the reader's wish to end, not an error.
pub(crate) fn out(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Text from outside made harmless for a terminal: control and direction-changing characters become `?`.
pub(crate) fn clean(text: &str) -> String {
    let harmful = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| {
            if c == '\n' {
                ' '
            } else if harmful(c) {
                '?'
            } else {
                c
            }
        })
        .collect()
}

/// A result as JSON.
pub(crate) fn json(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        out(&text);
    }
}

/// A line about what Homeostasis does.
pub(crate) fn say(line: &str) {
    let mark = "homeostasis"
        .if_supports_color(Stream::Stderr, |text| text.dimmed())
        .to_string();
    drop(writeln!(std::io::stderr(), "{mark} {line}"));
}

/// An error and what to do about it.
pub(crate) fn error(line: &str, remedy: &str) {
    let mark = "error"
        .if_supports_color(Stream::Stderr, |text| text.red())
        .to_string();
    drop(writeln!(std::io::stderr(), "homeostasis {mark}: {line}"));
    if !remedy.is_empty() {
        drop(writeln!(std::io::stderr(), "  {remedy}"));
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(clean("\u{1b}[2Jred\nnext\u{202e}"), "?[2Jred next?");
    }
}
