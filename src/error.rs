//! The public error: one type, one stable code per kind. Rooms with errors of their own (`store`) convert here.

/// What a call can fail with. `Display` is for developers; `code()` is what programs match on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Input that is refused whole; `field` names the place, as `[3].sessionId`.
    #[error("{field}: {message}")]
    InvalidArgument { field: String, message: String },
    #[error("the directory is in use by process {}: another instance of the app, or an earlier open() that was not closed", pid.map_or("unknown".to_owned(), |pid| pid.to_string()))]
    InUse { pid: Option<u32> },
    #[error("the store is closed")]
    Closed,
    #[error("no stored session for this task: its content was removed")]
    NotFound,
    #[error("{vanished} of {known} contents are not in the catalogue: nothing was marked or removed")]
    CatalogueShrank { vanished: usize, known: usize },
    #[error("the disk is full")]
    DiskFull,
    #[error("the directory cannot be written: {0}")]
    ReadOnly(String),
    #[error("the database was written by a newer version (schema {found}, this version knows {known})")]
    NewerDatabase { found: i64, known: i64 },
    #[error("the database is damaged: {0}")]
    CorruptDatabase(String),
    #[error("storage failed: {0}")]
    Storage(String),
    #[error("internal error: {0}")]
    Internal(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidArgument { field: field.into(), message: message.into() }
    }

    /// The same error with its field inside `parent`: `[2]` and `origin` make `[2].origin`.
    pub fn within(self, parent: &str) -> Self {
        match self {
            Self::InvalidArgument { field, message } => {
                let joint = if field.starts_with('[') || field.is_empty() { "" } else { "." };
                Self::InvalidArgument { field: format!("{parent}{joint}{field}"), message }
            }
            other => other,
        }
    }

    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidArgument { .. } => "ERR_INVALID_ARGUMENT",
            Self::InUse { .. } => "ERR_IN_USE",
            Self::Closed => "ERR_CLOSED",
            Self::NotFound => "ERR_NOT_FOUND",
            Self::CatalogueShrank { .. } => "ERR_CATALOGUE_SHRANK",
            Self::DiskFull => "ERR_DISK_FULL",
            Self::ReadOnly(_) => "ERR_READ_ONLY",
            Self::NewerDatabase { .. } => "ERR_NEWER_DATABASE",
            Self::CorruptDatabase(_) => "ERR_CORRUPT_DATABASE",
            Self::Storage(_) => "ERR_STORAGE",
            Self::Internal(_) => "ERR_INTERNAL",
        }
    }

    pub fn field(&self) -> Option<&str> {
        match self {
            Self::InvalidArgument { field, .. } => Some(field),
            _ => None,
        }
    }
}
