//! Text to sound by a command that somebody else wrote: it gets the text on its standard input, and voice and language as
//! arguments, never through a shell; it answers with a sound file on its standard output. Or by a service, which is asked
//! first if there is one; the command speaks when it does not.
//!
//! Neither is trusted with time, size or our environment. Without one, and when both fail, callers hear two tones, so that
//! a prompt that is missing does not sound like a dead line; and whoever runs the script is told why.

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use confab_media::SampleRate;
use confab_media::dsp::tone::peak_of_dbm0;

use super::{Limits, Sound};

/// The code of a text that could not be spoken.
const NOT_SAID: u32 = 13_520;
/// How long a command or a service may take. A caller is waiting.
pub const SAY_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest text, in bytes. It fits into a pipe, so that writing it never waits for the command.
const TEXT_MAX: usize = 32_768;
/// The longest voice and language, in characters.
const NAME_MAX: usize = 64;
/// How often a command that has said all is asked whether it has ended.
const ENDING: Duration = Duration::from_millis(5);

/// What to speak.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SayRequest {
    /// Who speaks.
    pub voice: String,
    /// In which language (RFC 5646).
    pub language: String,
    /// The words.
    pub text: String,
}

/// Why a text was not spoken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct SayError {
    /// As Twilio's dictionary numbers it.
    pub code: u32,
    /// In words; without the text.
    pub message: String,
}

impl SayError {
    fn new(message: String) -> Self {
        Self { code: NOT_SAID, message }
    }
}

/// A service that speaks.
pub trait Speaker: Send + Sync {
    /// The sound of a text as a file of at most `bytes_max`, and its content type, or in words why there is none. It may
    /// block for [`SAY_TIMEOUT`].
    fn speak(&self, request: &SayRequest, bytes_max: usize) -> Result<(Bytes, Option<String>), String>;
}

/// A command that speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SayCommand {
    program: String,
    /// With `{voice}` and `{language}` still in them.
    arguments: Vec<String>,
    timeout: Duration,
    limits: Limits,
}

impl SayCommand {
    /// A program and its arguments between spaces: `espeak-ng --stdout -v {language}`. `{voice}` and `{language}` stand for
    /// what a Say asks for. There is no shell, and nothing is quoted.
    ///
    /// # Errors
    /// When there is no program, or braces hold anything else; in words.
    pub fn parse(template: &str) -> Result<Self, String> {
        let mut words = template.split_whitespace().map(str::to_owned);
        let program = words.next().ok_or("a command that speaks needs a program, like espeak-ng --stdout")?;
        let arguments: Vec<_> = words.collect();
        for word in arguments.iter().chain([&program]) {
            if word.replace("{voice}", "").replace("{language}", "").contains(['{', '}']) {
                return Err(format!("{word}: braces hold {{voice}} or {{language}} only"));
            }
        }
        Ok(Self { program, arguments, timeout: SAY_TIMEOUT, limits: Limits::default() })
    }

    /// The same with another time that it may take, and another size of what it answers.
    pub fn with_limits(self, timeout: Duration, limits: Limits) -> Self {
        Self { timeout, limits, ..self }
    }

    /// Speaks a text. Takes as long as the command does, and blocks.
    ///
    /// # Errors
    /// When it cannot be started, fails, takes too long, or answers with no sound that can be played.
    pub fn run(&self, request: &SayRequest, rate: SampleRate) -> Result<Sound, SayError> {
        let arguments = self.arguments(request)?;
        if request.text.len() > TEXT_MAX {
            return Err(SayError::new(format!(
                "The text is over {TEXT_MAX} bytes, the most that is spoken."
            )));
        }
        let file = self.output(&arguments, request.text.as_bytes())?;
        super::read(&file, None, rate, &self.limits).map_err(|error| {
            SayError::new(format!("{} said nothing that can be played: {error}", self.program))
        })
    }

    fn arguments(&self, request: &SayRequest) -> Result<Vec<String>, SayError> {
        for (what, name) in [("voice", &request.voice), ("language", &request.language)] {
            // What begins like an option would be one to the program.
            let is_name = name.len() <= NAME_MAX
                && name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+@".contains(c));
            if !is_name {
                return Err(SayError::new(format!(
                    "The {what} is not a name of up to {NAME_MAX} letters, digits and -_.+@."
                )));
            }
        }
        let fill =
            |word: &String| word.replace("{voice}", &request.voice).replace("{language}", &request.language);
        Ok(self.arguments.iter().map(fill).collect())
    }

