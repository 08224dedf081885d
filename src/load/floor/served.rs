//! What the node fetches from the load tester: the scripts that move people about, and the music that they hear. The path says
//! all that there is to say, so nothing is kept.
//!
//! | path | what |
//! |---|---|
//! | `/seat/CONFERENCE/NEXT`, `/listen/CONFERENCE/NEXT` | a script that leads to a conference (silent there), and then to the conference NEXT |
//! | `/queue/QUEUE/NEXT`, `/serve/QUEUE/NEXT` | one that leads into a queue, or takes its first caller |
//! | `/hold`, `/wait` | scripts of music without an end |
//! | `/hold.wav`, `/wait.wav` | the music |

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::voices::{Tones, sound};

/// Seconds of music in the file. It goes round without a seam; a longer one takes a node longer to read.
const MUSIC_SECONDS: usize = 4;
/// Times that 20 ms go into a second.
const FRAMES_PER_SECOND: usize = 50;
/// Samples of the music in a second.
const RATE: u32 = 8_000;

/// A web server for one run.
#[derive(Debug)]
pub(super) struct Served {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    /// Starts it at any port of this address.
    ///
    /// # Errors
    /// When there is no port.
    pub(super) async fn start(at: IpAddr, hold: Tones, wait: Tones) -> io::Result<Self> {
        let listener = TcpListener::bind((at, 0)).await?;
        let address = listener.local_addr()?;
        let music = [hold, wait]
            .map(|tones| Bytes::from(wav(&sound(tones, 1).repeat(MUSIC_SECONDS * FRAMES_PER_SECOND))));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let music = music.clone();
                let answer = service_fn(move |request| {
                    let music = music.clone();
                    async move { answer(&request, &music) }
                });
                // Whoever asks reads it or does not.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Ok(Self { address, task })
    }

    /// The URL of one of its pages.
    pub(super) fn url(&self, page: &str) -> String {
        format!("http://{}/{page}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(
    request: &Request<Incoming>,
    [hold, wait]: &[Bytes; 2],
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (kind, body) = match request.uri().path() {
        "/hold.wav" => ("audio/wav", hold.clone()),
        "/wait.wav" => ("audio/wav", wait.clone()),
        path => match script(path) {
            Some(script) => ("text/xml", Bytes::from(format!("<Response>{script}</Response>"))),
            None => {
                let mut missing = Response::new(Full::default());
                *missing.status_mut() = StatusCode::NOT_FOUND;
                return Ok(missing);
            }
        },
    };
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    Ok(response)
}

/// The script of a path.
fn script(path: &str) -> Option<String> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (verb, name, next) = (parts.next()?, parts.next(), parts.next());
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if ![name, next].into_iter().flatten().all(is_plain) {
        return None;
    }
    let conference = |name: &str, more: &str| {
        format!("<Dial><Conference beep=\"false\" waitUrl=\"\"{more}>{name}</Conference></Dial>")
    };
    let first = match (verb, name) {
        ("seat", Some(name)) => conference(name, ""),
        ("listen", Some(name)) => conference(name, " muted=\"true\""),
        ("queue", Some(name)) => format!("<Enqueue waitUrl=\"/wait\">{name}</Enqueue>"),
        ("serve", Some(name)) => format!("<Dial><Queue>{name}</Queue></Dial>"),
        ("hold" | "wait", None) => return Some(format!("<Play loop=\"0\">/{verb}.wav</Play>")),
        _ => return None,
    };
    Some(first + &conference(next?, ""))
}

/// A WAV file of 16 bits, mono.
fn wav(sound: &[i16]) -> Vec<u8> {
    let bytes = sound.len() as u32 * 2;
    let mut file = Vec::with_capacity(bytes as usize + 44);
    file.extend(b"RIFF");
    file.extend((bytes + 36).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, one voice.
    file.extend([1, 0, 1, 0]);
    file.extend(RATE.to_le_bytes());
    file.extend((RATE * 2).to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(sound.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_what_the_script_does() {
        let script = |path| script(path).unwrap_or_default();
        assert!(script("/seat/a-1/b").contains(">a-1</Conference></Dial><Dial>"));
        assert!(
            script("/listen/a/b").contains("muted=\"true\">a<") && script("/listen/a/b").contains("\"\">b<")
        );
        assert!(script("/queue/q/b").starts_with("<Enqueue waitUrl=\"/wait\">q</Enqueue><Dial>"));
        assert!(script("/serve/q/b").starts_with("<Dial><Queue>q</Queue></Dial><Dial>"));
        assert_eq!(script("/hold"), "<Play loop=\"0\">/hold.wav</Play>");
        for nothing in ["/", "/seat", "/seat/a", "/seat/<a/b", "/else/a/b", "/hold/a"] {
            assert_eq!(script(nothing), "", "{nothing}");
        }
    }

    #[test]
    fn the_music_is_a_sound_file() {
        let file = wav(&[1, -1, 300]);
        let mut read = hound::WavReader::new(&file[..]).unwrap();
        assert_eq!((read.spec().sample_rate, read.spec().channels), (8_000, 1));
        assert_eq!(read.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), [1, -1, 300]);
    }
}
