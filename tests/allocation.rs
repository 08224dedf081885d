//! The 20 ms path allocates nothing once its legs are in: a counting allocator watches a thousand steady ticks
//! with all the engine does in them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use confab_media::{
    Ask, Codec, Command, CommandId, Conference, ConferenceId, ConferenceSettings, Datagram, Engine,
    EngineSettings, LegId, Port, Seat, Time,
};

mod engine_leg;

use engine_leg::address;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain cell of the thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // Freeing takes the allocator's lock just as well.
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LEGS: u64 = 20;

#[test]
fn a_thousand_steady_ticks_allocate_nothing() {
    let mut engine = Engine::new(EngineSettings { legs_max: 64, conferences_max: 4, tap_frames_max: 64 });
    let ask = |engine: &mut Engine, ask| {
        engine.handle_command(Command { id: CommandId(1), ask });
        while engine.poll_event().is_some() {}
    };
    ask(&mut engine, Ask::AddConference(Conference::new(ConferenceId(1), ConferenceSettings::seats(64))));
    for id in 0..LEGS {
        let codec = if id.is_multiple_of(2) { Codec::Pcmu } else { Codec::Pcma };
        ask(&mut engine, Ask::AddLeg(engine_leg::leg(id, engine_leg::media(id, codec))));
        ask(&mut engine, Ask::Join(LegId(id), ConferenceId(1), Seat::default()));
    }
    ask(&mut engine, Ask::SetTap(LegId(3), true));

    let mut now = Time::from_millis(1);
    for sequence in 0..100 {
        step(&mut engine, &mut now, sequence);
    }
    let before = ALLOCATIONS.with(Cell::get);
    for sequence in 100..1_100 {
        step(&mut engine, &mut now, sequence);
    }
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    assert_eq!(allocations, 0, "allocations and frees in a thousand ticks");
    assert!(engine.counters().transmitted >= 1_000 * LEGS, "and the ticks did their work");
}

#[test]
fn the_watch_itself_sees_allocations() {
    let before = ALLOCATIONS.with(Cell::get);
    drop(std::hint::black_box(vec![0_u8; 100]));
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 2);
}

/// A tick with everything in it: talkers, listeners, loss, a duplicate, a stranger, junk, a key.
fn step(engine: &mut Engine, now: &mut Time, sequence: u16) {
    *now += Duration::from_millis(8);
    for id in 0..LEGS {
        let is_lost = (u64::from(sequence) + id) % 17 == 0;
        if is_lost {
            continue;
        }
        let mut packet = [0x80; 172];
        packet[1] = 0;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&(id as u32).to_be_bytes());
        give(engine, *now, id, address(id), &packet);
        if sequence.is_multiple_of(13) {
            give(engine, *now, id, address(id), &packet);
            give(engine, *now, id, address(id + 1_000), &packet);
            give(engine, *now, id, address(id), &[0xff; 30]);
        }
        if sequence % 50 == 7 {
            let mut key = [0_u8; 16];
            key.copy_from_slice(&packet[..16]);
            key[1] = 101;
            key[12..].copy_from_slice(&[5, 0x8a, 1, 0]);
            give(engine, *now, id, address(id), &key);
        }
    }
    *now += Duration::from_millis(12);
    engine.tick(*now);
    while let Some(transmit) = engine.poll_transmit() {
        std::hint::black_box(transmit);
    }
    while let Some(event) = engine.poll_event() {
        std::hint::black_box(event);
    }
    while let Some(tap) = engine.poll_tap() {
        std::hint::black_box(tap);
    }
    while let Some(retired) = engine.poll_retired() {
        std::hint::black_box(retired);
    }
}

fn give(engine: &mut Engine, received_at: Time, leg: u64, source: SocketAddr, payload: &[u8]) {
    engine.handle_datagram(LegId(leg), &Datagram { port: Port::Rtp, source, payload, received_at });
}
