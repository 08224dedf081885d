//! The TOML file: keys as in [`Setting::key`], and the ordered table of routes as `[[route]]`. Every key and
//! value keeps its line, so that whatever is wrong can be pointed at.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::accounts::Accounts;
use super::agents::Agents;
use super::error::ConfigError;
use super::file_agents::AGENT;
use super::file_connectors::{CONNECTOR, PayConnector};
use super::file_trunks::{ACCOUNT, TRUNK};
use super::routes::{
    Action, Pattern, ROUTES_MAX, Route, RouteScript, Routes, ScriptSource, Template, WebhookUrl,
};
use super::setting::{Setting, nearest};
use super::trunks::Trunks;
use super::value;

/// The array of tables that holds the routes.
pub(super) const ROUTE: &str = "route";

/// The keys of one route.
const ROUTE_KEYS: [&str; 13] = [
    "user",
    "domain",
    "trunk",
    "agents_only",
    "conference",
    "voice_url",
    "voice_method",
    "voice_fallback_url",
    "voice_fallback_method",
    "twiml",
    "twiml_file",
    "refuse",
    "srtp",
];

/// The longest file read. A full table of routes is a tenth of it; what is longer was named by mistake.
const FILE_LEN_MAX: u64 = 1 << 20;

/// What the file says.
#[derive(Default)]
pub(super) struct Settings {
    /// The file, as it was named.
    pub(super) path: String,
    /// Whether others than its owner may read it.
    pub(super) open_to_others: bool,
    /// Values as text, with their line.
    pub(super) values: BTreeMap<Setting, (String, usize)>,
    /// The routes with the line of the first, if there are any.
    pub(super) routes: Option<(Routes, usize)>,
    /// The trunks, likewise.
    pub(super) trunks: Option<(Trunks, usize)>,
    /// The terms of accounts, likewise.
    pub(super) accounts: Option<(Accounts, usize)>,
    /// The agents, likewise.
    pub(super) agents: Option<(Agents, usize)>,
    /// The connectors of payments, likewise.
    pub(super) connectors: Option<(Vec<PayConnector>, usize)>,
}

