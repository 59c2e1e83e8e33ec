//! Runs Pingora services inside a test, on a real port, without `Server` (whose `run_forever` ends the process).

use pingora_core::apps::HttpServerOptions;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{Fds, ListenFds};
use pingora_core::services::Service;
use pingora_proxy::{ProxyHttp, http_proxy_service};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A service that runs until this is dropped.
pub struct Running {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    service: JoinHandle<()>,
}

/// Starts a proxy that speaks HTTP/1.1 and, with prior knowledge, HTTP/2.
pub async fn start_proxy<P>(proxy: P) -> Running
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    let conf = Arc::new(ServerConf::default());
    start(|address| {
        let mut service = http_proxy_service(&conf, proxy);
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        if let Some(app) = service.app_logic_mut() {
            app.server_options = Some(options);
        }
        service.add_tcp(address);
        service
    })
    .await
}

/// Starts any service. `build` gets the address that it must listen on, exactly as it is spelled.
///
/// The socket is bound here, so that the port is known and clients may connect at once; Pingora finds it in the
/// table in which a server hands over its sockets to its successor.
pub async fn start<S: Service + 'static>(build: impl FnOnce(&str) -> S) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.set_nonblocking(true).expect("non-blocking");
    let address = listener.local_addr().expect("address");
    let spelled = address.to_string();
    let mut sockets = Fds::new();
    sockets.add(spelled.clone(), listener.into_raw_fd());
    let sockets: ListenFds = Arc::new(sockets.into());

    let mut service = build(&spelled);
    let (stop, stopping) = watch::channel(false);
    let service = tokio::spawn(async move {
        service.start_service(Some(sockets), stopping, 1).await;
    });
    Running { address, stop, service }
}

impl Running {
    /// Asks the service to stop, as a server that shuts down does, and waits until it has.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let _ = super::soon("the service to stop", &mut self.service).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        self.service.abort();
    }
}
