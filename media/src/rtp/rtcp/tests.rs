//! What is written reads back; what is broken is named; nothing panics.

use proptest::prelude::*;

use super::*;
use crate::rtp::Ssrc;

const US: Ssrc = Ssrc(0x1111_2222);

fn block(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 64,
        cumulative_lost: -3,
        highest_sequence: 0x0001_fffe,
        jitter: 77,
        last_sr: 0x89ab_cdef,
        delay_since_last_sr: 65_536,
    }
}

fn written(write: impl FnOnce(&mut CompoundWriter<'_>)) -> Vec<u8> {
    let mut out = [0xaa; 1_500];
    let mut writer = CompoundWriter::new(&mut out);
    write(&mut writer);
    let len = writer.len();
    out[..len].to_vec()
}

fn full_report() -> Vec<u8> {
    let info = SenderInfo { ntp: NtpTime(0x0102_0304_0506_0708), rtp_timestamp: 9, packets: 10, octets: 11 };
    written(|w| {
        w.sender_report(US, info, &[block(5), block(6)]).unwrap();
        w.cname(US, b"a name").unwrap();
        w.bye(US).unwrap();
    })
}

#[test]
fn a_report_with_name_and_goodbye_reads_back() {
    let bytes = full_report();
    let compound = Compound::parse(&bytes).unwrap();
    let packets: Vec<_> = compound.packets().collect();
    let [Packet::SenderReport(report), Packet::Descriptions(names), Packet::Bye(bye)] = packets[..] else {
        panic!("{packets:?}");
    };
    assert_eq!(report.ssrc, US);
    assert_eq!(report.info.ntp.middle(), 0x0304_0506);
    assert_eq!((report.info.rtp_timestamp, report.info.packets, report.info.octets), (9, 10, 11));
    assert_eq!(report.blocks.collect::<Vec<_>>(), [block(5), block(6)]);
    assert_eq!(names.collect::<Vec<_>>(), [(US, Some(Cname(b"a name")))]);
    assert_eq!(bye.sources().collect::<Vec<_>>(), [US]);
}

#[test]
fn a_reduced_size_goodbye_alone_is_read() {
    let bytes = written(|w| w.bye(US).unwrap());
    assert_eq!(bytes, [0x81, 203, 0, 1, 0x11, 0x11, 0x22, 0x22]);
    assert!(Compound::parse(&bytes).is_ok());
}

#[test]
fn names_of_every_length_end_on_a_word() {
    for len in 0..=255 {
        let name = vec![b'n'; len];
        let bytes = written(|w| w.cname(US, &name).unwrap());
        assert_eq!(bytes.len() % 4, 0);
        let Some(Packet::Descriptions(mut names)) = Compound::parse(&bytes).unwrap().packets().next() else {
            panic!("{len}");
        };
        assert_eq!(names.next(), Some((US, Some(Cname(&name)))));
    }
    assert_eq!(CompoundWriter::new(&mut [0; 1_500]).cname(US, &[0; 256]), Err(NoSpace));
}

#[test]
fn what_does_not_fit_is_left_out_whole() {
    let mut out = [0; 40];
    let mut writer = CompoundWriter::new(&mut out);
    writer.receiver_report(US, &[block(5)]).unwrap();
    assert_eq!(writer.bye(US), Ok(()));
    assert_eq!(writer.bye(US), Err(NoSpace));
    assert_eq!(writer.receiver_report(US, &[block(5); 32]), Err(NoSpace));
    assert_eq!(writer.len(), 40);
    assert_eq!(Compound::parse(&out).unwrap().packets().count(), 2);
}

#[test]
fn lost_packets_are_held_within_24_bits_and_keep_their_sign() {
    for (lost, sent) in [(9_000_000, 8_388_607), (-9_000_000, -8_388_608), (-1, -1), (0, 0), (7, 7)] {
        let bytes = written(|w| {
            w.receiver_report(US, &[ReportBlock { cumulative_lost: lost, ..block(5) }]).unwrap();
        });
        let Some(Packet::ReceiverReport(mut report)) = Compound::parse(&bytes).unwrap().packets().next()
        else {
            panic!("{lost}");
        };
        assert_eq!(report.blocks.next().unwrap().cumulative_lost, sent);
    }
}

#[test]
fn every_refusal_has_its_name() {
    let refusal = |bytes: &[u8]| Compound::parse(bytes).map(|_| ()).unwrap_err();
    assert_eq!(refusal(&[]), RtcpError::TooShort);
    assert_eq!(refusal(&[0x80, 201, 0]), RtcpError::TooShort);
    assert_eq!(refusal(&[0x40, 201, 0, 0]), RtcpError::Version);
    assert_eq!(refusal(&[0x80, 201, 0, 1]), RtcpError::Length);
    assert_eq!(refusal(&[0x80, 201, 0xff, 0xff, 0, 0, 0, 0]), RtcpError::Length);
    assert_eq!(refusal(&[0xa0, 201, 0, 0]), RtcpError::Padding, "none there");
    assert_eq!(refusal(&[0xa0, 201, 0, 1, 0, 0, 0, 8]), RtcpError::Padding, "more than there");
    assert_eq!(refusal(&[0xa0, 201, 0, 1, 0, 0, 0, 3]), RtcpError::Padding, "not whole words");
    assert_eq!(refusal(&[0xa0, 201, 0, 1, 0, 0, 0, 4, 0x80, 201, 0, 0]), RtcpError::Padding, "not last");
    let trailing = [full_report(), vec![0x80]].concat();
    assert_eq!(refusal(&trailing), RtcpError::TooShort);
}

#[test]
fn padding_on_the_last_packet_is_taken_off() {
    let bytes = [0xa1, 203, 0, 2, 0, 0, 0, 7, 0, 0, 0, 4];
    let Some(Packet::Bye(bye)) = Compound::parse(&bytes).unwrap().packets().next() else {
        panic!("a goodbye");
    };
    assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(7)]);
}

