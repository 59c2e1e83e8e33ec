//! Host names to addresses, by the system's resolver, remembered for a while.
//!
//! The system's resolver knows what the machine knows (`/etc/hosts`, search domains, a container's names), yet not how long its
//! answers hold; half a minute is what a rotated address may cost. A name that was resolved once never makes an exchange
//! wait again: an old answer is used while a new one is fetched.
//!
//! A host may have addresses at which nobody is (`localhost` as `::1` where only 127.0.0.1 is listened on). Each is tried before the
//! host is held to be unreachable, and the one that was found to work stays in use.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use pingora_core::ErrorType;

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
    /// It is not the one that the resolver would have us take: another could not be reached.
    is_chosen: AtomicBool,
    is_renewing: AtomicBool,
}

impl Dns {
    /// The host's address in use, or the next one that is not among the `unreachable`.
    pub async fn resolve(
        self: &Arc<Self>,
        host: &str,
        port: u16,
        unreachable: &[SocketAddr],
    ) -> io::Result<SocketAddr> {
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
        let in_order = answer.in_order().map(|address| SocketAddr::new(address, port));
        let reachable = in_order.clone().find(|address| !unreachable.contains(address));
        reachable.or(in_order.clone().next()).ok_or_else(no_address)
    }

    /// Nobody could be connected to at this address, which joins the `unreachable`; the next one takes its place. True: the host has
    /// one that has not been tried, and there is time for it. Where all the time to connect has been waited for nothing, others
    /// should be asked first.
    pub fn pass_by(&self, host: &str, address: SocketAddr, why: &ErrorType, unreachable: &mut Vec<SocketAddr>) -> bool {
        if !unreachable.contains(&address) {
            unreachable.push(address);
        }
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let Some(answer) = names.get(host) else { return false };
        // Another exchange may have done so before.
        if answer.in_order().next() == Some(address.ip()) && answer.addresses.len() > 1 {
            answer.in_use.fetch_add(1, Ordering::Relaxed);
            answer.is_chosen.store(true, Ordering::Relaxed);
        }
        let has_waited = matches!(why, ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout);
        !has_waited && answer.in_order().any(|ip| !unreachable.contains(&SocketAddr::new(ip, address.port())))
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
        Ok(self.learn(host, addresses))
    }

    fn learn(&self, host: &str, addresses: Vec<IpAddr>) -> Arc<Answer> {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let before = names.get(host).filter(|before| before.is_chosen.load(Ordering::Relaxed));
        let chosen = before.and_then(|before| before.in_order().next());
        let chosen = chosen.and_then(|chosen| addresses.iter().position(|address| *address == chosen));
        let answer = Arc::new(Answer {
            addresses,
            at: Instant::now(),
            in_use: AtomicUsize::new(chosen.unwrap_or(0)),
            is_chosen: AtomicBool::new(chosen.is_some()),
            is_renewing: AtomicBool::new(false),
        });
        names.insert(host.to_owned(), Arc::clone(&answer));
        answer
    }
}

