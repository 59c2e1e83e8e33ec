//! Pingora and nothing else: the yardstick of `make bench`.
//!
//! It forwards every request to one fixed address. It has narthex's allocator, release profile and thread count, and none of
//! its work: no authentication, no routing, no body reading, no logs, no metrics. What narthex costs beyond this is narthex's.
//!
//! ```text
//! cargo run --release --example bare_pingora -- 127.0.0.1:8080 127.0.0.1:9000 1
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A bare Pingora pass-through: the yardstick that narthex is measured against.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    listen: SocketAddr,
    /// Where every request goes.
    upstream: SocketAddr,
    /// Worker threads.
    #[arg(default_value_t = 1)]
    threads: usize,
}

fn main() {
    let arguments = Arguments::parse();
    let conf = ServerConf { threads: arguments.threads, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();

    let pass_through = PassThrough { upstream: arguments.upstream };
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), pass_through);
    service.add_tcp(&arguments.listen.to_string());
    server.add_service(service);
    server.run_forever();
}

struct PassThrough {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}
