//! G.722 against another implementation.
