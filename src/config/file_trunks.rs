//! The tables `[[trunk]]` and `[[account]]` of the file.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::accounts::{ACCOUNTS_MAX, AccountTerms, Accounts};
use super::error::ConfigError;
use super::file::Document;
use super::setting::nearest;
use super::trunks::{InboundCredentials, Rewrite, TRUNKS_MAX, Trunk, TrunkAddress, TrunkCredentials, Trunks};
use super::value::{self, Expected};
use super::{Networks, OutboundAllow, Secret};

/// The arrays of tables that hold trunks and accounts.
pub(super) const TRUNK: &str = "trunk";
pub(super) const ACCOUNT: &str = "account";

/// The keys of one trunk.
const TRUNK_KEYS: [&str; 26] = [
    "name",
    "byoc_sid",
    "address",
    "priority",
    "weight",
    "numbers",
    "outbound_allow",
    "strip_plus",
    "prefix",
    "from_domain",
    "caller_id",
    "caller_id_of_forwarded",
    "username",
    "password",
    "realm",
    "register",
    "register_expires",
    "codecs",
    "srtp",
    "inbound_from",
    "inbound_username",
    "inbound_password",
    "calls_per_second",
    "max_calls",
    "answer_within",
    "messages_per_second",
];

/// The keys of one account.
const ACCOUNT_KEYS: [&str; 4] = ["sid", "outbound_allow", "calls_per_second", "max_calls"];

/// Priorities and weights, as in RFC 2782.
const ORDER: RangeInclusive<usize> = 0..=65_535;

/// Rates that make sense: a call takes some milliseconds of signalling on each side.
pub(super) const RATE: RangeInclusive<usize> = 1..=1_000;

/// Calls at a time: no node has ports for more.
const CALLS: RangeInclusive<usize> = 1..=32_767;

/// For how long one registers: below a minute it is all that a trunk hears, above a day it is forgotten.
const EXPIRES: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(86_400);

/// What is asked for if nothing is said (RFC 3261 §10.2.1.1 suggests an hour).
const EXPIRES_DEFAULT: Duration = Duration::from_secs(3_600);

/// How long a trunk may say nothing: from T1, before which nothing is retransmitted, to 64 of it, when the transaction is
/// over (RFC 3261 §17.1.1.2).
const ANSWER_WITHIN: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(32);

/// Three retransmissions have gone unanswered by then; a trunk that works says 100 within a fraction of it.
const ANSWER_WITHIN_DEFAULT: Duration = Duration::from_secs(4);

/// SIP messages of a trunk's address in a second: below ten it could not begin two calls.
const MESSAGES: RangeInclusive<usize> = 10..=100_000;

/// A call takes about ten with all that may happen in it, so these are 500 calls a second from one address, more than a node
/// sets up; and yet an end to what a trunk gone mad, or whoever sends in its name, can have the node read.
const MESSAGES_DEFAULT: u32 = 5_000;

/// A table, and where it stands.
type Table<'v, 's> = (&'v DeTable<'s>, Range<usize>);

