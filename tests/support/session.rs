//! A client that keeps its connection: one request after the other, each answer read to its end.
//!
//! In: requests. Out: answers, or what broke the connection: a test decides what that means.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::{client::Reply, gateway::DEADLINE};

/// A connection.
pub struct Session {
    stream: BufReader<TcpStream>,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// When there is no connection to be had.
    pub fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Connects.
    ///
    /// # Panics
    /// When there is no connection to be had.
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap()
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Asks for a path of the host `a.example`.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn ask(&mut self, path: &str) -> io::Result<()> {
        self.write(format!("GET {path} HTTP/1.1\r\nhost: a.example\r\n\r\n"))
    }

    /// Asks for a path of the host `a.example`, and reads the answer.
    ///
    /// # Errors
    /// When the connection is broken before the answer has ended.
    pub fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.ask(path)?;
        self.reply()
    }

    /// Reads an answer to a method other than HEAD.
    ///
    /// # Errors
    /// When the connection is broken before the answer has ended.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut reply = self.head()?;
        reply.body = self.body(&reply)?;
        Ok(reply)
    }

    /// Reads the head of an answer.
    ///
    /// # Errors
    /// When the connection is broken before it has ended.
    pub fn head(&mut self) -> io::Result<Reply> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Reply::parse(&head))
    }

    fn body(&mut self, reply: &Reply) -> io::Result<String> {
        let chunked = reply.header("transfer-encoding") == Some("chunked");
        let mut body = Vec::new();
        if matches!(reply.status, 204 | 304) {
        } else if let Some(length) = reply.header("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.stream.read_exact(&mut body)?;
        } else if chunked {
            while let Some(chunk) = self.chunk()? {
                body.extend(chunk);
            }
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Reads one chunk of a body; none: the last one, with its trailers.
    ///
    /// # Errors
    /// When the connection is broken before it has ended.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut size = String::new();
        self.stream.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| ErrorKind::InvalidData)?;
        if size == 0 {
            let mut trailers = String::new();
            while !trailers.ends_with("\r\n\r\n") && trailers != "\r\n" {
                self.stream.read_line(&mut trailers)?;
            }
            return Ok(None);
        }
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk)?;
        chunk.truncate(size);
        Ok(Some(chunk))
    }

    /// Reads as many bytes.
    ///
    /// # Errors
    /// When the connection is broken before.
    pub fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads what comes until the other end closes, as it is on the wire.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn rest(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether the other end closes the connection without another byte.
    pub fn is_closed_silently(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0))
    }
}
