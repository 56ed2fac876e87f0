//! Words and JSON in columns. A column that cannot be read is a damaged database, never a panic or a guess.

use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{Capability, Proof, Reason, Stage, State};

pub type Sql<T> = rusqlite::Result<T>;

pub trait Word: Sized {
    fn word(text: &str) -> Option<Self>;
}

macro_rules! word {
    ($($name:ty),+) => {$(
        impl Word for $name {
            fn word(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    )+};
}
word!(State, Reason, Stage, Capability);

pub fn word<T: Word>(row: &Row<'_>, column: &str) -> Sql<T> {
    let text: String = row.get(column)?;
    T::word(&text).ok_or_else(|| damaged(column))
}

pub fn optional_word<T: Word>(row: &Row<'_>, column: &str) -> Sql<Option<T>> {
    match row.get::<_, Option<String>>(column)? {
        Some(text) => T::word(&text).map(Some).ok_or_else(|| damaged(column)),
        None => Ok(None),
    }
}

pub fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Sql<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|_| damaged(column))
}

pub fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Sql<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| damaged(column))).transpose()
}

pub fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own values have string keys only, so they always serialise")
}

/// The three columns of a proof, with their common prefix.
pub fn proof(row: &Row<'_>) -> Sql<Option<Proof>> {
    let columns = (row.get("proven_generation")?, row.get("proven_launch")?, row.get("proven_at_ms")?);
    match columns {
        (Some(generation), Some(launch), Some(at_ms)) => Ok(Some(Proof { generation, launch, at_ms })),
        (None, None, None) => Ok(None),
        _ => Err(damaged("proven_generation")),
    }
}

pub fn damaged(column: &str) -> rusqlite::Error {
    let error = format!("unreadable value in column {column}");
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into())
}
