//! The tables `[[pay_connector]]` of the file: who charges cards.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::file::Document;
use super::setting::nearest;
use super::{Secret, value};

/// The array of tables that holds the connectors.
pub(super) const CONNECTOR: &str = "pay_connector";

/// The keys of one connector.
const CONNECTOR_KEYS: [&str; 4] = ["name", "url", "username", "password"];

/// More than one has processors.
const CONNECTORS_MAX: usize = 100;

/// The name of the one that is built in.
const SANDBOX: &str = "sandbox";

/// Who charges cards: a server that speaks the contract of the Generic Pay Connector.
#[derive(Clone, Debug)]
pub struct PayConnector {
    /// What payments call it.
    pub name: String,
    /// Where it is, `https`.
    pub url: String,
    /// Who we are there.
    pub username: String,
    /// How it knows.
    pub password: Secret,
}

/// Without the password.
impl fmt::Display for PayConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} as {}", self.name, self.url, self.username)
    }
}

impl Document<'_> {
    pub(super) fn connectors(
        &self,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(Vec<PayConnector>, usize), ConfigError> {
        let shape = "a connector is written as a `[[pay_connector]]` table";
        let tables = value.get_ref().as_array().ok_or_else(|| self.wrong(&value.span(), shape))?;
        if tables.len() > CONNECTORS_MAX {
            return Err(self.wrong(&value.span(), format!("more than {CONNECTORS_MAX} connectors")));
        }
        let (mut connectors, mut first) = (Vec::<PayConnector>::new(), None);
        for item in tables.iter() {
            let table = item.get_ref().as_table().ok_or_else(|| self.wrong(&item.span(), shape))?;
            first.get_or_insert_with(|| self.line(&item.span()));
            let connector = self.connector(table, &item.span())?;
            if connectors.iter().any(|other| other.name == connector.name) {
                let why = format!("another connector has the name `{}`", connector.name);
                return Err(self.wrong(&item.span(), why));
            }
            connectors.push(connector);
        }
        Ok((connectors, first.unwrap_or_else(|| self.line(&value.span()))))
    }

    fn connector(&self, table: &DeTable<'_>, span: &Range<usize>) -> Result<PayConnector, ConfigError> {
        let unknown = table.iter().find(|(key, _)| !CONNECTOR_KEYS.contains(&key.get_ref().as_ref()));
        if let Some((key, _)) = unknown {
            return Err(self.unknown(key, nearest(key.get_ref(), CONNECTOR_KEYS)));
        }
        let required = |key: &str, read: fn(&str) -> Result<String, value::Expected>| {
            let value = table.get(key);
            let value = value.ok_or_else(|| self.wrong(span, format!("a connector needs a `{key}`")))?;
            let text = self.scalar(key, value)?;
            read(&text).map_err(|right| self.wrong(&value.span(), format!("`{key}` must be {right}")))
        };
        Ok(PayConnector {
            name: required("name", name)?,
            url: required("url", url)?,
            username: required("username", username)?,
            password: Secret::new(required("password", password)?),
        })
    }
}

fn name(text: &str) -> Result<String, value::Expected> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(is_plain) && text != SANDBOX {
        return Ok(text.to_owned());
    }
    Err("1 to 64 letters, digits, `-`, `_`, `.` and spaces, and not `sandbox`, which is built in".to_owned())
}

/// Card numbers go there: nothing but TLS will do.
fn url(text: &str) -> Result<String, value::Expected> {
    let right = || "an address that begins with `https://`, without a user, a query or a fragment".to_owned();
    let url = url::Url::parse(text).map_err(|_| right())?;
    let is_plain = url.username().is_empty() && url.query().is_none() && url.fragment().is_none();
    if url.scheme() == "https" && url.has_host() && is_plain { Ok(text.to_owned()) } else { Err(right()) }
}

/// What Basic authentication can carry (RFC 7617 §2).
fn username(text: &str) -> Result<String, value::Expected> {
    let fits = (1..=256).contains(&text.len()) && !text.contains(|c: char| c.is_control() || c == ':');
    fits.then(|| text.to_owned()).ok_or_else(|| "1 to 256 characters without a colon".to_owned())
}

fn password(text: &str) -> Result<String, value::Expected> {
    let fits = (1..=256).contains(&text.len()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "1 to 256 characters".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;

    const ONE: &str = "[[pay_connector]]\nname = \"Default\"\nurl = \"https://pay.example.com/confab\"\n\
                       username = \"node\"\npassword = \"open sesame\"\n";

    #[test]
    fn connectors_are_read_and_shown_without_their_passwords() {
        let text = format!("{ONE}\n{}", ONE.replace("Default", "shop 2"));
        let (connectors, line) = parse("confab.toml", &text).unwrap().connectors.unwrap();
        assert_eq!((connectors.len(), line), (2, 1));
        assert_eq!(connectors[1].to_string(), "shop 2 at https://pay.example.com/confab as node");
        assert!(!format!("{connectors:?}").contains("sesame"));
        assert!(connectors[0].password.matches(b"open sesame"));
    }

    #[test]
    fn a_wrong_connector_is_pointed_at_without_its_password() {
        for (from, to, expected) in [
            ("https://", "http://", "line 3: `url` must be an address that begins with `https://`"),
            ("https://", "https://u:p@", "line 3: `url` must be"),
            ("Default", "sandbox", "line 2: `name` must be"),
            ("\"node\"", "\"no:de\"", "line 4: `username` must be"),
            ("password", "pasword", "did you mean `password`?"),
            ("url = \"https://pay.example.com/confab\"\n", "", "line 1: a connector needs a `url`"),
        ] {
            let error = match parse("confab.toml", &ONE.replacen(from, to, 1)) {
                Ok(_) => panic!("accepted {to}"),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("sesame"), "{error}");
        }
        let twice = parse("confab.toml", &format!("{ONE}{ONE}")).err().unwrap().to_string();
        assert!(twice.contains("line 6: another connector has the name `Default`"), "{twice}");
    }
}
