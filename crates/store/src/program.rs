//! What is needed to find the watched program again after a crash of Homeostasis, and other small named records.

use crate::error::StoreError;
use crate::open::{Durability, Store};
use crate::seal::{Column, Place};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const PROGRAM: &str = "program";

/// The program that is watched from this folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its command line, as given after `run --`.
    pub command: Vec<String>,
    /// Where it was started.
    pub cwd: PathBuf,
    /// Folder whose files belong to it.
    pub root: PathBuf,
    /// Name of the service.
    pub service: String,
    /// Name of the environment.
    pub environment: String,
    /// `observe`, `propose` or `auto`.
    pub mode: String,
    /// Process id of what was started.
    pub pid: u32,
    /// When that process started, in clock ticks since boot (field 22 of `/proc/<pid>/stat`): with the pid it names
    /// one process for ever, where the pid alone may come again.
    pub pid_started: u64,
    /// Socket of the agents.
    pub socket: PathBuf,
    /// Address of the HTTP API.
    pub api: String,
}

impl Store {
    /// Remembers the program, in place of an earlier one.
    pub async fn put_program(&self, program: &Program) -> Result<(), StoreError> {
        self.put_meta(PROGRAM, program).await
    }

    /// The program remembered last.
    pub async fn program(&self) -> Result<Option<Program>, StoreError> {
        self.get_meta(PROGRAM).await
    }

    /// Keeps a record under a name, in place of an earlier one.
    pub async fn put_meta<T: Serialize + Sync + ?Sized>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(value)
            .map_err(|error| StoreError::unstorable(format!("the record \"{name}\""), error))?;
        let place = Place::new(Column::Record, name);
        let (sealed, text) = self.seals().seal_text(place, text)?;
        let mut transaction = self.write(Durability::Full).await?;
        sqlx::query(
            "INSERT INTO meta (name, sealed, value) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, value = excluded.value",
        )
        .bind(name)
        .bind(sealed)
        .bind(text)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The record under a name.
    pub async fn get_meta<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let row: Option<(i64, String)> =
            sqlx::query_as("SELECT sealed, value FROM meta WHERE name = $1")
                .bind(name)
                .fetch_optional(self.readers())
                .await?;
        let place = Place::new(Column::Record, name);
        row.map(|(sealed, text)| {
            let text = self.seals().open_text(place, sealed, text)?;
            serde_json::from_str(&text)
                .map_err(|error| StoreError::unreadable(format!("the record \"{name}\""), error))
        })
        .transpose()
    }
}
