//! Puts services on sockets, starts them, and stops them without breaking what is under way.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora_core::apps::{HttpServerOptions, ServerApp};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig};
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{Fds, ListenFds, RunArgs, Server, ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora_core::services::Service;
use pingora_core::services::background::{BackgroundService, background_service};
use pingora_core::services::listening::Service as ListeningService;
use pingora_proxy::http_proxy;
use tokio::signal::unix::{SignalKind, signal};

use super::admin::Admin;
use super::batches::Worker;
use super::desk::Desk;
use super::dns::Dns;
use super::door::Door;
use super::refresh::{Connectors, Refresh};
use super::whole::Connections;
use super::{Proxy, Side};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::providers::BaseUrl;
use crate::simulator::{self, Behaviour};
use crate::store::Store;

/// Tries of one exchange at most, whatever the configuration says; Pingora wants a limit.
const MOST_TRIES: usize = 64;
/// Connections that are kept open to providers while nobody uses them.
const POOLED_CONNECTIONS: usize = 512;

/// Between two requests on a connection of HTTP/2, which is not made for one request alone.
const SHORTEST_H2_IDLE: Duration = Duration::from_secs(1);

/// What an answer's header may wait in until its body comes, in bytes, so that most answers leave in one piece. Events of streams
/// do not wait in it.
const WRITE_BUFFER: usize = 16 << 10;

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{name} ({address}) cannot be listened on: {source}")]
    Bind { name: &'static str, address: SocketAddr, source: io::Error },
}

/// The sockets of a gateway, bound before anything is started: so a port that is taken is reported as such, and where the
/// configuration asks for port 0 the real one can be told.
#[derive(Debug)]
pub struct Sockets {
    traffic: Socket,
    admin: Option<Socket>,
    simulator: Option<Socket>,
}

#[derive(Debug)]
struct Socket {
    listener: TcpListener,
    address: SocketAddr,
}

impl Sockets {
    /// Binds what this configuration needs, and tells it where the simulator is, should one of its instances be that.
    pub fn bind(config: &mut Config) -> Result<Self, StartError> {
        let traffic = Socket::bind("server.listen", config.server.listen)?;
        let admin =
            config.server.admin_listen.map(|address| Socket::bind("server.admin_listen", address)).transpose()?;
        let built_in = |base: &BaseUrl| base.host == SIMULATOR_HOST;
        let mut simulator = None;
        if config.instances.iter().any(|instance| built_in(&instance.base)) {
            let socket = Socket::bind("the simulator", SocketAddr::from(([127, 0, 0, 1], 0)))?;
            for instance in config.instances.iter_mut().filter(|instance| built_in(&instance.base)) {
                instance.base.host = socket.address.ip().to_string();
                instance.base.port = socket.address.port();
            }
            simulator = Some(socket);
        }
        Ok(Self { traffic, admin, simulator })
    }

    pub fn traffic(&self) -> SocketAddr {
        self.traffic.address
    }

    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|socket| socket.address)
    }
}

/// Deletes from the store what has been kept long enough.
struct Sweeper(Arc<Store>);

#[async_trait]
impl BackgroundService for Sweeper {
    async fn start(&self, shutdown: ShutdownWatch) {
        Arc::clone(&self.0).keep_clean(shutdown).await;
    }
}

/// The host of the simulator's base URL in the catalogue; it stands for wherever the built-in one listens.
pub const SIMULATOR_HOST: &str = "simulator.internal";

