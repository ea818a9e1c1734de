//! Where candidates come from; each strategy is a folder.

pub mod rules;
