//! Base64 that comes in pieces, each padded for itself → pieces that make base64 when put together.

use base64::Engine;

use super::super::seals::BASE64;

/// What is left of the pieces so far: fewer than three bytes.
#[derive(Debug, Default)]
pub struct Aligned {
    rest: Vec<u8>,
}

impl Aligned {
    /// So much of the data as can be told without padding.
    pub fn push(&mut self, piece: String) -> String {
        if self.rest.is_empty() && piece.len().is_multiple_of(4) && !piece.ends_with('=') {
            return piece;
        }
        let Ok(bytes) = BASE64.decode(&piece) else { return piece };
        self.rest.extend(bytes);
        let whole = self.rest.len() - self.rest.len() % 3;
        let left = self.rest.split_off(whole);
        BASE64.encode(std::mem::replace(&mut self.rest, left))
    }

    /// The end of it, padded.
    pub fn finish(&mut self) -> String {
        BASE64.encode(std::mem::take(&mut self.rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_one_whole() {
        let data: Vec<u8> = (0..=255).collect();
        for size in 1..20 {
            let mut aligned = Aligned::default();
            let mut whole = String::new();
            for piece in data.chunks(size) {
                whole.push_str(&aligned.push(BASE64.encode(piece)));
            }
            whole.push_str(&aligned.finish());
            assert_eq!(whole, BASE64.encode(&data), "by {size}");
        }
    }
}
