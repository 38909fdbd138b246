//! Path templates: `/products/{id}`, `/files/{rest+}`.
//!
//! In: the text of a template, and the segments of the base path in front of it. Out: segments
//! whose literals are in the canonical form that requests are matched in, or what is wrong. Nothing
//! is resolved or collapsed here: `//` and `..` in a template are a slip, and its author should see
//! it.

use std::fmt;

use tollgate_snapshot::{
    path::{self, InvalidPath},
    route::Segment,
};

/// Most segments of a template, base path included.
const SEGMENTS_MAX: usize = 64;

/// Why a text is not a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum InvalidTemplate {
    Path(InvalidPath),
    /// `//`.
    EmptySegment,
    /// `.` or `..`, also escaped.
    DotSegment,
    /// A `?`.
    Query,
    /// A brace that is not the first or last byte of its segment.
    Braces(String),
    /// Braces where only literals may be.
    NotLiteral(String),
    ParameterName(String),
    Repeated(String),
    RestNotLast(String),
    TooManySegments,
}

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(invalid) => write!(f, "{invalid}"),
            Self::EmptySegment => f.write_str("an empty segment (//)"),
            Self::DotSegment => f.write_str("a . or .. segment"),
            Self::Query => f.write_str("a ? is no part of a path"),
            Self::Braces(segment) => write!(
                f,
                "{segment:?}: a parameter is a whole segment, {{name}} or {{name+}}"
            ),
            Self::NotLiteral(segment) => write!(f, "{segment:?}: no parameters here"),
            Self::ParameterName(name) => write!(
                f,
                "parameter name {name:?}: a letter or _ first, then letters, digits and _ . -"
            ),
            Self::Repeated(name) => write!(f, "parameter {name:?} appears twice"),
            Self::RestNotLast(name) => write!(f, "{{{name}+}} must be the last segment"),
            Self::TooManySegments => write!(f, "more than {SEGMENTS_MAX} segments"),
        }
    }
}

/// The segments of a template, those of the base path in front.
pub(crate) fn parse(base: &[Segment], text: &str) -> Result<Vec<Segment>, InvalidTemplate> {
    let mut segments = base.to_vec();
    for part in parts(text)? {
        if let Some(Segment::Rest(name)) = segments.last() {
            return Err(InvalidTemplate::RestNotLast(name.clone()));
        }
        let segment = segment(part)?;
        if let Some(name) = parameter(&segment)
            && segments.iter().any(|other| parameter(other) == Some(name))
        {
            return Err(InvalidTemplate::Repeated(name.to_owned()));
        }
        segments.push(segment);
        if segments.len() > SEGMENTS_MAX {
            return Err(InvalidTemplate::TooManySegments);
        }
    }
    Ok(segments)
}

/// The segments of a path without parameters.
pub(crate) fn literals(text: &str) -> Result<Vec<Segment>, InvalidTemplate> {
    let parts = parts(text)?;
    if parts.len() > SEGMENTS_MAX {
        return Err(InvalidTemplate::TooManySegments);
    }
    let literals = parts.iter().map(|part| match has_brace(part) {
        true => Err(InvalidTemplate::NotLiteral((*part).to_owned())),
        false => literal(part),
    });
    literals.collect()
}

/// A path without parameters as text, without a trailing slash; the root is empty.
pub(crate) fn literal_path(text: &str) -> Result<String, InvalidTemplate> {
    Ok(written(&literals(text)?))
}

/// Segments as text: `/a/{b}/{c+}`; none: empty.
pub(crate) fn written(segments: &[Segment]) -> String {
    let mut text = String::new();
    for segment in segments {
        text.push('/');
        match segment {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Param(name) => text.extend(["{", name, "}"]),
            Segment::Rest(name) => text.extend(["{", name, "+}"]),
        }
    }
    text
}

/// The text between the slashes; a slash at the end is dropped.
fn parts(text: &str) -> Result<Vec<&str>, InvalidTemplate> {
    let inner = text
        .strip_prefix('/')
        .ok_or(InvalidTemplate::Path(InvalidPath::NoSlash))?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() && text.len() < 2 {
        return Ok(Vec::new());
    }
    Ok(inner.split('/').collect())
}

