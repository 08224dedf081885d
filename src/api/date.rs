//! Dates as the API writes them (RFC 2822, always UTC) and reads them (ISO 8601 days and RFC 3339 times).

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

use super::error::ApiError;
use super::form::Parameters;
use crate::call::Span;

/// `Fri, 18 Feb 2011 19:26:50 +0000`.
pub(super) fn rfc2822(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// The span that the filter `name` asks for: `name=` a day, `name<=` before, `name>=` from then on, where the `<`
/// or `>` is the last character of the parameter's name. Given together, all hold.
///
/// A day begins at midnight UTC. With `<` and `>` a day means that midnight, and a time means itself; alone,
/// a time means the day it is in.
pub(super) fn span(parameters: &Parameters, name: &str) -> Result<Span, ApiError> {
    let mut span = Span::default();
    if let Some(day) = moment(parameters, name)? {
        span.from = Some(midnight(day));
        span.until = Some(midnight(day + Days::new(1)));
    }
    if let Some(until) = moment(parameters, &format!("{name}<"))? {
        span.until = Some(span.until.map_or(until, |day| day.min(until)));
    }
    if let Some(from) = moment(parameters, &format!("{name}>"))? {
        span.from = Some(span.from.map_or(from, |day| day.max(from)));
    }
    Ok(span)
}

fn midnight(time: DateTime<Utc>) -> DateTime<Utc> {
    time.date_naive().and_time(NaiveTime::MIN).and_utc()
}

fn moment(parameters: &Parameters, name: &str) -> Result<Option<DateTime<Utc>>, ApiError> {
    let Some(value) = parameters.one(name)? else {
        return Ok(None);
    };
    parse(value).map(Some).ok_or_else(|| {
        ApiError::value(name, value, "a day such as 2024-01-31 or a time such as 2024-01-31T23:59:59Z")
    })
}

/// The lengths are checked because the parsers also take years of five digits, and a sum with those could overflow.
fn parse(value: &str) -> Option<DateTime<Utc>> {
    const DAY_LENGTH: usize = "2024-01-31".len();
    const TIME_LENGTH_MIN: usize = "2024-01-31T23:59:59Z".len();

    if value.len() == DAY_LENGTH {
        let day: NaiveDate = value.parse().ok()?;
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    if value.len() < TIME_LENGTH_MIN {
        return None;
    }
    DateTime::parse_from_rfc3339(value).ok().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
    }

    fn span_of(query: &str) -> Result<Span, ApiError> {
        span(&Parameters::parse(query.as_bytes(), "The query")?, "StartTime")
    }

    #[test]
    fn times_are_written_as_the_sdks_read_them() {
        assert_eq!(rfc2822(time("2011-02-18T19:26:50.9Z")), "Fri, 18 Feb 2011 19:26:50 +0000");
        assert_eq!(rfc2822(time("2026-01-01T01:00:00+01:00")), "Thu, 01 Jan 2026 00:00:00 +0000");
    }

    #[test]
    fn a_plain_day_is_that_day() {
        let day =
            Span { from: Some(time("2024-02-29T00:00:00Z")), until: Some(time("2024-03-01T00:00:00Z")) };
        assert_eq!(span_of("StartTime=2024-02-29").expect("a span"), day);
        assert_eq!(span_of("StartTime=2024-02-29T12:30:00Z").expect("a span"), day);
    }

    #[test]
    fn before_and_from_are_told_by_the_name() {
        let span = span_of("StartTime%3C=2024-03-01&StartTime%3E=2024-02-29T12:00:00Z");
        let expected =
            Span { from: Some(time("2024-02-29T12:00:00Z")), until: Some(time("2024-03-01T00:00:00Z")) };
        assert_eq!(span.expect("a span"), expected);
    }

    #[test]
    fn all_given_bounds_hold() {
        let span = span_of("StartTime=2024-03-01&StartTime%3C=2024-04-01&StartTime%3E=2024-02-01");
        assert_eq!(span.expect("a span"), span_of("StartTime=2024-03-01").expect("a span"));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for value in ["", "now", "2024-02-30", "2024-2-3", "20240203", "1706745600", "+99999-01-01"] {
            assert!(span_of(&format!("StartTime={value}")).is_err(), "{value}");
        }
    }

    #[test]
    fn the_last_day_there_is_does_not_overflow() {
        assert!(span_of("StartTime=9999-12-31").is_ok());
        assert!(span_of("StartTime=9999-12-31T23:59:59-23:59").is_ok());
    }
}
