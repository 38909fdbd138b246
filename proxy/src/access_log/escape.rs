//! Text from clients, made harmless: inside quotes of JSON and on a terminal alike.
//!
//! In: text or bytes. Out: the same as valid UTF-8 with quotes, backslashes and control characters
//! escaped as JSON does (RFC 8259 section 7), including DEL and U+0080 to U+009F, which terminals
//! obey.

/// Most bytes of a text that a client chose.
const CAP: usize = 2048;

/// Appends text.
pub(super) fn push(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Nearly every text is clean. Looking at all of it without a way out early is what the compiler
    // makes vector instructions of.
    let clean = bytes
        .iter()
        .fold(true, |clean, byte| clean & is_clean(*byte));
    if clean {
        out.extend_from_slice(bytes);
    } else {
        text.chars().for_each(|c| push_char(out, c));
    }
}

/// Whether a byte needs no escape. 0xc2 begins U+0080 to U+00BF, so that it may.
fn is_clean(byte: u8) -> bool {
    (byte >= 0x20) & (byte != b'"') & (byte != b'\\') & (byte != 0x7f) & (byte != 0xc2)
}

fn push_char(out: &mut Vec<u8>, c: char) {
    match u8::try_from(c) {
        Ok(byte @ (b'"' | b'\\')) => out.extend_from_slice(&[b'\\', byte]),
        Ok(byte) if c.is_control() => push_escaped(out, byte),
        Ok(_) | Err(_) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u00");
    out.push(HEX[usize::from(byte >> 4)]);
    out.push(HEX[usize::from(byte & 15)]);
}

/// Appends the first 2 KiB of text, then `…` if there was more.
pub(super) fn push_capped(out: &mut Vec<u8>, text: &str) {
    match text.split_at_checked(boundary(text.as_bytes())) {
        Some((head, rest)) if !rest.is_empty() => {
            push(out, head);
            push(out, "…");
        }
        Some(_) | None => push(out, text),
    }
}

/// As [`push_capped`], of bytes; what is no UTF-8 becomes U+FFFD.
pub(super) fn push_bytes_capped(out: &mut Vec<u8>, bytes: &[u8]) {
    let (head, rest) = bytes.split_at(boundary(bytes));
    for chunk in head.utf8_chunks() {
        push(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            push(out, "\u{fffd}");
        }
    }
    if !rest.is_empty() {
        push(out, "…");
    }
}

/// Where to cut: at the cap, or up to three bytes before it where a character begins.
fn boundary(bytes: &[u8]) -> usize {
    if bytes.len() <= CAP {
        return bytes.len();
    }
    let begins = |at: &usize| bytes[*at] & 0xc0 != 0x80;
    (CAP - 3..=CAP).rev().find(begins).unwrap_or(CAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capped(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        push_bytes_capped(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_could_break_a_line_is_escaped() {
        let rows: [(&str, &[u8], &str); 11] = [
            ("plain", b"curl/8", "curl/8"),
            ("quote", br#"a"b"#, r#"a\"b"#),
            ("backslash", br"a\b", r"a\\b"),
            ("newline", b"a\nb", r"a\u000ab"),
            ("nul at the end", b"a\0", r"a\u0000"),
            ("escape sequence", b"\x1b[2J", r"\u001b[2J"),
            ("del", b"\x7f", r"\u007f"),
            ("c1", "\u{9b}x".as_bytes(), r"\u009bx"),
            ("latin letters stay", "£é".as_bytes(), "£é"),
            ("invalid utf-8", b"a\xffb", "a\u{fffd}b"),
            ("half a character", b"a\xc2", "a\u{fffd}"),
        ];
        for (name, bytes, expected) in rows {
            assert_eq!(capped(bytes), expected, "{name}");
        }
    }

    #[test]
    fn json_reads_back_what_was_written() {
        let all: String = (0..0x300).filter_map(char::from_u32).collect();
        let json = format!("\"{}\"", capped(all.as_bytes()));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), all);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let rows = [
            ("fits", "x".repeat(2048), "x".repeat(2048)),
            ("one more", "x".repeat(2049), "x".repeat(2048) + "…"),
            ("cut at two bytes", "é".repeat(1025), "é".repeat(1024) + "…"),
            (
                "would cut three bytes",
                "€".repeat(700),
                "€".repeat(682) + "…",
            ),
            (
                "would cut four bytes",
                "x".to_owned() + &"😀".repeat(600),
                { "x".to_owned() + &"😀".repeat(511) + "…" },
            ),
        ];
        for (name, text, expected) in rows {
            assert_eq!(capped(text.as_bytes()), expected, "{name}");
            let mut out = Vec::new();
            push_capped(&mut out, &text);
            assert_eq!(out, expected.as_bytes(), "{name} as text");
        }
    }
}
