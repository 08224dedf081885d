//! Each test gives flags, variables and a file's text, and looks at what came of them. Nothing here reads
//! the environment or the working directory of the test itself.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use tempfile::TempDir;

use super::*;

const SID: &str = "AC0123456789abcdef0123456789abcdef";

#[test]
fn without_a_word_the_defaults_of_the_documentation_hold() {
    let given = Given::default();
    let config = given.load().unwrap().config;
    assert_eq!(config.http.listen, SocketAddr::from(([127, 0, 0, 1], 8080)));
    assert_eq!(config.sip.listen, SocketAddr::from(([127, 0, 0, 1], 5060)));
    assert!(config.sip.public_addresses.is_empty());
    assert_eq!(config.sip.advertised(), config.sip.listen.ip());
    assert_eq!(config.media.rtp_ports, "20000-29999".parse().unwrap());
    assert_eq!(config.media.browser_port, 19_000);
    assert_eq!(config.media.threads, std::thread::available_parallelism().unwrap().get());
    assert_eq!(config.media.rtp_timeout, Duration::from_secs(60));
    let limits = Limits {
        participants: 250,
        talkers: 16,
        calls: 2_000,
        call_duration: Duration::from_secs(4 * 3_600),
        conference_duration: Duration::from_secs(4 * 3_600),
        warning_tone: None,
    };
    assert_eq!(config.limits, limits);
    assert_eq!(config.webhook, Webhook::default());
    assert_eq!(config.log, Log { filter: "info".to_owned(), format: LogFormat::Text });
    assert_eq!(config.routes, Routes::default());
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let mut given = Given::default().file("http_listen = \"127.0.0.1:1\"");
    assert_eq!(given.shown("http_listen"), ("127.0.0.1:1".to_owned(), given.file_line(1)));

    given = given.variable("CONFAB_HTTP_LISTEN", "127.0.0.1:2");
    let variable = Source::Environment("CONFAB_HTTP_LISTEN".to_owned());
    assert_eq!(given.shown("http_listen"), ("127.0.0.1:2".to_owned(), variable));

    given = given.flag("--http-listen", "127.0.0.1:3");
    let flag = Source::Flag("--http-listen".to_owned());
    assert_eq!(given.shown("http_listen"), ("127.0.0.1:3".to_owned(), flag));
}

/// A value for each setting that is not its default, as it is shown.
const OTHER_VALUES: [(Setting, &str); 35] = [
    (Setting::SipRealm, "voice.example.org"),
    (Setting::HttpListen, "127.0.0.9:0"),
    (Setting::SipListen, "[::1]:5070"),
    (Setting::PublicAddress, "203.0.113.7"),
    (Setting::RtpPorts, "40000-40099"),
    (Setting::BrowserPort, "19100"),
    (Setting::DataDir, "data"),
    (Setting::MediaThreads, "7"),
    (Setting::RetentionCalls, "7d"),
    (Setting::RetentionConferences, "forever"),
    (Setting::RetentionNotifications, "36h"),
    (Setting::RetentionAttestations, "400d"),
    (Setting::RetentionRecordings, "180d"),
    (Setting::RecordingsMaxSize, "500G"),
    (Setting::RecordingRate, "16000"),
    (Setting::RecordingHash, "sha256"),
    (Setting::RtpTimeout, "500ms"),
    (Setting::Codecs, "pcma,l16/8000"),
    (Setting::Srtp, "optional"),
    (Setting::MaxParticipants, "2"),
    (Setting::MaxCalls, "9"),
    (Setting::MaxCallDuration, "2h"),
    (Setting::MaxConferenceDuration, "90m"),
    (Setting::WarningTone, "30s"),
    (Setting::EgressAllow, "10.1.0.0/16,fd00::/8"),
    (Setting::WebhookCa, "/etc/confab/ca.pem"),
    (Setting::PublicUrl, "https://voice.example.com"),
    (Setting::SayCommand, "espeak-ng --stdout -v {language}"),
    (Setting::SayUrl, "https://voices.example.com/v1/speak"),
    (Setting::SayToken, "another-token-that-is-long"),
    (Setting::SipTlsCa, "/etc/confab/carriers.pem"),
    (Setting::AccountSid, SID),
    (Setting::AuthToken, "a-token-that-is-long-enough"),
    (Setting::Log, "info,confab::sip=debug"),
    (Setting::LogFormat, "json"),
];

