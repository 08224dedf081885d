//! Puts Opus packets together to longer ones without touching the sound: what is behind their first bytes is laid side
//! by side (RFC 6716 §3.2.5, code 3 with lengths). So who wants packets of 40 or 60 ms still shares the encoder of those
//! who get 20.
//!
//! Only packets of one configuration fit into one. When it changes, what was gathered goes out by itself, shorter.

/// The most packets that are put together: 60 ms of 20.
const FRAMES_MAX: usize = 3;

/// The longest length that one byte can say (RFC 6716 §3.2.1).
const SHORT_MAX: usize = 251;

/// First byte, count of frames, and two bytes of length for all frames but the last.
const HEAD_MAX: usize = 2 + 2 * (FRAMES_MAX - 1);

/// V of the second byte: frames say their lengths (RFC 6716 §3.2.5).
const OWN_LENGTHS: u8 = 0x80;

/// Packets on their way into a longer one.
#[derive(Debug)]
pub(crate) struct Joiner {
    /// How many make a packet.
    frames: usize,
    toc: u8,
    lens: [usize; FRAMES_MAX],
    count: usize,
    /// Frames behind room for the longest head.
    bytes: Vec<u8>,
}

impl Joiner {
    /// Puts together so many packets (at most three) of up to so many bytes.
    pub(crate) fn new(frames: usize, packet_bytes: usize) -> Self {
        let frames = frames.clamp(1, FRAMES_MAX);
        let mut bytes = Vec::with_capacity(HEAD_MAX + frames * packet_bytes);
        bytes.resize(HEAD_MAX, 0);
        Self { frames, toc: 0, lens: [0; FRAMES_MAX], count: 0, bytes }
    }

    /// Bytes of the longest packet that comes out.
    pub(crate) const fn packet_max(frames: usize, packet_bytes: usize) -> usize {
        HEAD_MAX + frames * packet_bytes
    }

    /// How many are waiting.
    pub(crate) const fn waiting(&self) -> usize {
        self.count
    }

    /// What is waiting, as a packet, and how many are in it.
    pub(crate) fn take(&mut self) -> Option<(&[u8], usize)> {
        let count = std::mem::take(&mut self.count);
        if count <= 1 {
            // Alone, it is the packet that it was.
            self.bytes[HEAD_MAX - 1] = self.toc;
            return (count == 1).then(|| (&self.bytes[HEAD_MAX - 1..], 1));
        }
        let mut head = [0; HEAD_MAX];
        head[..2].copy_from_slice(&[self.toc | 3, OWN_LENGTHS | count as u8]);
        let mut len = 2;
        for &frame in &self.lens[..count - 1] {
            len += write_len(frame, &mut head[len..]);
        }
        self.bytes[HEAD_MAX - len..HEAD_MAX].copy_from_slice(&head[..len]);
        Some((&self.bytes[HEAD_MAX - len..], count))
    }

    /// Adds a packet of one frame. False for one that does not go with those that wait, or with any.
    pub(crate) fn add(&mut self, packet: &[u8]) -> bool {
        let Some((&toc, frame)) = packet.split_first() else {
            return false;
        };
        let is_single = toc & 0b11 == 0;
        if !is_single || self.is_full() || (self.count > 0 && toc != self.toc) {
            return false;
        }
        if self.count == 0 {
            self.bytes.truncate(HEAD_MAX);
        }
        if self.bytes.len() + frame.len() > self.bytes.capacity() {
            return false;
        }
        self.toc = toc;
        self.bytes.extend_from_slice(frame);
        self.lens[self.count] = frame.len();
        self.count += 1;
        true
    }

    /// Whether enough is waiting.
    pub(crate) const fn is_full(&self) -> bool {
        self.count == self.frames
    }

    /// Forgets what is waiting.
    pub(crate) const fn clear(&mut self) {
        self.count = 0;
    }
}

/// Writes the length of a frame, and says in how many bytes (RFC 6716 §3.2.1).
fn write_len(len: usize, out: &mut [u8]) -> usize {
    if len <= SHORT_MAX {
        out[0] = len as u8;
        return 1;
    }
    // The second byte counts fours, above a first of 252 to 255.
    out[0] = (252 + len % 4) as u8;
    out[1] = ((len - usize::from(out[0])) / 4) as u8;
    2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The frames of a packet, as libopus finds them.
    fn frames_of(packet: &[u8]) -> Vec<Vec<u8>> {
        let parsed = ::opus::packet::parse(packet).expect("a packet");
        parsed.frames.iter().map(|frame| frame.to_vec()).collect()
    }

    fn packet(toc: u8, len: usize) -> Vec<u8> {
        let mut packet = vec![toc];
        packet.extend((0..len).map(|n| (n * 7 + len) as u8));
        packet
    }

    proptest! {
        #[test]
        fn libopus_finds_every_frame_in_what_was_put_together(
            config in 0u8..32,
            lens in proptest::collection::vec(0usize..=639, 1..=FRAMES_MAX),
        ) {
            // Of frames of 20 ms and less, so that three stay below 120 ms.
            let toc = (if config < 12 { config & !3 | 1 } else { config }) << 3;
            let mut joiner = Joiner::new(lens.len(), 640);
            let packets: Vec<_> = lens.iter().map(|&len| packet(toc, len)).collect();
            prop_assert!(packets.iter().all(|packet| joiner.add(packet)));
            prop_assert!(joiner.is_full());
            let (joined, count) = joiner.take().unwrap();
            prop_assert_eq!(count, lens.len());
            prop_assert!(joined.len() <= Joiner::packet_max(count, 640));
            let frames: Vec<_> = packets.iter().map(|packet| packet[1..].to_vec()).collect();
            prop_assert_eq!(frames_of(joined), frames);
            prop_assert_eq!(joiner.take(), None);
        }
    }

    #[test]
    fn what_does_not_go_together_stays_apart() {
        let mut joiner = Joiner::new(3, 100);
        assert!(joiner.add(&packet(0x48, 20)) && joiner.add(&packet(0x48, 30)));
        assert!(!joiner.add(&packet(0x50, 20)), "another configuration");
        assert!(!joiner.add(&packet(0x49, 20)), "two frames already");
        assert!(!joiner.add(&[]));
        assert_eq!((joiner.waiting(), joiner.take().unwrap().1), (2, 2));
        assert!(joiner.add(&packet(0x50, 20)));
        assert_eq!(joiner.take(), Some((&packet(0x50, 20)[..], 1)), "alone it is as it was");
        assert!(!joiner.add(&packet(0x50, 400)), "longer than there is room for");
    }
}
