//! Names of the things the engine holds. All are given by the control side, which must never give
//! one twice in the life of the process: an answer that arrives late must not meet a newcomer.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    };
}

id!(
    /// One far end: its signalling and its media.
    LegId, "leg-"
);
id!(
    /// A place where legs are mixed. A two-party call is one with two seats.
    ConferenceId, "conference-"
);
id!(
    /// One playing of a sound.
    PlayerId, "player-"
);
id!(
    /// Music that is on for many.
    ProgrammeId, "programme-"
);
id!(
    /// One capture of the keys that a far end presses.
    CaptureId, "capture-"
);
id!(
    /// One command; the event that answers it carries the same id.
    CommandId, "command-"
);
