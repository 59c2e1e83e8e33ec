//! Unit vectors that depend on nothing but the input. Each word (or token) adds to a few places that its hash names, so
//! texts that share words lie near each other and a search over them finds what one expects.

use std::borrow::Cow;

use super::script::count_words;

pub const MOST_DIMENSIONS: usize = 4096;
const PLACES_PER_WORD: u64 = 8;

/// What a vector is made of.
pub enum Input<'a> {
    Text(Cow<'a, str>),
    Tokens(Vec<u64>),
}

impl Input<'_> {
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Tokens(tokens) => tokens.is_empty(),
        }
    }

    pub fn tokens(&self) -> usize {
        match self {
            Self::Text(text) => count_words(text),
            Self::Tokens(tokens) => tokens.len(),
        }
    }

    pub fn vector(&self, dimensions: usize) -> Vec<f32> {
        let mut vector = vec![0.0; dimensions];
        // So that no input, not even one of white space, is the zero vector.
        add(&mut vector, hash(b"the simulator"), 0.1);
        match self {
            Self::Text(text) => {
                for word in text.split_whitespace() {
                    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
                    add(&mut vector, hash(word.to_lowercase().as_bytes()), 1.0);
                }
            }
            Self::Tokens(tokens) => {
                for token in tokens {
                    add(&mut vector, hash(&token.to_le_bytes()), 1.0);
                }
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|x| *x /= length);
        } else if let Some(first) = vector.first_mut() {
            // Few dimensions: what was added may have cancelled out.
            *first = 1.0;
        }
        vector
    }
}

fn add(vector: &mut [f32], hash: u64, weight: f32) {
    let dimensions = vector.len() as u64;
    for place in 0..PLACES_PER_WORD {
        let mixed = mix(hash.wrapping_add(place));
        let at = usize::try_from(mixed % dimensions).unwrap_or_default();
        let sign = if mixed >> 63 == 0 { weight } else { -weight };
        if let Some(x) = vector.get_mut(at) {
            *x += sign;
        }
    }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The finaliser of SplitMix64, which spreads neighbouring numbers over all bits.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
