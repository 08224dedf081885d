//! Bindings by themselves: what phones register, what they may not, and what becomes of it when time goes by.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::Transport;
use tokio::time::Instant;

use super::bindings::{BINDINGS_MAX, Bindings, EXPIRES_MAX, EXPIRES_MIN, Flow, Refused, Registration};
use super::contact::Contacts;
use super::{device, network};

/// What a phone at a port of this machine sends.
fn registration(contacts: &str, call_id: &str, cseq: u32) -> Registration {
    let source = SocketAddr::from(([192, 0, 2, 7], 40_000));
    let flow = Flow { transport: Transport::Udp, source, gone: None };
    let contacts = Contacts::read(Some(contacts).filter(|contacts| !contacts.is_empty())).unwrap();
    Registration { contacts, expires: None, call_id: call_id.to_owned(), cseq, flow, path: Vec::new() }
}

fn uris(bindings: &Bindings, now: Instant) -> Vec<String> {
    bindings.of("alice", now).into_iter().map(|binding| binding.contact.uri).collect()
}

#[test]
fn a_phone_is_there_for_as_long_as_it_asked_and_no_longer() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    let asks = [(60, 60), (600, 600), (86_400, u64::from(EXPIRES_MAX))];
    for (cseq, (asked, given)) in (1..).zip(asks) {
        let contact = format!("<sip:a@192.0.2.7>;expires={asked}");
        let registered = bindings.register("alice", 5, &registration(&contact, "c", cseq), now).unwrap();
        assert_eq!(registered.bindings[0].seconds_left(now), given);
        assert_eq!(registered.changed, (cseq == 1).then_some(1));
    }
    let end = now + Duration::from_secs(EXPIRES_MAX.into());
    assert_eq!(uris(&bindings, end - Duration::from_millis(1)).len(), 1);
    assert_eq!(uris(&bindings, end).len(), 0);
    assert!(bindings.is_source(SocketAddr::from(([192, 0, 2, 7], 40_000))));
    assert_eq!(bindings.sweep(end), [("alice".to_owned(), 0)]);
    assert_eq!((bindings.total(), bindings.sweep(end).len()), (0, 0));
    assert!(!bindings.is_source(SocketAddr::from(([192, 0, 2, 7], 40_000))));
}

#[test]
fn what_may_not_be_asked_changes_nothing() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    bindings.register("alice", 2, &registration("<sip:a@b>", "c", 5), now).unwrap();
    for (contacts, expires, cseq, refused) in [
        ("<sip:new@b>, <sip:x@b>;expires=59", None, 6, Refused::TooBrief),
        ("<sip:new@b>", Some(EXPIRES_MIN - 1), 6, Refused::TooBrief),
        ("<sip:new@b>, <sip:a@b>", None, 5, Refused::OutOfOrder),
        ("<sip:a@b>;expires=0", None, 4, Refused::OutOfOrder),
        ("*", Some(0), 5, Refused::OutOfOrder),
        ("*", Some(600), 6, Refused::EveryButNotGone),
        ("*", None, 6, Refused::EveryButNotGone),
        ("<sip:x@b>,<sip:y@b>,<sip:z@b>", None, 6, Refused::TooMany),
    ] {
        let wrong = Registration { expires, ..registration(contacts, "c", cseq) };
        assert_eq!(bindings.register("alice", 2, &wrong, now).unwrap_err(), refused, "{contacts}");
        assert_eq!(uris(&bindings, now), ["sip:a@b"], "{contacts}");
    }
    // Another phone's numbers say nothing about this one's.
    let other = Registration { expires: Some(0), ..registration("*", "other", 1) };
    assert_eq!(bindings.register("alice", 2, &other, now).unwrap().changed, Some(0));
}