impl Answer {
    /// The addresses, the one in use first.
    fn in_order(&self) -> impl Iterator<Item = IpAddr> + Clone {
        let count = self.addresses.len();
        let first = self.in_use.load(Ordering::Relaxed) % count.max(1);
        self.addresses.iter().copied().cycle().skip(first).take(count)
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bytes::Bytes;
    use pingora_core::connectors::http::Connector;
    use pingora_core::server::configuration::ServerConf;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::inner::Inner;
    use super::super::refresh;
    use super::*;
    use crate::config::{Environment, parse};
    use crate::gateway::Gateway;
    use crate::telemetry::AccessLog;

    const HOST: &str = "two.test";
    const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn resolves_names_and_takes_addresses_as_they_are() {
        let dns = Arc::new(Dns::default());
        assert_eq!(dns.resolve("127.0.0.1", 80, &[]).await.unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(dns.resolve("::1", 80, &[]).await.unwrap().to_string(), "[::1]:80");
        let address = dns.resolve("localhost", 80, &[]).await.unwrap();
        assert!(address.ip().is_loopback());
        dns.pass_by("localhost", address, &ErrorType::ConnectRefused, &mut Vec::new());
        assert!(dns.resolve("localhost", 80, &[]).await.unwrap().ip().is_loopback());
        assert!(dns.resolve("no-such-host.invalid", 80, &[]).await.is_err());
    }

    #[tokio::test]
    async fn each_address_is_tried_once_and_the_one_that_works_is_kept() {
        let dns = Arc::new(Dns::default());
        let third = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
        let first = |unreachable: Vec<SocketAddr>| {
            let dns = Arc::clone(&dns);
            async move { dns.resolve(HOST, 1, &unreachable).await.unwrap().ip() }
        };
        dns.learn(HOST, vec![NOBODY, third, SOMEBODY]);
        let mut unreachable = Vec::new();
        for (address, is_another_left) in [(NOBODY, true), (third, true), (SOMEBODY, false)] {
            assert_eq!(first(unreachable.clone()).await, address);
            assert_eq!(
                dns.pass_by(HOST, SocketAddr::new(address, 1), &ErrorType::ConnectRefused, &mut unreachable),
                is_another_left
            );
        }
        // All have been in vain: the next exchange begins anew. Two that find the same at once go on by one.
        assert_eq!(first(unreachable).await, NOBODY);
        dns.pass_by(HOST, SocketAddr::new(NOBODY, 1), &ErrorType::ConnectRefused, &mut Vec::new());
        dns.pass_by(HOST, SocketAddr::new(NOBODY, 1), &ErrorType::ConnectRefused, &mut Vec::new());
        assert_eq!(first(Vec::new()).await, third);
        // After a long wait others are to be asked first; the next exchange tries the next address all the same.
        let has_time = dns.pass_by(HOST, SocketAddr::new(third, 1), &ErrorType::ConnectTimedout, &mut Vec::new());
        assert_eq!((has_time, first(Vec::new()).await), (false, SOMEBODY));
        dns.pass_by(HOST, SocketAddr::new(SOMEBODY, 1), &ErrorType::ConnectRefused, &mut Vec::new());
        dns.pass_by(HOST, SocketAddr::new(NOBODY, 1), &ErrorType::ConnectRefused, &mut Vec::new());
        // The one that took another's place keeps it, as long as the host has it.
        dns.learn(HOST, vec![NOBODY, SOMEBODY, third]);
        assert_eq!(first(Vec::new()).await, third);
        dns.learn(HOST, vec![SOMEBODY, third]);
        assert_eq!(first(Vec::new()).await, third);
        dns.learn(HOST, vec![SOMEBODY, NOBODY]);
        assert_eq!(first(Vec::new()).await, SOMEBODY);
        // Where none has failed the resolver's order counts.
        dns.learn(HOST, vec![NOBODY, SOMEBODY]);
        assert_eq!(first(Vec::new()).await, NOBODY);
    }

    /// A provider at the second of its host's addresses.
    async fn second() -> u16 {
        let listener = TcpListener::bind((SOMEBODY, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = vec![0; 65536];
                    while let Ok(count @ 1..) = stream.read(&mut request).await {
                        let body = match request[..count].starts_with(b"GET") {
                            true => r#"{"object":"list","data":[{"id":"m"}]}"#,
                            false => {
                                r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
                                "message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#
                            }
                        };
                        let header = format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                            body.len()
                        );
                        stream.write_all((header + body).as_bytes()).await.unwrap();
                    }
                });
            }
        });
        port
    }

    #[tokio::test]
    async fn an_address_where_nobody_is_costs_no_try() {
        let port = second().await;
        let yaml = format!(
            "routing: {{retries: 0}}\nproviders: {{up: {{type: vllm, base_url: 'http://{HOST}:{port}/v1', models: [m]}}}}"
        );
        let config = parse(&yaml, &Environment::from_iter([("NARTHEX_ALLOW_OPEN", "true")])).unwrap().config;
        let gateway = Arc::new(Gateway::new(config, AccessLog::off()).unwrap().0);
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let dns = Arc::new(Dns::default());
            let inner = Inner::new(Arc::new(ServerConf::default()), Arc::clone(&gateway), Arc::clone(&dns));
            for _ in 0..2 {
                // As after every renewal in which nothing is remembered.
                dns.names.write().unwrap().clear();
                dns.learn(HOST, vec![NOBODY, SOMEBODY]);
                let body = r#"{"model":"up/m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
                let answer = inner.post(None, path, "id", Bytes::from_static(body.as_bytes())).await.unwrap();
                assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
                assert_eq!(answer.headers["x-narthex-attempts"], "1", "{path}");
                assert_eq!(dns.resolve(HOST, port, &[]).await.unwrap().ip(), SOMEBODY);
            }
        }
        let dns = Arc::new(Dns::default());
        dns.learn(HOST, vec![NOBODY, SOMEBODY]);
        let listed = refresh::fetch(&gateway.upstreams[0], &dns, &Connector::new(None)).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(!gateway.upstreams[0].health.is_exhausted());
    }
}