/// Serves until a signal says to stop, and what is under way has ended.
pub fn run(gateway: Arc<Gateway>, sockets: Sockets) {
    let server_config = &gateway.config.server;
    let conf = ServerConf {
        threads: server_config.threads,
        ca_file: server_config.ca_file.as_ref().map(|path| path.display().to_string()),
        max_retries: MOST_TRIES,
        upstream_keepalive_pool_size: POOLED_CONNECTIONS,
        // The waiting is done before Pingora is told to stop: it would wait a fixed time.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    let dns = Arc::new(Dns::default());
    let connections = Connections::new(ConnectorOptions::from_server_conf(&server.configuration));

    let desk = Arc::new(Desk::new(&server.configuration, &gateway, &dns));
    let side = Side::Clients(Arc::clone(&desk));
    let mut proxy = http_proxy(
        &server.configuration,
        Proxy { gateway: Arc::clone(&gateway), dns: Arc::clone(&dns), connections, side },
    );
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.h2_idle_timeout = Some(server_config.keep_alive.max(SHORTEST_H2_IDLE));
    proxy.server_options = Some(options);
    let door = Door::new(proxy, server_config.keep_alive);
    server.add_service(sockets.traffic.carry(ListeningService::new("traffic".to_owned(), door)));

    if let Some(socket) = sockets.admin {
        let mut admin = ListeningService::new("admin".to_owned(), Admin { gateway: Arc::clone(&gateway) });
        admin.threads = Some(1);
        server.add_service(socket.carry(admin));
    }
    if let Some(socket) = sockets.simulator {
        server.add_service(socket.carry(simulator_service(Behaviour::default())));
    }
    server.add_service(background_service("store", Sweeper(Arc::clone(&gateway.store))));
    server.add_service(background_service("batches", Worker(desk)));
    let connectors = Connectors::new(ConnectorOptions::from_server_conf(&server.configuration));
    let mut refresh = background_service("models", Refresh { gateway: Arc::clone(&gateway), dns, connectors });
    refresh.threads = Some(1);
    server.add_service(refresh);

    server.run(RunArgs { shutdown_signal: Box::new(Drain { gateway }) });
}

/// Serves the simulator alone.
pub fn run_simulator(
    address: SocketAddr,
    threads: usize,
    behaviour: Behaviour,
    bound: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let socket = Socket::bind("the simulator", address)?;
    bound(socket.address);
    let conf = ServerConf {
        threads,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    let mut service = simulator_service(behaviour);
    service.threads = Some(threads);
    server.add_service(socket.carry(service));
    server.run(RunArgs::default());
    Ok(())
}

fn simulator_service(behaviour: Behaviour) -> ListeningService<simulator::Simulator> {
    let mut service = ListeningService::new("simulator".to_owned(), simulator::app(behaviour));
    service.threads = Some(1);
    service
}

impl Socket {
    fn bind(name: &'static str, address: SocketAddr) -> Result<Self, StartError> {
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        });
        bound.map_err(|source| StartError::Bind { name, address, source })
    }

    /// A service that listens on this socket.
    fn carry<A: ServerApp + Send + Sync + 'static>(self, mut service: ListeningService<A>) -> OnSocket<A> {
        let buffers = L4BufferSettings::default().write(WRITE_BUFFER);
        service.add_listener(ListenerConfig::tcp(self.address.to_string()).l4_buffer(buffers));
        OnSocket { service, socket: Some(self) }
    }
}

/// A service that is handed a bound socket in the way in which Pingora hands sockets from one process to the next.
struct OnSocket<A> {
    service: ListeningService<A>,
    socket: Option<Socket>,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> Service for OnSocket<A> {
    async fn start_service(&mut self, _fds: Option<ListenFds>, shutdown: ShutdownWatch, listeners_per_fd: usize) {
        let mut fds = Fds::new();
        if let Some(socket) = self.socket.take() {
            fds.add(socket.address.to_string(), socket.listener.into_raw_fd());
        }
        self.service.start_service(Some(Arc::new(fds.into())), shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }
}

/// Waits for a signal, then for what is under way.
struct Drain {
    gateway: Arc<Gateway>,
}

#[async_trait]
impl ShutdownSignalWatch for Drain {
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            log::error!("signals cannot be received; the process can only be killed");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        self.gateway.drain();
        let open = self.gateway.open_exchanges();
        if open > 0 {
            let patience = humantime::format_duration(self.gateway.config.server.drain);
            log::info!(
                "stopping: {open} exchanges are under way and get {patience} to end; a second signal ends them now"
            );
        }
        tokio::select! {
            () = self.drained() => {}
            _ = terminate.recv() => log::warn!("a second signal: {} exchanges are cut short", self.gateway.open_exchanges()),
            _ = interrupt.recv() => log::warn!("a second signal: {} exchanges are cut short", self.gateway.open_exchanges()),
        }
        ShutdownSignal::FastShutdown
    }
}

impl Drain {
    async fn drained(&self) {
        let until = Instant::now() + self.gateway.config.server.drain;
        while self.gateway.open_exchanges() > 0 {
            if Instant::now() > until {
                log::warn!("{} exchanges did not end in time and are cut short", self.gateway.open_exchanges());
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
