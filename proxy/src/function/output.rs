//! What a function writes to stdout and stderr, line by line, into our log.

use tokio::io::{AsyncRead, AsyncReadExt};
use tollgate_snapshot::ObjectName;

/// Longest line in the log; a longer one is logged in pieces.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Logs what comes out of `pipe`, to its end, under target `function`.
pub(super) async fn log(
    mut pipe: impl AsyncRead + Unpin,
    function: ObjectName,
    stream: &'static str,
) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 8 * 1024];
    let write = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        tracing::info!(target: "function", %function, stream, "{line}");
    };
    loop {
        match pipe.read(&mut buffer).await {
            // A pipe that can't be read has nothing more to say.
            Ok(0) | Err(_) => break,
            Ok(count) => lines.feed(&buffer[..count], write),
        }
    }
    lines.finish(write);
}

/// Bytes, put together to lines.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, mut bytes: &[u8], mut write: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let room = &bytes[..bytes.len().min(LINE_BYTES_MAX - self.partial.len())];
            let end = room.iter().position(|byte| *byte == b'\n');
            self.partial
                .extend_from_slice(&room[..end.unwrap_or(room.len())]);
            bytes = &bytes[end.map_or(room.len(), |end| end + 1)..];
            if end.is_some() || self.partial.len() == LINE_BYTES_MAX {
                let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
                write(line);
                self.partial.clear();
            }
        }
    }

    /// The last line may lack its end.
    fn finish(self, mut write: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            write(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut all = Vec::new();
        let mut write = |line: &[u8]| all.push(String::from_utf8_lossy(line).into_owned());
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.feed(chunk, &mut write);
        }
        lines.finish(&mut write);
        all
    }

    #[test]
    fn lines_come_whole_however_they_were_written() {
        assert_eq!(
            lines_of(&[b"one\ntw", b"o\r\n\nthree"]),
            ["one", "two", "", "three"]
        );
        assert!(lines_of(&[b""]).is_empty());
    }

    #[test]
    fn a_line_beyond_the_limit_comes_in_pieces() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        let lines = lines_of(&[&long, b"\nnext\n"]);
        let lengths: Vec<_> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, [LINE_BYTES_MAX, 1, 4]);
    }
}
