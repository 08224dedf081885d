//! Lists in pages: what part is asked for, and the envelope it is answered in.
//!
//! The envelope's keys are exact. The Python SDK takes for the list the one key that it does not know, so one
//! key more would break it.

use axum::response::{IntoResponse, Response};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::API_VERSION;
use super::error::{ApiError, Asked};
use super::form::{Json, Parameters};
use crate::call::{AccountSid, CallError, Page, PageRequest};

/// Items in a page when nothing is asked.
const PAGE_SIZE_DEFAULT: usize = 50;
/// The most items in a page; some 1.5 MB of calls.
const PAGE_SIZE_MAX: usize = 1_000;

const PAGE: &str = "Page";
const PAGE_SIZE: &str = "PageSize";
/// Accepted for the clients that keep one, and not needed: a page here is found by its number.
const PAGE_TOKEN: &str = "PageToken";

/// One list as it was asked for: the part, the path, and the filters that its other pages need as well.
pub(super) struct Paging {
    pub(super) request: PageRequest,
    path: String,
    filters: Vec<(String, String)>,
}

impl Paging {
    /// Of a list of the account, named as in its path: `Calls`.
    pub(super) fn new(account: AccountSid, list: &str, parameters: &Parameters) -> Result<Self, ApiError> {
        parameters.one(PAGE_TOKEN)?;
        let request = PageRequest { page: page(parameters)?, size: page_size(parameters)? };
        let path = format!("/{API_VERSION}/Accounts/{account}/{list}.json");
        let filters = parameters.without(&[PAGE, PAGE_SIZE, PAGE_TOKEN]);
        Ok(Self { request, path, filters })
    }

    /// The answer: the page that was `found` in its envelope, each item as `represent` shows it, under `key`; or why
    /// what was `asked` could not be listed.
    pub(super) fn answer<T, R: Serialize>(
        &self,
        key: &'static str,
        asked: Asked<'_>,
        found: Result<Page<T>, CallError>,
        represent: impl Fn(T) -> R,
    ) -> Result<Response, ApiError> {
        let page = found.map_err(|error| ApiError::of(error, asked))?;
        let items: Vec<R> = page.items.into_iter().map(represent).collect();
        Ok(Json(Envelope { key, items, more: page.more, paging: self }).into_response())
    }

    fn uri(&self, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.filters);
        query.append_pair(PAGE_SIZE, &self.request.size.to_string());
        query.append_pair(PAGE, &page.to_string());
        format!("{}?{}", self.path, query.finish())
    }
}

/// Read as 32 bits, so that number times size cannot overflow.
fn page(parameters: &Parameters) -> Result<usize, ApiError> {
    let Some(value) = parameters.one(PAGE)? else {
        return Ok(0);
    };
    let page: Result<u32, _> = value.parse();
    page.map(|page| page as usize).map_err(|_| ApiError::value(PAGE, value, "a whole number from 0"))
}

/// A larger page than the largest is cut, not refused: the SDKs turn `list(limit=5000)` into `PageSize=5000`, and go
/// on by the page that follows until they have as many.
fn page_size(parameters: &Parameters) -> Result<usize, ApiError> {
    let Some(value) = parameters.one(PAGE_SIZE)? else {
        return Ok(PAGE_SIZE_DEFAULT);
    };
    match value.parse::<usize>() {
        Ok(size @ 1..) => Ok(size.min(PAGE_SIZE_MAX)),
        Ok(0) | Err(_) => Err(ApiError::value(PAGE_SIZE, value, "a whole number from 1 to 1000")),
    }
}

struct Envelope<'a, R> {
    key: &'static str,
    items: Vec<R>,
    more: bool,
    paging: &'a Paging,
}

impl<R: Serialize> Serialize for Envelope<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { key, items, more, paging } = self;
        let PageRequest { page, size } = paging.request;
        let start = page * size;
        let previous = page.checked_sub(1).map(|previous| paging.uri(previous));

        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("first_page_uri", &paging.uri(0))?;
        map.serialize_entry("end", &(start + items.len().saturating_sub(1)))?;
        map.serialize_entry("previous_page_uri", &previous)?;
        map.serialize_entry(key, items)?;
        map.serialize_entry("uri", &paging.uri(page))?;
        map.serialize_entry("page_size", &size)?;
        map.serialize_entry("start", &start)?;
        map.serialize_entry("next_page_uri", &more.then(|| paging.uri(page + 1)))?;
        map.serialize_entry("page", &page)?;
        map.end()
    }
}
