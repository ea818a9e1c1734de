//! Bytes kept by their content hash: source files as they were before a rollout; never changed, and there as long as
//! a heal that needs them.

use crate::error::StoreError;
use crate::open::{Durability, Store};
use crate::seal::{Column, Place};
use homeostasis_domain::HealId;
use homeostasis_domain::id::content_hash;

impl Store {
    /// Keeps the bytes for a heal and returns their SHA-256 in hexadecimal. The same bytes are kept once.
    pub async fn put_blob(&self, heal: &HealId, bytes: &[u8]) -> Result<String, StoreError> {
        let sha256 = content_hash(bytes);
        let place = Place::new(Column::Source, &sha256);
        let (sealed, body) = self.seals().seal(place, bytes)?;
        let mut transaction = self.write(Durability::Full).await?;
        sqlx::query(
            "INSERT INTO blobs (sha256, sealed, body) VALUES ($1, $2, $3) ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(&sha256)
        .bind(sealed)
        .bind(body)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO blob_uses (heal, sha256) VALUES ($1, $2) ON CONFLICT (heal, sha256) DO NOTHING",
        )
        .bind(heal.as_str())
        .bind(&sha256)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(sha256)
    }

    /// The bytes with this hash, or an error when what is there no longer has it.
    pub async fn get_blob(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT sealed, body FROM blobs WHERE sha256 = $1")
                .bind(sha256)
                .fetch_optional(self.readers())
                .await?;
        let place = Place::new(Column::Source, sha256);
        let opened = row.map(|(sealed, body)| self.seals().open(place, sealed, body));
        match opened.transpose()? {
            Some(body) if content_hash(&body) != sha256 => Err(StoreError::Corrupt {
                what: format!("the blob {sha256} has another content"),
            }),
            body => Ok(body),
        }
    }
}
