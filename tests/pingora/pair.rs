//! Two upstreams, of which the first is always busy, behind a [`Rewriter`].

use crate::rewriter::{Happened, Record, Rewriter, rewritten};
use crate::support::pingora::{Running, start_proxy};
use crate::support::upstream::{Reply, Upstream};
use std::net::SocketAddr;
use std::sync::Arc;

pub struct Pair {
    pub busy: Upstream,
    pub free: Upstream,
    pub record: Arc<Record>,
    proxy: Running,
}

impl Pair {
    /// A pair whose second upstream serves.
    pub async fn serving() -> Self {
        Self::answering(Reply::json(200, "served")).await
    }

    /// A pair whose second upstream answers like this.
    pub async fn answering(reply: Reply) -> Self {
        let busy = Upstream::script([Reply::json(429, "{}")]).await;
        let free = Upstream::script([reply]).await;
        let (rewriter, record) = Rewriter::new([busy.address, free.address]);
        Self { busy, free, record, proxy: start_proxy(rewriter).await }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.proxy.address
    }

    /// That one request went this way, and that both upstreams got its body, rewritten.
    pub fn assert_replayed(&self, way: Happened, body: &[u8]) {
        let happened = [way, Happened::Asked(1), Happened::Asked(2)];
        assert_eq!(self.record.before_logging(), happened, "{}", body.len());
        for upstream in [&self.busy, &self.free] {
            let requests = upstream.requests();
            assert_eq!(requests.len(), 1);
            assert!(requests[0].body == rewritten(body), "{}", body.len());
        }
    }
}
