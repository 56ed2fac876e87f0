//! What holds in every life of an app. Each one opens stores on a disk, so there are few by default; `PROPTEST_CASES`
//! asks for more.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::world::{CONTENTS, Op, World, op};

fn run(cases: u32, lies: bool, property: impl Fn(&[Op]) -> Result<(), TestCaseError>) {
    let mut config = ProptestConfig { failure_persistence: None, max_shrink_iters: 300, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    let mut runner = TestRunner::new(config);
    let lives = prop::collection::vec(op(lies), 1..40);
    let failure = runner.run(&lives, |ops| property(&ops)).err();
    assert!(failure.is_none(), "{}", failure.map_or(String::new(), |error| error.to_string()));
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn offline_means_proven_nothing_disappears_and_nothing_good_is_paid_for_again() {
    run(96, true, |ops| {
        block_on(async {
            let mut world = World::new(true).await;
            for op in ops {
                world.act(op).await?;
            }
            Ok(())
        })
    });
}

#[test]
fn with_an_honest_cdm_nothing_is_left_behind_when_everything_was_removed() {
    run(64, false, |ops| {
        block_on(async {
            let mut world = World::new(false).await;
            for op in ops {
                world.act(op).await?;
            }
            for content in CONTENTS {
                world.remove(content).await;
            }
            for _ in 0..3 {
                world.act(&Op::Serve(vec![0])).await?;
                world.act(&Op::Wait(86_400_000)).await?;
            }
            let left = &world.app.cdm.sessions;
            prop_assert!(left.is_empty(), "the CDM still holds {left:?}");
            Ok(())
        })
    });
}
