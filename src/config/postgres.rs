//! The URL of a PostgreSQL database: read once, shown without its password.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;
use url::{ParseError, Url};

use crate::secret::Secret;

/// `postgres://user:password@host:5432/database?sslmode=verify-full`. `Debug` and `Display` print `***` for the password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: Secret,
    shown: String,
}

/// The parameters that a URL may have, and what may stand there. Messages name these alone: a password with a `?` in it makes a parameter of its rest.
const PARAMETERS: &[(&str, IsValid)] = &[
    ("sslmode", |value| SSL_MODES.contains(&value)),
    ("sslrootcert", is_file),
    ("sslcert", is_file),
    ("sslkey", is_file),
    ("host", |value| !value.is_empty()),
    ("user", |value| !value.is_empty()),
    ("port", |value| value.parse::<u16>().is_ok()),
    ("application_name", |_| true),
    ("options", |_| true),
    ("options[search_path]", |_| true),
    ("statement-cache-capacity", |value| value.parse::<usize>().is_ok()),
];
type IsValid = fn(&str) -> bool;
const SSL_MODES: &[&str] = &["disable", "prefer", "require", "verify-ca", "verify-full"];
const FORM: &str = "expected `postgres://user:password@host:5432/database`";

impl PostgresUrl {
    /// What is wrong is said without a word of the text: any part of it may be one of the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(FORM.to_owned());
        }
        let escapes = "in a user's name or a password `@`, `:`, `/`, `?`, `#` and `%` are written as %40, %3A, %2F, %3F, %23 and %25";
        let mut url = Url::parse(text).map_err(|why| match why {
            ParseError::EmptyHost => no_host(),
            why => format!("is no URL ({why}); {FORM}; {escapes}"),
        })?;
        if url.fragment().is_some() {
            return Err(format!("has a `#` in it; {escapes}"));
        }
        for part in [url.username(), url.password().unwrap_or_default(), url.path()] {
            let is_escaped =
                |at: usize| part.get(at + 1..at + 3).is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
            if part.match_indices('%').any(|(at, _)| !is_escaped(at)) || percent_decode_str(part).decode_utf8().is_err()
            {
                return Err(format!("has a `%` that escapes nothing; {escapes}"));
            }
        }
        if url.path().trim_start_matches('/').is_empty() || url.path().trim_start_matches('/').contains('/') {
            return Err(format!("names no database; {FORM}; {escapes}"));
        }
        for (key, value) in url.query_pairs() {
            check_parameter(&key, &value)?;
        }
        if url.host_str().is_none_or(str::is_empty) && !url.query_pairs().any(|(key, _)| key == "host") {
            return Err(no_host());
        }
        let text = Secret::new(text);
        if url.password().is_some() && url.set_password(Some("***")).is_err() {
            return Err(FORM.to_owned());
        }
        Ok(Self { text, shown: url.to_string() })
    }

    /// The URL as it was given, password and all.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn no_host() -> String {
    format!("names no host; {FORM}, or for a socket `postgres:///database?host=/run/postgresql&user=user`")
}

fn check_parameter(key: &str, value: &str) -> Result<(), String> {
    let Some((name, is_valid)) = PARAMETERS.iter().find(|(name, _)| *name == key) else {
        let known: Vec<_> = PARAMETERS.iter().map(|(name, _)| Cow::Borrowed(*name)).collect();
        return Err(format!("has a parameter that is none of {}", known.join(", ")));
    };
    match *name {
        _ if is_valid(value) => Ok(()),
        "sslmode" => Err(format!("has an `sslmode` that is none of {}", SSL_MODES.join(", "))),
        "sslrootcert" | "sslcert" | "sslkey" => Err(format!("names a file as `{name}` that cannot be read")),
        _ => Err(format!("has a `{name}` that is none")),
    }
}

fn is_file(path: &str) -> bool {
    std::fs::File::open(Path::new(path)).is_ok_and(|file| file.metadata().is_ok_and(|about| about.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url =
            PostgresUrl::parse(" postgres://me:s%40cr%23t@db.example:5433/narthex?sslmode=verify-full\n").unwrap();
        assert_eq!(url.expose(), "postgres://me:s%40cr%23t@db.example:5433/narthex?sslmode=verify-full");
        for shown in [url.to_string(), format!("{url:?}")] {
            assert_eq!(shown, "postgres://me:***@db.example:5433/narthex?sslmode=verify-full");
        }
        assert_eq!(PostgresUrl::parse("postgresql://db/n").unwrap().to_string(), "postgresql://db/n");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let cases = [
            ("mysql://me:hush@db/n", "expected `postgres://"),
            ("db.example/n", "expected `postgres://"),
            ("postgres://me:hu/sh@db/n", "invalid port"),
            ("postgres://me:12/hush@db/n", "names no database"),
            ("postgres://me:hu#sh@db/n", "invalid port"),
            ("postgres://me:12#hush@db/n", "has a `#`"),
            ("postgres://me:12?hush@db/n", "names no database"),
            ("postgres://me:hush%@db/n", "escapes nothing"),
            ("postgres://me:hush%ff@db/n", "escapes nothing"),
            ("postgres://me:hush@db", "names no database"),
            ("postgres://me:hush@db/", "names no database"),
            ("postgres://me:hush@/n", "names no host"),
            ("postgres:///n", "names no host"),
            ("postgres://me@db/n?password=hush", "has a parameter that is none of sslmode,"),
            ("postgres://me:hush@db/n?sslmode=allow", "`sslmode` that is none of disable"),
            ("postgres://me:hush@db/n?sslrootcert=/not/there", "`sslrootcert` that cannot be read"),
            ("postgres://me:hush@db/n?port=http", "has a `port` that is none"),
        ];
        for (text, expected) in cases {
            let why = PostgresUrl::parse(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
            assert!(!why.contains("hush") && !why.contains("sh@"), "{why}");
        }
    }

    #[test]
    fn a_socket_is_a_host() {
        for text in [
            "postgres:///n?host=/run/postgresql&user=me",
            "postgres:///n?host=/run",
            "postgres://me@%2Frun%2Fpostgresql/n",
        ] {
            assert!(PostgresUrl::parse(text).is_ok(), "{text}: {:?}", PostgresUrl::parse(text));
        }
        assert!(PostgresUrl::parse("postgres://me:x@[::1]:5432/n").is_ok());
    }
}