    /// What the command writes, if it ends well and in time.
    fn output(&self, arguments: &[String], text: &[u8]) -> Result<Vec<u8>, SayError> {
        let problem = |why: String| SayError::new(format!("{} did not speak: {why}.", self.program));
        let deadline = Instant::now() + self.timeout;
        let mut child = self.start(arguments).map_err(|error| problem(error.to_string()))?;
        if let Some(mut input) = child.stdin.take() {
            // One that does not want the text says so by its status.
            let _ = input.write_all(text);
        }
        let output = child.stdout.take().map(|output| output.take(self.limits.bytes as u64 + 1));
        let (give, taken) = sync_channel(1);
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = output.map(|mut output| output.read_to_end(&mut bytes));
            let _ = give.send(read.is_some_and(|read| read.is_ok()).then_some(bytes));
        });
        let bytes = taken.recv_timeout(self.timeout).ok();
        let is_over = bytes
            .as_ref()
            .is_some_and(|bytes| bytes.as_ref().is_some_and(|bytes| bytes.len() > self.limits.bytes));
        let status = if is_over { None } else { ended(&mut child, deadline) };
        if status.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        match (bytes.flatten(), status) {
            _ if is_over => Err(problem(format!("it said over {} bytes", self.limits.bytes))),
            (Some(bytes), Some(status)) if status.success() => Ok(bytes),
            (Some(_), Some(status)) => Err(problem(format!("it ended with {status}"))),
            _ => Err(problem(format!("it took over {} s", self.timeout.as_secs_f32()))),
        }
    }

    /// Without our environment, which may hold credentials.
    fn start(&self, arguments: &[String]) -> std::io::Result<Child> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
        Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    }
}

/// How a command ended, if it does until then.
fn ended(child: &mut Child, deadline: Instant) -> Option<std::process::ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(ENDING),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// What is kept of what was spoken, in bytes of samples: an hour and a half at 8 kHz. Beyond, what was not asked for
/// longest is forgotten.
pub const CACHE_BYTES: usize = 64 * 1_024 * 1_024;
/// The most texts that are kept, however short.
const CACHE_ENTRIES: usize = 4_096;

/// Speaks texts, and remembers how they sounded. Not on disk: a text may be about somebody.
pub struct Saying {
    service: Option<Box<dyn Speaker>>,
    command: Option<SayCommand>,
    cache: Mutex<Cache>,
}

/// A text as it sounds.
#[derive(Clone, Debug)]
pub struct Said {
    /// To be played.
    pub sound: Arc<Sound>,
    /// Why it is not the text, or not as it should sound.
    pub warning: Option<SayError>,
}

impl Saying {
    /// With a command, or without one; `cache_bytes` of samples are kept.
    pub fn new(command: Option<SayCommand>, cache_bytes: usize) -> Self {
        let cache = Mutex::new(Cache { bytes_max: cache_bytes, ..Cache::default() });
        Self { service: None, command, cache }
    }

    /// The same with a service that is asked before the command.
    #[must_use]
    pub fn asking(self, service: Box<dyn Speaker>) -> Self {
        Self { service: Some(service), ..self }
    }

    /// Speaks a text, or gives two tones and says why. Blocks if the text is not remembered.
    pub fn say(&self, request: &SayRequest, rate: SampleRate) -> Said {
        let key = (request.clone(), rate);
        if let Some(sound) = self.cache().get(&key) {
            return Said { sound, warning: None };
        }
        let keep = |sound: Sound| {
            let sound = Arc::new(sound);
            self.cache().put(key, Arc::clone(&sound));
            Said { sound, warning: None }
        };
        let asked = self.service.as_ref().map(|service| ask(&**service, request, rate));
        match (asked, &self.command) {
            (Some(Ok(sound)), _) => keep(sound),
            (Some(Err(error)), None) => Self::instead(error, rate),
            (Some(Err(error)), Some(command)) => Self::said_by_command(&error, command, request, rate),
            (None, Some(command)) => {
                command.run(request, rate).map_or_else(|error| Self::instead(error, rate), keep)
            }
            (None, None) => {
                let message = "Nobody who speaks is configured: callers hear two tones instead of the text.";
                Self::instead(SayError::new(message.to_owned()), rate)
            }
        }
    }

