//! An error with its causes, in one line: the outermost alone says little, such as "transport
//! error".

use std::error::Error;

/// What an error says, and each of those that it came from.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
