//! Text in tokens: cut where a stream cuts it, and counted.

use serde_json::Value;

/// A text that knows where a stream cuts it.
#[derive(Debug, Default)]
pub struct Pieces {
    text: String,
    ends: Vec<usize>,
}

impl Pieces {
    /// A word is a piece, with the white space before it.
    pub fn words(text: String) -> Self {
        let mut ends = Vec::with_capacity(text.len() / 4);
        let mut in_word = false;
        for (at, byte) in text.bytes().enumerate() {
            let space = byte.is_ascii_whitespace();
            if space && in_word {
                ends.push(at);
            }
            in_word = !space;
        }
        Self::closed(text, ends)
    }

    pub fn json(value: &Value) -> Self {
        let text = value.to_string();
        let mut ends = Vec::new();
        for (at, byte) in text.bytes().enumerate() {
            if matches!(byte, b',' | b':' | b' ') {
                ends.push(at + 1);
            }
        }
        Self::closed(text, ends)
    }

    fn closed(text: String, mut ends: Vec<usize>) -> Self {
        if ends.last().copied().unwrap_or_default() < text.len() {
            ends.push(text.len());
        }
        Self { text, ends }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().filter_map(move |&end| {
            let piece = self.text.get(start..end);
            start = end;
            piece
        })
    }

    /// Whether anything had to go.
    pub fn truncate(&mut self, most: usize) -> bool {
        if self.ends.len() <= most {
            return false;
        }
        self.ends.truncate(most);
        self.text.truncate(self.ends.last().copied().unwrap_or_default());
        true
    }

    pub fn stop_before(&mut self, at: usize) {
        self.text.truncate(at);
        self.ends.retain(|&end| end < at);
        if at > 0 {
            self.ends.push(at);
        }
    }
}

/// Words by ASCII white space. A prompt may be long, so it is written for the compiler to count many bytes at a time:
/// a word starts where a space is followed by something else.
pub fn count_words(text: &str) -> usize {
    /// Few enough for their sum to fit a byte.
    const AT_A_TIME: usize = 128;

    let bytes = text.as_bytes();
    let (Some(first), Some(after)) = (bytes.first(), bytes.get(1..)) else {
        return 0;
    };
    let starts = |(bytes, after): (&[u8], &[u8])| {
        let pairs = bytes.iter().zip(after);
        let starts = pairs.map(|(left, right)| u8::from(is_space(*left) & !is_space(*right)));
        usize::from(starts.sum::<u8>())
    };
    let blocks = bytes.chunks(AT_A_TIME).zip(after.chunks(AT_A_TIME));
    usize::from(!is_space(*first)) + blocks.map(starts).sum::<usize>()
}

fn is_space(byte: u8) -> bool {
    (byte == b' ') | (byte.wrapping_sub(b'\t') < 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_text() {
        for text in ["", " ", "a", " a  b ", "a\nb c"] {
            let pieces = Pieces::words(text.to_owned());
            assert_eq!(pieces.iter().collect::<String>(), text);
        }
        let value = serde_json::json!({"a": [1, "b c"], "d": {}});
        let pieces = Pieces::json(&value);
        assert_eq!(pieces.iter().collect::<String>(), value.to_string());
        assert!(pieces.len() > 3);
    }

    #[test]
    fn words_are_counted_across_blocks() {
        for text in ["", " ", "a", " a ", "a b", "a\n\tb  c\r\n"] {
            assert_eq!(count_words(text), text.split_ascii_whitespace().count());
        }
        for length in [127, 128, 129, 1000] {
            for unit in ["ab ", "abcde", " x  y"] {
                let text: String = unit.chars().cycle().take(length).collect();
                assert_eq!(count_words(&text), text.split_ascii_whitespace().count());
            }
        }
    }
}
