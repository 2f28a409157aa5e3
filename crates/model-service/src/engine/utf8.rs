//! Puts tokens' bytes together into text. A token may end in the middle of a character; its bytes wait for the rest.

/// Turns a stream of bytes into text, piece by piece. What can never become a character turns into U+FFFD.
#[derive(Debug, Default)]
pub struct Utf8Assembler {
    /// The beginning of a character, at most three bytes.
    pending: Vec<u8>,
}

impl Utf8Assembler {
    /// The text that is complete once `bytes` have arrived.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    match error.error_len() {
                        Some(broken) => {
                            text.push(char::REPLACEMENT_CHARACTER);
                            rest = rest.get(broken..).unwrap_or_default();
                        }
                        None => break,
                    }
                }
            }
        }
        self.pending = rest.to_vec();
        text
    }

    /// The text of what is left when nothing more comes: nothing, or U+FFFD for a character that was cut.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_bytes_become_replacement_characters() {
        let mut assembler = Utf8Assembler::default();
        assert_eq!(assembler.push(&[b'a', 0xff, b'b']), "a\u{fffd}b");
        assert_eq!(assembler.push(&[0xe2, 0x82]), "");
        assert_eq!(assembler.finish(), "\u{fffd}");
        assert_eq!(assembler.finish(), "");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_text(text in "\\PC{0,40}", cuts in prop::collection::vec(1usize..5, 0..60)) {
            let mut assembler = Utf8Assembler::default();
            let mut out = String::new();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                out.push_str(&assembler.push(now));
                rest = later;
            }
            out.push_str(&assembler.push(rest));
            out.push_str(&assembler.finish());
            prop_assert_eq!(out, text);
        }

        #[test]
        fn arbitrary_bytes_equal_a_lossy_conversion(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut assembler = Utf8Assembler::default();
            let mut out = String::new();
            for byte in &bytes {
                out.push_str(&assembler.push(std::slice::from_ref(byte)));
            }
            out.push_str(&assembler.finish());
            prop_assert_eq!(out, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
