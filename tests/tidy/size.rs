//! How long files, functions and lines may be, and which are the longest.

use std::io::{Write, stdout};

use crate::{
    none_wrong,
    source::{Source, rust},
};

/// Lines of a file without and with the tests at its end.
const FILE_LINES_MAX: usize = 500;
const FILE_WITH_TESTS_LINES_MAX: usize = 800;

/// Lines of a function that is no test.
const FUNCTION_LINES_MAX: usize = 70;

/// Columns of a line.
const COLUMNS_MAX: usize = 100;

#[test]
fn no_file_is_longer_than_one_subject_needs() {
    let mut wrong = Vec::new();
    for source in rust() {
        let (without, with) = (source.lines_without_tests(), source.text.lines().count());
        // A file below `tests/` is all tests.
        let is_test = source.path.starts_with("tests/") || source.path.contains("/tests");
        if (without > FILE_LINES_MAX && !is_test) || with > FILE_WITH_TESTS_LINES_MAX {
            wrong.push(format!(
                "{}: {without} lines, with tests {with}",
                source.path
            ));
        }
    }
    none_wrong(wrong);
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut wrong = Vec::new();
    for source in rust() {
        let functions = source.functions();
        let long = functions
            .iter()
            .filter(|f| !f.is_test && f.lines > FUNCTION_LINES_MAX);
        wrong.extend(long.map(|f| {
            let (path, lines) = (&source.path, f.lines);
            format!("{path}:{}: {} has {lines} lines", f.line, f.name)
        }));
    }
    none_wrong(wrong);
}

#[test]
fn no_line_is_wider_than_a_page() {
    let mut wrong = Vec::new();
    for source in rust() {
        for (i, (line, code)) in source.text.lines().zip(source.code.lines()).enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX && !may_be_wide(line, code) {
                wrong.push(format!("{}:{}: {columns} columns", source.path, i + 1));
            }
        }
    }
    none_wrong(wrong);
}

/// A literal and an address can't be broken.
fn may_be_wide(line: &str, code: &str) -> bool {
    let is_comment = line.trim_start().starts_with("//");
    if is_comment {
        line.contains("://")
    } else {
        code.contains('"') && code.chars().count() <= COLUMNS_MAX
    }
}

/// Says which are the longest, past the capture of the test's output: whoever runs the tests sees
/// it.
#[test]
fn the_longest_are_known() {
    let sources = rust();
    let mut files: Vec<_> = sources
        .iter()
        .map(|s| (s.lines_without_tests(), &s.path))
        .collect();
    files.sort_unstable_by(|one, other| other.cmp(one));
    let mut functions: Vec<_> = sources.iter().flat_map(longest).collect();
    functions.sort_unstable_by(|one, other| other.cmp(one));
    assert!(files.len() >= 10 && functions.len() >= 10);
    let mut text = String::from("\nlongest files, without their tests:\n");
    for (lines, path) in &files[..10] {
        text.push_str(&format!("{lines:5} {path}\n"));
    }
    text.push_str("longest functions that are no tests:\n");
    for (lines, place) in &functions[..10] {
        text.push_str(&format!("{lines:5} {place}\n"));
    }
    stdout().write_all(text.as_bytes()).unwrap();
}

fn longest(source: &Source) -> Vec<(usize, String)> {
    let functions = source.functions().into_iter().filter(|f| !f.is_test);
    functions
        .map(|f| (f.lines, format!("{}:{} {}", source.path, f.line, f.name)))
        .collect()
}
