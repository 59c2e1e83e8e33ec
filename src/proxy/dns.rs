//! Host names to addresses, by the system's resolver, remembered for a while.
//!
//! The system's resolver knows what the machine knows (`/etc/hosts`, search domains, a container's names), yet not how long its
//! answers hold; half a minute is what a rotated address may cost. A name that was resolved once never makes an exchange
//! wait again: an old answer is used while a new one is fetched.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

const FRESH: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub struct Dns {
    names: RwLock<HashMap<String, Arc<Answer>>>,
}

#[derive(Debug)]
struct Answer {
    addresses: Vec<IpAddr>,
    at: Instant,
    /// Which address is in use: one, so that its pooled connections are, until it cannot be reached.
    in_use: AtomicUsize,
    is_renewing: AtomicBool,
}

impl Dns {
    pub async fn resolve(self: &Arc<Self>, host: &str, port: u16) -> io::Result<SocketAddr> {
        if let Ok(address) = host.parse() {
            return Ok(SocketAddr::new(address, port));
        }
        let known = self.names.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        let answer = match known {
            Some(answer) => {
                if answer.at.elapsed() > FRESH && !answer.is_renewing.swap(true, Ordering::Relaxed) {
                    self.renew(host);
                }
                answer
            }
            None => self.ask(host).await?,
        };
        let index = answer.in_use.load(Ordering::Relaxed) % answer.addresses.len().max(1);
        let address = answer.addresses.get(index).copied();
        address.map(|address| SocketAddr::new(address, port)).ok_or_else(no_address)
    }

    /// The address in use could not be reached: the next one takes its place.
    pub fn rotate(&self, host: &str) {
        if let Some(answer) = self.names.read().unwrap_or_else(PoisonError::into_inner).get(host) {
            answer.in_use.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn renew(self: &Arc<Self>, host: &str) {
        let (dns, host) = (Arc::clone(self), host.to_owned());
        tokio::spawn(async move {
            if let Err(why) = dns.ask(&host).await {
                log::warn!("{host} cannot be resolved anew, its last known addresses stay in use: {why}");
                if let Some(answer) = dns.names.read().unwrap_or_else(PoisonError::into_inner).get(&host) {
                    answer.is_renewing.store(false, Ordering::Relaxed);
                }
            }
        });
    }

    async fn ask(&self, host: &str) -> io::Result<Arc<Answer>> {
        let lookup = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, 0)));
        let addresses: Vec<IpAddr> =
            lookup.await.map_err(|_| io::ErrorKind::TimedOut)??.map(|address| address.ip()).collect();
        if addresses.is_empty() {
            return Err(no_address());
        }
        let answer =
            Answer { addresses, at: Instant::now(), in_use: AtomicUsize::new(0), is_renewing: AtomicBool::new(false) };
        let answer = Arc::new(answer);
        self.names.write().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), Arc::clone(&answer));
        Ok(answer)
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn resolves_names_and_takes_addresses_as_they_are() {
        let dns = Arc::new(Dns::default());
        assert_eq!(dns.resolve("127.0.0.1", 80).await.unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(dns.resolve("::1", 80).await.unwrap().to_string(), "[::1]:80");
        assert!(dns.resolve("localhost", 80).await.unwrap().ip().is_loopback());
        dns.rotate("localhost");
        assert!(dns.resolve("localhost", 80).await.unwrap().ip().is_loopback());
        assert!(dns.resolve("no-such-host.invalid", 80).await.is_err());
    }
}
