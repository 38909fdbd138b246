//! The Lambda Runtime API of one process: an HTTP/1.1 server on a loopback port of its own.
//!
//! In: what the runtime asks and posts. Out: events for it, answers for the queue. Each process has
//! its own port, so that what an earlier one left in a socket can't reach a later one. Streamed
//! responses are read whole.
//!
//! The protocol is that of AWS's "Building a custom runtime" and of its emulator; where it leaves
//! room, the stricter reading holds: one slot, free at the next `/next` only.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use super::{
    CallError,
    attempt::Attempt,
    environment::Environment,
    queue::{Answer, ConnectionId, InitError, Next, Recipient},
};

/// Largest answer: AWS's 6 MiB and the 100 bytes that its emulator adds.
const ANSWER_MAX: usize = 6 * 1024 * 1024 + 100;
/// Largest head: an X-Ray cause, in one header field, may have nearly 1 MiB.
const HEAD_MAX: usize = 2 * 1024 * 1024;
/// How long what a process left in its sockets may take to be read once it is gone.
const LEFTOVERS_MAX: Duration = Duration::from_millis(200);
/// Pause after a failed accept (such as too many open files), which would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";

/// A Runtime API that is served.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    /// Where it is.
    pub(super) address: SocketAddr,
    closing: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// Serves an environment on a free loopback port.
    pub(super) async fn start(environment: Arc<Environment>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (closing, closed) = oneshot::channel();
        let server = tokio::spawn(serve(listener, environment, closed));
        Ok(Self {
            address,
            closing,
            server,
        })
    }

    /// Ends it once its process is gone: what the process posted last is still read.
    pub(super) async fn finish(mut self) {
        // It fails only when the server is gone already.
        let _ = self.closing.send(());
        if tokio::time::timeout(LEFTOVERS_MAX, &mut self.server)
            .await
            .is_err()
        {
            self.server.abort();
            let _ = self.server.await;
        }
    }
}