#[test]
fn a_phone_is_the_same_by_its_instance_or_its_address() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    for (contact, count) in [
        ("<sip:a@B.example>", 1),
        ("<SIP:%61@b.EXAMPLE>", 1),
        ("<sip:A@b.example>", 2),
        ("<sip:a@b.example:5070>", 3),
        ("<sip:a@10.0.0.1:1>;+sip.instance=\"<urn:uuid:7>\";reg-id=1", 4),
        ("<sip:a@10.0.0.9:2>;+sip.instance=\"<urn:uuid:7>\";reg-id=1", 4),
        ("<sip:a@10.0.0.9:3>;+sip.instance=\"<urn:uuid:7>\";reg-id=2", 5),
    ] {
        let call_id = format!("call {contact}");
        bindings.register("alice", 9, &registration(contact, &call_id, 1), now).unwrap();
        assert_eq!(uris(&bindings, now).len(), count, "{contact}");
    }
}

#[test]
fn the_best_liked_phone_comes_first_and_the_stalest_gives_way() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    for (cseq, contact) in
        (1..).zip(["<sip:a@b>;q=0.9", "<sip:b@b>;q=0.1", "<sip:c@b>;q=0.5", "<sip:a@b>;q=0.2"])
    {
        bindings.register("alice", 3, &registration(contact, "c", cseq), now).unwrap();
    }
    assert_eq!(uris(&bindings, now), ["sip:c@b", "sip:a@b", "sip:b@b"]);
    let registered = bindings.register("alice", 3, &registration("<sip:d@b>", "c", 9), now).unwrap();
    assert_eq!(
        (registered.changed, uris(&bindings, now)),
        (None, vec!["sip:d@b".into(), "sip:c@b".into(), "sip:a@b".into()])
    );
}

#[test]
fn a_phone_goes_with_its_connection() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    let gone = CancellationToken::new();
    let mut over_tcp = registration("<sip:a@b;transport=tcp>", "c", 1);
    over_tcp.flow = Flow { transport: Transport::Tcp, gone: Some(gone.clone()), ..over_tcp.flow };
    bindings.register("alice", 3, &over_tcp, now).unwrap();
    assert_eq!(uris(&bindings, now).len(), 1);
    assert!(!bindings.is_source(over_tcp.flow.source));
    gone.cancel();
    assert_eq!(uris(&bindings, now).len(), 0);
    assert_eq!(bindings.sweep(now), [("alice".to_owned(), 0)]);
}

#[test]
fn there_are_only_so_many_phones_on_a_node() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    let fifty: Vec<String> = (0..50).map(|number| format!("<sip:{number}@b>")).collect();
    let fifty = fifty.join(",");
    for agent in 0..BINDINGS_MAX / 50 {
        bindings.register(&agent.to_string(), 50, &registration(&fifty, "c", 1), now).unwrap();
    }
    let one_more = registration("<sip:a@b>", "c", 1);
    assert_eq!(bindings.register("alice", 50, &one_more, now).unwrap_err(), Refused::Full);
    let registered = bindings.register("0", 50, &registration(&fifty, "c", 2), now).unwrap();
    assert_eq!((registered.changed, bindings.total()), (None, BINDINGS_MAX));
}

#[test]
fn a_phone_is_called_where_it_registered_from_or_through_its_proxies() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    let direct = registration("<sip:a%20b@10.0.0.1;x=y?Route=z>", "c", 1);
    let mut proxied = registration("<sip:a@10.0.0.1>;q=0.5", "d", 1);
    proxied.path = vec!["<sip:edge.example;lr>, <sip:core.example;lr>".to_owned()];
    for registration in [&direct, &proxied] {
        bindings.register("alice", 3, registration, now).unwrap();
    }
    let devices: Vec<_> = bindings.of("alice", now).iter().filter_map(device).collect();
    let written: Vec<String> = devices.iter().map(|device| super::written(&device.uri)).collect();
    assert_eq!(written, ["sip:a%20b@192.0.2.7:40000;x=y", "sip:a@10.0.0.1"]);
    assert_eq!(devices[0].destination.to_string(), "UDP 192.0.2.7:40000");
    assert_eq!(devices[1].route.len(), 2);
    assert_eq!(devices[1].destination.addr.to_string(), "edge.example");
    assert_eq!(bindings.behind_nat(), [direct.flow.source]);
}

