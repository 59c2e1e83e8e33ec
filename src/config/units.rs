//! Texts with units, and other texts that stand for more than themselves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Clocks come to their end some time after it.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// `90s`, `5m`, `250ms`, `1h 30m`; a bare number counts seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{text}` is no duration"))?,
        Err(_) => humantime::parse_duration(text)
            .map_err(|_| format!("`{text}` is no duration; write it like `30s`, `5m` or `250ms`"))?,
    };
    if duration > LONGEST {
        return Err(format!("`{text}` is longer than a hundred years"));
    }
    Ok(duration)
}

/// `64MiB`, `10M`, `512 KB`; units are powers of 1024 either way. A bare number counts bytes.
pub fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is no size; write it like `64MiB` or `512K`");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: usize = digits.trim().parse().map_err(|_| wrong())?;
    let unit = text.get(digits.len()..).unwrap_or_default().trim().to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        _ => return Err(wrong()),
    };
    number.checked_mul(1024_usize.pow(power)).ok_or_else(wrong)
}

/// `true`, `yes`, `on`, `1` and their opposites.
pub fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// `127.0.0.1:8080`, `[::]:8080`, `localhost:8080`, or a part of it: `0.0.0.0`, `:8080`, `8080`. What is missing comes from
/// `usual`.
pub fn address(text: &str, usual: SocketAddr) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(port) = text.trim_start_matches(':').parse() {
        return Ok(SocketAddr::new(usual.ip(), port));
    }
    let bracketless = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(host) = bracketless.parse::<IpAddr>() {
        return Ok(SocketAddr::new(host, usual.port()));
    }
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    let port = if port.is_empty() { Some(usual.port()) } else { port.parse().ok() };
    match (host, port) {
        ("localhost", Some(port)) => Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        _ => Err(format!("`{text}` is no address to listen on; write it like `127.0.0.1:8080` or `0.0.0.0:8080`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("0.25"), Ok(Duration::from_millis(250)));
        assert!(duration("-1").is_err() && duration("soon").is_err());
        // Behind such a one no clock could go on.
        assert!(duration("18446744073709551615s").is_err() && duration("1e19").is_err() && duration("100y").is_ok());
    }

    #[test]
    fn reads_sizes() {
        assert_eq!(bytes("512"), Ok(512));
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("10 M"), Ok(10 << 20));
        assert!(
            bytes("x").is_err() && bytes("5 TB").is_err() && bytes("").is_err() && bytes("99999999999999G").is_err()
        );
    }

    #[test]
    fn reads_addresses() {
        let usual = SocketAddr::from(([127, 0, 0, 1], 8080));
        for (text, result) in [
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::]:1", "[::]:1"),
            (":9", "127.0.0.1:9"),
            ("9", "127.0.0.1:9"),
            ("0.0.0.0", "0.0.0.0:8080"),
            ("::", "[::]:8080"),
            ("localhost:7", "127.0.0.1:7"),
            ("localhost", "127.0.0.1:8080"),
        ] {
            assert_eq!(address(text, usual).map(|address| address.to_string()).as_deref(), Ok(result), "{text}");
        }
        assert!(address("example.com:1", usual).is_err() && address("1.2.3.4:99999", usual).is_err());
    }
}
