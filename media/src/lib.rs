//! The engine: receives, mixes and sends the sound of conferences, and knows nothing of sockets, clocks,
//! files, threads or locks.