impl Document<'_> {
    pub(super) fn trunks(&self, value: &Spanned<DeValue<'_>>) -> Result<(Trunks, usize), ConfigError> {
        let mut trunks: Vec<Trunk> = Vec::new();
        let (tables, line) = self.tables(TRUNK, value, TRUNKS_MAX)?;
        for (table, span) in tables {
            let keys = self.keys(table, span, &TRUNK_KEYS)?;
            let trunk = trunk(&keys)?;
            if trunks.iter().any(|other| other.name == trunk.name) {
                return Err(keys.wrong("name", "another trunk has this name"));
            }
            if trunk.byoc_sid.as_deref().is_some_and(|sid| trunks.iter().any(|other| other.is_called(sid))) {
                return Err(keys.wrong("byoc_sid", "another trunk has this `byoc_sid`"));
            }
            trunks.push(trunk);
        }
        Ok((Trunks::new(trunks), line))
    }

    pub(super) fn accounts(&self, value: &Spanned<DeValue<'_>>) -> Result<(Accounts, usize), ConfigError> {
        let mut accounts = BTreeMap::new();
        let (tables, line) = self.tables(ACCOUNT, value, ACCOUNTS_MAX)?;
        for (table, span) in tables {
            let keys = self.keys(table, span, &ACCOUNT_KEYS)?;
            let sid = keys.required("sid", "an account's terms need its `sid`", value::account_sid)?;
            let terms = AccountTerms {
                allow: keys.list("outbound_allow", value::outbound_allow)?,
                calls_per_second: keys.rate()?,
                max_calls: keys.read("max_calls", |text| value::whole(text, CALLS))?,
            };
            if accounts.insert(sid, terms).is_some() {
                return Err(keys.wrong("sid", "this account has terms already"));
            }
        }
        Ok((Accounts::new(accounts), line))
    }

    /// The tables of an array, and the line of the first.
    fn tables<'v, 's>(
        &self,
        name: &str,
        value: &'v Spanned<DeValue<'s>>,
        most: usize,
    ) -> Result<(Vec<Table<'v, 's>>, usize), ConfigError> {
        let shape = || self.wrong(&value.span(), format!("a {name} is written as a `[[{name}]]` table"));
        let array = value.get_ref().as_array().ok_or_else(shape)?;
        if array.len() > most {
            return Err(self.wrong(&value.span(), format!("more than {most} tables `[[{name}]]`")));
        }
        let tables: Option<Vec<_>> =
            array.iter().map(|item| Some((item.get_ref().as_table()?, item.span()))).collect();
        let tables = tables.ok_or_else(shape)?;
        let line = self.line(&tables.first().map_or_else(|| value.span(), |(_, span)| span.clone()));
        Ok((tables, line))
    }

    fn keys<'v, 's>(
        &'v self,
        table: &'v DeTable<'s>,
        span: Range<usize>,
        known: &'static [&'static str],
    ) -> Result<Keys<'v, 's>, ConfigError> {
        match table.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            Some((key, _)) => Err(self.unknown(key, nearest(key.get_ref(), known.iter().copied()))),
            None => Ok(Keys { document: self, table, span }),
        }
    }
}

fn trunk(keys: &Keys<'_, '_>) -> Result<Trunk, ConfigError> {
    let name = keys.required("name", "a trunk needs a `name`", name)?;
    let addresses = keys.list("address", addresses)?;
    let addresses = addresses.ok_or_else(|| {
        keys.wrong("address", "a trunk needs an `address`, such as `sip.example.com:5060;tcp`")
    })?;
    let credentials = credentials(keys)?;
    let register = keys.flag("register")?;
    let expires = keys.read("register_expires", |text| value::duration(text, EXPIRES))?;
    if register && credentials.is_none() {
        return Err(keys.wrong("register", "`register` needs `username` and `password`"));
    }
    if expires.is_some() && !register {
        return Err(keys.wrong("register_expires", "`register_expires` needs `register = true`"));
    }
    let whole = |range: RangeInclusive<usize>| move |text: &str| value::whole(text, range.clone());
    let order = |key| Ok(keys.read(key, whole(ORDER))?.and_then(|number| u16::try_from(number).ok()));
    let caller_id = keys.read("caller_id", user)?;
    let caller_id_of_forwarded = keys.flag("caller_id_of_forwarded")?;
    if caller_id_of_forwarded && caller_id.is_none() {
        return Err(keys.wrong("caller_id_of_forwarded", "`caller_id_of_forwarded` needs `caller_id`"));
    }
    Ok(Trunk {
        name,
        byoc_sid: keys.read("byoc_sid", byoc_sid)?,
        addresses,
        priority: order("priority")?.unwrap_or(10),
        weight: order("weight")?.unwrap_or(10),
        numbers: keys.list("numbers", numbers)?.unwrap_or_else(OutboundAllow::everything),
        allow: keys.list("outbound_allow", numbers)?.unwrap_or_else(OutboundAllow::everything),
        rewrite: Rewrite {
            strip_plus: keys.flag("strip_plus")?,
            prefix: keys.read("prefix", prefix)?.unwrap_or_default(),
        },
        from_domain: keys.read("from_domain", domain)?,
        caller_id,
        caller_id_of_forwarded,
        credentials,
        register: register.then(|| expires.unwrap_or(EXPIRES_DEFAULT)),
        codecs: keys.list("codecs", value::codecs)?,
        srtp: keys.read("srtp", value::srtp_policy)?,
        inbound_from: keys.list("inbound_from", value::networks)?.unwrap_or_else(Networks::default),
        inbound_credentials: inbound_credentials(keys)?,
        calls_per_second: keys.rate()?,
        max_calls: keys.read("max_calls", whole(CALLS))?,
        answer_within: keys
            .read("answer_within", |text| value::duration(text, ANSWER_WITHIN))?
            .unwrap_or(ANSWER_WITHIN_DEFAULT),
        messages_per_second: keys
            .read("messages_per_second", whole(MESSAGES))?
            .and_then(|rate| u32::try_from(rate).ok())
            .unwrap_or(MESSAGES_DEFAULT),
    })
}

