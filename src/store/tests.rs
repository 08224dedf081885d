//! The store, with real files.
