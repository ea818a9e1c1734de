//! Keeps the beginning and the end of an output of any length in bounded memory; it does not interpret it.

use std::collections::VecDeque;

/// The kept part of one stream.
#[derive(Debug)]
pub(super) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Bytes each of them may hold.
    half: usize,
    total: u64,
}

impl Capture {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            half: limit / 2,
            total: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = (self.half - self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(self.half)..];
        let over = (self.tail.len() + rest.len()).saturating_sub(self.half);
        self.tail.drain(..over);
        self.tail.extend(rest);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut bytes = self.head;
        let left_out = self.total - bytes.len() as u64 - self.tail.len() as u64;
        if left_out > 0 {
            bytes.extend_from_slice(format!("\n[... {left_out} bytes left out ...]\n").as_bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Capture;

    fn check(limit: usize, pieces: &[&str], expect: &str) {
        let mut capture = Capture::new(limit);
        for piece in pieces {
            capture.push(piece.as_bytes());
        }
        assert_eq!(String::from_utf8(capture.finish()).unwrap(), expect);
    }

    #[test]
    fn what_fits_is_kept_whole() {
        check(8, &["abc", "def", "gh"], "abcdefgh");
        check(8, &[], "");
    }

    #[test]
    fn the_middle_of_what_does_not_fit_is_left_out_and_counted() {
        check(
            4,
            &["abcdef", "g", "hij"],
            "ab\n[... 6 bytes left out ...]\nij",
        );
        check(4, &["a", "bcdefghij"], "ab\n[... 6 bytes left out ...]\nij");
    }
}