/// Reads `path`.
pub(super) fn read(path: &Path) -> Result<Settings, ConfigError> {
    let (text, mode) =
        read_text(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let mut settings = parse(&path.display().to_string(), &text)?;
    settings.open_to_others = mode & 0o077 != 0;
    Ok(settings)
}

fn read_text(path: &Path) -> io::Result<(String, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut text = String::new();
    file.take(FILE_LEN_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_LEN_MAX {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok((text, mode))
}

/// Reads the text of the file that was named `path`.
pub(super) fn parse(path: &str, text: &str) -> Result<Settings, ConfigError> {
    let document = Document { path, text };
    // The parser's own rendering quotes the line, which may hold the token: only its message is used.
    let table =
        DeTable::parse(text).map_err(|e| document.wrong(&e.span().unwrap_or_default(), e.message()))?;

    let mut settings = Settings { path: path.to_owned(), ..Settings::default() };
    for (key, value) in table.get_ref() {
        let name: &str = key.get_ref();
        if name == ROUTE {
            settings.routes = Some(document.routes(value, table.get_ref().get(TRUNK))?);
            continue;
        }
        if name == TRUNK {
            settings.trunks = Some(document.trunks(value)?);
            continue;
        }
        if name == ACCOUNT {
            settings.accounts = Some(document.accounts(value)?);
            continue;
        }
        if name == AGENT {
            settings.agents = Some(document.agents(value)?);
            continue;
        }
        if name == CONNECTOR {
            settings.connectors = Some(document.connectors(value)?);
            continue;
        }
        let setting = Setting::of_key(name).ok_or_else(|| {
            let tables = [ROUTE, TRUNK, ACCOUNT, AGENT, CONNECTOR];
            let known = Setting::ALL.into_iter().map(Setting::key).chain(tables);
            document.unknown(key, nearest(name, known))
        })?;
        let line = document.line(&key.span());
        let is_list = matches!(setting, Setting::Codecs | Setting::EgressAllow | Setting::OutboundAllow);
        let value = if is_list { document.list(name, value)? } else { document.scalar(name, value)? };
        settings.values.insert(setting, (value, line));
    }
    Ok(settings)
}

/// The file while it is read: turns places into lines and mistakes into sentences.
pub(super) struct Document<'a> {
    path: &'a str,
    text: &'a str,
}

impl Document<'_> {
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let end = span.start.min(self.text.len());
        1 + self.text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count()
    }

    pub(super) fn wrong(&self, span: &Range<usize>, why: impl Into<String>) -> ConfigError {
        let why = why.into().replace('\n', " ");
        ConfigError::File { path: self.path.to_owned(), line: self.line(span), why }
    }

    pub(super) fn unknown<T: AsRef<str>>(&self, key: &Spanned<T>, nearest: Option<&str>) -> ConfigError {
        ConfigError::UnknownKey {
            key: key.get_ref().as_ref().to_owned(),
            path: self.path.to_owned(),
            line: self.line(&key.span()),
            nearest: nearest.map(str::to_owned),
        }
    }

    /// A text, or a whole number as a text: `max_calls = 100` and `max_calls = "100"` are the same.
    pub(super) fn scalar(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref().to_owned()),
            DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                let why = format!("`{key}` must be a text in quotes or a whole number");
                Err(self.wrong(&value.span(), why))
            }
        }
    }

    /// Texts in brackets, or joined by commas in one text as a flag has them.
    pub(super) fn list(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        let Some(items) = value.get_ref().as_array() else {
            return self.scalar(key, value);
        };
        let items: Result<Vec<String>, _> = items.iter().map(|item| self.scalar(key, item)).collect();
        Ok(items?.join(","))
    }

    fn routes(
        &self,
        value: &Spanned<DeValue<'_>>,
        trunks: Option<&Spanned<DeValue<'_>>>,
    ) -> Result<(Routes, usize), ConfigError> {
        let (trunks, _) = trunks.map(|trunks| self.trunks(trunks)).transpose()?.unwrap_or_default();
        let shape = "routes are written as `[[route]]` tables";
        let Some(tables) = value.get_ref().as_array() else {
            return Err(self.wrong(&value.span(), shape));
        };
        if tables.len() > ROUTES_MAX {
            return Err(self.wrong(&value.span(), format!("more than {ROUTES_MAX} routes")));
        }
        let mut routes = Vec::with_capacity(tables.len());
        let mut first = None;
        for item in tables.iter() {
            let table = item.get_ref().as_table().ok_or_else(|| self.wrong(&item.span(), shape))?;
            first.get_or_insert_with(|| self.line(&item.span()));
            routes.push(self.route(table, &item.span(), &trunks)?);
        }
        let line = first.unwrap_or_else(|| self.line(&value.span()));
        Ok((Routes::new(routes), line))
    }

    fn route(&self, table: &DeTable<'_>, span: &Range<usize>, trunks: &Trunks) -> Result<Route, ConfigError> {
        if let Some((key, _)) = table.iter().find(|(key, _)| !ROUTE_KEYS.contains(&key.get_ref().as_ref())) {
            return Err(self.unknown(key, nearest(key.get_ref(), ROUTE_KEYS)));
        }
        let text = |key: &str| {
            let value = table.get(key);
            value.map(|value| Ok((self.scalar(key, value)?, value.span()))).transpose()
        };
        let trunk = text("trunk")?;
        if let Some((name, at)) = trunk.as_ref().filter(|(name, _)| !trunks.has(name)) {
            return Err(self.wrong(at, format!("there is no trunk of the name `{name}`")));
        }
        let anybody = || trunk.is_some().then(|| ("*".to_owned(), span.clone()));
        let Some((user, user_span)) = text("user")?.or_else(anybody) else {
            return Err(self.wrong(span, "a route needs a `user`, such as `conf-*`, or a `trunk`"));
        };
        let user = Pattern::parse(&user).ok_or_else(|| {
            self.wrong(&user_span, "`user` must be a user, or a pattern with one `*`, such as `conf-*`")
        })?;
        let domain = text("domain")?.map(|(domain, _)| domain);

        let script = self.script(table, span)?;
        let action = match (text("conference")?, text("refuse")?, script) {
            (Some((name, at)), None, None) => self.conference(&user, &name, &at)?,
            (None, Some((status, at)), None) => self.refusal(&status, &at)?,
            (None, None, Some(script)) => Action::Script(Box::new(script)),
            _ => {
                let why = "a route needs either `conference`, `voice_url`, `twiml`, `twiml_file` or `refuse`";
                return Err(self.wrong(span, why));
            }
        };
        let srtp = text("srtp")?
            .map(|(policy, at)| {
                value::srtp_policy(&policy)
                    .map_err(|expected| self.wrong(&at, format!("`srtp` must be {expected}")))
            })
            .transpose()?;
        let agents_only = self.yes_or_no(table, "agents_only")?.unwrap_or(false);
        Ok(Route { user, domain, trunk: trunk.map(|(name, _)| name), agents_only, action, srtp })
    }

    fn yes_or_no(&self, table: &DeTable<'_>, key: &str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = table.get(key) else {
            return Ok(None);
        };
        let wrong = || self.wrong(&value.span(), format!("`{key}` must be `true` or `false`"));
        value.get_ref().as_bool().map(Some).ok_or_else(wrong)
    }

    /// The script of a route, if it has one.
    fn script(&self, table: &DeTable<'_>, span: &Range<usize>) -> Result<Option<RouteScript>, ConfigError> {
        let text = |key: &str| {
            let value = table.get(key);
            value.map(|value| Ok((self.scalar(key, value)?, value.span()))).transpose()
        };
        let webhook = |url_key: &str, method_key: &str| -> Result<Option<WebhookUrl>, ConfigError> {
            let method = text(method_key)?;
            let Some((url, at)) = text(url_key)? else {
                return match method {
                    Some((_, at)) => Err(self.wrong(&at, format!("`{method_key}` needs `{url_key}`"))),
                    None => Ok(None),
                };
            };
            if !(url.starts_with("http://") || url.starts_with("https://")) {
                let why = format!("`{url_key}` must be a URL that begins with http:// or https://");
                return Err(self.wrong(&at, why));
            }
            let get = match method.as_ref().map(|(method, _)| method.as_str()) {
                None | Some("POST") => false,
                Some("GET") => true,
                Some(_) => {
                    return Err(self.wrong(&at, format!("`{method_key}` must be `GET` or `POST`")));
                }
            };
            Ok(Some(WebhookUrl { url, get }))
        };
        let url = webhook("voice_url", "voice_method")?;
        let fallback = webhook("voice_fallback_url", "voice_fallback_method")?;
        let file = text("twiml_file")?.map(|(file, at)| {
            std::fs::read_to_string(&file)
                .map_err(|e| self.wrong(&at, format!("`twiml_file` {file} cannot be read: {e}")))
        });
        let inline = text("twiml")?.map(|(text, _)| text);
        let source = match (url, inline, file.transpose()?) {
            (Some(url), None, None) => ScriptSource::Url(url),
            (None, Some(text), None) | (None, None, Some(text)) => ScriptSource::Inline(text),
            (None, None, None) if fallback.is_none() => return Ok(None),
            (None, None, None) => {
                return Err(self.wrong(span, "`voice_fallback_url` needs `voice_url`"));
            }
            _ => {
                let why = "a route has one of `voice_url`, `twiml` and `twiml_file`";
                return Err(self.wrong(span, why));
            }
        };
        Ok(Some(RouteScript { source, fallback }))
    }

    fn conference(&self, user: &Pattern, name: &str, at: &Range<usize>) -> Result<Action, ConfigError> {
        let name = Template::parse(name).ok_or_else(|| {
            let why = "`conference` must be a name, with at most one `{1}` for what `*` stands for";
            self.wrong(at, why)
        })?;
        if name.has_place() && !user.has_wildcard() {
            let why = format!("`{{1}}` stands for what `*` matched, and `{user}` has no `*`");
            return Err(self.wrong(at, why));
        }
        Ok(Action::Conference(name))
    }

    /// A final SIP error. 401 and 407 are challenges: without the headers that ask for a password they would
    /// only confuse the caller (RFC 3261 §21.4.2, §21.4.8).
    fn refusal(&self, status: &str, at: &Range<usize>) -> Result<Action, ConfigError> {
        match status.parse() {
            Ok(401 | 407) => Err(self.wrong(at, "`refuse` cannot be 401 or 407, which ask for a password")),
            Ok(status @ 400..=699) => Ok(Action::Refuse(status)),
            Ok(_) | Err(_) => {
                Err(self.wrong(at, "`refuse` must be a SIP status from 400 to 699, such as 404, 486 or 603"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Decision;
    use super::*;

    fn refused(text: &str) -> String {
        match parse("confab.toml", text) {
            Ok(_) => panic!("accepted {text:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn values_keep_their_line() {
        let settings = parse("confab.toml", "# ours\nhttp_listen = \"x\"\n\nmax_calls = 1_0\n").unwrap();
        assert_eq!(settings.values[&Setting::HttpListen], ("x".to_owned(), 2));
        assert_eq!(settings.values[&Setting::MaxCalls].1, 4);
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        assert_eq!(
            refused("\n\nhttp_lisen = \"127.0.0.1:80\""),
            "unknown key `http_lisen` in confab.toml line 3; did you mean `http_listen`?"
        );
        assert_eq!(
            refused("[[route]]\nuser = \"a\"\nconferense = \"b\""),
            "unknown key `conferense` in confab.toml line 3; did you mean `conference`?"
        );
        assert_eq!(
            refused("[[routes]]\nuser = \"a\""),
            "unknown key `routes` in confab.toml line 1; did you mean `route`?"
        );
        assert_eq!(refused("qqq = 1"), "unknown key `qqq` in confab.toml line 1");
    }

    #[test]
    fn routes_are_read_in_order() {
        let text = "log = \"info\"\n[[route]]\nuser = \"vip\"\ndomain = \"example.org\"\nrefuse = 486\n\
                    [[route]]\nuser = \"r-*\"\nconference = \"room {1}\"\n";
        let (routes, line) = parse("confab.toml", text).unwrap().routes.unwrap();
        assert_eq!(line, 2);
        assert_eq!(routes.decide("vip", "example.org"), Decision::Refuse(486));
        let entered = Decision::Conference { name: "room 7".to_owned(), srtp: None };
        assert_eq!(routes.decide("r-7", "any"), entered);
        assert_eq!(routes.decide("conf-7", "any"), Decision::Refuse(404));
    }

    #[test]
    fn a_route_may_lead_to_a_script() {
        let text = "[[route]]\nuser = \"ivr\"\nvoice_url = \"https://app.example/voice?key=7\"\nvoice_method = \"GET\"\n\
                    voice_fallback_url = \"https://app.example/sorry\"\nsrtp = \"optional\"\n\
                    [[route]]\nuser = \"x\"\ntwiml = \"<Response/>\"\n";
        let (routes, _) = parse("confab.toml", text).unwrap().routes.unwrap();
        let Decision::Script { script, srtp } = routes.decide("ivr", "any") else { panic!("no script") };
        assert_eq!(srtp, Some(super::super::SrtpPolicy::Optional));
        let url = WebhookUrl { url: "https://app.example/voice?key=7".to_owned(), get: true };
        let fallback = WebhookUrl { url: "https://app.example/sorry".to_owned(), get: false };
        assert_eq!(*script, RouteScript { source: ScriptSource::Url(url), fallback: Some(fallback) });
        let shown: Vec<String> = routes.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["ivr -> script https://app.example/voice, srtp optional", "x -> script of 11 bytes"]
        );
    }

    #[test]
    fn a_wrong_route_is_pointed_at() {
        let cases = [
            ("[[route]]\nrefuse = 404", "confab.toml line 1: a route needs a `user`"),
            ("[[route]]\nuser = \"a\"", "confab.toml line 1: a route needs either"),
            ("[[route]]\nuser = \"a\"\nrefuse = 404\nconference = \"b\"", "line 1: a route needs either"),
            ("[[route]]\nuser = \"a*b*\"\nrefuse = 404", "line 2: `user` must be"),
            ("[[route]]\nuser = \"a\"\nrefuse = 200", "line 3: `refuse` must be a SIP status"),
            ("[[route]]\nuser = \"a\"\nrefuse = 401", "line 3: `refuse` cannot be 401"),
            ("[[route]]\nuser = \"a\"\nconference = \"{1}\"", "line 3: `{1}` stands for"),
            ("[[route]]\nuser = \"a*\"\nconference = \"{2}\"", "line 3: `conference` must be"),
            ("[[route]]\nuser = \"a\"\nconference = \"b\"\nsrtp = \"yes\"", "line 4: `srtp` must be `off`"),
            ("[[route]]\nuser = \"a\"\nvoice_url = \"app/x\"", "line 3: `voice_url` must be a URL"),
            (
                "[[route]]\nuser = \"a\"\nvoice_url = \"http://a/x\"\nvoice_method = \"PUT\"",
                "line 3: `voice_method`",
            ),
            ("[[route]]\nuser = \"a\"\nvoice_method = \"GET\"", "line 3: `voice_method` needs `voice_url`"),
            (
                "[[route]]\nuser = \"a\"\ntwiml = \"<Response/>\"\nvoice_url = \"http://a/x\"",
                "line 1: a route has one",
            ),
            (
                "[[route]]\nuser = \"a\"\ntwiml_file = \"/nowhere.xml\"",
                "line 3: `twiml_file` /nowhere.xml cannot be read",
            ),
            ("route = 3", "line 1: routes are written as"),
        ];
        for (text, expected) in cases {
            let error = refused(text);
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_pointed_at() {
        for text in ["max_calls = 1.5", "log = true", "http_listen = []", "max_calls = 0x10"] {
            assert!(refused(text).starts_with("confab.toml line 1: `"), "{text:?}");
        }
    }

    #[test]
    fn a_syntax_error_is_one_line_without_the_files_text() {
        let error = refused("auth_token = \"hunter2\nlog = \"info\"\n");
        assert!(error.starts_with("confab.toml line "), "{error}");
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic_or_speak_in_more_than_a_line(
            text in r#"((\[\[route\]\]|user|refuse|conference|log|[a-z_]{0,9}) ?(= ?("[^"]{0,9}"|[0-9]{1,5}|\PC{0,5}))?\n){0,6}"#
        ) {
            if let Err(error) = parse("confab.toml", &text) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
