//! What a recording sounds like: as WAV or MP3, whole or in parts (RFC 9110 §14), as it is or as one track.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tracing::warn;

use super::auth::Acting;
use super::error::{ApiError, Asked};
use super::form::{Parameters, Query};
use super::path::{RecordingPath, Suffix};
use super::{ApiState, recordings};
use crate::call::{CallError, RecordingSid, RecordingStatus};
use crate::recording::{Mp3, Playback};

/// Read from the disk at a time.
const PIECE_LEN: usize = 64 * 1_024;

/// Encoders that work at a time: one core of two. Others wait for their turn.
const ENCODERS: usize = 1;

/// Requests that encode or wait for it. One more is told to come back: each holds a connection.
const ENCODINGS_MAX: usize = 32;

/// Turns at the encoder.
#[derive(Clone, Debug)]
pub(super) struct Encoders {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Encoders {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(ENCODINGS_MAX)), turns: Arc::new(Semaphore::new(ENCODERS)) }
    }
}

/// What can be read from anywhere in it.
trait Sound: Send + Sync {
    fn len(&self) -> u64;

    /// As many bytes from `offset` on as fit into `out`, or as there are; how many.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize>;

    fn media_type(&self) -> &'static str;
}

impl Sound for Playback {
    fn len(&self) -> u64 {
        self.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.read_at(offset, out)
    }

    fn media_type(&self) -> &'static str {
        "audio/x-wav"
    }
}

impl Sound for Mp3 {
    fn len(&self) -> u64 {
        self.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.read_at(offset, out)
    }

    fn media_type(&self) -> &'static str {
        "audio/mpeg"
    }
}

/// Fetches the sound of a completed recording.
///
/// Also at the path without a suffix; with `.mp3` it is encoded, with `.json` it is what is known of it.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Recordings/{Sid}.wav",
    tag = "Recordings",
    operation_id = "FetchRecordingSound",
    params(("RequestedChannels" = Option<u8>, Query, description = "`1` mixes the tracks of a dual one; as it is unless given.")),
    responses(
        (status = 200, body = [u8], content_type = "audio/wav", description = "The sound."),
        (status = 206, body = [u8], content_type = "audio/wav", description = "The part that `Range` asks for.")
    )
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    RecordingPath(recording, suffix): RecordingPath,
    Query(parameters): Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if suffix == Suffix::Json {
        return recordings::fetch(state, account, recording, &parameters)
            .await
            .map(IntoResponse::into_response);
    }
    let view = recordings::existing(&state.calls.of(account), recording, false).await?;
    if view.status != RecordingStatus::Completed {
        return Err(ApiError::not_found(format!(
            "Recording {recording} is {}; only a completed one can be heard.",
            view.status.word()
        )));
    }
    let wav = wanted(open(&state, recording).await?, recording, &parameters)?;
    if suffix == Suffix::Mp3 {
        let is_mixed = parameters.one("RequestedChannels")? == Some("1");
        return sound(Arc::new(mp3(&state, recording, is_mixed).await?), &headers);
    }
    sound(Arc::new(wav), &headers)
}

/// Encodes it, when it is its turn, if that has not been done.
async fn mp3(state: &ApiState, recording: RecordingSid, is_mixed: bool) -> Result<Mp3, ApiError> {
    let gone = || ApiError::of(CallError::NoRecording, Asked::Recording(recording));
    let encoders = &state.encoders.0;
    let busy =
        || ApiError::unavailable("Too many recordings are being encoded as MP3. Try again.".to_owned());
    let place = Arc::clone(&encoders.places).try_acquire_owned().map_err(|_| busy())?;
    let turn = Arc::clone(&encoders.turns).acquire_owned().await.map_err(|_| busy())?;
    let (folder, name) = (state.recordings.clone(), recording.to_string().parse().map_err(|_| gone())?);
    let opened = tokio::task::spawn_blocking(move || {
        // Held until it is done, also if nobody waits for it any more.
        let _held = (place, turn);
        Mp3::open(&folder, &name, is_mixed)
    });
    match opened.await.map_err(io::Error::other).and_then(|opened| opened) {
        Ok(mp3) => Ok(mp3),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone()),
        Err(error) => {
            warn!(%recording, %error, "cannot be encoded as MP3");
            Err(ApiError::unavailable(format!(
                "Recording {recording} cannot be encoded as MP3 now: {error}."
            )))
        }
    }
}

