//! Lines and columns of a text, to and from byte offsets; columns are bytes of UTF-8, as interpreters report them.

/// Where each line of a text begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineIndex {
    // Invariant: ascending, and the first is 0 (or 3 after a byte order mark).
    starts: Vec<usize>,
    length: usize,
}

impl LineIndex {
    /// Counts the lines of `text`. A line ends with `\n`, `\r\n` or a lone `\r`, as Python counts them.
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        // Interpreters count the columns of the first line after the byte order mark.
        let first = if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
            3
        } else {
            0
        };
        let mut starts = vec![first];
        let mut at = first;
        while at < bytes.len() {
            let ends = match bytes[at] {
                b'\n' => true,
                b'\r' => bytes.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            at += 1;
            if ends {
                starts.push(at);
            }
        }
        Self {
            starts,
            length: bytes.len(),
        }
    }

    /// How many lines there are; a text that ends with a line end has an empty last line.
    pub fn count(&self) -> u32 {
        self.starts.len() as u32
    }

    /// The byte at which a 1-based line begins.
    pub fn line_start(&self, line: u32) -> Option<usize> {
        let index = (line as usize).checked_sub(1)?;
        self.starts.get(index).copied()
    }

    /// The byte of a 1-based line and a 0-based byte column; `None` when it lies outside the line.
    pub fn byte(&self, line: u32, column: u32) -> Option<usize> {
        let start = self.line_start(line)?;
        let end = self.line_start(line + 1).unwrap_or(self.length);
        let byte = start + column as usize;
        (byte <= end).then_some(byte)
    }

    /// The 1-based line and the 0-based byte column of a byte.
    pub fn position(&self, byte: usize) -> (u32, u32) {
        let index = match self.starts.binary_search(&byte) {
            Ok(index) => index,
            Err(0) => 0,
            Err(after) => after - 1,
        };
        let column = byte.saturating_sub(self.starts[index]);
        (index as u32 + 1, column as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_are_bytes_and_lines_end_with_any_line_end() {
        let lines = LineIndex::new("a\r\nß = 1\rc\n");
        assert_eq!(lines.count(), 4);
        assert_eq!(lines.byte(2, 5), Some(8));
        assert_eq!(lines.position(8), (2, 5));
        assert_eq!(lines.byte(3, 0), Some(10));
        assert_eq!(lines.byte(9, 0), None);
        assert_eq!(lines.byte(1, 40), None);
    }

    #[test]
    fn a_byte_order_mark_is_not_a_column() {
        let lines = LineIndex::new("\u{feff}x = 1\n");
        assert_eq!(lines.byte(1, 0), Some(3));
    }

    proptest! {
        #[test]
        fn position_and_byte_are_inverse(text in "[a-z\u{e4}\r\n ]{0,60}", at in 0usize..60) {
            let lines = LineIndex::new(&text);
            let byte = at.min(text.len());
            let (line, column) = lines.position(byte);
            prop_assert_eq!(lines.byte(line, column), Some(byte));
        }
    }
}
