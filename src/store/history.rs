//! What a conversation has said so far: the items of a response and of all that it continues.

use std::time::SystemTime;

use super::sql::{Row, sql};
use super::{Json, MOST_BYTES, MOST_TURNS, Store, StoreError, owner};

/// The way back from a response, or why there is none.
#[derive(Debug)]
pub enum History {
    /// Every item, the oldest first; in each turn its input before its output.
    Whole(Vec<Json>),
    /// There is no such response, or it is too old or another tenant's.
    NotFound,
    /// A response that it continues is not there: deleted, or never known here.
    Broken,
    /// A part of it is known to a provider alone.
    AtProvider { instance: String, id: String },
    /// More turns or bytes than any request could carry.
    TooLong { turns: usize, bytes: usize },
}

/// The responses from `$2` back to the first. Old ones count here as long as what continues them does.
macro_rules! line {
    ($rest:literal) => {
        concat!(
            "WITH RECURSIVE line (id, previous, depth) AS (
               SELECT id, previous, 0 FROM responses WHERE tenant = $1 AND id = $2 AND created >= $3
               UNION ALL
               SELECT responses.id, responses.previous, line.depth + 1 FROM line
               JOIN responses ON responses.tenant = $1 AND responses.id = line.previous WHERE line.depth < $4) ",
            $rest
        )
    };
}

const TURNS: &str = line!(
    "SELECT line.previous, instance, upstream_id, bytes,
         CAST(CASE WHEN object IS NULL THEN 1 ELSE 0 END AS BIGINT) AS is_elsewhere FROM line
     JOIN responses ON responses.tenant = $1 AND responses.id = line.id ORDER BY line.depth DESC"
);
const ITEMS: &str = line!(
    "SELECT items.item FROM line JOIN items ON items.tenant = $1 AND items.response = line.id
     ORDER BY line.depth DESC, items.side, items.position"
);

impl Store {
    /// All that was said up to a response and with it: what a request that continues it has to begin with.
    pub async fn history(&self, tenant: Option<&str>, id: &str) -> Result<History, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(History::NotFound) };
        let cutoff = self.cutoff(SystemTime::now());
        let read = async {
            let mut moment = database.read().await?;
            let ask = |text| sql(text).bind(owner(tenant)).bind(id).bind(cutoff).bind(MOST_TURNS);
            let turns = ask(TURNS).all(&mut moment).await?;
            if let Some(hindrance) = hindrance(&turns)? {
                return Ok(hindrance);
            }
            let items = ask(ITEMS).all(&mut moment).await?;
            items.iter().map(|row| row.json("item")).collect::<Result<_, _>>().map(History::Whole)
        };
        read.await.map_err(|why| self.error(why))
    }
}

/// Why the turns, the oldest first, do not make a whole.
fn hindrance(turns: &[Row]) -> Result<Option<History>, sqlx::Error> {
    let Some(oldest) = turns.first() else { return Ok(Some(History::NotFound)) };
    for turn in turns {
        if turn.flag("is_elsewhere")? {
            return Ok(Some(History::AtProvider { instance: turn.get("instance")?, id: turn.get("upstream_id")? }));
        }
    }
    let mut bytes = 0_usize;
    for turn in turns {
        bytes = bytes.saturating_add(turn.count("bytes")?.try_into().unwrap_or(usize::MAX));
    }
    if turns.len() > MOST_TURNS || bytes > MOST_BYTES {
        return Ok(Some(History::TooLong { turns: turns.len(), bytes }));
    }
    if oldest.get::<Option<String>>("previous")?.is_some() {
        return Ok(Some(History::Broken));
    }
    Ok(None)
}