async fn open(state: &ApiState, recording: RecordingSid) -> Result<Playback, ApiError> {
    let gone = || ApiError::of(CallError::NoRecording, Asked::Recording(recording));
    let (folder, name) = (state.recordings.clone(), recording.to_string().parse());
    let name = name.map_err(|_| gone())?;
    let opened = tokio::task::spawn_blocking(move || Playback::open(&folder, &name)).await;
    // Deleted in between, or by somebody else.
    opened.ok().and_then(Result::ok).ok_or_else(gone)
}

fn wanted(
    playback: Playback,
    recording: RecordingSid,
    parameters: &Parameters,
) -> Result<Playback, ApiError> {
    match parameters.one("RequestedChannels")? {
        None => Ok(playback),
        Some("1") => Ok(playback.mixed()),
        Some("2") if playback.tracks() == 2 => Ok(playback),
        Some("2") => Err(ApiError::call(
            16_113,
            &format!("Recording {recording} is mono; RequestedChannels=2 can be had of a dual one only."),
        )),
        Some(other) => Err(ApiError::value("RequestedChannels", other, "1 or 2")),
    }
}

fn sound(sound: Arc<dyn Sound>, headers: &HeaderMap) -> Result<Response, ApiError> {
    let (len, media_type) = (sound.len(), sound.media_type());
    let asked = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let part = match asked.map(|range| Part::parse(range, len)) {
        // What is no range that we know is ignored (RFC 9110 §14.2).
        None | Some(Part::Unknown) => None,
        Some(Part::Unsatisfiable) => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            response.headers_mut().insert(CONTENT_RANGE, header(&format!("bytes */{len}")));
            return Ok(response);
        }
        Some(Part::Bytes(first, last)) => Some((first, last)),
    };
    let (first, last) = part.unwrap_or((0, len - 1));
    let mut response = Body::from_stream(pieces(sound, first, last + 1)).into_response();
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        response.headers_mut().insert(CONTENT_RANGE, header(&format!("bytes {first}-{last}/{len}")));
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(last + 1 - first));
    Ok(response)
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("words and numbers")
}

/// The file's bytes up to `end`, as they are asked for.
fn pieces(
    sound: Arc<dyn Sound>,
    first: u64,
    end: u64,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures_util::stream::try_unfold(first, move |at| {
        let sound = Arc::clone(&sound);
        async move {
            if at >= end {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || {
                let wanted = usize::try_from(end - at).unwrap_or(PIECE_LEN).min(PIECE_LEN);
                let mut piece = vec![0; wanted];
                let len = sound.read_at(at, &mut piece)?;
                piece.truncate(len);
                Ok::<_, io::Error>(piece)
            });
            let piece = read.await.map_err(io::Error::other)??;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let next = at + piece.len() as u64;
            Ok(Some((Bytes::from(piece), next)))
        }
    })
}

/// The part of a file that a `Range` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// From a byte to another, both included.
    Bytes(u64, u64),
    /// Nothing of it is there.
    Unsatisfiable,
    /// Other units, several parts, or no range at all.
    Unknown,
}

impl Part {
    fn parse(range: &str, len: u64) -> Self {
        let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Self::Unknown;
        };
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (first.is_empty(), number(first), last.is_empty(), number(last)) {
            (true, _, _, Some(0)) => Self::Unsatisfiable,
            (true, _, _, Some(behind)) => Self::Bytes(len.saturating_sub(behind), len - 1),
            (_, Some(first), _, _) if first >= len => Self::Unsatisfiable,
            (_, Some(first), true, _) => Self::Bytes(first, len - 1),
            (_, Some(first), _, Some(last)) if first <= last => Self::Bytes(first, last.min(len - 1)),
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_has_them() {
        for (range, part) in [
            ("bytes=0-", Part::Bytes(0, 99)),
            ("bytes=10-19", Part::Bytes(10, 19)),
            ("bytes=90-1000", Part::Bytes(90, 99)),
            ("bytes=-10", Part::Bytes(90, 99)),
            ("bytes=-1000", Part::Bytes(0, 99)),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=100-", Part::Unsatisfiable),
            ("bytes=99999999999999999999-", Part::Unsatisfiable),
            ("bytes=20-10", Part::Unknown),
            ("bytes=0-1,5-6", Part::Unknown),
            ("bytes=a-b", Part::Unknown),
            ("bytes=+1-2", Part::Unknown),
            ("items=0-1", Part::Unknown),
            ("", Part::Unknown),
        ] {
            assert_eq!(Part::parse(range, 100), part, "{range}");
        }
    }
}
