//! What a recording sounds like: its WAV file, whole or in parts (RFC 9110 §14), as it is or as one track.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::auth::Acting;
use super::error::{ApiError, Asked};
use super::form::{Parameters, Query};
use super::path::{RecordingPath, Suffix};
use super::{ApiState, recordings};
use crate::call::{CallError, RecordingSid, RecordingStatus};
use crate::recording::Playback;

/// Read from the disk at a time.
const PIECE_LEN: usize = 64 * 1_024;

/// Fetches the sound of a completed recording.
///
/// Also at the path without a suffix; with `.json` it is what is known of it.
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
    match suffix {
        Suffix::Json => recordings::fetch(state, account, recording).await.map(IntoResponse::into_response),
        Suffix::Mp3 => Err(ApiError::not_found(format!(
            "There is no MP3 of recording {recording}: this node has no encoder for it. Ask for .wav."
        ))),
        Suffix::Wav | Suffix::None => {
            let asked = Asked::Recording(recording);
            let found = state.calls.of(account).fetch_recording(recording).await;
            let view = found.map_err(|error| ApiError::of(error, asked))?;
            if view.status != RecordingStatus::Completed {
                return Err(ApiError::not_found(format!(
                    "Recording {recording} is {}; only a completed one can be heard.",
                    view.status.word()
                )));
            }
            let playback = open(&state, recording).await?;
            sound(wanted(playback, recording, &parameters)?, &headers)
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

fn sound(playback: Playback, headers: &HeaderMap) -> Result<Response, ApiError> {
    let len = playback.len();
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
    let mut response = Body::from_stream(pieces(Arc::new(playback), first, last + 1)).into_response();
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        response.headers_mut().insert(CONTENT_RANGE, header(&format!("bytes {first}-{last}/{len}")));
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("audio/x-wav"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(last + 1 - first));
    Ok(response)
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("words and numbers")
}

/// The file's bytes up to `end`, as they are asked for.
fn pieces(
    playback: Arc<Playback>,
    first: u64,
    end: u64,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    futures_util::stream::try_unfold(first, move |at| {
        let playback = Arc::clone(&playback);
        async move {
            if at >= end {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || {
                let wanted = usize::try_from(end - at).unwrap_or(PIECE_LEN).min(PIECE_LEN);
                let mut piece = vec![0; wanted];
                let len = playback.read_at(at, &mut piece)?;
                piece.truncate(len);
                Ok::<_, std::io::Error>(piece)
            });
            let piece = read.await.map_err(std::io::Error::other)??;
            if piece.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
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
