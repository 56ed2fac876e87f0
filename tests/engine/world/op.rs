//! What can happen to an app.

use electron_offline_sessions::model::Connectivity;
use proptest::prelude::*;

use super::CONTENTS;

/// By how much a clock is set that is wrong.
const YEARS: i64 = 20 * 365 * 86_400_000;

/// What happens next. `usize`s choose among what is there.
#[derive(Debug, Clone)]
pub enum Op {
    Put {
        content: usize,
        proven: bool,
    },
    Remove(usize),
    /// The CDM loses one session, keeps it without its keys, or loses all.
    Lose(usize),
    Hollow(usize),
    Invalidate,
    /// The origin's storage goes while the app is not running.
    Wipe,
    Reopen,
    Update,
    /// An update, and back in the CDM is what it had at the last `Keep`.
    Rollback,
    Keep,
    Crash,
    CdmVersion(Option<u8>),
    Capability(&'static str),
    Connect(Connectivity),
    Want(usize),
    NewRun,
    Wait(i64),
    /// One poll; the tasks' fates, 0 being honest and well.
    Serve(Vec<u8>),
}

pub fn op(lies: bool) -> impl Strategy<Value = Op> {
    let index = 0..CONTENTS.len();
    let fates = prop::collection::vec(prop_oneof![3 => Just(0_u8), 2 => any::<u8>()], 1..8);
    let capability = prop_oneof![4 => Just("supported"), 1 => Just("unsupported"), 1 => Just("unavailable")];
    let connectivity = prop::sample::select(Connectivity::ALL);
    let honest = prop_oneof![
        3 => (index.clone(), prop::bool::weighted(0.8)).prop_map(|(content, proven)| Op::Put { content, proven }),
        1 => index.clone().prop_map(Op::Remove),
        2 => index.clone().prop_map(Op::Lose),
        1 => index.clone().prop_map(Op::Hollow),
        1 => Just(Op::Invalidate),
        1 => Just(Op::Wipe),
        1 => Just(Op::Reopen),
        3 => Just(Op::Update),
        1 => Just(Op::Crash),
        1 => index.prop_map(Op::Want),
        1 => Just(Op::NewRun),
        2 => prop_oneof![Just(5_000_i64), Just(60_000), Just(86_400_000)].prop_map(Op::Wait),
        18 => fates.prop_map(Op::Serve),
    ];
    if !lies {
        return honest.boxed();
    }
    let wild = prop_oneof![
        1 => Just(Op::Rollback),
        1 => Just(Op::Keep),
        2 => prop::option::of(0..3_u8).prop_map(Op::CdmVersion),
        1 => capability.prop_map(Op::Capability),
        1 => connectivity.prop_map(Op::Connect),
        2 => prop::sample::select(&[-YEARS, YEARS]).prop_map(Op::Wait),
    ];
    prop_oneof![5 => honest, 1 => wild].boxed()
}