#[test]
fn one_network_of_a_host_is_one_source() {
    let [one, two, other] =
        ["2001:db8::1", "2001:db8::2:2", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
    assert_eq!(network(one), network(two));
    assert_ne!(network(one), network(other));
    assert_ne!(network([192, 0, 2, 1].into()), network([192, 0, 2, 2].into()));
    assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), network([192, 0, 2, 1].into()));
}

proptest! {
    /// Whatever is registered, taken back and forgotten, in whatever order: no agent has too many phones, and the sums are
    /// right.
    #[test]
    fn the_books_balance(
        steps in proptest::collection::vec((0_u8..3, 0_u8..6, prop_oneof![Just(0_u32), 60_u32..200], 0_u64..90), 1..60)
    ) {
        let (mut bindings, mut now) = (Bindings::default(), Instant::now());
        for (cseq, (agent, phone, expires, wait)) in (1..).zip(steps) {
            now += Duration::from_secs(wait);
            let mut registration = registration(&format!("<sip:{phone}@b>;expires={expires}"), "c", cseq);
            registration.flow.source.set_port(u16::from(phone));
            bindings.register(&agent.to_string(), 3, &registration, now).unwrap();
            if wait % 7 == 0 {
                bindings.sweep(now);
            }
            let there: Vec<usize> = (0..3).map(|agent: u8| bindings.of(&agent.to_string(), now).len()).collect();
            prop_assert!(there.iter().all(|count| *count <= 3));
            bindings.sweep(now);
            prop_assert_eq!(there.iter().sum::<usize>(), bindings.total());
        }
        bindings.sweep(now + Duration::from_secs(EXPIRES_MAX.into()));
        prop_assert_eq!(bindings.total(), 0);
        prop_assert!((0..6).all(|port| !bindings.is_source(([192, 0, 2, 7], port).into())));
    }
}

#[test]
fn a_browser_is_found_by_its_name_where_it_registered_last_and_only_while_that_is_open() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    let contact = "<sip:a@x1.invalid;transport=ws;ob>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    let by = |port: u16, cseq: u32| {
        let (source, gone) = (SocketAddr::from(([192, 0, 2, 7], port)), CancellationToken::new());
        let flow = Flow { transport: Transport::Wss, source, gone: Some(gone.clone()) };
        (Registration { flow, ..registration(contact, "c", cseq) }, gone)
    };
    let ((first, first_gone), (second, second_gone)) = (by(1, 1), by(2, 2));
    bindings.register("alice", 5, &first, now).unwrap();
    let found = |bindings: &Bindings, host: &str| bindings.flow_of(host, now).map(|flow| flow.source.port());
    assert_eq!((found(&bindings, "X1.invalid"), found(&bindings, "x2.invalid")), (Some(1), None));
    // The same browser by another connection takes the place of the first.
    assert_eq!(bindings.register("alice", 5, &second, now).unwrap().bindings.len(), 1);
    first_gone.cancel();
    assert_eq!(found(&bindings, "x1.invalid"), Some(2));
    let device = device(&bindings.of("alice", now)[0]).unwrap();
    assert!(device.is_browser && device.gone.is_some());
    assert_eq!(device.uri.host().to_string(), "x1.invalid", "the phone looks whether it is meant");
    assert_eq!(device.destination.to_string(), "WSS 192.0.2.7:2");
    second_gone.cancel();
    assert_eq!(found(&bindings, "x1.invalid"), None);
    // A phone that names a place that is none is reached at its own address, and is not looked for by that.
    bindings.register("bob", 5, &registration("<sip:b@x3.invalid>", "d", 1), now).unwrap();
    assert_eq!(found(&bindings, "x3.invalid"), None);
}
