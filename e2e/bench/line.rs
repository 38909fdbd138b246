//! A connection on which one request follows another.
//!
//! In: a port of loopback, a host, a path. Out: status and body. No more HTTP than the answers of
//! our own programs need, so that a look costs a few microseconds of the time that it measures.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection.
pub(crate) struct Line {
    stream: TcpStream,
    /// What has come and is not read yet.
    rest: Vec<u8>,
}

impl Line {
    /// Connects to `port`.
    ///
    /// # Errors
    /// Nobody listens.
    pub(crate) async fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let rest = Vec::with_capacity(4096);
        Ok(Self { stream, rest })
    }

    /// Asks for `path` of `host`.
    ///
    /// # Errors
    /// No answer, or one without a length. Any status is an answer.
    pub(crate) async fn get(&mut self, host: &str, path: &str) -> anyhow::Result<(u16, String)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let exchange = async {
            self.stream.write_all(request.as_bytes()).await?;
            self.answer().await
        };
        let answer = timeout(ANSWER, exchange).await.context("no answer")?;
        answer.with_context(|| format!("GET {path} of {host}"))
    }

    async fn answer(&mut self) -> anyhow::Result<(u16, String)> {
        let head = loop {
            if let Some(at) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let (status, length) = read_head(std::str::from_utf8(&self.rest[..head])?)?;
        while self.rest.len() < head + length {
            self.more().await?;
        }
        let body = String::from_utf8_lossy(&self.rest[head..head + length]).into_owned();
        self.rest.drain(..head + length);
        Ok((status, body))
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        let count = self.stream.read_buf(&mut self.rest).await?;
        ensure!(count > 0, "the connection ended within an answer");
        Ok(())
    }
}

/// Status and length of the body.
fn read_head(head: &str) -> anyhow::Result<(u16, usize)> {
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.context("no status")?.parse()?;
    for line in lines {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok((status, value.trim().parse()?));
        }
    }
    bail!("an answer without a length: {head}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_length() {
        let head = "HTTP/1.1 404 Not Found\r\ncontent-type: x\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(read_head(head).unwrap(), (404, 12));
        assert!(read_head("HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(read_head("").is_err());
    }
}
