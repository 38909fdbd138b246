//! The canonical form of a path, which templates and requests must share: what is matched is what
//! is authorised is what is forwarded.
//!
//! In: a path as a client or a user wrote it. Out: the same path with unreserved bytes decoded,
//! other escapes in upper-case hex, raw non-ASCII bytes escaped, and `//`, `.` and `..` resolved
//! (RFC 3986 section 6.2.2); or why it is refused. The query is no part of a path.

use std::{borrow::Cow, fmt};

/// Why a path is refused: servers behind the gateway might read it as another path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidPath {
    /// It does not start with a slash.
    NoSlash,
    /// A `%` without two hex digits behind it.
    BadEscape,
    /// An escaped slash, backslash or control byte.
    ForbiddenEscape,
    /// A raw backslash, `#`, space or control byte.
    ForbiddenByte,
    /// A `.` or `..` segment with parameters, such as `..;a`.
    DotParameter,
}

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "the path does not start with a slash",
            Self::BadEscape => "a % without two hex digits behind it",
            Self::ForbiddenEscape => "an escaped slash, backslash or control byte",
            Self::ForbiddenByte => "a backslash, #, space or control byte",
            Self::DotParameter => "a . or .. segment with parameters",
        })
    }
}

impl std::error::Error for InvalidPath {}

/// Whether the byte at `i` makes more work than copying it.
fn is_plain(bytes: &[u8], i: usize) -> bool {
    match bytes[i] {
        b'%' | b'\\' | b'#' | 0..=0x20 | 0x7f..=0xff => false,
        // Only a dot or a slash at the start of a segment can change the path's shape.
        b'.' | b'/' => i == 0 || bytes[i - 1] != b'/',
        _ => true,
    }
}

/// The canonical form of `path`.
///
/// Borrowed, in one pass, when the path is canonical already, as almost all are.
///
/// # Errors
/// [`InvalidPath`] says what is wrong.
pub fn canonical(path: &str) -> Result<Cow<'_, str>, InvalidPath> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(InvalidPath::NoSlash);
    }
    if (0..bytes.len()).all(|i| is_plain(bytes, i)) {
        return Ok(Cow::Borrowed(path));
    }
    resolve(&decode(bytes)?).map(Cow::Owned)
}

/// Decodes unreserved bytes, and brings every other escape to one form.
fn decode(bytes: &[u8]) -> Result<String, InvalidPath> {
    let mut out = String::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'%' => {
                let byte = escaped(bytes, i).ok_or(InvalidPath::BadEscape)?;
                match byte {
                    b'/' | b'\\' | 0..=0x1f | 0x7f => return Err(InvalidPath::ForbiddenEscape),
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        out.push(char::from(byte));
                    }
                    _ => push_escaped(&mut out, byte),
                }
                i += 2;
            }
            b'\\' | b'#' | 0..=0x20 | 0x7f => return Err(InvalidPath::ForbiddenByte),
            byte @ 0x80..=0xff => push_escaped(&mut out, byte),
            byte => out.push(char::from(byte)),
        }
        i += 1;
    }
    Ok(out)
}

fn escaped(bytes: &[u8], percent: usize) -> Option<u8> {
    let digit = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
    let (high, low) = (digit(percent + 1)?, digit(percent + 2)?);
    u8::try_from(high * 16 + low).ok()
}

fn push_escaped(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

/// Resolves empty, `.` and `..` segments. A trailing slash stays; `..` above the root is the root.
fn resolve(path: &str) -> Result<String, InvalidPath> {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ if segment.starts_with(".;") || segment.starts_with("..;") => {
                return Err(InvalidPath::DotParameter);
            }
            _ => kept.push(segment),
        }
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let mut out = String::with_capacity(path.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    if kept.is_empty() || matches!(last, "" | "." | "..") {
        out.push('/');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form() {
        let rows = [
            ("plain", "/a/b", "/a/b"),
            ("root", "/", "/"),
            ("trailing slash", "/a/", "/a/"),
            ("unreserved escape", "/%41%7e", "/A~"),
            ("other escape", "/a%3fb%e4", "/a%3Fb%E4"),
            ("space", "/a%20b", "/a%20b"),
            ("non-ascii", "/é", "/%C3%A9"),
            ("double slash", "//a///b//", "/a/b/"),
            ("dot", "/a/./b/.", "/a/b/"),
            ("dot dot", "/a/b/../c", "/a/c"),
            ("escaped dot dot", "/a/%2e%2E/c", "/c"),
            ("above the root", "/../../a", "/a"),
            ("to the root", "/a/..", "/"),
            ("dots in a name", "/a..b/.c/..d", "/a..b/.c/..d"),
            ("semicolon", "/a;v=1/b", "/a;v=1/b"),
            ("escaped percent", "/%252f", "/%252f"),
        ];
        for (name, path, expected) in rows {
            assert_eq!(canonical(path).as_deref(), Ok(expected), "{name}");
            assert_eq!(canonical(expected).as_deref(), Ok(expected), "{name} again");
        }
    }

    #[test]
    fn a_path_that_could_be_read_as_another_is_refused() {
        let rows = [
            ("escaped slash", "/a%2fb", InvalidPath::ForbiddenEscape),
            ("escaped backslash", "/a%5Cb", InvalidPath::ForbiddenEscape),
            ("escaped nul", "/a%00", InvalidPath::ForbiddenEscape),
            ("escaped newline", "/a%0ab", InvalidPath::ForbiddenEscape),
            ("bad escape", "/a%zz", InvalidPath::BadEscape),
            ("short escape", "/a%4", InvalidPath::BadEscape),
            ("backslash", "/a\\b", InvalidPath::ForbiddenByte),
            ("fragment", "/a#b", InvalidPath::ForbiddenByte),
            ("control", "/a\tb", InvalidPath::ForbiddenByte),
            ("dot dot parameter", "/a/..;/b", InvalidPath::DotParameter),
            (
                "escaped dot dot parameter",
                "/a/%2e%2e;x=1/b",
                InvalidPath::DotParameter,
            ),
            ("no slash", "a", InvalidPath::NoSlash),
            ("empty", "", InvalidPath::NoSlash),
        ];
        for (name, path, expected) in rows {
            assert_eq!(canonical(path), Err(expected), "{name}");
        }
    }
}
