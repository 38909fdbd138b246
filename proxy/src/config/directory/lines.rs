//! Field paths to lines: where in a file a field stands.
//!
//! In: the text of a file, through the events of the parser that also reads it. Out: the line of a
//! field, else that of the nearest field above it, else that of the document. It is made only when
//! a problem is printed; objects do not carry lines.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser};
use serde_json::Deserializer;

use super::document::{KEY_MAX, Place};

/// How often a look-up follows `<<`: a merge key can name a mapping that has one itself.
const MERGES_MAX: usize = 8;

/// The lines of all fields of a file.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The documents, in the order of the file.
    roots: Vec<Entry>,
    nodes: Vec<Node>,
}

/// One place where a node stands. An alias stands elsewhere than its node.
#[derive(Clone, Copy, Debug)]
struct Entry {
    line: usize,
    node: usize,
}

#[derive(Debug)]
enum Node {
    Scalar,
    Mapping(Vec<(String, Entry)>),
    Sequence(Vec<Entry>),
}

/// One step of a field path.
#[derive(Debug, Eq, PartialEq)]
enum Step {
    Field(String),
    Index(usize),
}

impl Lines {
    /// Reads a text as far as it can be parsed.
    pub(super) fn read(text: &str) -> Self {
        let options = granit_parser::options! { simple_key_max_lookahead: KEY_MAX };
        let mut reader = Reader::default();
        for event in Parser::new_from_str_with_options(text, options) {
            let Ok((event, span)) = event else { break };
            reader.take(event, span.start.line());
        }
        reader.lines
    }

    /// The line of a field of the object at `place`, from 1.
    pub(super) fn find(&self, place: &Place, field: &str) -> usize {
        let after = self.roots.partition_point(|root| root.line <= place.line);
        let Some(root) = after.checked_sub(1).and_then(|last| self.roots.get(last)) else {
            return place.line;
        };
        let mut at = *root;
        for step in steps(&place.within).into_iter().chain(steps(field)) {
            match self.below(at.node, &step, MERGES_MAX) {
                Some(entry) => at = entry,
                None => break,
            }
        }
        at.line
    }

    fn below(&self, node: usize, step: &Step, merges: usize) -> Option<Entry> {
        match (self.nodes.get(node)?, step) {
            (Node::Sequence(items), Step::Index(index)) => items.get(*index).copied(),
            (Node::Mapping(fields), Step::Field(name)) => {
                let field = |name: &str| fields.iter().find(|(known, _)| known == name);
                match field(name) {
                    Some((_, entry)) => Some(*entry),
                    None => self.merged(field("<<")?.1.node, step, merges.checked_sub(1)?),
                }
            }
            // A mapping's key may be all digits.
            (Node::Mapping(_), Step::Index(index)) => {
                self.below(node, &Step::Field(index.to_string()), merges)
            }
            (Node::Scalar | Node::Sequence(_), _) => None,
        }
    }

    /// A field of what a merge key names: a mapping or several.
    fn merged(&self, node: usize, step: &Step, merges: usize) -> Option<Entry> {
        match self.nodes.get(node)? {
            Node::Sequence(items) => items
                .iter()
                .find_map(|item| self.below(item.node, step, merges)),
            Node::Mapping(_) => self.below(node, step, merges),
            Node::Scalar => None,
        }
    }
}

/// A field path such as `spec.rules[2].headers["a.b"]`, as far as it is one.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while let Some((step, after)) = first_step(rest) {
        steps.push(step);
        rest = after;
    }
    steps
}

fn first_step(path: &str) -> Option<(Step, &str)> {
    if let Some(quoted) = path.strip_prefix("[\"").map(|_| &path[1..]) {
        let mut texts = Deserializer::from_str(quoted).into_iter::<String>();
        let name = texts.next()?.ok()?;
        let after = quoted.get(texts.byte_offset()..)?.strip_prefix(']')?;
        return Some((Step::Field(name), after));
    }
    if let Some(index) = path.strip_prefix('[') {
        let (digits, after) = index.split_once(']')?;
        return Some((Step::Index(digits.parse().ok()?), after));
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, after) = path.split_at(end);
    (!name.is_empty()).then(|| (Step::Field(name.to_owned()), after))
}

/// Builds [`Lines`] from events.
#[derive(Default)]
struct Reader {
    lines: Lines,
    open: Vec<Open>,
    anchors: BTreeMap<usize, usize>,
}

/// A collection whose end is still to come.
struct Open {
    node: usize,
    /// In a mapping, the key whose value is still to come, and its line.
    key: Option<(String, usize)>,
}

impl Reader {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest carries no nodes; the parser may get more of it"
    )]
    fn take(&mut self, event: Event<'_>, line: usize) {
        match event {
            Event::Scalar(text, _, anchor, _) => {
                self.add(Node::Scalar, anchor, line, &text);
            }
            Event::SequenceStart(_, anchor, _) => {
                let node = self.add(Node::Sequence(Vec::new()), anchor, line, "");
                self.open.push(Open { node, key: None });
            }
            Event::MappingStart(_, anchor, _) => {
                let node = self.add(Node::Mapping(Vec::new()), anchor, line, "");
                self.open.push(Open { node, key: None });
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).copied();
                let node = node.unwrap_or_else(|| self.push(Node::Scalar));
                self.attach(Entry { line, node }, "");
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            _ => {}
        }
    }

    fn add(&mut self, node: Node, anchor: usize, line: usize, text: &str) -> usize {
        let node = self.push(node);
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        self.attach(Entry { line, node }, text);
        node
    }

    fn push(&mut self, node: Node) -> usize {
        self.lines.nodes.push(node);
        self.lines.nodes.len() - 1
    }

    /// Puts a node into the innermost open collection; `text` is its key when it stands for one.
    fn attach(&mut self, entry: Entry, text: &str) {
        let Some(open) = self.open.last_mut() else {
            return self.lines.roots.push(entry);
        };
        match self.lines.nodes.get_mut(open.node) {
            Some(Node::Sequence(items)) => items.push(entry),
            Some(Node::Mapping(fields)) => match open.key.take() {
                None => open.key = Some((text.to_owned(), entry.line)),
                Some((name, line)) => {
                    let node = entry.node;
                    fields.push((name, Entry { line, node }));
                }
            },
            Some(Node::Scalar) | None => {}
        }
    }
}

#[cfg(test)]
mod tests;
