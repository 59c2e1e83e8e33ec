//! `HttpPeer::new` resolves its address on the spot, blocking; only a socket address is safe to give it.

use pingora_core::upstreams::peer::HttpPeer;
use std::cell::Cell;
use std::net::{SocketAddr, ToSocketAddrs};

/// An address that knows whether it was resolved.
#[derive(Default)]
struct Observed(Cell<bool>);

impl ToSocketAddrs for &Observed {
    type Iter = std::option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> std::io::Result<Self::Iter> {
        self.0.set(true);
        Ok(Some(SocketAddr::from(([127, 0, 0, 1], 1))).into_iter())
    }
}

/// An address that cannot be resolved.
struct Unknown;

impl ToSocketAddrs for Unknown {
    type Iter = std::option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> std::io::Result<Self::Iter> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

#[test]
fn a_name_is_resolved_in_the_constructor() {
    let address = Observed::default();
    HttpPeer::new(&address, true, "name.test".into());
    assert!(address.0.get());
}

#[test]
fn a_name_that_does_not_resolve_panics() {
    let made = std::panic::catch_unwind(|| HttpPeer::new(Unknown, true, "name.test".into()));
    assert!(made.is_err());
}
