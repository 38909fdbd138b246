//! Functions as tests write them: a few lines of Python on a minimal runtime.
//!
//! In: the body of `handle(event)`, or a whole program. Out: the manifest of a Function whose
//! process runs it. The runtime speaks the Runtime API with nothing but the standard library.

/// What a function's program starts with: `handle` is called for each event, with `post` to answer.
const RUNTIME: &str = r#"
import http.client, json, os, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime/invocation/"
def ask(method, path, body=None):
    api.request(method, path, body)
    reply = api.getresponse()
    return reply.headers, reply.read()
def post(what, body):
    ask("POST", base + request + "/" + what, body)
def answer(body):
    post("response", json.dumps({"statusCode": 200, "body": body}))
def note(text):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(text + "\n")
"#;

/// What it ends with.
const LOOP: &str = r#"
while True:
    headers, event = ask("GET", base + "next")
    request = headers["Lambda-Runtime-Aws-Request-Id"]
    handle(json.loads(event))
"#;

/// A Function with this timeout, whose `handle(event)` has these lines; `path` and `body` are the
/// event's. What it passes to `note` is added to the file `notes` beside the manifest.
pub fn handling(name: &str, timeout: &str, lines: &str) -> String {
    let body: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let head =
        "def handle(event):\n    path = event[\"rawPath\"]\n    body = event.get(\"body\")\n";
    running(name, timeout, &format!("{RUNTIME}{head}{body}{LOOP}"))
}

/// A Function with this timeout, whose process is this program.
pub fn running(name: &str, timeout: &str, program: &str) -> String {
    let program = serde_json::to_string(program).unwrap();
    format!(
        "---\napiVersion: tollgate.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\n\
         spec:\n  contract: lambda\n  timeout: {timeout}\n  process: {{command: [python3, -c, \
         {program}], env: [{{name: NOTES, value: notes}}]}}\n"
    )
}