fn credentials(keys: &Keys<'_, '_>) -> Result<Option<TrunkCredentials>, ConfigError> {
    let realm = keys.read("realm", quoted)?;
    match (keys.read("username", user)?, keys.secret("password")?) {
        (Some(username), Some(password)) => Ok(Some(TrunkCredentials { username, password, realm })),
        (None, None) if realm.is_none() => Ok(None),
        _ => Err(keys.wrong("username", "`username` and `password` go together, and `realm` with them")),
    }
}

fn inbound_credentials(keys: &Keys<'_, '_>) -> Result<Option<InboundCredentials>, ConfigError> {
    match (keys.read("inbound_username", user)?, keys.secret("inbound_password")?) {
        (Some(username), Some(password)) => Ok(Some(InboundCredentials { username, password })),
        (None, None) => Ok(None),
        _ => Err(keys.wrong("inbound_username", "`inbound_username` and `inbound_password` go together")),
    }
}

fn addresses(text: &str) -> Result<Vec<TrunkAddress>, Expected> {
    let read: Option<Vec<_>> = text.split(',').map(str::trim).map(TrunkAddress::parse).collect();
    read.ok_or_else(|| {
        "one or more of `host`, `host:port`, `host:port;tcp` and `host:port;tls`, such as `sip.example.com:5060`".to_owned()
    })
}

/// Letters that figures and routes can have everywhere.
fn name(text: &str) -> Result<String, Expected> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err("1 to 64 letters, digits, `-`, `_` and `.`".to_owned())
}

fn byoc_sid(text: &str) -> Result<String, Expected> {
    let digits = text.strip_prefix("BY").unwrap_or_default();
    if digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(text.to_owned());
    }
    Err("`BY` and 32 hexadecimal digits in small letters".to_owned())
}

fn numbers(text: &str) -> Result<OutboundAllow, Expected> {
    let is_number = |pattern: &str| {
        let pattern = pattern.trim();
        let rest = pattern.strip_prefix('+').unwrap_or(pattern);
        (pattern.starts_with('+') || pattern == "*") && rest.chars().all(|c| c.is_ascii_digit() || c == '*')
    };
    let right = || "patterns of numbers in E.164, such as `+4420*,+1*`".to_owned();
    if !text.split(',').all(is_number) {
        return Err(right());
    }
    value::outbound_allow(text).map_err(|_| right())
}

/// What stands before a number in a URI without being escaped.
fn prefix(text: &str) -> Result<String, Expected> {
    let fits = text.len() <= 16 && text.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c));
    fits.then(|| text.to_owned()).ok_or_else(|| "at most 16 digits, `+`, `*` and `#`".to_owned())
}

fn domain(text: &str) -> Result<String, Expected> {
    let address = TrunkAddress::parse(text)
        .filter(|_| !text.contains(';') && !text.starts_with("sip:") && !text.starts_with("sips:"));
    address.map(|address| address.host_port()).ok_or_else(|| "a domain, such as `sip.example.com`".to_owned())
}

fn user(text: &str) -> Result<String, Expected> {
    let fits =
        (1..=128).contains(&text.len()) && !text.contains(|c: char| c.is_control() || "\"\\<>".contains(c));
    fits.then(|| text.to_owned()).ok_or_else(|| "1 to 128 characters without quotes".to_owned())
}

/// What stands between quotes in a challenge.
fn quoted(text: &str) -> Result<String, Expected> {
    user(text)
}

/// One table while it is read.
struct Keys<'v, 's> {
    document: &'v Document<'v>,
    table: &'v DeTable<'s>,
    span: Range<usize>,
}

