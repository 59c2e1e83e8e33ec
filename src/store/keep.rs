//! Keeping a response without making its client wait, such that whoever asks for it next finds it all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Store, StoredResponse};

/// Responses that are being written. Whoever reads waits for those of its tenant first.
#[derive(Debug, Default)]
pub struct Pending(Mutex<Writes>);

/// By tenant and response; the other end of the channel goes when it is written.
type Writes = HashMap<(Option<String>, String), watch::Receiver<()>>;

impl Store {
    /// Keeps a response in the background. A failure is logged: the client has its answer by then.
    pub fn keep(self: &Arc<Self>, response: StoredResponse) {
        let key = (response.tenant.clone(), response.id.clone());
        let (written, waits) = watch::channel(());
        self.pending.lock().insert(key.clone(), waits);
        let store = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(why) = store.put_response(&response).await {
                log::error!("the response {} is not kept: {why}", response.id);
            }
            store.pending.lock().remove(&key);
            drop(written);
        });
    }

    /// Waits until what is being kept for a tenant is written.
    pub async fn wait_for_writes(&self, tenant: Option<&str>) {
        let waits: Vec<_> = {
            let pending = self.pending.lock();
            let own = pending.iter().filter(|((owner, _), _)| owner.as_deref() == tenant);
            own.map(|(_, waits)| waits.clone()).collect()
        };
        for mut waits in waits {
            // Nothing is ever sent: the other end goes when the writing is done.
            while waits.changed().await.is_ok() {}
        }
    }
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Writes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
