//! The queries of lists as the document describes them: filters, and the part that is asked for. As with the
//! [forms](super::forms), nothing is read into these, and a test compares them with what the handlers read.
#![expect(dead_code, reason = "only their descriptions are used")]

use utoipa::IntoParams;

/// Which part of a list. All lists have these.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct Paged {
    /// From 0.
    #[param(minimum = 0)]
    page: Option<u32>,
    /// 50 unless given; more than 1,000 are cut to that.
    #[param(minimum = 1)]
    page_size: Option<u64>,
    /// It is accepted and changes nothing: a page is found by its number.
    page_token: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct AccountFilters {
    friendly_name: Option<String>,
    /// `active`, `suspended` or `closed`.
    status: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct ApplicationFilters {
    friendly_name: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct NumberFilters {
    friendly_name: Option<String>,
    /// Digits that are in the number.
    phone_number: Option<String>,
    beta: Option<bool>,
    /// `hosted`, which all are, or `twilio`, which none is.
    origin: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct CallFilters {
    to: Option<String>,
    from: Option<String>,
    /// `queued`, `ringing`, `in-progress`, `completed`, `busy`, `failed`, `no-answer` or `canceled`.
    status: Option<String>,
    parent_call_sid: Option<String>,
    /// Answered on that day (UTC): `2024-01-31`, or the day of a time such as `2024-01-31T23:59:59Z`.
    start_time: Option<String>,
    /// Answered before: a time, or the beginning of a day.
    #[param(rename = "StartTime<")]
    start_time_before: Option<String>,
    /// Answered from then on.
    #[param(rename = "StartTime>")]
    start_time_from: Option<String>,
    /// Over on that day (UTC).
    end_time: Option<String>,
    /// Over before.
    #[param(rename = "EndTime<")]
    end_time_before: Option<String>,
    /// Over from then on.
    #[param(rename = "EndTime>")]
    end_time_from: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct ConferenceFilters {
    friendly_name: Option<String>,
    /// `init`, `in-progress` or `completed`.
    status: Option<String>,
    /// Created on that day (UTC): `2024-01-31`, or the day of a time such as `2024-01-31T23:59:59Z`.
    date_created: Option<String>,
    /// Created before: a time, or the beginning of a day.
    #[param(rename = "DateCreated<")]
    date_created_before: Option<String>,
    /// Created from then on.
    #[param(rename = "DateCreated>")]
    date_created_from: Option<String>,
    /// Changed last on that day (UTC).
    date_updated: Option<String>,
    /// Changed last before.
    #[param(rename = "DateUpdated<")]
    date_updated_before: Option<String>,
    /// Changed last from then on.
    #[param(rename = "DateUpdated>")]
    date_updated_from: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct ParticipantFilters {
    muted: Option<bool>,
    hold: Option<bool>,
    coaching: Option<bool>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct NotificationFilters {
    /// `0` for errors or `1` for warnings.
    log: Option<String>,
    /// Of that day (UTC): `2024-01-31`, or the day of a time such as `2024-01-31T23:59:59Z`.
    message_date: Option<String>,
    /// Before: a time, or the beginning of a day.
    #[param(rename = "MessageDate<")]
    message_date_before: Option<String>,
    /// From then on.
    #[param(rename = "MessageDate>")]
    message_date_from: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct CallRecordingFilters {
    /// Begun on that day (UTC): `2024-01-31`, or the day of a time such as `2024-01-31T23:59:59Z`.
    date_created: Option<String>,
    /// Begun before: a time, or the beginning of a day.
    #[param(rename = "DateCreated<")]
    date_created_before: Option<String>,
    /// Begun from then on.
    #[param(rename = "DateCreated>")]
    date_created_from: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "PascalCase")]
pub(in super::super) struct RecordingFilters {
    call_sid: Option<String>,
    conference_sid: Option<String>,
    /// Those that were deleted, too, for forty days.
    include_soft_deleted: Option<bool>,
    /// Begun on that day (UTC): `2024-01-31`, or the day of a time such as `2024-01-31T23:59:59Z`.
    date_created: Option<String>,
    /// Begun before: a time, or the beginning of a day.
    #[param(rename = "DateCreated<")]
    date_created_before: Option<String>,
    /// Begun from then on.
    #[param(rename = "DateCreated>")]
    date_created_from: Option<String>,
}
