//! What holds in every life of an app.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::world::{CONTENTS, Op, World, op};

/// Each case opens stores on a disk; `PROPTEST_CASES` asks for more of them.
fn runner(cases: u32) -> TestRunner {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    TestRunner::new(config)
}

fn run(cases: u32, lies: bool, property: impl Fn(&[Op]) -> Result<(), TestCaseError>) {
    let lives = prop::collection::vec(op(lies), 1..40);
    let result = runner(cases).run(&lives, |ops| property(&ops));
    assert!(
        result.is_ok(),
        "{}",
        result.err().map_or(String::new(), |error| error.to_string())
    );
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
    run(48, false, |ops| {
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
