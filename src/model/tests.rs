//! What the values promise: init data, input, policy, versions, and the words that are persisted or cross.

mod init_data;
mod input;
mod outcome;
mod policy;
mod version;
mod words;
