//! Connections with something of ours around them: what Pingora asks of a connection besides reading and writing is asked of the one within.

/// For a type whose field `connection` is the one within.
macro_rules! wraps_connection {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl pingora_core::protocols::Shutdown for $type {
            async fn shutdown(&mut self) {
                self.connection.shutdown().await;
            }
        }

        impl pingora_core::protocols::UniqueID for $type {
            fn id(&self) -> pingora_core::protocols::UniqueIDType {
                self.connection.id()
            }
        }

        impl pingora_core::protocols::Ssl for $type {
            fn get_ssl_digest(&self) -> Option<std::sync::Arc<pingora_core::protocols::tls::SslDigest>> {
                self.connection.get_ssl_digest()
            }

            fn selected_alpn_proto(&self) -> Option<pingora_core::protocols::ALPN> {
                self.connection.selected_alpn_proto()
            }
        }

        impl pingora_core::protocols::GetTimingDigest for $type {
            fn get_timing_digest(&self) -> Vec<Option<pingora_core::protocols::TimingDigest>> {
                self.connection.get_timing_digest()
            }

            fn get_read_pending_time(&self) -> std::time::Duration {
                self.connection.get_read_pending_time()
            }

            fn get_write_pending_time(&self) -> std::time::Duration {
                self.connection.get_write_pending_time()
            }
        }

        impl pingora_core::protocols::GetProxyDigest for $type {
            fn get_proxy_digest(&self) -> Option<std::sync::Arc<pingora_core::protocols::raw_connect::ProxyDigest>> {
                self.connection.get_proxy_digest()
            }
        }

        impl pingora_core::protocols::GetSocketDigest for $type {
            fn get_socket_digest(&self) -> Option<std::sync::Arc<pingora_core::protocols::SocketDigest>> {
                self.connection.get_socket_digest()
            }
        }
    };
}

pub(super) use wraps_connection;
