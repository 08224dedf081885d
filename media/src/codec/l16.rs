//! L16: linear samples of 16 bits in network byte order (RFC 3551 §4.5.11).

/// Bytes of one sample.
pub(super) const SAMPLE_BYTES: usize = 2;

/// Reads `payload` into the front of `out`; returns the number of samples written. Half a sample at the end is
/// left out.
pub(super) fn decode(payload: &[u8], out: &mut [i16]) -> usize {
    let (samples, _half) = payload.as_chunks::<SAMPLE_BYTES>();
    for (sample, &bytes) in out.iter_mut().zip(samples) {
        *sample = i16::from_be_bytes(bytes);
    }
    out.len().min(samples.len())
}

/// Writes `samples` to the front of `out`; returns the number of bytes written.
pub(super) fn encode(samples: &[i16], out: &mut [u8]) -> usize {
    let (places, _half) = out.as_chunks_mut::<SAMPLE_BYTES>();
    for (place, sample) in places.iter_mut().zip(samples) {
        *place = sample.to_be_bytes();
    }
    places.len().min(samples.len()) * SAMPLE_BYTES
}
