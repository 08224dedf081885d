//! The answers of lists as the document describes them. [`super::super::paging`] writes them, whatever the list is of.
#![expect(dead_code, reason = "only their schemas are used")]

use utoipa::ToSchema;

use crate::api::{
    accounts, applications, calls, conferences, keys, notifications, numbers, participants, queues,
    recordings,
};

macro_rules! list {
    ($list:ident, $key:ident, $item:ty) => {
        /// A page of a list.
        #[derive(ToSchema)]
        pub(in super::super) struct $list {
            $key: Vec<$item>,
            /// The number of this page, from 0.
            page: u64,
            /// The most items that a page has.
            page_size: u64,
            /// The number of the first item in this page, from 0.
            start: u64,
            /// The number of the last.
            end: u64,
            /// This page, relative to the host.
            uri: String,
            first_page_uri: String,
            /// Null on the last page.
            next_page_uri: Option<String>,
            /// Null on the first page.
            previous_page_uri: Option<String>,
        }
    };
}

list!(AccountList, accounts, accounts::Representation);
list!(KeyList, keys, keys::Representation);
list!(ApplicationList, applications, applications::Representation);
list!(NumberList, incoming_phone_numbers, numbers::Representation);
list!(CallList, calls, calls::Representation);
list!(ConferenceList, conferences, conferences::Representation);
list!(ParticipantList, participants, participants::Representation);
list!(QueueList, queues, queues::Representation);
list!(MemberList, queue_members, queues::Waiter);
list!(NotificationList, notifications, notifications::Representation);
list!(CallEventList, events, notifications::Event);
list!(RecordingList, recordings, recordings::Representation);
