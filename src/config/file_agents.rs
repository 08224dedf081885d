//! The tables `[[agent]]` of the file.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::agents::{AGENTS_MAX, Agent, Agents, Ring};
use super::error::ConfigError;
use super::file::Document;
use super::setting::nearest;
use super::{Secret, value};

/// The array of tables that holds the agents.
pub(super) const AGENT: &str = "agent";

/// The keys of one agent.
const AGENT_KEYS: [&str; 6] = ["name", "password", "realm", "account", "max_devices", "ring"];

/// Phones of one agent: a desk phone, a mobile and a computer, and room.
const DEVICES_DEFAULT: usize = 5;

/// Phones of one agent: all of them are called at once.
const DEVICES: RangeInclusive<usize> = 1..=50;

impl Document<'_> {
    pub(super) fn agents(&self, value: &Spanned<DeValue<'_>>) -> Result<(Agents, usize), ConfigError> {
        let shape = "an agent is written as an `[[agent]]` table";
        let tables = value.get_ref().as_array().ok_or_else(|| self.wrong(&value.span(), shape))?;
        if tables.len() > AGENTS_MAX {
            return Err(self.wrong(&value.span(), format!("more than {AGENTS_MAX} agents")));
        }
        let (mut agents, mut first) = (BTreeMap::new(), None);
        for item in tables.iter() {
            let table = item.get_ref().as_table().ok_or_else(|| self.wrong(&item.span(), shape))?;
            first.get_or_insert_with(|| self.line(&item.span()));
            let agent = self.agent(table, &item.span())?;
            if let Some(other) = agents.insert(agent.name.clone(), agent) {
                let why = format!("another agent has the name `{}`", other.name);
                return Err(self.wrong(&item.span(), why));
            }
        }
        Ok((Agents::new(agents), first.unwrap_or_else(|| self.line(&value.span()))))
    }

    fn agent(&self, table: &DeTable<'_>, span: &Range<usize>) -> Result<Agent, ConfigError> {
        if let Some((key, _)) = table.iter().find(|(key, _)| !AGENT_KEYS.contains(&key.get_ref().as_ref())) {
            return Err(self.unknown(key, nearest(key.get_ref(), AGENT_KEYS)));
        }
        let missing = |what: &str| self.wrong(span, format!("an agent needs a {what}"));
        let name = self.read(table, "name", name)?.ok_or_else(|| missing("`name`, such as `alice`"))?;
        let password = self.read(table, "password", password)?.ok_or_else(|| missing("`password`"))?;
        let devices = |text: &str| value::whole(text, DEVICES);
        Ok(Agent {
            name,
            password,
            realm: self.read(table, "realm", value::realm)?,
            account: self.read(table, "account", value::account_sid)?,
            devices_max: self.read(table, "max_devices", devices)?.unwrap_or(DEVICES_DEFAULT),
            ring: self.read(table, "ring", ring)?.unwrap_or_default(),
        })
    }

    fn read<T>(
        &self,
        table: &DeTable<'_>,
        key: &str,
        read: impl Fn(&str) -> Result<T, value::Expected>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = table.get(key) else {
            return Ok(None);
        };
        let text = self.scalar(key, value)?;
        let wrong = |expected| self.wrong(&value.span(), format!("`{key}` must be {expected}"));
        read(&text).map(Some).map_err(wrong)
    }
}

/// A name that is the same in a SIP address, in `client:NAME` and in a webhook's parameter.
fn name(text: &str) -> Result<String, value::Expected> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_name) {
        return Err("1 to 64 letters, digits, `-`, `_`, `.` or `+`".to_owned());
    }
    Ok(text.to_owned())
}

fn password(text: &str) -> Result<Secret, value::Expected> {
    if text.is_empty() || text.len() > 256 || text.contains(char::is_control) {
        return Err("1 to 256 characters".to_owned());
    }
    Ok(Secret::new(text.to_owned()))
}

fn ring(text: &str) -> Result<Ring, value::Expected> {
    match text {
        "all" => Ok(Ring::All),
        "order" => Ok(Ring::Order),
        _ => Err("`all` or `order`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;

    fn refused(text: &str) -> String {
        match parse("confab.toml", text) {
            Ok(_) => panic!("accepted {text:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn agents_are_read_and_shown_without_their_passwords() {
        let text = "[[agent]]\nname = \"alice\"\npassword = \"open sesame\"\n\n[[agent]]\nname = \"bob\"\n\
                    password = \"p\"\nrealm = \"desk\"\naccount = \"AC0123456789abcdef0123456789abcdef\"\n\
                    max_devices = 2\nring = \"order\"\n";
        let (agents, line) = parse("confab.toml", text).unwrap().agents.unwrap();
        assert_eq!(line, 1);
        let shown: Vec<String> = agents.iter().map(ToString::to_string).collect();
        let bob = "bob, 2 devices, realm desk, account AC0123456789abcdef0123456789abcdef, ringing in order";
        assert_eq!(shown, ["alice, 5 devices", bob]);
        assert!(agents.get("alice").unwrap().password.matches(b"open sesame"));
        assert!(!format!("{agents:?}").contains("sesame"));
        assert!(agents.get("Alice").is_none());
    }

    #[test]
    fn a_wrong_agent_is_pointed_at_without_its_password() {
        let agent = |more: &str| format!("[[agent]]\nname = \"alice\"\npassword = \"sesame\"\n{more}");
        for (text, expected) in [
            ("[[agent]]\npassword = \"sesame\"".to_owned(), "line 1: an agent needs a `name`"),
            ("[[agent]]\nname = \"alice\"".to_owned(), "line 1: an agent needs a `password`"),
            ("[[agent]]\nname = \"al ice\"".to_owned(), "line 2: `name` must be 1 to 64 letters"),
            ("[[agent]]\nname = \"a\"\npassword = \"sesame\\u0007\"".to_owned(), "line 3: `password` must"),
            (agent("ring = \"some\""), "line 4: `ring` must be `all` or `order`"),
            (agent("max_devices = 0"), "line 4: `max_devices` must be"),
            (agent("account = \"AC1\""), "line 4: `account` must be"),
            (agent("realm = \"\""), "line 4: `realm` must be"),
            (agent("pasword = \"x\""), "did you mean `password`?"),
            (agent(&agent("")), "line 4: another agent has the name `alice`"),
            ("agent = 3".to_owned(), "line 1: an agent is written as an `[[agent]]` table"),
        ] {
            let error = refused(&text);
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