impl Keys<'_, '_> {
    /// What is wrong at a key, or with the table if the key is not there.
    fn wrong(&self, key: &str, why: impl Into<String>) -> ConfigError {
        let span = self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span);
        self.document.wrong(&span, why)
    }

    fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let text = self.document.scalar(key, value)?;
        read(&text).map(Some).map_err(|expected| self.wrong(key, format!("`{key}` must be {expected}")))
    }

    fn required<T>(
        &self,
        key: &str,
        why: &str,
        read: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<T, ConfigError> {
        self.read(key, read)?.ok_or_else(|| self.wrong(key, why))
    }

    /// Texts in brackets, or joined by commas.
    fn list<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let text = self.document.list(key, value)?;
        read(&text).map(Some).map_err(|expected| self.wrong(key, format!("`{key}` must be {expected}")))
    }

    fn flag(&self, key: &str) -> Result<bool, ConfigError> {
        match self.table.get(key).map(Spanned::get_ref) {
            None => Ok(false),
            Some(DeValue::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(key, format!("`{key}` must be true or false"))),
        }
    }

    /// A password: whatever is wrong with it is said without it.
    fn secret(&self, key: &str) -> Result<Option<Secret>, ConfigError> {
        self.read(key, |text| {
            let fits = (1..=256).contains(&text.len()) && !text.contains(char::is_control);
            fits.then(|| Secret::new(text.to_owned())).ok_or_else(|| "1 to 256 characters".to_owned())
        })
    }

    fn rate(&self) -> Result<Option<u32>, ConfigError> {
        let rate = self.read("calls_per_second", |text| value::whole(text, RATE))?;
        Ok(rate.and_then(|rate| u32::try_from(rate).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::{Settings, parse};
    use super::super::{Carriage, SrtpPolicy, TrunkTransport};
    use super::*;

    fn read(text: &str) -> Settings {
        parse("confab.toml", text).unwrap_or_else(|e| panic!("{e}"))
    }

    fn refused(text: &str) -> String {
        match parse("confab.toml", text) {
            Ok(_) => panic!("accepted {text:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_trunk_needs_a_name_and_an_address_and_the_rest_has_defaults() {
        let (trunks, line) =
            read("log = \"info\"\n[[trunk]]\nname = \"a\"\naddress = \"192.0.2.1\"\n").trunks.unwrap();
        assert_eq!(line, 2);
        let trunk = trunks.iter().next().unwrap();
        assert_eq!((trunk.priority, trunk.weight, trunk.answer_within), (10, 10, Duration::from_secs(4)));
        assert_eq!(trunk.messages_per_second, 5_000);
        assert!(trunk.credentials.is_none() && trunk.register.is_none() && trunk.calls_per_second.is_none());
        assert_eq!(trunks.carriage("+442071234567", None), Carriage::Carried);
        assert_eq!(trunk.to_string(), "a -> 192.0.2.1, priority 10, weight 10, numbers *");
    }

    #[test]
    fn a_trunk_can_be_told_everything_and_shows_no_password() {
        let text = "[[trunk]]\nname = \"a\"\naddress = [\"a.example:5070;tcp\", \"b.example\"]\npriority = 1\nweight = 0\n\
                    numbers = \"+44*,+49*\"\noutbound_allow = [\"+49*\"]\nstrip_plus = true\nprefix = \"00\"\n\
                    from_domain = \"pbx.example\"\ncaller_id = \"4930\"\nusername = \"u\"\npassword = \"hunter2\"\nrealm = \"r\"\n\
                    register = true\nregister_expires = \"10m\"\ncodecs = [\"pcma\", \"pcmu\"]\nsrtp = \"required\"\n\
                    inbound_from = [\"192.0.2.0/24\"]\ninbound_username = \"v\"\ninbound_password = \"hunter3\"\n\
                    calls_per_second = 5\nmax_calls = 30\nanswer_within = \"2s\"\nmessages_per_second = 900\n";
        let (trunks, _) = read(text).trunks.unwrap();
        let trunk = trunks.iter().next().unwrap();
        assert_eq!((trunk.addresses.len(), trunk.addresses[0].transport), (2, TrunkTransport::Tcp));
        assert_eq!(trunk.messages_per_second, 900);
        assert_eq!(
            (trunk.register, trunk.srtp),
            (Some(Duration::from_secs(600)), Some(SrtpPolicy::Required))
        );
        assert_eq!(trunks.carriage("+49301234", None), Carriage::Carried);
        assert_eq!(trunks.carriage("+44207123", None), Carriage::NotAllowed);
        assert_eq!(trunks.carriage("+33123456", None), Carriage::NotReached);
        let shown = format!("{trunk} {trunk:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn accounts_have_terms_of_their_own() {
        let sid = format!("AC{}", "0".repeat(32));
        let text =
            format!("[[account]]\nsid = \"{sid}\"\noutbound_allow = [\"+44*\"]\ncalls_per_second = 2\n");
        let (accounts, _) = read(&text).accounts.unwrap();
        let terms = accounts.terms(&sid).unwrap();
        assert_eq!((terms.calls_per_second, terms.max_calls), (Some(2), None));
        assert_eq!(terms.to_string(), "may dial +44*, 2 calls a second");
        assert!(refused(&format!("{text}{text}")).contains("line 6: this account has terms already"));
        assert!(refused("[[account]]\nmax_calls = 1").contains("line 1: an account's terms need its `sid`"));
    }

    #[test]
    fn what_is_wrong_with_a_trunk_is_pointed_at() {
        let start = "[[trunk]]\nname = \"a\"\naddress = \"x\"\n";
        for (more, expected) in [
            ("nmbers = \"*\"", "unknown key `nmbers` in confab.toml line 4; did you mean `numbers`?"),
            ("numbers = \"44*\"", "line 4: `numbers` must be patterns"),
            ("numbers = \"sip:*\"", "line 4: `numbers` must be patterns"),
            ("byoc_sid = \"BY1\"", "line 4: `byoc_sid` must be `BY` and 32"),
            ("caller_id_of_forwarded = true", "line 4: `caller_id_of_forwarded` needs `caller_id`"),
            ("username = \"u\"", "line 4: `username` and `password` go together"),
            ("register = true", "line 4: `register` needs `username`"),
            ("register = \"yes\"", "line 4: `register` must be true or false"),
            ("register_expires = \"60s\"", "line 4: `register_expires` needs"),
            ("inbound_password = \"p\"", "line 1: `inbound_username` and `inbound_password` go together"),
            ("weight = 65536", "line 4: `weight` must be a whole number from 0 to 65535"),
            ("answer_within = \"1m\"", "line 4: `answer_within` must be a duration"),
            ("prefix = \"a\"", "line 4: `prefix` must be at most 16"),
            ("from_domain = \"a b\"", "line 4: `from_domain` must be a domain"),
            ("codecs = [\"g729\"]", "line 4: `codecs` must be"),
            ("inbound_from = \"10.0.0.1/8\"", "line 4: `inbound_from` must be"),
            ("calls_per_second = 0", "line 4: `calls_per_second` must be"),
            (
                "messages_per_second = 9",
                "line 4: `messages_per_second` must be a whole number from 10 to 100000",
            ),
            ("[[trunk]]\nname = \"a\"\naddress = \"y\"", "line 5: another trunk has this name"),
            ("[[trunk]]\nname = \"a b\"\naddress = \"y\"", "line 5: `name` must be"),
            ("[[trunk]]\nname = \"b\"", "line 4: a trunk needs an `address`"),
            ("[[trunk]]\nname = \"b\"\naddress = \"h;sctp\"", "line 6: `address` must be one or more of"),
            ("[[route]]\ntrunk = \"b\"\nrefuse = 603", "line 5: there is no trunk of the name `b`"),
        ] {
            let error = refused(&format!("{start}{more}\n"));
            assert!(error.contains(expected), "{more:?}: {error}");
        }
        assert!(refused("trunk = 1").contains("line 1: a trunk is written as a `[[trunk]]` table"));
        let many = format!("{}{start}", "[[trunk]]\nname = \"n\"\naddress = \"x\"\n".repeat(TRUNKS_MAX));
        assert!(refused(&many).contains("more than 64 tables `[[trunk]]`"));
    }

    #[test]
    fn a_wrong_password_is_not_repeated() {
        let text =
            "[[trunk]]\nname = \"a\"\naddress = \"x\"\nusername = \"u\"\npassword = \"hunter2\\u0007\"\n";
        let error = refused(text);
        assert!(
            error.contains("`password` must be 1 to 256 characters") && !error.contains("hunter"),
            "{error}"
        );
    }
}
