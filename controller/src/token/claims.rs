//! What a token says of itself, read without trust: enough to turn rubbish away without asking the
//! API server, and to know how long a review may be remembered.

use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use tollgate_snapshot::wire::AUDIENCE;

/// Longest token that is looked at, in bytes; those of Kubernetes have about one thousand.
const TOKEN_BYTES: usize = 16 << 10;

/// What matters of a token's claims (RFC 7519 section 4.1).
#[derive(Debug)]
pub(super) struct Claims {
    /// Until when it is good.
    pub(super) expires: SystemTime,
}

#[derive(Deserialize)]
struct Json {
    aud: Audience,
    exp: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Reads the claims of a token that may be good.
pub(super) fn read(token: &str, now: SystemTime) -> Result<Claims, String> {
    if token.len() > TOKEN_BYTES {
        return Err(format!("longer than {TOKEN_BYTES} bytes"));
    }
    let json = payload(token).ok_or("not a JSON web token with an audience and an end")?;
    let ours = match &json.aud {
        Audience::One(audience) => audience == AUDIENCE,
        Audience::Many(audiences) => audiences.iter().any(|audience| audience == AUDIENCE),
    };
    if !ours {
        return Err(format!("it is not for the audience {AUDIENCE:?}"));
    }
    let expires = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(json.exp));
    let expires = expires.ok_or("its end is beyond all time")?;
    match expires <= now {
        true => Err("it has expired".to_owned()),
        false => Ok(Claims { expires }),
    }
}

fn payload(token: &str) -> Option<Json> {
    let (_, rest) = token.split_once('.')?;
    let (payload, _) = rest.split_once('.')?;
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&json).ok()
}
