//! What a server's refusal means.

use std::{error::Error as StdError, fmt, io};

use object_store::{
    Error,
    client::{HttpError, HttpErrorKind},
};

/// Longest part of a server's own words that is passed on.
const MAX_WORDS: usize = 300;

/// A server's answer, or that there was none. Only the code and the message of an answer: the rest may tell how it was signed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: RefusalKind,
    words: String,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalKind {
    /// Nobody answers, or too late, or with trouble of its own.
    Away,
    /// The credentials are unknown or do not allow it.
    Denied,
    /// There is no such bucket.
    NoBucket,
    /// There is no such object.
    Absent,
    /// There is one already, or one is just being made.
    Exists,
    /// The bucket is full, or a quota is.
    Full,
    /// Something else, which will be the same the next time.
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl StdError for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.kind {
            RefusalKind::Away => io::ErrorKind::NotConnected,
            RefusalKind::Denied => io::ErrorKind::PermissionDenied,
            RefusalKind::NoBucket | RefusalKind::Absent => io::ErrorKind::NotFound,
            RefusalKind::Exists => io::ErrorKind::AlreadyExists,
            RefusalKind::Full => io::ErrorKind::StorageFull,
            RefusalKind::Other => io::ErrorKind::Other,
        };
        Self::new(kind, refusal)
    }
}

impl Refusal {
    /// What an error of the crate says.
    pub(super) fn of(error: &Error) -> Self {
        let text = full_text(error);
        let code = tag(&text, "Code").unwrap_or_default();
        let kind = match code {
            "NoSuchBucket" => RefusalKind::NoBucket,
            "QuotaExceeded" | "XMinioStorageFull" | "InsufficientCapacity" => RefusalKind::Full,
            "SlowDown" | "InternalError" | "RequestTimeout" | "ServiceUnavailable" => RefusalKind::Away,
            _ => kind_of(error, &text),
        };
        let words = match (code, tag(&text, "Message")) {
            ("", None) => plain(error, &text),
            (code, message) => {
                format!("the server says {code}: {}", shortened(message.unwrap_or("no message")))
            }
        };
        Self { kind, words }
    }

    /// What is already in an error of ours.
    pub(super) fn in_error(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

fn kind_of(error: &Error, text: &str) -> RefusalKind {
    match error {
        Error::NotFound { .. } => RefusalKind::Absent,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => RefusalKind::Exists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => RefusalKind::Denied,
        // Listings come without a kind: only their text has the status.
        _ => match status(text) {
            Some(401 | 403) => RefusalKind::Denied,
            Some(404) => RefusalKind::Absent,
            Some(507) => RefusalKind::Full,
            Some(408 | 409 | 429 | 500..=599) => RefusalKind::Away,
            Some(_) => RefusalKind::Other,
            None if transport(error).is_some() => RefusalKind::Away,
            None => RefusalKind::Other,
        },
    }
}

/// An answer without a body, or none at all.
fn plain(error: &Error, text: &str) -> String {
    match (status(text), transport(error)) {
        (Some(301 | 302 | 307 | 308), _) => {
            "the server sends us elsewhere: AWS_REGION may be another one".to_owned()
        }
        (Some(status), _) => format!("the server answers with status {status} and says no more"),
        (None, Some((kind, cause))) => format!("{} ({})", doing(kind), shortened(&cause)),
        (None, None) if text.contains("redirect without LOCATION") => {
            "the server sends us elsewhere: AWS_REGION may be another one".to_owned()
        }
        (None, None) => shortened(text),
    }
}

const fn doing(kind: HttpErrorKind) -> &'static str {
    match kind {
        HttpErrorKind::Connect => "the server cannot be reached",
        HttpErrorKind::Timeout => "the server does not answer in time",
        HttpErrorKind::Interrupted => "the connection was cut",
        _ => "the request failed",
    }
}

/// The failure of the transport, if that is what it was: its kind, and its last cause.
fn transport(error: &Error) -> Option<(HttpErrorKind, String)> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            let mut last: &(dyn StdError + 'static) = http;
            while let Some(source) = last.source() {
                last = source;
            }
            return Some((http.kind(), last.to_string()));
        }
        next = error.source();
    }
    None
}

/// The text of the innermost error that has one of a server in it.
fn full_text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        if !text.contains("status code") {
            text = source.to_string();
        }
        next = source.source();
    }
    text
}

fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(value, _)| value)
}

fn shortened(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut text = text.trim().to_owned();
    if text.len() > MAX_WORDS {
        text.truncate(text.floor_char_boundary(MAX_WORDS));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &str) -> Error {
        let source = format!(
            "Error performing GET http://s/b in 2ms - Server returned non-2xx status code: {status}: {body}"
        );
        Error::Generic { store: "S3", source: source.into() }
    }

    #[test]
    fn a_refusal_has_the_servers_code_and_message_and_nothing_of_the_signature() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>The signature is wrong</Message>\
                    <StringToSign>AWS4 secret stuff</StringToSign></Error>";
        let refusal = Refusal::of(&answer("403 Forbidden", body));
        assert_eq!(refusal.kind, RefusalKind::Denied);
        assert_eq!(refusal.to_string(), "the server says SignatureDoesNotMatch: The signature is wrong");
    }

    #[test]
    fn what_a_server_says_has_a_kind() {
        let of = |status: &str, code: &str| {
            Refusal::of(&answer(status, &format!("<Code>{code}</Code><Message>m</Message>"))).kind
        };
        assert_eq!(of("404 Not Found", "NoSuchBucket"), RefusalKind::NoBucket);
        assert_eq!(of("404 Not Found", "NoSuchKey"), RefusalKind::Absent);
        assert_eq!(of("403 Forbidden", "QuotaExceeded"), RefusalKind::Full);
        assert_eq!(of("507 Insufficient Storage", "Whatever"), RefusalKind::Full);
        assert_eq!(of("503 Service Unavailable", "SlowDown"), RefusalKind::Away);
        assert_eq!(of("400 Bad Request", "InvalidBucketName"), RefusalKind::Other);
        assert_eq!(Refusal::of(&answer("502 Bad Gateway", "")).kind, RefusalKind::Away);
    }

    #[test]
    fn no_room_and_denial_are_known_by_everyone() {
        let full: io::Error = Refusal::of(&answer("507 Insufficient Storage", "")).into();
        assert!(crate::is_no_room(&full));
        let denied: io::Error = Refusal::of(&answer("403 Forbidden", "")).into();
        assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(Refusal::in_error(&denied).map(|refusal| refusal.kind), Some(RefusalKind::Denied));
    }
}