#[test]
fn every_setting_means_the_same_in_all_three_places() {
    for (setting, value) in OTHER_VALUES {
        let home = TempDir::new().unwrap();
        let inside = home.path().join(value).display().to_string();
        let value = if setting == Setting::DataDir { &inside } else { value };
        let shown = if setting.is_secret() { "[redacted]" } else { value };

        let in_flag = Given::default().flag(&setting.flag(), value);
        let in_variable = Given::default().variable(&setting.variable(), value);
        let in_file = Given::default().file(&format!("{setting} = \"{value}\""));
        for (given, place) in [(in_flag, "flag"), (in_variable, "variable"), (in_file, "file")] {
            let (found, source) = given.shown(setting.key());
            assert_eq!(found, shown, "{setting} in the {place}");
            assert_ne!(source, Source::Default, "{setting} in the {place}");
        }
    }
}

#[test]
fn every_setting_has_a_flag_whose_help_names_its_variable_and_default() {
    let command = OnlyServe::command();
    for setting in Setting::ALL {
        let flag = setting.flag();
        let arg = command
            .get_arguments()
            .find(|arg| arg.get_long().is_some_and(|long| flag == format!("--{long}")));
        let help = arg.and_then(|arg| arg.get_help()).map(ToString::to_string).unwrap_or_default();
        assert!(help.contains(&format!("[env: {}]", setting.variable())), "{flag}: {help}");
        assert!(help.contains("[default: "), "{flag}: {help}");
    }
    // Those, --config, and clap's own --help.
    assert!(command.get_arguments().count() <= Setting::ALL.len() + 2);
}

#[test]
fn a_whole_number_in_the_file_needs_no_quotes() {
    let given = Given::default().file("max_calls = 1_200\nmedia_threads = 3");
    let config = given.load().unwrap().config;
    assert_eq!((config.limits.calls, config.media.threads), (1_200, 3));
}

#[test]
fn an_unknown_variable_is_answered_with_the_nearest() {
    let error = Given::default().variable("CONFAB_HTTP_LISEN", "x").refused();
    assert_eq!(error, "unknown environment variable `CONFAB_HTTP_LISEN`; did you mean `CONFAB_HTTP_LISTEN`?");
    let error = Given::default().variable("CONFAB_ZZZ", "x").refused();
    assert_eq!(error, "unknown environment variable `CONFAB_ZZZ`");
}

#[test]
fn variables_of_others_are_none_of_our_business() {
    let given = Given::default().variable("CONFABULATE", "x").variable("HTTP_LISTEN", "x");
    assert!(given.load().is_ok());
}