    /// The service did not speak. What the command says in its place is not remembered: the next time the service may.
    fn said_by_command(why: &SayError, command: &SayCommand, request: &SayRequest, rate: SampleRate) -> Said {
        match command.run(request, rate) {
            Ok(sound) => {
                let message = format!("{} The command spoke instead.", why.message);
                Said { sound: Arc::new(sound), warning: Some(SayError::new(message)) }
            }
            Err(error) => Self::instead(SayError::new(format!("{} {}", why.message, error.message)), rate),
        }
    }

    fn instead(warning: SayError, rate: SampleRate) -> Said {
        Said { sound: Arc::new(attention(rate)), warning: Some(warning) }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // Nothing is half done in it when a thread panics.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a service says.
fn ask(service: &dyn Speaker, request: &SayRequest, rate: SampleRate) -> Result<Sound, SayError> {
    if request.text.len() > TEXT_MAX {
        return Err(SayError::new(format!("The text is over {TEXT_MAX} bytes, the most that is spoken.")));
    }
    let limits = Limits::default();
    let (file, content_type) = service
        .speak(request, limits.bytes)
        .map_err(|why| SayError::new(format!("The service that speaks did not: {why}.")))?;
    super::read(&file, content_type.as_deref(), rate, &limits).map_err(|error| {
        SayError::new(format!("The service that speaks said nothing that can be played: {error}"))
    })
}

type Key = (SayRequest, SampleRate);

#[derive(Debug, Default)]
struct Cache {
    bytes_max: usize,
    bytes: usize,
    /// With the turn in which each was asked for last.
    sounds: HashMap<Key, (u64, Arc<Sound>)>,
    turn: u64,
}

impl Cache {
    fn get(&mut self, key: &Key) -> Option<Arc<Sound>> {
        self.turn += 1;
        let (turn, sound) = self.sounds.get_mut(key)?;
        *turn = self.turn;
        Some(Arc::clone(sound))
    }

    fn put(&mut self, key: Key, sound: Arc<Sound>) {
        self.turn += 1;
        let size = size(&key, &sound);
        if size > self.bytes_max {
            return;
        }
        if let Some((_, before)) = self.sounds.insert(key.clone(), (self.turn, sound)) {
            self.bytes -= self::size(&key, &before);
        }
        self.bytes += size;
        while self.bytes > self.bytes_max || self.sounds.len() > CACHE_ENTRIES {
            let oldest = self.sounds.iter().min_by_key(|(_, (turn, _))| *turn).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else {
                return;
            };
            if let Some((_, sound)) = self.sounds.remove(&oldest) {
                self.bytes -= self::size(&oldest, &sound);
            }
        }
    }
}

fn size((request, _): &Key, sound: &Sound) -> usize {
    2 * sound.samples.len() + request.text.len() + request.voice.len() + request.language.len()
}

/// What is heard instead of a text: two short tones, the second lower.
const TONES: [f64; 2] = [880.0, 660.0];
/// How long each is.
const TONE: Duration = Duration::from_millis(180);
/// How long each rises and falls: a hard edge clicks.
const EDGE_SECONDS: f64 = 0.01;
/// How loud they are, in dBm0: as speech.
const TONE_LEVEL: f64 = -16.0;

/// Two tones, for a text that could not be spoken.
pub fn attention(rate: SampleRate) -> Sound {
    let hertz = f64::from(rate.hertz());
    let length = (TONE.as_secs_f64() * hertz) as usize;
    let peak = peak_of_dbm0(TONE_LEVEL);
    let tone = |frequency: f64| {
        (0..length).map(move |n| {
            let (at, left) = (n as f64 / hertz, (length - n) as f64 / hertz);
            let edge = (at.min(left) / EDGE_SECONDS).min(1.0);
            (peak * edge * (TAU * frequency * at).sin()) as i16
        })
    };
    Sound { rate, samples: TONES.into_iter().flat_map(tone).collect() }
}
