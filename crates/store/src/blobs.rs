//! Bytes kept by their content hash: source files as they were before a rollout; never changed, never deleted.

use crate::error::StoreError;
use crate::open::{Durability, Store};
use homeostasis_domain::id::content_hash;

impl Store {
    /// Keeps the bytes and returns their SHA-256 in hexadecimal. The same bytes are kept once.
    pub async fn put_blob(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let sha256 = content_hash(bytes);
        let mut transaction = self.write(Durability::Full).await?;
        sqlx::query(
            "INSERT INTO blobs (sha256, body) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(&sha256)
        .bind(bytes)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(sha256)
    }

    /// The bytes with this hash, or an error when what is there no longer has it.
    pub async fn get_blob(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let body: Option<Vec<u8>> = sqlx::query_scalar("SELECT body FROM blobs WHERE sha256 = $1")
            .bind(sha256)
            .fetch_optional(self.readers())
            .await?;
        match body {
            Some(body) if content_hash(&body) != sha256 => Err(StoreError::Corrupt {
                what: format!("the blob {sha256} has another content"),
            }),
            body => Ok(body),
        }
    }
}
