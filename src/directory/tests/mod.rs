//! The directory over a shelf in memory.
