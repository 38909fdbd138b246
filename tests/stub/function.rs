//! Plays a function as its arguments say, on a runtime of nothing but the standard library.
//!
//! In: `events` (an event's text says what to do), `requests` (the path of an HTTP event does),
//! `exit CODE` or `init-error JSON`. Out: answers over the Runtime API; what it says on purpose
//! goes to the pipe `said`, and the paths that it gets to the file `notes`, both in its working
//! folder. It checks nothing: that is for the test.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{self, Command},
    thread,
};

const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";
const INVOCATION: &str = "/2018-06-01/runtime/invocation/";

fn main() -> io::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["events"] => Runtime::connect()?.serve(obey_event),
        ["requests"] => Runtime::connect()?.serve(obey_request),
        ["exit", code] => process::exit(code.parse().map_err(io::Error::other)?),
        ["init-error", error] => Runtime::connect()?
            .ask("POST", INIT_ERROR, error.as_bytes())
            .map(drop),
        [..] => Err(io::Error::other(
            "events | requests | exit CODE | init-error JSON",
        )),
    }
}

/// The connection to the Runtime API.
struct Runtime {
    stream: BufReader<TcpStream>,
}

/// An event, or what the Runtime API says to an answer.
#[derive(Default)]
struct Reply {
    request_id: String,
    body: Vec<u8>,
}

/// How an event is answered.
enum Answer {
    Response(Vec<u8>),
    Error(Vec<u8>),
    /// A response, and right after it the end.
    Last(Vec<u8>),
}

impl Runtime {
    fn connect() -> io::Result<Self> {
        let address = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Answers event after event.
    fn serve(&mut self, obey: fn(&str) -> io::Result<Answer>) -> io::Result<()> {
        loop {
            let event = self.ask("GET", &format!("{INVOCATION}next"), b"")?;
            let answer = obey(&String::from_utf8_lossy(&event.body))?;
            let (kind, body) = match &answer {
                Answer::Response(body) | Answer::Last(body) => ("response", body),
                Answer::Error(body) => ("error", body),
            };
            let path = format!("{INVOCATION}{}/{kind}", event.request_id);
            self.ask("POST", &path, body)?;
            if matches!(answer, Answer::Last(_)) {
                process::exit(4);
            }
        }
    }

    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Reply> {
        let length = body.len();
        let mut message = format!(
            "{method} {path} HTTP/1.1\r\nhost: runtime\r\ncontent-length: {length}\r\n\r\n"
        )
        .into_bytes();
        message.extend_from_slice(body);
        self.stream.get_mut().write_all(&message)?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let (mut reply, mut line) = (Reply::default(), String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (name, value) = match line.trim_end() {
                "" => break,
                line => line.split_once(": ").unwrap_or_default(),
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    reply.body = vec![0; value.parse().map_err(io::Error::other)?];
                }
                "lambda-runtime-aws-request-id" => value.clone_into(&mut reply.request_id),
                _ => {}
            }
        }
        self.stream.read_exact(&mut reply.body)?;
        Ok(reply)
    }
}

/// Does what the event's text says; else gives it back.
fn obey_event(event: &str) -> io::Result<Answer> {
    let answer = match event {
        "exit" => process::exit(3),
        "hang" => hang(),
        "hang with a child" => {
            let child = Command::new("/bin/sh")
                .args(["-c", "read line < never"])
                .spawn()?;
            say(&child.id().to_string())?;
            hang()
        }
        "wait" => {
            say("waits")?;
            wait()?;
            "waited".to_owned()
        }
        "print" => {
            println!("to stdout");
            eprint!("to stderr, without an end");
            event.to_owned()
        }
        "pid" => process::id().to_string(),
        "version" => env::var("VERSION").map_err(io::Error::other)?,
        "answer and exit" => return Ok(Answer::Last(event.into())),
        other => other.to_owned(),
    };
    Ok(Answer::Response(answer.into_bytes()))
}

/// Does what the path of a request says, and notes it; else it answers `good`.
fn obey_request(event: &str) -> io::Result<Answer> {
    let path = text_of(event, "rawPath").unwrap_or_default();
    let body = text_of(event, "body").unwrap_or_default().into_bytes();
    note(&path)?;
    let answer = match path.as_str() {
        "/crash" => process::exit(1),
        "/slow" => hang(),
        "/answer" => body,
        "/error" => return Ok(Answer::Error(body)),
        "/bytes" => b"\xff\xfe".to_vec(),
        "/large" => format!("\"{}\"", "a".repeat(7 << 20)).into_bytes(),
        other => {
            if other == "/hold" {
                wait()?;
            }
            br#"{"statusCode": 200, "body": "good"}"#.to_vec()
        }
    };
    Ok(Answer::Response(answer))
}

/// Waits for a signal.
fn hang() -> ! {
    loop {
        thread::park();
    }
}

/// Waits until somebody has opened the pipe `go` and let go of it.
fn wait() -> io::Result<()> {
    fs::read("go").map(drop)
}

fn say(line: &str) -> io::Result<()> {
    let mut said = fs::File::options().write(true).open("said")?;
    said.write_all(format!("{line}\n").as_bytes())
}

fn note(line: &str) -> io::Result<()> {
    let mut notes = fs::File::options()
        .create(true)
        .append(true)
        .open("notes")?;
    notes.write_all(format!("{line}\n").as_bytes())
}

/// The text of a field of compact JSON. No text holds what is looked for: its quotes are escaped.
fn text_of(json: &str, field: &str) -> Option<String> {
    let key = format!("\"{field}\":\"");
    let mut letters = json[json.find(&key)? + key.len()..].chars();
    let mut text = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => text.push(escaped(&mut letters)?),
            letter => text.push(letter),
        }
    }
}

/// The letter that an escape stands for; only of the plane in which one escape is one letter.
fn escaped(letters: &mut impl Iterator<Item = char>) -> Option<char> {
    match letters.next()? {
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'u' => {
            let digits: String = letters.take(4).collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
        }
        letter => Some(letter),
    }
}