#[test]
fn a_variable_that_is_not_text_is_refused() {
    let name = OsString::from("CONFAB_LOG");
    let error = Environment::of([(name, OsString::from_vec(vec![0xff]))]).err().unwrap();
    assert_eq!(error.to_string(), "environment variable `CONFAB_LOG` is not valid UTF-8");
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_what_would_be_right() {
    let in_flag = Given::default().flag("--http-listen", "8080").refused();
    assert_eq!(
        in_flag,
        "wrong value `8080` for `http_listen` (flag --http-listen): expected an IP address and a port, \
         such as `127.0.0.1:8080`"
    );
    let in_variable = Given::default().variable("CONFAB_RTP_TIMEOUT", "60").refused();
    assert_eq!(
        in_variable,
        "wrong value `60` for `rtp_timeout` (environment CONFAB_RTP_TIMEOUT): expected a duration from \
         100ms to 24h with its unit, such as `60s`, `500ms` or `2m`"
    );
    let given = Given::default().file("\nmax_participants = 251");
    let in_file = given.refused();
    let place = given.file_line(2);
    assert_eq!(
        in_file,
        format!("wrong value `251` for `max_participants` ({place}): expected a whole number from 2 to 250")
    );
}

#[test]
fn whatever_is_wrong_is_one_line() {
    let cases = [
        Given::default().flag("--log", "a\nb"),
        Given::default().variable("CONFAB_A\nB", "x"),
        Given::default().file("\"a\\nb\" = 1"),
        Given::default().file("= = ="),
        Given::default().flag("--data-dir", "/dev/null/a"),
        Given::default().flag("--config", "/nowhere/confab.toml"),
        Given::default().flag("--rtp-ports", &"9".repeat(10_000)),
    ];
    for given in cases {
        let error = given.refused();
        assert!(!error.contains('\n') && error.len() < 400, "{error}");
    }
}

#[test]
fn only_the_value_that_counts_is_judged() {
    let given = Given::default().file("log_format = \"xml\"").flag("--log-format", "json");
    assert_eq!(given.load().unwrap().config.log.format, LogFormat::Json);
}

#[test]
fn limits_are_held() {
    for (flag, wrong) in [
        ("--max-participants", ["1", "251", "two"]),
        ("--max-calls", ["0", "40000", "many"]),
        ("--media-threads", ["0", "257", ""]),
        ("--rtp-timeout", ["0s", "99ms", "25h"]),
        ("--max-call-duration", ["0s", "4", "241h"]),
        ("--max-conference-duration", ["999ms", "forever", "241h"]),
        ("--warning-tone", ["0s", "61m", "60"]),
    ] {
        for value in wrong {
            let error = Given::default().flag(flag, value).refused();
            assert!(
                error.contains("expected a") || error.contains("expected `off`"),
                "{flag} {value}: {error}"
            );
        }
    }
}

#[test]
fn listening_everywhere_needs_an_address_to_tell() {
    for everywhere in ["0.0.0.0:5060", "[::]:0"] {
        let given = Given::default().variable("CONFAB_SIP_LISTEN", everywhere);
        let error = given.refused();
        assert!(error.starts_with(&format!("`sip_listen` is {everywhere} (environment")), "{error}");
        assert!(error.contains("set `public_address`"), "{error}");

        let config = given.flag("--public-address", "203.0.113.7").load().unwrap().config;
        assert_eq!(config.sip.advertised().to_string(), "203.0.113.7");
    }
}

#[test]
fn addresses_of_both_families_need_a_socket_that_both_reach() {
    let both = |listen: &str| {
        let given = Given::default().variable("CONFAB_SIP_LISTEN", listen);
        given.flag("--public-address", "203.0.113.7,2001:db8::7")
    };
    let config = both("[::]:5060").load().unwrap().config;
    assert_eq!(config.sip.advertised().to_string(), "203.0.113.7");
    assert_eq!(config.sip.advertised_too().map(|other| other.to_string()).as_deref(), Some("2001:db8::7"));
    for one_family in ["0.0.0.0:5060", "[::1]:5060", "127.0.0.1:5060"] {
        let error = both(one_family).refused();
        assert!(error.contains("listen on `[::]`"), "{error}");
    }
}

#[test]
fn a_named_file_must_exist_and_the_default_one_need_not() {
    let missing = Given::default().flag("--config", "/nowhere/confab.toml").refused();
    assert!(missing.starts_with("cannot read the configuration file /nowhere/confab.toml: "), "{missing}");
    let missing = Given::default().variable("CONFAB_CONFIG", "/nowhere/else.toml").refused();
    assert!(missing.starts_with("cannot read the configuration file /nowhere/else.toml: "), "{missing}");
    assert!(Given::default().load().is_ok());
}

#[test]
fn a_named_file_is_read_instead_of_the_default_one() {
    let given = Given::default().file("max_calls = 1");
    let other = given.home.path().join("other.toml");
    fs::write(&other, "max_calls = 2").unwrap();
    let given = given.variable("CONFAB_CONFIG", &other.display().to_string());
    assert_eq!(given.load().unwrap().config.limits.calls, 2);
}

#[test]
fn routes_of_the_file_take_the_place_of_the_built_in_ones() {
    let given = Given::default().file("[[route]]\nuser = \"room-*\"\nconference = \"{1}\"");
    let effective = given.load().unwrap();
    let routes = &effective.config.routes;
    let entered = Decision::Conference { name: "1".to_owned(), srtp: None };
    assert_eq!(routes.decide("room-1", "x"), entered);
    assert_eq!(routes.decide("conf-1", "x"), Decision::Refuse(404));
    assert_eq!(given.shown("route 1").0, "room-* -> conference {1}");
}

#[test]
fn codecs_are_a_list_in_the_file_and_may_be_one_text() {
    for text in ["codecs = [\"g722\", \"pcmu\"]", "codecs = \"g722,pcmu\""] {
        let given = Given::default().file(text);
        assert_eq!(given.shown("codecs").0, "g722,pcmu");
    }
    for text in ["codecs = []", "codecs = [\"g729\"]", "codecs = [[\"g722\"]]", "codecs = 3"] {
        Given::default().file(text).refused();
    }
    assert_eq!(Given::default().load().unwrap().config.media.codecs, Codecs::default());
}

#[test]
fn a_route_may_say_whether_its_media_are_srtp() {
    let text = "srtp = \"optional\"\n[[route]]\nuser = \"a\"\nconference = \"b\"\nsrtp = \"required\"\n\
                [[route]]\nuser = \"c\"\nconference = \"d\"";
    let given = Given::default().file(text);
    let config = given.load().unwrap().config;
    assert_eq!(config.media.srtp, SrtpPolicy::Optional);
    let entered = |name: &str, srtp| Decision::Conference { name: name.to_owned(), srtp };
    assert_eq!(config.routes.decide("a", "x"), entered("b", Some(SrtpPolicy::Required)));
    assert_eq!(config.routes.decide("c", "x"), entered("d", None));
    assert_eq!(given.shown("route 1").0, "a -> conference b, srtp required");
}

#[test]
fn tls_takes_an_address_a_certificate_and_a_key() {
    let all = [
        ("sip_tls_listen", "127.0.0.1:5061"),
        ("sip_tls_cert", "/etc/confab/sip.pem"),
        ("sip_tls_key", "/etc/confab/sip.key"),
    ];
    let given = |left_out: &str| {
        let lines = all.iter().filter(|(key, _)| *key != left_out);
        let text: String = lines.map(|(key, value)| format!("{key} = \"{value}\"\n")).collect();
        Given::default().file(&text)
    };
    let tls = given("").load().unwrap().config.sip.tls.unwrap();
    assert_eq!(tls.listen, SocketAddr::from(([127, 0, 0, 1], 5061)));
    assert_eq!(tls.cert, PathBuf::from("/etc/confab/sip.pem"));
    for (key, _) in all {
        let error = given(key).refused();
        assert!(error.contains(&format!("`{key}` (--")) && error.contains("is missing"), "{error}");
    }
    assert_eq!(Given::default().load().unwrap().config.sip.tls, None);
}

#[test]
fn https_takes_an_address_and_a_certificate_with_its_key_or_neither() {
    let given = |keys: &[&str]| {
        let all = [
            ("https_listen", "127.0.0.1:8443"),
            ("https_cert", "/etc/confab/https.pem"),
            ("https_key", "/etc/confab/https.key"),
        ];
        let lines = all.iter().filter(|(key, _)| keys.contains(key));
        let text: String = lines.map(|(key, value)| format!("{key} = \"{value}\"\n")).collect();
        Given::default().file(&text)
    };
    assert_eq!(given(&[]).load().unwrap().config.http.tls, None);
    let alone = given(&["https_listen"]);
    assert_eq!(alone.load().unwrap().config.http.tls.unwrap().files, None);
    assert_eq!(alone.shown("https_cert").0, "of the node's own making");
    let all = given(&["https_listen", "https_cert", "https_key"]).load().unwrap().config.http.tls.unwrap();
    let files = (PathBuf::from("/etc/confab/https.pem"), PathBuf::from("/etc/confab/https.key"));
    assert_eq!(all.files, Some(files));
    for (keys, missing) in [
        (["https_cert", "https_key"], "https_listen"),
        (["https_listen", "https_key"], "https_cert"),
        (["https_listen", "https_cert"], "https_key"),
    ] {
        let error = given(&keys).refused();
        assert!(error.contains(&format!("`{missing}` (--")) && error.contains("is missing"), "{error}");
    }
}

#[test]
fn the_token_is_nowhere_but_where_it_is_asked_for() {
    const TOKEN: &str = "correct-horse-battery-staple";
    let quoted = format!("auth_token = \"{TOKEN}\"");
    for given in [
        Given::default().flag("--auth-token", TOKEN),
        Given::default().variable("CONFAB_AUTH_TOKEN", TOKEN),
        Given::default().file(&quoted),
    ] {
        let effective = given.load().unwrap();
        assert_eq!(effective.config.credentials.auth_token.expose(), TOKEN);
        assert!(!format!("{effective:?}").contains(TOKEN));
    }

    let wrong = format!("{TOKEN} ");
    for given in [
        Given::default().flag("--auth-token", &wrong),
        Given::default().variable("CONFAB_AUTH_TOKEN", &wrong),
        Given::default().file(&format!("auth_token = \"{wrong}\"")),
        Given::default().file(&format!("auth_token = \"{TOKEN}\nx")),
        Given::default().file(&format!("auth_token = [\"{TOKEN}\"]")),
    ] {
        let error = given.refused();
        assert!(!error.contains(TOKEN), "{error}");
    }
}

#[test]
fn given_credentials_leave_the_data_directory_alone() {
    let given =
        Given::default().flag("--account-sid", SID).variable("CONFAB_AUTH_TOKEN", "x".repeat(20).as_str());
    let effective = given.load().unwrap();
    assert_eq!(effective.credentials_made(), None);
    assert_eq!(effective.config.credentials.account_sid, SID);
    assert_eq!(fs::read_dir(&effective.config.data_dir).unwrap().count(), 0);
    assert!(effective.notices.is_empty(), "{:?}", effective.notices);
}

#[test]
fn missing_credentials_are_made_at_the_first_start_and_found_at_the_second() {
    let given = Given::default();
    let first = given.load().unwrap();
    let path = first.config.data_dir.join("credentials.toml");
    assert_eq!(first.credentials_made(), Some(path.as_path()));
    assert_eq!(given.shown("auth_token"), ("[redacted]".to_owned(), Source::Kept(path)));

    let second = given.load().unwrap();
    assert_eq!(second.credentials_made(), None);
    assert_eq!(second.config.credentials.account_sid, first.config.credentials.account_sid);
}

#[test]
fn one_given_half_is_completed_from_the_kept() {
    let given = Given::default();
    let kept = given.load().unwrap().config.credentials;
    let given = given.flag("--account-sid", SID);
    let config = given.load().unwrap().config;
    assert_eq!(config.credentials.account_sid, SID);
    assert!(config.credentials.auth_token.matches(kept.auth_token.expose().as_bytes()));
    assert_eq!(given.shown("account_sid").1, Source::Flag("--account-sid".to_owned()));
}

#[test]
fn a_token_that_is_short_or_in_sight_is_reported() {
    let notices = |given: &Given| given.load().unwrap().notices.join("\n");
    let in_sight = notices(&Given::default().flag("--auth-token", &"x".repeat(20)));
    assert!(in_sight.contains("prefer CONFAB_AUTH_TOKEN"), "{in_sight}");
    let short = notices(&Given::default().variable("CONFAB_AUTH_TOKEN", "secret"));
    assert!(short.contains("short"), "{short}");
}

#[test]
fn a_mistake_leaves_nothing_on_the_disk() {
    let given = Given::default().flag("--log-format", "xml");
    given.refused();
    assert!(!given.home.path().join("confab-data").exists());
}

#[test]
fn the_documented_file_names_every_setting_and_is_accepted() {
    let text = include_str!("../../docs/confab.toml");
    let given = Given::default().file(text);
    let effective = given.flag("--data-dir", "/dev/null").load();
    let Err(ConfigError::DataDir { .. }) = effective else { panic!("{effective:?}") };

    for setting in Setting::ALL {
        let key = format!("\n{setting} = ");
        assert!(text.contains(&key), "{setting}");
    }
}

#[test]
fn the_readme_names_every_setting() {
    let text = include_str!("../../README.md");
    for setting in Setting::ALL {
        assert!(text.contains(&format!("`{}`", setting.flag())), "{setting}");
        assert!(text.contains(&format!("`{}`", setting.variable())), "{setting}");
    }
}

#[test]
fn the_file_that_was_read_is_told() {
    let given = Given::default();
    assert_eq!(given.shown("config"), ("none".to_owned(), Source::Default));
    let given = given.file("");
    let path = given.default_file().display().to_string();
    assert_eq!(given.shown("config"), (path.clone(), Source::Default));
    let given = given.variable("CONFAB_CONFIG", &path);
    assert_eq!(given.shown("config").1, Source::Environment("CONFAB_CONFIG".to_owned()));
    let given = given.flag("--config", &path);
    assert_eq!(given.shown("config").1, Source::Flag("--config".to_owned()));
}

/// The flags alone, as a command.
#[derive(Parser)]
struct OnlyServe {
    #[command(flatten)]
    serve: ServeArgs,
}

/// What is given to the node. The data directory is in a directory of its own unless it is given too.
struct Given {
    home: TempDir,
    flags: Vec<(String, String)>,
    variables: Vec<(String, String)>,
}

impl Default for Given {
    fn default() -> Self {
        Self { home: TempDir::new().unwrap(), flags: Vec::new(), variables: Vec::new() }
    }
}

impl Given {
    fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push((name.to_owned(), value.to_owned()));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn file(self, text: &str) -> Self {
        fs::write(self.default_file(), text).unwrap();
        self
    }

    fn default_file(&self) -> PathBuf {
        self.home.path().join(DEFAULT_FILE)
    }

    fn file_line(&self, line: usize) -> Source {
        Source::File(self.default_file().display().to_string(), line)
    }

    fn load(&self) -> Result<Effective, ConfigError> {
        let flags = self.flags.iter().flat_map(|(name, value)| [name.clone(), value.clone()]);
        let command = ServeArgs::augment_args(clap::Command::new("serve").no_binary_name(true));
        let mut args = ServeArgs::from_arg_matches(&command.try_get_matches_from(flags).unwrap()).unwrap();

        let variables = self.variables.iter();
        let environment = Environment::of(variables.map(|(name, value)| (name.into(), value.into())))?;
        let data_dir_given = self.variables.iter().any(|(name, _)| name == "CONFAB_DATA_DIR")
            || fs::read_to_string(self.default_file()).is_ok_and(|text| text.contains("data_dir"));
        if args.data_dir.is_none() && !data_dir_given {
            args.data_dir = Some(self.home.path().join("confab-data").display().to_string());
        }
        load(&args, &environment, &self.default_file())
    }

    fn refused(&self) -> String {
        match self.load() {
            Ok(effective) => panic!("accepted: {:?}", effective.config),
            Err(error) => error.to_string(),
        }
    }

    fn shown(&self, key: &str) -> (String, Source) {
        let effective = self.load().unwrap();
        let line = effective.lines.into_iter().find(|line| line.key == key).unwrap();
        (line.value, line.source)
    }
}
