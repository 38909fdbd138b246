//! The files of the repository as the rules read them.
//!
//! In: the folder. Out: files with their text and, of Rust, the code without comments and literals,
//! and its functions. It is no parser: it knows just enough of Rust's letters to count braces.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One text file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root of the repository, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Rust without comments and with empty literals, line by line as the text; else empty.
    pub(crate) code: String,
}

/// A function with a body.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Its first line, from 1.
    pub(crate) line: usize,
    /// How many lines it has, from its `fn` to its closing brace.
    pub(crate) lines: usize,
    /// Whether it is a test: its rows are data.
    pub(crate) is_test: bool,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All text files, in the order of their paths: no build output, nothing that git ignores.
pub(crate) fn all() -> Vec<Source> {
    let mut sources = Vec::new();
    walk(&root(), "", &mut sources);
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

/// All Rust files.
pub(crate) fn rust() -> Vec<Source> {
    let mut sources = all();
    sources.retain(|source| source.path.ends_with(".rs"));
    sources
}

fn walk(folder: &Path, prefix: &str, sources: &mut Vec<Source>) {
    // Cargo marks its target folders, wherever they are.
    let ignored = [
        "examples/products/bin",
        "examples/products/data",
        "fuzz/corpus",
        ".git",
    ];
    if folder.join("CACHEDIR.TAG").exists() || ignored.contains(&prefix) {
        return;
    }
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(&entry.path(), &path, sources);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            let code = if path.ends_with(".rs") {
                code(&text)
            } else {
                String::new()
            };
            sources.push(Source { path, text, code });
        }
    }
}

impl Source {
    /// The file's name without folder and extension.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// How many lines stand before the tests at the end of the file.
    pub(crate) fn lines_without_tests(&self) -> usize {
        let tests = |line: &str| line == "#[cfg(test)]";
        let count = self.code.lines().count();
        self.code.lines().position(tests).unwrap_or(count)
    }

    /// The code before the tests at the end of the file.
    pub(crate) fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines().take(self.lines_without_tests()))
    }

    /// Its functions, nested ones too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            let (before, after) = (&self.code[..at], &self.code[at + 3..]);
            let name: String = after.chars().take_while(|c| is_word(*c)).collect();
            if name.is_empty() || before.ends_with(is_word) {
                continue;
            }
            let Some(end) = body_end(after) else { continue };
            functions.push(Function {
                name,
                line: before.matches('\n').count() + 1,
                lines: after[..end].matches('\n').count() + 1,
                is_test: attributes(before).contains("test]"),
            });
        }
        functions
    }
}

/// Whether `text` has `word` with nothing around it that would make it another word.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let after = &text[at + word.len()..];
        !(text[..at].ends_with(is_word) || word.ends_with(is_word) && after.starts_with(is_word))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What stands between the item before a function and the function.
fn attributes(before: &str) -> &str {
    let start = before.rfind(['}', '{', ';']).map_or(0, |at| at + 1);
    &before[start..]
}

/// Where the body ends that follows a function's name; none: it has none.
fn body_end(after: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_body = false;
    for (at, c) in after.char_indices() {
        match c {
            '{' if depth == 0 => {
                in_body = true;
                depth += 1;
            }
            ';' if depth == 0 => return None,
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && in_body {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The code of a text: comments are gone, literals are empty, lines are kept.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_word = out.ends_with(is_word);
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest).filter(|_| !after_word) {
            length
        } else if c == '"' {
            string(rest)
        } else if c == '\'' {
            character(rest)
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        if !rest.starts_with('/') {
            out.push_str("\"\"");
        }
        out.extend(rest[..skipped].matches('\n'));
        rest = &rest[skipped..];
    }
    out
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let step = match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => {
                depth += 1;
                2
            }
            Some(b"*/") => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a raw string at the start of `text`.
fn raw_string(text: &str) -> Option<usize> {
    let inner = text
        .strip_prefix(['b', 'c'])
        .unwrap_or(text)
        .strip_prefix('r')?;
    let quoted = inner.trim_start_matches('#');
    let hashes = inner.len() - quoted.len();
    let body = quoted.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end)? + end.len();
    Some(text.len() - body.len() + length)
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal, or of the quote of a lifetime.
fn character(text: &str) -> usize {
    let inner = &text[1..];
    if inner.starts_with('\\') {
        return inner[2..].find('\'').map_or(1, |end| end + 4);
    }
    let Some(c) = inner.chars().next() else {
        return 1;
    };
    let end = 1 + c.len_utf8();
    if text[end..].starts_with('\'') {
        end + 1
    } else {
        1
    }
}

mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            path: "a/b.rs".into(),
            text: text.into(),
            code: code(text),
        }
    }

    #[test]
    fn code_has_no_comments_and_no_literals() {
        let rows = [
            ("line comment", "a // {\nb", "a \nb"),
            ("nested block comment", "a /* { /* */\n */ b", "a \n b"),
            ("string", r#"a "\"{" b"#, r#"a "" b"#),
            ("string over lines", "a \"{\n{\" b", "a \"\"\n b"),
            ("raw string", "a r#\"{\"{\"# b", "a \"\" b"),
            ("byte string", "a br\"{\\\" b", "a \"\" b"),
            ("brace as a character", "a '{' b", "a \"\" b"),
            ("escaped quote", r"a '\'' '\u{7b}' b", "a \"\" \"\" b"),
            ("lifetime", "a<'b> {", "a<\"\"b> {"),
            ("a name that ends in r", "for\"{\"", "for\"\""),
        ];
        for (name, text, expected) in rows {
            assert_eq!(code(text), expected, "{name}");
        }
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let text = "trait A {\n fn none(&self) -> [u8; 2];\n}\n#[test]\nfn one() {\n \"}\"\n}\n\
                    pub fn two<'a>(x: fn(u8)) -> impl Fn(u8)\nwhere\n{\n {}\n fn in_two() {}\n}\n";
        let found = source(text).functions();
        let found: Vec<_> = found
            .iter()
            .map(|f| (f.name.as_str(), f.line, f.lines, f.is_test))
            .collect();
        let expected = [
            ("one", 5, 3, true),
            ("two", 8, 6, false),
            ("in_two", 12, 1, false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn tests_at_the_end_are_no_production_code() {
        let source = source("a\nb\n#[cfg(test)]\nmod tests {}\n");
        assert_eq!(source.lines_without_tests(), 2);
        assert_eq!(source.production().last(), Some((2, "b")));
        assert_eq!(source.stem(), "b");
    }

    #[test]
    fn a_word_is_found_whole() {
        assert!(has_word("use crate::config;", "config"));
        assert!(has_word("fs::read", "fs::"));
        assert!(!has_word("offs::read", "fs::"));
        assert!(!has_word("reconfigure config_path", "config"));
    }
}