/// Accepts until `closed`, then waits for the connections that are open.
async fn serve(
    listener: TcpListener,
    environment: Arc<Environment>,
    mut closed: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    let mut id: ConnectionId = 0;
    loop {
        tokio::select! {
            _ = &mut closed => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    id += 1;
                    connections.spawn(attend(stream, id, Arc::clone(&environment)));
                }
                Err(error) => {
                    tracing::warn!(function = %environment.name, %error, "runtime api: accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection to its end. A parked `/next` ends with it: hyper sees the close and drops
/// the future, and the queue is told here.
async fn attend(stream: TcpStream, id: ConnectionId, environment: Arc<Environment>) {
    // Answers are small and waited for. Without the option they are merely slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(request, id, &environment));
    // The header timer would also run while the runtime works on an event.
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(function = %environment.name, %error, "runtime api: connection broke off");
    }
    environment.disconnected(id);
}

/// Why a connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the environment stops")]
struct Stops;

/// A refusal, in the protocol's form.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    error_type: &'static str,
    message: &'static str,
}

impl Refused {
    const UNKNOWN_PATH: Self = Self {
        status: StatusCode::NOT_FOUND,
        error_type: "NotFound",
        message: "no such call",
    };
    const OUT_OF_TURN: Self = Self {
        status: StatusCode::FORBIDDEN,
        error_type: "InvalidStateTransition",
        message: "this call is out of turn",
    };
    const UNKNOWN_ID: Self = Self {
        status: StatusCode::BAD_REQUEST,
        error_type: "InvalidRequestID",
        message: "no such invocation, or it has been answered",
    };
    const OTHER_ATTEMPT: Self = Self {
        status: StatusCode::BAD_REQUEST,
        error_type: "InvalidRequestID",
        message: "the invocation id is that of another attempt",
    };
    const UNKNOWN_MODE: Self = Self {
        status: StatusCode::BAD_REQUEST,
        error_type: "InvalidFunctionResponseMode",
        message: "the response mode is not streaming",
    };
    const TRUNCATED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        error_type: "TruncatedHTTPRequest",
        message: "the body broke off",
    };
}

/// The calls of the protocol.
#[derive(Debug, Eq, PartialEq)]
enum Call<'a> {
    Ping,
    Next,
    Response(&'a str),
    Error(&'a str),
    InitError,
}

impl<'a> Call<'a> {
    fn parse(method: &Method, path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/2018-06-01/")?;
        if method == Method::GET {
            return match path {
                "ping" => Some(Self::Ping),
                "runtime/invocation/next" => Some(Self::Next),
                _ => None,
            };
        }
        if method != Method::POST {
            return None;
        }
        if path == "runtime/init/error" {
            return Some(Self::InitError);
        }
        match path.strip_prefix("runtime/invocation/")?.split_once('/')? {
            (id, "response") => Some(Self::Response(id)),
            (id, "error") => Some(Self::Error(id)),
            (_, _) => None,
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    connection: ConnectionId,
    environment: &Environment,
) -> Result<Response<Full<Bytes>>, Stops> {
    let (head, body) = request.into_parts();
    let answered = match Call::parse(&head.method, head.uri.path()) {
        None => refuse_unread(Refused::UNKNOWN_PATH, body).await,
        Some(Call::Ping) => Ok(StatusCode::OK),
        Some(Call::Next) => match environment.next(connection).await {
            Next::Event(attempt) => return Ok(event(&attempt, environment)),
            Next::Closed => return Err(Stops),
            Next::Refused | Next::Wait => Err(Refused::OUT_OF_TURN),
        },
        Some(Call::Response(id)) => respond(id, &head.headers, body, environment).await,
        Some(Call::Error(id)) => fail(id, &head.headers, body, environment).await,
        Some(Call::InitError) => fail_init(&head.headers, body, environment).await,
    };
    Ok(answered.map_or_else(refusal, accepted))
}

/// The answer to a `/next`: the event, and about it in header fields.
fn event(attempt: &Attempt, environment: &Environment) -> Response<Full<Bytes>> {
    let mut response = json_response(StatusCode::OK, attempt.event.clone());
    let deadline = attempt.deadline_ms().to_string();
    let fields = [
        ("lambda-runtime-aws-request-id", attempt.id.as_str()),
        ("lambda-runtime-deadline-ms", &deadline),
        ("lambda-runtime-invoked-function-arn", &environment.arn),
        ("lambda-runtime-trace-id", &attempt.trace_id),
        (INVOCATION_ID, &attempt.nonce),
    ];
    for (name, value) in fields {
        // Ids, numbers and names of Kubernetes objects all are header values.
        if let Ok(value) = HeaderValue::from_str(value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// `/response`: the function's answer.
async fn respond(
    id: &str,
    headers: &HeaderMap,
    body: Incoming,
    environment: &Environment,
) -> Result<StatusCode, Refused> {
    let body = admit(id, headers, body, environment).await?;
    if let Some(mode) = headers.get(RESPONSE_MODE)
        && mode != "streaming"
    {
        let error_type = "Runtime.InvalidResponseModeHeader".to_owned();
        let body = Bytes::new();
        environment.answer(id, Err(CallError::FunctionError { error_type, body }));
        return Err(Refused::UNKNOWN_MODE);
    }
    let answer = match body {
        Body::Whole(body) => Ok(body),
        Body::TooLarge => Err(CallError::AnswerTooLarge),
    };
    Ok(settle(id, answer, environment))
}

/// `/error`: the function failed.
async fn fail(
    id: &str,
    headers: &HeaderMap,
    body: Incoming,
    environment: &Environment,
) -> Result<StatusCode, Refused> {
    let body = admit(id, headers, body, environment).await?;
    let error_type = error_type(headers).to_owned();
    let body = match body {
        Body::Whole(body) => body,
        Body::TooLarge => Bytes::new(),
    };
    let answer = Err(CallError::FunctionError { error_type, body });
    Ok(settle(id, answer, environment))
}

/// `/init/error`: the function can't start.
async fn fail_init(
    headers: &HeaderMap,
    body: Incoming,
    environment: &Environment,
) -> Result<StatusCode, Refused> {
    let message = match read(body).await? {
        Body::Whole(body) => serde_json::from_slice::<Value>(&body).unwrap_or_default(),
        Body::TooLarge => Value::Null,
    };
    let error = InitError {
        error_type: error_type(headers).to_owned(),
        message: message["errorMessage"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    };
    match environment.refuse_start(&error) {
        true => Ok(StatusCode::ACCEPTED),
        false => Err(Refused::OUT_OF_TURN),
    }
}

/// Checks for whom a post is, before anything changes, then reads it.
async fn admit(
    id: &str,
    headers: &HeaderMap,
    body: Incoming,
    environment: &Environment,
) -> Result<Body, Refused> {
    let nonce = headers.get(INVOCATION_ID).map(HeaderValue::as_bytes);
    let nonce = nonce.map(String::from_utf8_lossy);
    let refused = match environment.recipient(id, nonce.as_deref()) {
        Recipient::Running | Recipient::Late => return read(body).await,
        Recipient::Unknown => Refused::UNKNOWN_ID,
        Recipient::OtherAttempt => Refused::OTHER_ATTEMPT,
        Recipient::OutOfTurn => Refused::OUT_OF_TURN,
    };
    refuse_unread(refused, body)
        .await
        .and(Err(Refused::UNKNOWN_ID))
}

/// Hands an answer to the queue. Whoever it is for may have gone while it was read: it is accepted
/// all the same, since to a runtime a refusal here means that the environment is broken.
fn settle(id: &str, answer: Answer, environment: &Environment) -> StatusCode {
    environment.answer(id, answer);
    StatusCode::ACCEPTED
}

/// Refuses a post whose body was not read yet. It is read all the same: a runtime that still writes
/// would not see the refusal.
async fn refuse_unread(refused: Refused, body: Incoming) -> Result<StatusCode, Refused> {
    drain(body).await?;
    Err(refused)
}

/// A body that was read to its end.
enum Body {
    Whole(Bytes),
    TooLarge,
}

async fn read(mut body: Incoming) -> Result<Body, Refused> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refused::TRUNCATED)?.into_data() else {
            continue;
        };
        if whole.len() + data.len() > ANSWER_MAX {
            drain(body).await?;
            return Ok(Body::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Body::Whole(whole.freeze()))
}

async fn drain(mut body: Incoming) -> Result<(), Refused> {
    while let Some(frame) = body.frame().await {
        frame.map_err(|_| Refused::TRUNCATED)?;
    }
    Ok(())
}

/// The type of an error as the runtime names it, or a general one if that is not of the known form.
fn error_type(headers: &HeaderMap) -> &str {
    let named = headers
        .get(ERROR_TYPE)
        .and_then(|value| value.to_str().ok());
    let Some((kind, name)) = named.and_then(|named| named.split_once('.')) else {
        return "Runtime.Unknown";
    };
    let is_known = name.len() > 1
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    match kind {
        "Runtime" | "Function" if is_known => named.unwrap_or_default(),
        "Function" => "Function.Unknown",
        _ => "Runtime.Unknown",
    }
}

fn accepted(status: StatusCode) -> Response<Full<Bytes>> {
    json_response(status, Bytes::from_static(br#"{"status":"OK"}"#))
}

fn refusal(refused: Refused) -> Response<Full<Bytes>> {
    let body = json!({"errorMessage": refused.message, "errorType": refused.error_type});
    json_response(refused.status, body.to_string().into())
}

/// Every answer says that it is JSON: some runtimes break on one that does not.
fn json_response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests;