#[test]
fn a_botched_description_costs_only_itself() {
    let mut bytes = written(|w| w.receiver_report(US, &[]).unwrap());
    bytes.extend([0x81, 202, 0, 2, 0, 0, 0, 1, 1, 200, b'x', 0]);
    let compound = Compound::parse(&bytes).unwrap();
    let packets: Vec<_> = compound.packets().collect();
    assert!(
        matches!(packets[..], [Packet::ReceiverReport(_), Packet::Malformed(PacketKind::Descriptions)]),
        "{packets:?}"
    );
}

#[test]
fn counts_that_a_packet_cannot_hold_make_it_malformed() {
    for (packet_type, kind) in [
        (200, PacketKind::SenderReport),
        (201, PacketKind::ReceiverReport),
        (202, PacketKind::Descriptions),
        (203, PacketKind::Bye),
    ] {
        let bytes = [0x9f, packet_type, 0, 1, 0, 0, 0, 1];
        let first = Compound::parse(&bytes).unwrap().packets().next();
        assert!(matches!(first, Some(Packet::Malformed(k)) if k == kind), "{first:?}");
    }
}

#[test]
fn other_kinds_are_stepped_over() {
    let mut bytes = vec![0x80, 207, 0, 1, 1, 2, 3, 4];
    bytes.extend(full_report());
    let compound = Compound::parse(&bytes).unwrap();
    assert!(matches!(compound.packets().next(), Some(Packet::Other(207))));
    assert_eq!(compound.packets().count(), 4);
}

#[test]
fn debug_does_not_show_names() {
    let bytes = written(|w| w.cname(US, b"alice@example.com").unwrap());
    let shown = format!("{:?}", Compound::parse(&bytes).unwrap());
    assert!(!shown.contains("alice") && !shown.contains("97, 108"), "{shown}");
}

/// Reads all there is to read.
fn walk(bytes: &[u8]) -> usize {
    let Ok(compound) = Compound::parse(bytes) else {
        return 0;
    };
    compound
        .packets()
        .map(|packet| match packet {
            Packet::SenderReport(report) => report.blocks.count(),
            Packet::ReceiverReport(report) => report.blocks.count(),
            Packet::Descriptions(names) => names.map(|(_, name)| name.map_or(0, |n| n.0.len())).sum(),
            Packet::Bye(bye) => bye.sources().count(),
            Packet::Malformed(_) | Packet::Other(_) => 1,
        })
        .sum()
}

fn blocks() -> impl Strategy<Value = Vec<ReportBlock>> {
    let block = (any::<u32>(), any::<u8>(), -(1i32 << 23)..1 << 23, any::<[u32; 4]>());
    let block = block.prop_map(|(ssrc, fraction_lost, cumulative_lost, rest)| ReportBlock {
        ssrc,
        fraction_lost,
        cumulative_lost,
        highest_sequence: rest[0],
        jitter: rest[1],
        last_sr: rest[2],
        delay_since_last_sr: rest[3],
    });
    proptest::collection::vec(block, 0..=ReportBlock::PER_PACKET_MAX)
}

proptest! {
    #[test]
    fn any_reports_read_back(ssrc in any::<u32>(), fields in any::<(u64, [u32; 3])>(), blocks in blocks()) {
        let (ntp, [rtp_timestamp, packets, octets]) = fields;
        let info = SenderInfo { ntp: NtpTime(ntp), rtp_timestamp, packets, octets };
        let bytes = written(|w| w.sender_report(Ssrc(ssrc), info, &blocks).unwrap());
        let Some(Packet::SenderReport(report)) = Compound::parse(&bytes).unwrap().packets().next() else {
            panic!("a sender report");
        };
        prop_assert_eq!((report.ssrc, report.info), (Ssrc(ssrc), info));
        prop_assert_eq!(report.blocks.collect::<Vec<_>>(), blocks);
    }

    #[test]
    fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        walk(&bytes);
    }

    /// Bytes that are nearly right reach deeper than any bytes.
    #[test]
    fn any_change_of_a_good_chain_is_harmless(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = full_report();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        walk(&bytes);
        walk(&bytes[..cut.index(bytes.len())]);
    }
}
