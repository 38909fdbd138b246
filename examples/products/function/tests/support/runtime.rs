//! The Lambda service as the function sees it: a Runtime API with one environment.
//!
//! In: requests that a test makes. Out: what the real binary answers. It speaks just enough of
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html> for a function that behaves.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    time::timeout,
};

/// Ten times what the slowest answer takes, start of the function included.
const DEADLINE: Duration = Duration::from_secs(30);

type Call = (Value, oneshot::Sender<Value>);

/// The function, started, and where its calls go.
pub(crate) struct Function {
    calls: mpsc::Sender<Call>,
    child: Child,
}

/// What the function answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) body: Value,
    headers: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers[name].as_str()
    }
}

/// The server's side: calls that wait, and the one that runs.
struct Environment {
    waiting: AsyncMutex<mpsc::Receiver<Call>>,
    running: Mutex<Option<oneshot::Sender<Value>>>,
}

impl Function {
    /// Starts the binary with its database at `db`.
    pub(crate) async fn start(db: &Path) -> Self {
        let (calls, waiting) = mpsc::channel(1);
        let environment = Arc::new(Environment {
            waiting: AsyncMutex::new(waiting),
            running: Mutex::new(None),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let child = spawn(listener.local_addr().unwrap(), db);
        tokio::spawn(serve(listener, environment));
        Self { calls, child }
    }

    /// Calls it as an HTTP API with the routes `/v1/products` and `/v1/products/{id}` would.
    pub(crate) async fn call(
        &self,
        method: &str,
        target: &str,
        content_type: Option<&str>,
        body: &str,
    ) -> Answer {
        let (answer, answered) = oneshot::channel();
        let event = event(method, target, content_type, body);
        self.calls.send((event, answer)).await.unwrap();
        let answer = timeout(DEADLINE, answered).await.unwrap().unwrap();
        let body = answer["body"].as_str().filter(|text| !text.is_empty());
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            body: serde_json::from_str(body.unwrap_or("null")).unwrap(),
            headers: answer["headers"].clone(),
        }
    }

    /// Calls it with a JSON body.
    pub(crate) async fn send(&self, method: &str, target: &str, body: Value) -> Answer {
        let content_type = Some("application/json");
        self.call(method, target, content_type, &body.to_string())
            .await
    }

    /// Calls it without a body.
    pub(crate) async fn ask(&self, method: &str, target: &str) -> Answer {
        self.call(method, target, None, "").await
    }

    /// Kills it, as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn spawn(runtime_api: SocketAddr, db: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_products"))
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "products")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("PRODUCTS_DB", db)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// An event of payload format 2.0.
fn event(method: &str, target: &str, content_type: Option<&str>, body: &str) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = json!({"host": "api.example.com"});
    if let Some(content_type) = content_type {
        headers["content-type"] = content_type.into();
    }
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": headers, "isBase64Encoded": false, "body": body,
        "requestContext": {
            "accountId": "123456789012", "apiId": "products", "stage": "$default",
            "domainName": "api.example.com", "domainPrefix": "api", "requestId": "1",
            "routeKey": "$default", "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1,
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "test",
            },
        },
    });
    if let Some(id) = path
        .strip_prefix("/v1/products/")
        .filter(|id| !id.is_empty())
    {
        event["pathParameters"] = json!({"id": id});
    }
    event
}

async fn serve(listener: TcpListener, environment: Arc<Environment>) {
    while let Ok((stream, _)) = listener.accept().await {
        let environment = environment.clone();
        let service = service_fn(move |request| answer(request, environment.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    environment: Arc<Environment>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() == Method::GET {
        assert_eq!(request.uri().path(), "/2018-06-01/runtime/invocation/next");
        return Ok(next(&environment).await);
    }
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    assert!(path.ends_with("/invocation/1/response"), "{path}: {text}");
    let running = environment.running.lock().unwrap().take().unwrap();
    running
        .send(serde_json::from_slice(&body).unwrap())
        .unwrap();
    let mut accepted = Response::new(Full::default());
    *accepted.status_mut() = hyper::StatusCode::ACCEPTED;
    Ok(accepted)
}

async fn next(environment: &Environment) -> Response<Full<Bytes>> {
    let Some((event, call)) = environment.waiting.lock().await.recv().await else {
        // The test is over.
        return std::future::pending().await;
    };
    *environment.running.lock().unwrap() = Some(call);
    Response::builder()
        .header("Lambda-Runtime-Aws-Request-Id", "1")
        .header("Lambda-Runtime-Deadline-Ms", "4102444800000")
        .header(
            "Lambda-Runtime-Trace-Id",
            "Root=1-00000000-000000000000000000000000",
        )
        .header(
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:us-east-1:123456789012:function:products",
        )
        .body(Full::new(Bytes::from(event.to_string())))
        .unwrap()
}
