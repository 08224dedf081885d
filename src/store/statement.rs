//! One change to the database: SQL of ours, and the values that it is to be run with.

use std::fmt;

use sqlx::SqliteConnection;
use zeroize::Zeroizing;

/// SQL and its values.
#[derive(Clone)]
pub(super) struct Statement {
    sql: &'static str,
    values: Vec<Value>,
}

/// A value in a statement.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    /// A text that may hold secrets: wiped when it has been written.
    Secret(Zeroizing<String>),
}

impl Statement {
    pub(super) const fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    /// The same with one more value.
    pub(super) fn with(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it; says how many rows it changed.
    pub(super) async fn run(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let mut query = sqlx::query(self.sql);
        for value in &self.values {
            query = match value {
                Value::Null => query.bind(None::<i64>),
                Value::Integer(integer) => query.bind(*integer),
                Value::Text(text) => query.bind(text.as_str()),
                Value::Secret(text) => query.bind(text.as_str()),
            };
        }
        Ok(query.execute(connection).await?.rows_affected())
    }
}

/// Without the values, which may be secrets or people.
impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement").field("sql", &self.sql).finish_non_exhaustive()
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Integer(i64::from(is))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Zeroizing<String>> for Value {
    fn from(text: Zeroizing<String>) -> Self {
        Self::Secret(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
