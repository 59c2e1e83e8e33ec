//! The bytes of files that are kept here: written piece by piece, shown when the last one is there.
//!
//! Each piece is a transaction of its own, and so are a few that are deleted: a file of half a gigabyte keeps no other writer
//! waiting for longer than one of a megabyte does.

use super::files::{self, StoredFile};
use super::sql::sql;
use super::{Store, StoreError, Trouble, owner};

/// The most that a piece may hold, in bytes.
const MOST_PIECE: usize = 1 << 20;
/// So many pieces are deleted in one transaction.
const AT_ONCE: usize = 16;

impl Store {
    /// Makes room for a file that comes in pieces. It is not shown before it is finished. A file that there was under its id
    /// is gone, finished or not.
    pub async fn begin_file(&self, file: &StoredFile) -> Result<(), StoreError> {
        self.discard_file(file.tenant.as_deref(), &file.id).await?;
        let database = self.open().await?;
        let begin = async {
            let mut transaction = database.write().await?;
            files::put(&mut transaction, file, false).await?;
            transaction.commit().await
        };
        begin.await.map_err(|why| self.error(why))
    }

    /// Deletes a file, if there is one, whatever has become of it.
    pub(super) async fn discard_file(&self, tenant: Option<&str>, id: &str) -> Result<(), StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(()) };
        let hide = async {
            let mut transaction = database.write().await?;
            let hide = sql("UPDATE files SET is_finished = 0 WHERE tenant = $1 AND id = $2");
            let hidden = hide.bind(owner(tenant)).bind(id).execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(hidden > 0)
        };
        if hide.await.map_err(|why| self.error(why))? {
            self.drop_unfinished(tenant, id).await?;
        }
        Ok(())
    }

    /// Adds the next piece of a file that was begun: `position` counts from 0, and a piece has up to 1 MiB. A piece that is
    /// there already is replaced. When this returns it survives a crash of the process.
    pub async fn append_piece(
        &self,
        tenant: Option<&str>,
        id: &str,
        position: u64,
        piece: &[u8],
    ) -> Result<(), StoreError> {
        if piece.len() > MOST_PIECE {
            let (what, bytes) = ("piece of a file", piece.len());
            return Err(self.trouble(Trouble::TooLarge { what, bytes, most: MOST_PIECE }));
        }
        let database = self.open().await?;
        let append = async {
            let mut transaction = database.write().await?;
            let append = sql("INSERT INTO pieces (tenant, file, position, piece)
                 SELECT tenant, id, $3, $4 FROM files WHERE tenant = $1 AND id = $2 AND is_finished = 0
                 ON CONFLICT (tenant, file, position) DO UPDATE SET piece = excluded.piece");
            let append = append.bind(owner(tenant)).bind(id).bind(position).bind(piece);
            let appended = append.execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(appended)
        };
        self.is_begun(id, append.await)
    }

    /// Shows a file whose pieces are all there.
    pub async fn finish_file(&self, file: &StoredFile) -> Result<(), StoreError> {
        let database = self.open().await?;
        let finish = async {
            let mut transaction = database.write().await?;
            let begun = sql("UPDATE files SET is_finished = 1 WHERE tenant = $1 AND id = $2 AND is_finished = 0");
            let begun = begun.bind(owner(file.tenant.as_deref())).bind(&file.id).execute(&mut transaction).await?;
            if begun > 0 {
                files::put(&mut transaction, file, true).await?;
            }
            transaction.commit().await?;
            Ok(begun)
        };
        self.is_begun(&file.id, finish.await)
    }

    /// Forgets a file that was begun and broke off. One that is finished, or not there, is left alone.
    pub async fn drop_unfinished(&self, tenant: Option<&str>, id: &str) -> Result<(), StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(()) };
        let drop_all = async {
            loop {
                let mut transaction = database.write().await?;
                let dropped = sql(
                    "DELETE FROM pieces WHERE tenant = $1 AND file = $2 AND position IN (
                         SELECT position FROM pieces JOIN files ON files.tenant = pieces.tenant AND files.id = pieces.file
                         WHERE pieces.tenant = $1 AND file = $2 AND is_finished = 0 ORDER BY position LIMIT $3)",
                );
                let dropped = dropped.bind(owner(tenant)).bind(id).bind(AT_ONCE).execute(&mut transaction).await?;
                let is_last = dropped < AT_ONCE as u64;
                if is_last {
                    let file = sql("DELETE FROM files WHERE tenant = $1 AND id = $2 AND is_finished = 0");
                    file.bind(owner(tenant)).bind(id).execute(&mut transaction).await?;
                }
                transaction.commit().await?;
                if is_last {
                    return Ok(());
                }
            }
        };
        drop_all.await.map_err(|why| self.error(why))
    }

    /// A piece of a file, finished or not, counted from 0. One that is behind the last is `None`, and so is one of a file that was
    /// deleted meanwhile: whoever reads a file knows its length.
    pub async fn piece(&self, tenant: Option<&str>, id: &str, position: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(None) };
        let read = async {
            let piece = sql("SELECT piece FROM pieces WHERE tenant = $1 AND file = $2 AND position = $3");
            let piece = piece.bind(owner(tenant)).bind(id).bind(position);
            let row = piece.optional(&mut database.read().await?).await?;
            row.map(|row| row.get("piece")).transpose()
        };
        read.await.map_err(|why| self.error(why))
    }

    fn is_begun(&self, id: &str, changed: Result<u64, sqlx::Error>) -> Result<(), StoreError> {
        match changed {
            Ok(0) => Err(self.trouble(Trouble::NotBegun { file: id.to_owned() })),
            Ok(_) => Ok(()),
            Err(why) => Err(self.error(why)),
        }
    }
}