fn segment(part: &str) -> Result<Segment, InvalidTemplate> {
    if !has_brace(part) {
        return literal(part);
    }
    let inner = part
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .filter(|inner| !has_brace(inner))
        .ok_or_else(|| InvalidTemplate::Braces(part.to_owned()))?;
    match inner.strip_suffix('+') {
        Some(name) => Ok(Segment::Rest(parameter_name(name)?)),
        None => Ok(Segment::Param(parameter_name(inner)?)),
    }
}

fn literal(part: &str) -> Result<Segment, InvalidTemplate> {
    if part.is_empty() {
        return Err(InvalidTemplate::EmptySegment);
    }
    if part.contains('?') {
        return Err(InvalidTemplate::Query);
    }
    let slashed = format!("/{part}");
    let canonical = path::canonical(&slashed).map_err(InvalidTemplate::Path)?;
    match canonical.get(1..) {
        None | Some("") => Err(InvalidTemplate::DotSegment),
        Some(literal) => Ok(Segment::Literal(literal.to_owned())),
    }
}

fn parameter_name(name: &str) -> Result<String, InvalidTemplate> {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let inner = |byte: u8| letter(byte) || byte.is_ascii_digit() || byte == b'.' || byte == b'-';
    if name.bytes().next().is_some_and(letter) && name.bytes().all(inner) {
        Ok(name.to_owned())
    } else {
        Err(InvalidTemplate::ParameterName(name.to_owned()))
    }
}

fn parameter(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Literal(_) => None,
        Segment::Param(name) | Segment::Rest(name) => Some(name),
    }
}

fn has_brace(part: &str) -> bool {
    part.contains(['{', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_segments_in_canonical_form() {
        let rows = [
            ("root", "/", ""),
            ("literals", "/a/b", "/a/b"),
            ("trailing slash", "/a/b/", "/a/b"),
            ("parameter", "/a/{id}", "/a/{id}"),
            ("rest", "/a/{rest+}", "/a/{rest+}"),
            ("non-ascii", "/é", "/%C3%A9"),
            ("unreserved escape", "/%41", "/A"),
            ("dots in a name", "/a..b/.c", "/a..b/.c"),
        ];
        for (name, text, expected) in rows {
            let parsed = parse(&[], text).map(|segments| written(&segments));
            assert_eq!(parsed.as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn a_slip_in_a_template_is_refused_and_never_repaired() {
        use InvalidTemplate as Invalid;
        let rows = [
            ("no slash", "a", Invalid::Path(InvalidPath::NoSlash)),
            ("empty", "", Invalid::Path(InvalidPath::NoSlash)),
            ("double slash", "/a//b", Invalid::EmptySegment),
            ("two slashes", "//", Invalid::EmptySegment),
            ("double slash at the end", "/a//", Invalid::EmptySegment),
            ("dot", "/a/./b", Invalid::DotSegment),
            ("escaped dot dot", "/%2e%2E/b", Invalid::DotSegment),
            ("query", "/a?b=c", Invalid::Query),
            (
                "escaped slash",
                "/a%2Fb",
                Invalid::Path(InvalidPath::ForbiddenEscape),
            ),
            ("partial", "/v{n}", Invalid::Braces("v{n}".into())),
            ("unclosed", "/{n", Invalid::Braces("{n".into())),
            ("two in one", "/{a}{b}", Invalid::Braces("{a}{b}".into())),
            ("no name", "/{}", Invalid::ParameterName("".into())),
            ("digit first", "/{1a}", Invalid::ParameterName("1a".into())),
            ("space", "/{a b}", Invalid::ParameterName("a b".into())),
            ("repeated", "/{a}/{a}", Invalid::Repeated("a".into())),
            ("rest inside", "/{a+}/b", Invalid::RestNotLast("a".into())),
        ];
        for (name, text, expected) in rows {
            assert_eq!(parse(&[], text), Err(expected), "{name}");
        }
    }

    #[test]
    fn a_template_has_at_most_64_segments_with_its_base_path() {
        let base = literals(&"/a".repeat(60)).unwrap();
        assert!(parse(&base, "/b/c/d/e").is_ok());
        let invalid = parse(&base, "/b/c/d/e/f");
        assert_eq!(invalid, Err(InvalidTemplate::TooManySegments));
    }

    #[test]
    fn a_literal_path_takes_no_parameters() {
        assert_eq!(literal_path("/api/").as_deref(), Ok("/api"));
        assert_eq!(literal_path("/").as_deref(), Ok(""));
        assert!(literal_path("/{id}").is_err());
    }
}
